// Cursor: bounded reads of one message body.
#include "howdah/wire/message.h"

#include <cstring>

namespace howdah::wire {

std::string_view Cursor::bytes(std::size_t count) {
  // `count` may come from the peer: compare with what is left, never add to a position.
  if (bad_ || count > rest_.size()) {
    bad_ = true;
    rest_ = {};
    return {};
  }
  std::string_view out = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return out;
}

std::uint8_t Cursor::u8() {
  std::string_view b = bytes(1);
  return b.empty() ? 0 : static_cast<std::uint8_t>(b[0]);
}

std::int16_t Cursor::i16() {
  std::string_view b = bytes(2);
  if (b.empty()) return 0;
  auto u = reinterpret_cast<const unsigned char*>(b.data());
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(u[0] << 8 | u[1]));
}

std::int32_t Cursor::i32() {
  std::string_view b = bytes(4);
  return b.empty() ? 0 : static_cast<std::int32_t>(read_u32(b.data()));
}

std::string_view Cursor::cstring() {
  const void* nul = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
  if (bad_ || nul == nullptr) {
    bad_ = true;
    rest_ = {};
    return {};
  }
  auto length = static_cast<std::size_t>(static_cast<const char*>(nul) - rest_.data());
  std::string_view out = rest_.substr(0, length);
  rest_.remove_prefix(length + 1);
  return out;
}

}  // namespace howdah::wire
