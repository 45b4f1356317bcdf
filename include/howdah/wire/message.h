// Protocol 3 messages: type bytes, the 5-byte header, and a Cursor to read bodies.
//
// PostgreSQL 15 manual, section 55.7 (Message Formats). Every message after the start-up packet is
//   type(1) length(4, big endian, counts itself but not the type) body(length - 4)
// Views point into the caller's bytes; nothing is copied.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace howdah::wire {

inline constexpr std::size_t kHeaderSize = 5;

// Sent by clients.
namespace fe {
inline constexpr char kBind = 'B', kClose = 'C', kCopyData = 'd', kCopyDone = 'c', kCopyFail = 'f',
                      kDescribe = 'D', kExecute = 'E', kFlush = 'H', kFunctionCall = 'F',
                      kParse = 'P', kPassword = 'p', kQuery = 'Q', kSync = 'S', kTerminate = 'X';
}
// Sent by servers.
namespace be {
inline constexpr char kAuthentication = 'R', kBackendKeyData = 'K', kBindComplete = '2',
                      kCloseComplete = '3', kCommandComplete = 'C', kCopyData = 'd', kCopyDone = 'c',
                      kCopyInResponse = 'G', kCopyOutResponse = 'H', kCopyBothResponse = 'W',
                      kDataRow = 'D', kEmptyQuery = 'I', kErrorResponse = 'E',
                      kFunctionCallResponse = 'V', kNegotiateProtocolVersion = 'v', kNoData = 'n',
                      kNoticeResponse = 'N', kNotificationResponse = 'A',
                      kParameterDescription = 't', kParameterStatus = 'S', kParseComplete = '1',
                      kPortalSuspended = 's', kReadyForQuery = 'Z', kRowDescription = 'T';
}

// The transaction status of a ReadyForQuery.
enum class TxStatus : char { Idle = 'I', InTransaction = 'T', Failed = 'E' };

struct Header {
  char type;
  std::uint32_t body;  // bytes after the header
};

inline std::uint32_t read_u32(const char* p) {
  auto u = reinterpret_cast<const unsigned char*>(p);
  return std::uint32_t{u[0]} << 24 | std::uint32_t{u[1]} << 16 | std::uint32_t{u[2]} << 8 | u[3];
}

enum class HeaderState { Incomplete, Ok, Malformed };

// Reads the header at the start of `bytes`. Malformed: a length below 4 or above `max_message`
// (which counts as the length field does).
inline HeaderState read_header(std::string_view bytes, std::uint32_t max_message, Header& out) {
  if (bytes.size() < kHeaderSize) return HeaderState::Incomplete;
  std::uint32_t length = read_u32(bytes.data() + 1);
  if (length < 4 || length > max_message) return HeaderState::Malformed;
  out = {bytes[0], length - 4};
  return HeaderState::Ok;
}

// Reads fields of one message body. A read past the end sets `bad` and yields zero or empty; the
// caller checks ok() once at the end. Bounds are checked by subtract-and-compare.
class Cursor {
 public:
  explicit Cursor(std::string_view body) : rest_(body) {}

  std::uint8_t u8();
  std::int16_t i16();
  std::int32_t i32();
  std::string_view bytes(std::size_t count);
  std::string_view cstring();  // up to and without the NUL, which must be there
  std::string_view rest() const { return rest_; }
  bool ok() const { return !bad_; }
  bool done() const { return !bad_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool bad_ = false;
};

}  // namespace howdah::wire
