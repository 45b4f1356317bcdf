// Builds the console's answers: a table (RowDescription, DataRows), an error, a notice, and the
// CommandComplete and ReadyForQuery that end them. Every answer is one Buffer.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "howdah/base/buffer.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"

namespace howdah::admin {

// The column types of the console (oids).
inline constexpr std::int32_t kText = 25, kInt = 23, kBig = 20, kNumeric = 1700;

using Columns = std::span<const wire::Column>;

// One DataRow; the destructor ends the message. All values travel as text.
class Row {
 public:
  Row(base::Buffer& to, std::size_t columns);
  ~Row();
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;

  Row& null();
  Row& text(std::string_view value);
  Row& text(const std::optional<std::string>& value) { return value ? text(*value) : null(); }
  Row& text(const std::string& value) { return text(std::string_view(value)); }
  Row& text(const char* value) { return text(std::string_view(value)); }
  template <typename N>
  requires std::integral<N> Row& number(N value) { return text(base::cat(+value)); }

 private:
  wire::Message message_;
  std::size_t left_;
};

// CommandComplete and ReadyForQuery('I'): the end of every answer that is not an error.
void finish(base::Buffer& to, std::string_view tag);
// With a notice before it, if there is one.
base::Buffer done_answer(std::string_view tag, std::string_view notice = {});
// ERROR with SQLSTATE 08P01 unless told otherwise, then ReadyForQuery('I').
base::Buffer error_answer(std::string_view text, std::string_view detail = {},
                          std::string_view code = "08P01");

// What of a client's query may be echoed in an error: at most kEchoLimit bytes, never half a UTF-8
// character, never a NUL.
inline constexpr std::size_t kEchoLimit = 200;
std::string echo(std::string_view query);

}  // namespace howdah::admin
