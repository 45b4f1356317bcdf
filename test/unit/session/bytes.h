// Builds protocol messages, cuts bytes into fragments, and reads messages back, for session's tests.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/base/buffer.h"
#include "howdah/session/pieces.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/message.h"
#include "howdah/wire/startup.h"

namespace howdah::session {

// What was put there, which is gone then.
inline std::string joined(Pieces& pieces) {
  std::string all;
  for (std::string_view piece : pieces.all()) all += piece;
  pieces.clear();
  return all;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
inline std::string message(char type, std::string_view body = {}) {
  std::string out(1, type);
  out += big_endian(static_cast<std::uint32_t>(body.size() + 4));
  return out.append(body);
}
inline std::string z(std::string_view text) { return std::string(text) + '\0'; }
inline std::string query(std::string_view sql) { return message('Q', z(sql)); }
inline std::string parse(std::string_view sql) {
  return message('P', z("") + z(sql) + std::string(2, '\0'));
}
inline std::string bind() { return message('B', std::string(8, '\0')); }
inline std::string execute() { return message('E', std::string(5, '\0')); }
inline std::string sync_batch() { return message('S'); }
inline std::string batch(std::string_view sql) { return parse(sql) + bind() + execute() + sync_batch(); }
inline std::string ready(char status = 'I') { return message('Z', std::string(1, status)); }
inline std::string complete(std::string_view tag = "SELECT 1") { return message('C', z(tag)); }
inline std::string row(std::string_view bytes) { return message('D', bytes); }
inline std::string status(std::string_view name, std::string_view value) {
  return message('S', z(name) + z(value));
}
inline std::string authentication(std::int32_t code, std::string_view rest = {}) {
  return message('R', big_endian(static_cast<std::uint32_t>(code)) + std::string(rest));
}
inline std::string error(std::string_view severity, std::string_view code, std::string_view text) {
  base::Buffer out;
  wire::append_error(out, {severity, code, text});
  return std::string(out.view());
}
inline std::string notice(std::string_view text) {
  base::Buffer out;
  wire::append_notice(out, {"NOTICE", "00000", text});
  return std::string(out.view());
}
inline std::string startup_packet(const Pairs& parameters, std::uint32_t version = 3u << 16) {
  std::string body = big_endian(version);
  for (const auto& [name, value] : parameters) body += z(name) + z(value);
  body += '\0';
  return big_endian(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

// What stands in an output, message by message; empties it.
struct Seen {
  char type;
  std::string body;
};
inline std::vector<Seen> take_messages(base::Buffer& out) {
  std::vector<Seen> seen;
  wire::Header header;
  while (wire::read_header(out.view(), UINT32_MAX, header) == wire::HeaderState::Ok &&
         out.size() - wire::kHeaderSize >= header.body) {
    seen.push_back({header.type, std::string(out.view().substr(wire::kHeaderSize, header.body))});
    out.consume(wire::kHeaderSize + header.body);
  }
  return seen;
}
inline std::string types_of(const std::vector<Seen>& seen) {
  std::string types;
  for (const Seen& one : seen) types += one.type;
  return types;
}
// The text of the last ErrorResponse, "CODE text"; "" if there is none.
inline std::string error_in(const std::vector<Seen>& seen) {
  std::string text;
  for (const Seen& one : seen) {
    if (one.type != 'E') continue;
    auto fields = wire::read_error(one.body);
    text = std::string(fields.code) + " " + std::string(fields.message);
  }
  return text;
}

// Ways to cut bytes: 0 whole, 1 byte by byte, else random with that seed.
inline std::vector<std::string_view> cut(std::string_view bytes, unsigned way) {
  std::vector<std::string_view> pieces;
  std::mt19937 random(way);
  while (!bytes.empty()) {
    std::size_t size = way == 0 ? bytes.size() : way == 1 ? 1 : 1 + random() % 40;
    pieces.push_back(bytes.substr(0, size));
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  return pieces;
}
std::vector<std::string_view> cut(std::string&& dying, unsigned way) = delete;
inline constexpr unsigned kWays = 30;

}  // namespace howdah::session
