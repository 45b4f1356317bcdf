// The two directions of a linked pair, as two machines that share no framing state.
//
// Bodies are not looked at and not copied: each machine walks the 5-byte headers of a chunk and says
// how much of its start may be sent on as it is. Only ErrorResponse, ParameterStatus and
// ReadyForQuery are looked into, and therefore held until whole (up to kMaxHeld).
//
//   client chunk --ClientStream::forward--> prefix to the server,  Owed::sent() per header
//   server chunk --ServerStream::forward--> prefix to the client,  stops behind the ReadyForQuery
//                                                                  after which nothing is owed
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "howdah/session/owed.h"
#include "howdah/session/parameters.h"
#include "howdah/wire/message.h"

namespace howdah::session {

inline constexpr std::size_t kMaxHeld = 64 * 1024;

// Client to server: belongs to the client session.
class ClientStream {
 public:
  enum class Stop {
    Bytes,       // all of the chunk is taken but for an incomplete header
    Terminate,   // the client said goodbye
    Violation,   // error() says what
  };
  struct Taken {
    std::size_t forward = 0;  // bytes at the start of the chunk to send on
    Stop stop = Stop::Bytes;
  };
  Taken forward(std::string_view chunk, std::uint32_t max_packet, Owed& owed);
  // The same walk for a client that has no server: drops late CopyData, CopyDone, CopyFail, and the
  // rest of a message that is to be dropped. Gives the bytes to drop.
  std::size_t drop_late_copy(std::string_view chunk, std::uint32_t max_packet);

  bool at_boundary() const { return body_left_ == 0; }
  // disable_pqexec: a Query is a violation.
  void forbid_query(bool forbidden) { query_forbidden_ = forbidden; }
  const char* error() const { return error_; }

 private:
  std::uint32_t body_left_ = 0;
  bool query_forbidden_ = false;
  const char* error_ = nullptr;
};

// True for a byte that may start a message of a logged-in client.
bool is_client_message(char type);

// Server to client: belongs to the server session.
class ServerStream {
 public:
  enum class Event {
    Bytes,      // all taken but for an incomplete header or held message
    Settled,    // a ReadyForQuery came and nothing is owed: tx() says in which state
    Violation,  // error() says what: close this server
  };
  struct Taken {
    std::size_t forward = 0;
    Event event = Event::Bytes;
  };
  // `client` is null while an internal query runs or no client is linked.
  Taken forward(std::string_view chunk, const TrackedNames& names, Parameters& server,
                Parameters* client, Owed& owed);

  wire::TxStatus tx() const { return tx_; }
  void set_tx(wire::TxStatus tx) { tx_ = tx; }
  bool at_boundary() const { return body_left_ == 0; }
  // COPY FROM STDIN began since clear_error().
  bool copy_in_begun() const { return copy_in_begun_; }
  // The last ErrorResponse seen since clear_error() was FATAL or PANIC: the client has been told why the server goes.
  bool saw_fatal() const { return saw_fatal_; }
  // True once any ErrorResponse was seen since clear_error(); its text.
  bool saw_error() const { return saw_error_; }
  const std::string& error_text() const { return error_text_; }
  const std::string& error_code() const { return error_code_; }
  void clear_error();
  void keep_error_text(bool keep) { keep_error_text_ = keep; }
  const char* error() const { return error_; }

 private:
  bool look(char type, std::string_view body, const TrackedNames& names, Parameters& server,
            Parameters* client, Owed& owed, bool& ready);
  std::uint32_t body_left_ = 0;
  wire::TxStatus tx_ = wire::TxStatus::Idle;
  bool saw_fatal_ = false, saw_error_ = false, keep_error_text_ = false, copy_in_begun_ = false;
  std::string error_text_, error_code_;
  const char* error_ = nullptr;
};

}  // namespace howdah::session
