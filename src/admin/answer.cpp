// The console's answers as protocol messages.
#include "admin/answer.h"

#include <cassert>

#include "howdah/wire/error.h"

namespace howdah::admin {

Row::Row(base::Buffer& to, std::size_t columns) : message_(to, wire::be::kDataRow), left_(columns) {
  message_.i16(static_cast<std::int16_t>(columns));
}

Row::~Row() {
  assert(left_ == 0 && "a row must fill all its columns");
  message_.end();
}

Row& Row::null() {
  assert(left_ > 0);
  --left_;
  message_.i32(-1);
  return *this;
}

Row& Row::text(std::string_view value) {
  assert(left_ > 0);
  --left_;
  message_.i32(static_cast<std::int32_t>(value.size())).bytes(value);
  return *this;
}

void finish(base::Buffer& to, std::string_view tag) {
  wire::append_command_complete(to, tag);
  wire::append_ready_for_query(to, wire::TxStatus::Idle);
}

base::Buffer done_answer(std::string_view tag, std::string_view notice) {
  base::Buffer answer;
  if (!notice.empty()) {
    wire::append_notice(answer, {.severity = "NOTICE", .code = "00000", .message = notice});
  }
  finish(answer, tag);
  return answer;
}

base::Buffer error_answer(std::string_view text, std::string_view detail, std::string_view code) {
  base::Buffer answer;
  wire::append_error(answer,
                     {.severity = "ERROR", .code = code, .message = text, .detail = detail});
  wire::append_ready_for_query(answer, wire::TxStatus::Idle);
  return answer;
}

std::string echo(std::string_view query) {
  bool cut = query.size() > kEchoLimit;
  std::size_t end = cut ? kEchoLimit : query.size();
  // Not inside a character: continuation bytes are 10xxxxxx.
  for (int back = 0; cut && back < 3 && end > 0; ++back) {
    if ((static_cast<unsigned char>(query[end]) & 0xC0) != 0x80) break;
    --end;
  }
  std::string text(query.substr(0, end));
  for (char& c : text) {
    if (c == '\0') c = '?';
  }
  if (cut) text += "...";
  return text;
}

}  // namespace howdah::admin
