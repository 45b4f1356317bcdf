// ErrorResponse and NoticeResponse: fields of a type byte and a string, ended by a zero byte.
#include "howdah/wire/error.h"

#include "howdah/wire/appender.h"

namespace howdah::wire {
namespace {

void append_fields(base::Buffer& to, char type, const ErrorText& text) {
  Message message(to, type);
  auto field = [&](char code, std::string_view value) {
    message.u8(static_cast<std::uint8_t>(code)).cstring(value);
  };
  field('S', text.severity);
  field('V', text.severity);
  // Clients take a SQLSTATE for granted.
  field('C', text.code.empty() ? sqlstate::kInternalError : text.code);
  field('M', text.message);
  if (!text.detail.empty()) field('D', text.detail);
  if (!text.hint.empty()) field('H', text.hint);
  message.u8(0);
}

}  // namespace

void append_error(base::Buffer& to, const ErrorText& error) {
  append_fields(to, be::kErrorResponse, error);
}

void append_notice(base::Buffer& to, const ErrorText& notice) {
  append_fields(to, be::kNoticeResponse, notice);
}

ErrorFields read_error(std::string_view body) {
  ErrorFields out;
  std::string_view localized;
  Cursor cursor(body);
  while (std::uint8_t type = cursor.u8()) {
    std::string_view value = cursor.cstring();
    if (!cursor.ok()) break;
    switch (type) {
      case 'S':
        localized = value;
        break;
      case 'V':
        out.severity = value;
        break;
      case 'C':
        out.code = value;
        break;
      case 'M':
        out.message = value;
        break;
      case 'D':
        out.detail = value;
        break;
      case 'H':
        out.hint = value;
        break;
      case 'P':
        out.position = value;
        break;
      case 'R':
        out.routine = value;
        break;
      default:
        break;  // fields may be added by later servers
    }
  }
  // 'S' may be translated by the server's lc_messages; servers before 9.6 have only that.
  if (out.severity.empty()) out.severity = localized;
  return out;
}

}  // namespace howdah::wire
