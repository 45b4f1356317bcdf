// Writes protocol messages at the tail of a Buffer: begin a message, append fields, end it (which
// fills in the length). One Message object at a time per Buffer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "howdah/base/buffer.h"
#include "howdah/wire/message.h"

namespace howdah::wire {

class Message {
 public:
  // `type` 0 makes a message without type byte (start-up packets).
  Message(base::Buffer& to, char type);
  ~Message() { end(); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  Message& u8(std::uint8_t value);
  Message& i16(std::int16_t value);
  Message& i32(std::int32_t value);
  Message& bytes(std::string_view value);
  Message& cstring(std::string_view value);  // adds the NUL; value must have none
  void end();

 private:
  base::Buffer& to_;
  std::size_t start_;
  bool typed_;
  bool open_ = true;
};

// Whole messages that the pooler makes by itself.
void append_ready_for_query(base::Buffer& to, TxStatus status);
void append_parameter_status(base::Buffer& to, std::string_view name, std::string_view value);
void append_backend_key_data(base::Buffer& to, std::string_view key);
void append_auth(base::Buffer& to, std::int32_t code, std::string_view rest = {});
void append_query(base::Buffer& to, std::string_view sql);
void append_terminate(base::Buffer& to);
void append_command_complete(base::Buffer& to, std::string_view tag);
void append_cancel_request(base::Buffer& to, std::string_view key);
// Columns are text unless `is_number` (then oid 20 or 1700, as the console's).
struct Column {
  std::string_view name;
  std::int32_t type_oid;  // 25 text, 23 int4, 20 int8, 1700 numeric, 17 bytea
};
void append_row_description(base::Buffer& to, const Column* columns, std::size_t count);

// AuthenticationXXX codes (section 55.7).
inline constexpr std::int32_t kAuthOk = 0, kAuthCleartext = 3, kAuthMd5 = 5, kAuthSasl = 10,
                              kAuthSaslContinue = 11, kAuthSaslFinal = 12;

}  // namespace howdah::wire
