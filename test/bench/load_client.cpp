#include "load_client.h"

#include <algorithm>
#include <cstring>

#include "pg_bytes.h"

namespace howdah::bench {
namespace {

constexpr std::size_t kKeptBody = 2000;

bool looked_into(char type) { return type == 'E' || type == 'R'; }

// "SQLSTATE text" of an ErrorResponse.
std::string describe_error(std::string_view body) {
  std::string code;
  std::string text;
  while (!body.empty() && body[0] != '\0') {
    const char field = body[0];
    const std::size_t end = std::min(body.find('\0'), body.size());
    if (field == 'C') code = body.substr(1, end - 1);
    if (field == 'M') text = body.substr(1, end - 1);
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return code + " " + text;
}

}  // namespace

int LoadClient::feed(std::string_view in) {
  int turns = 0;
  while (!in.empty()) {
    if (header_size_ == 5) {
      const std::size_t n = std::min<std::size_t>(skip_, in.size());
      if (looked_into(header_[0])) {
        body_.append(in.substr(0, std::min(n, kKeptBody - std::min(kKeptBody, body_.size()))));
      }
      skip_ -= static_cast<std::uint32_t>(n);
      in.remove_prefix(n);
      if (skip_ != 0) return turns;
    } else {
      const std::size_t n = std::min<std::size_t>(5 - header_size_, in.size());
      std::memcpy(header_ + header_size_, in.data(), n);
      header_size_ += static_cast<std::uint32_t>(n);
      in.remove_prefix(n);
      if (header_size_ < 5) return turns;
      const std::uint32_t length = read_u32(header_ + 1);
      if (length < 4) {
        ++errors;
        error = "broken framing";
        return turns;
      }
      skip_ = length - 4;
      if (skip_ != 0) continue;
    }
    if (header_[0] == 'Z') ++turns;
    if (looked_into(header_[0])) message(header_[0], body_);
    header_size_ = 0;
    body_.clear();
  }
  return turns;
}

void LoadClient::message(char type, std::string_view body) {
  if (type == 'E') {
    if (errors++ == 0) error = describe_error(body);
  } else if (body.size() < 4 || read_u32(body.data()) != 0) {
    if (errors++ == 0) error = "the pooler asks for a password; bench_load only knows trust";
    refused = true;
  }
}

}  // namespace howdah::bench
