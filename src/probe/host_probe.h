// One host's connection and its present probe, by libpq's asynchronous calls.
//
//   Idle --begin--> Connecting --> Asking --answer--> Idle, connection kept
//     |                |              |
//     +----------------+--------------+--failure, time-out--> Idle, connection closed
//
// A kept connection that turns out to be dead is no failure of the host: the probe goes on with a
// new one, in the same time. An answer or failure is told by step()'s result, once for each
// begin(). Thread: the monitor's.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "howdah/probe/monitor.h"
#include "howdah/route/host.h"

namespace howdah::probe {

using base::Duration;
using base::TimePoint;

struct Failure {
  route::Cause cause = route::Cause::Failed;
  std::string text;
};
using Outcome = std::variant<std::monostate, route::Sample, Failure>;

class HostProbe {
 public:
  HostProbe(route::Endpoint endpoint, Login login);

  void set_login(const Login& login);
  Outcome begin(TimePoint now, Duration patience);
  // Something happened on fd(), or time has passed.
  Outcome step(TimePoint now, bool ready);
  bool busy() const { return state_ != State::Idle; }
  TimePoint deadline() const { return busy() ? deadline_ : base::kNever; }
  int fd() const;        // -1: none
  short events() const;  // for poll(2)
  // An idle connection said something: true if it is dead.
  bool idle_died();
  void close();

 private:
  enum class State { Idle, Connecting, Asking };
  struct Closer {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  Outcome connect();
  Outcome ask();
  Outcome connecting();
  Outcome asking();
  Outcome failed(Failure failure);
  std::optional<route::Sample> read(const PGresult* result) const;

  route::Endpoint endpoint_;
  Login login_;
  std::unique_ptr<PGconn, Closer> connection_;
  State state_ = State::Idle;
  bool kept_ = false;   // the connection is from an earlier probe
  bool plain_ = false;  // this server lacks functions of PostgreSQL's: only the role is asked
  PostgresPollingStatusType wants_ = PGRES_POLLING_WRITING;
  std::string error_;  // of the statement
  std::optional<route::Sample> sample_;
  TimePoint sent_{}, deadline_{};
};

// What libpq's or the server's words mean. Exposed for tests.
Failure classify(std::string_view message);

}  // namespace howdah::probe
