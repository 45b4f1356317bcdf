// One client of the load generator, without I/O: follows the server's stream far enough to know
// when it is the client's turn again. Bodies are skipped, not kept, but for the first error.
//
//   Connecting [--'S'--> Handshake] --> Startup
//   Startup --ReadyForQuery--> Preparing --ReadyForQuery--> Idle <--ReadyForQuery-- Running
//           (Startup goes to Idle at once when there is nothing to prepare)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "load_tls.h"

namespace howdah::bench {

struct LoadClient {
  enum class State { kClosed, kConnecting, kHandshake, kStartup, kPreparing, kIdle, kRunning };

  int fd = -1;
  TlsLink tls;                   // none: plain text, or the 'S' has not come yet
  std::uint32_t connection = 0;  // how many were opened
  State state = State::kClosed;
  std::int64_t step_started_ns = 0;
  std::uint64_t queries = 0;  // in the measured interval
  bool counted_ready = false;
  bool reached_once = false;  // a first query was answered
  std::string unsent;

  // Reads `in` whole. Returns how many ReadyForQuery it held; counts and keeps errors.
  int feed(std::string_view in);

  std::uint32_t errors = 0;
  std::string error;     // the first one: "SQLSTATE text"
  bool refused = false;  // an authentication request other than "ok"

  // Forgets the stream of an old connection.
  void restart_stream() { header_size_ = skip_ = 0, body_.clear(), refused = false; }

 private:
  void message(char type, std::string_view body);

  char header_[5] = {};
  std::uint32_t header_size_ = 0;
  std::uint32_t skip_ = 0;  // bytes of the body still to come
  std::string body_;        // of an 'E' or 'R' that came in pieces
};

}  // namespace howdah::bench
