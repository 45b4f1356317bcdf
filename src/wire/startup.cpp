// Packets that open a connection, and the `options` parameter inside one.
#include "howdah/wire/startup.h"

#include <algorithm>
#include <optional>

#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

namespace howdah::wire {
namespace {

constexpr std::size_t kPacketHeader = 8;  // length and code
// Process id and secret; the secret of protocol 3.2 may have up to 256 bytes.
constexpr std::size_t kMinCancelKey = 4 + 4, kMaxCancelKey = 4 + 256;

base::Error violation(std::string text) {
  return {std::string(sqlstate::kProtocolViolation), std::move(text)};
}

base::Error bad_header(std::string_view bytes) {
  return violation(
      base::cat("bad packet header: '", base::hex(bytes.substr(0, kPacketHeader)), "'"));
}

base::Result<Startup> read_parameters(std::uint32_t version, std::string_view body) {
  Startup out;
  out.version = version;
  Cursor cursor(body);
  while (cursor.ok()) {
    std::string_view name = cursor.cstring();
    if (name.empty()) break;  // the terminator, or a string that is cut
    std::string_view value = cursor.cstring();
    if (cursor.ok()) out.parameters.emplace_back(name, value);
  }
  if (!cursor.done()) {
    return violation("invalid startup packet layout: expected terminator as last byte");
  }
  return out;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The next word with its escapes undone; nothing at the end. A lone backslash at the end is
// dropped, as PostgreSQL does.
std::optional<std::string> next_word(std::string_view& rest) {
  while (!rest.empty() && is_blank(rest[0])) rest.remove_prefix(1);
  if (rest.empty()) return std::nullopt;
  std::string word;
  while (!rest.empty() && !is_blank(rest[0])) {
    if (rest[0] == '\\') rest.remove_prefix(1);
    if (rest.empty()) break;
    word += rest[0];
    rest.remove_prefix(1);
  }
  return word;
}

}  // namespace

const std::string* Startup::find(std::string_view name) const {
  // The last one counts, as it does for PostgreSQL.
  auto it = std::find_if(parameters.rbegin(), parameters.rend(),
                         [&](const auto& parameter) { return parameter.first == name; });
  return it == parameters.rend() ? nullptr : &it->second;
}

base::Result<StartupRead> read_startup(std::string_view bytes) {
  if (!bytes.empty() && bytes[0] == fe::kPassword) {
    return violation("client password pkt before startup packet");
  }
  // No packet is shorter than 8 bytes; waiting for them makes the error text independent of how
  // the network cut the bytes.
  if (bytes.size() < kPacketHeader) return StartupRead{NeedMore{}, 0};
  std::uint32_t length = read_u32(bytes.data());
  std::uint32_t code = read_u32(bytes.data() + 4);
  if (length < kPacketHeader || length > kMaxStartup) return bad_header(bytes);

  switch (code) {
    case kSslRequest:
      if (length != kPacketHeader) return bad_header(bytes);
      return StartupRead{SslRequest{}, length};
    case kGssEncRequest:
      if (length != kPacketHeader) return bad_header(bytes);
      return StartupRead{GssEncRequest{}, length};
    case kCancelRequest:
      if (length < kPacketHeader + kMinCancelKey || length > kPacketHeader + kMaxCancelKey) {
        return bad_header(bytes);
      }
      if (bytes.size() < length) return StartupRead{NeedMore{}, 0};
      return StartupRead{
          CancelRequest{std::string(bytes.substr(kPacketHeader, length - kPacketHeader))}, length};
    default:
      break;
  }
  if (code >> 16 == 2) return violation("old V2 protocol not supported");
  if (code >> 16 != 3) return bad_header(bytes);
  if (bytes.size() < length) return StartupRead{NeedMore{}, 0};
  auto startup = read_parameters(code, bytes.substr(kPacketHeader, length - kPacketHeader));
  if (!startup) return startup.error();
  return StartupRead{std::move(*startup), length};
}

void append_startup(base::Buffer& to,
                    const std::vector<std::pair<std::string, std::string>>& parameters) {
  Message message(to, 0);
  message.i32(static_cast<std::int32_t>(kProtocol30));
  // An empty name would be read as the end of the list.
  for (const auto& [name, value] : parameters) {
    if (!name.empty()) message.cstring(name).cstring(value);
  }
  message.u8(0);
}

void append_ssl_request(base::Buffer& to) {
  Message(to, 0).i32(static_cast<std::int32_t>(kSslRequest));
}

base::Result<std::vector<std::pair<std::string, std::string>>> parse_options(
    std::string_view options) {
  const auto unsupported = [] {
    return violation(
        "unsupported options startup parameter: only '-c config=val' and '--config=val' are "
        "allowed");
  };
  std::vector<std::pair<std::string, std::string>> out;
  while (auto word = next_word(options)) {
    std::string setting;
    if (*word == "-c") {
      auto next = next_word(options);
      if (!next) return unsupported();
      setting = std::move(*next);
    } else if (word->starts_with("-c") || word->starts_with("--")) {
      setting = word->substr(2);
    } else {
      return unsupported();
    }
    std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) return unsupported();
    std::string name = setting.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    out.emplace_back(std::move(name), setting.substr(equals + 1));
  }
  return out;
}

}  // namespace howdah::wire
