// ErrorResponse and NoticeResponse (PostgreSQL 15 manual, 55.8).
//
// Every field is optional when read: a server is untrusted (CVE-2026-6666).
#pragma once

#include <string>
#include <string_view>

#include "howdah/base/buffer.h"

namespace howdah::wire {

// SQLSTATEs that howdah makes by itself (compat section 0).
namespace sqlstate {
inline constexpr std::string_view kProtocolViolation = "08P01", kConnectionFailure = "08006",
    kCannotConnect = "08001", kOutcomeUnknown = "08007", kInvalidPassword = "28P01",
    kInvalidAuthorization = "28000", kNoDatabase = "3D000", kTooManyConnections = "53300",
    kQueryCanceled = "57014", kIdleInTransactionTimeout = "25P03", kTransactionTimeout = "25P04",
    kAdminShutdown = "57P01", kCannotConnectNow = "57P03", kIdleSessionTimeout = "57P05",
    kFeatureNotSupported = "0A000", kInternalError = "XX000", kConfigFile = "F0000",
    kInvalidParameter = "22023", kOutOfMemory = "53200";
}

// What a pooler-made error says. Empty detail and hint are left out.
struct ErrorText {
  std::string_view severity = "FATAL";
  std::string_view code;
  std::string_view message;
  std::string_view detail = {};
  std::string_view hint = {};
};

void append_error(base::Buffer& to, const ErrorText& error);
void append_notice(base::Buffer& to, const ErrorText& notice);

// What we read of an ErrorResponse's body. Views into the body; absent fields are empty.
struct ErrorFields {
  std::string_view severity, code, message, detail, hint, position, routine;
  bool fatal() const { return severity == "FATAL" || severity == "PANIC"; }
};
ErrorFields read_error(std::string_view body);

}  // namespace howdah::wire
