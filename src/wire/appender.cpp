// Writes messages at the tail of a Buffer, and the whole messages that the pooler makes by itself.
#include "howdah/wire/appender.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "howdah/wire/startup.h"

namespace howdah::wire {
namespace {

void store_u32(char* to, std::uint32_t value) {
  to[0] = static_cast<char>(value >> 24);
  to[1] = static_cast<char>(value >> 16);
  to[2] = static_cast<char>(value >> 8);
  to[3] = static_cast<char>(value);
}

std::int16_t type_length(std::int32_t oid) {
  switch (oid) {
    case 16:
      return 1;  // bool
    case 20:
      return 8;  // int8
    case 21:
      return 2;  // int2
    case 23:
      return 4;  // int4
    default:
      return -1;  // of varying length
  }
}

}  // namespace

Message::Message(base::Buffer& to, char type) : to_(to), start_(to.size()), typed_(type != 0) {
  char* at = to_.extend(typed_ ? kHeaderSize : 4);
  if (typed_) *at++ = type;
  store_u32(at, 0);
}

Message& Message::u8(std::uint8_t value) {
  *to_.extend(1) = static_cast<char>(value);
  return *this;
}

Message& Message::i16(std::int16_t value) {
  char* at = to_.extend(2);
  auto u = static_cast<std::uint16_t>(value);
  at[0] = static_cast<char>(u >> 8);
  at[1] = static_cast<char>(u);
  return *this;
}

Message& Message::i32(std::int32_t value) {
  store_u32(to_.extend(4), static_cast<std::uint32_t>(value));
  return *this;
}

Message& Message::bytes(std::string_view value) {
  if (!value.empty()) to_.append(value);
  return *this;
}

Message& Message::cstring(std::string_view value) {
  // A stray NUL would shift every field after this one; cutting keeps the message well formed.
  bytes(value.substr(0, value.find('\0')));
  return u8(0);
}

void Message::end() {
  if (!open_) return;
  open_ = false;
  std::size_t length = to_.size() - start_ - (typed_ ? 1 : 0);
  assert(length <= std::numeric_limits<std::int32_t>::max());
  char field[4];
  store_u32(field, static_cast<std::uint32_t>(length));
  to_.overwrite(start_ + (typed_ ? 1 : 0), {field, sizeof field});
}

void append_ready_for_query(base::Buffer& to, TxStatus status) {
  Message(to, be::kReadyForQuery).u8(static_cast<std::uint8_t>(status));
}

void append_parameter_status(base::Buffer& to, std::string_view name, std::string_view value) {
  Message(to, be::kParameterStatus).cstring(name).cstring(value);
}

void append_backend_key_data(base::Buffer& to, std::string_view key) {
  Message(to, be::kBackendKeyData).bytes(key);
}

void append_auth(base::Buffer& to, std::int32_t code, std::string_view rest) {
  Message(to, be::kAuthentication).i32(code).bytes(rest);
}

void append_query(base::Buffer& to, std::string_view sql) { Message(to, fe::kQuery).cstring(sql); }

void append_terminate(base::Buffer& to) { Message(to, fe::kTerminate); }

void append_command_complete(base::Buffer& to, std::string_view tag) {
  Message(to, be::kCommandComplete).cstring(tag);
}

void append_cancel_request(base::Buffer& to, std::string_view key) {
  Message(to, 0).i32(static_cast<std::int32_t>(kCancelRequest)).bytes(key);
}

void append_row_description(base::Buffer& to, const Column* columns, std::size_t count) {
  count = std::min<std::size_t>(count, std::numeric_limits<std::int16_t>::max());
  Message message(to, be::kRowDescription);
  message.i16(static_cast<std::int16_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    // No table, no column number; no modifier; text format.
    message.cstring(columns[i].name).i32(0).i16(0);
    message.i32(columns[i].type_oid).i16(type_length(columns[i].type_oid)).i32(-1).i16(0);
  }
}

}  // namespace howdah::wire
