// One host as the monitor sees it: what a probe tells, and the machine that makes states of probes.
//
//   Unknown --good--> Up                      (never been probed: no ramp)
//   Up --bad, fault--> Suspect                probed at once, then without pause; no new work while
//                                             another host fits
//   Suspect --good--> Up      Suspect --`fall` bad in a row--> Ejected
//   Unknown --`fall` bad in a row--> Ejected
//   Ejected --good--> Probing --`rise` good in a row--> Up (slow_start begins)
//   Probing --bad--> Ejected       Ejected, Probing --good, as a primary--> Up at once
//
// Only transport errors, start-up and shut-down SQLSTATEs and unanswered probes are bad. A monitor
// that may not log in is no fault of the host: it lives, with an unknown role.
// Thread: the owner's. Pure: time is an argument.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "howdah/base/time.h"

namespace howdah::route {

using base::Duration;
using base::TimePoint;

enum class Role : std::uint8_t { Unknown, Primary, Standby };
enum class Health : std::uint8_t { Unknown, Up, Suspect, Ejected, Probing };
enum class Cause : std::uint8_t {
  None,
  Refused,
  Timeout,
  StartingUp,
  ShuttingDown,
  TooManyConnections,
  ConnectionLost,
  LoginFailed,
  Failed
};
std::string_view name(Role role);      // "primary"
std::string_view name(Health health);  // "up"
std::string_view name(Cause cause);    // "starting up"; "" for None

// Where a server is reached. `host` is the name in the configuration, `address` what it was found
// to be: numeric, or empty for a unix socket directory.
struct Endpoint {
  std::string host;
  std::uint16_t port = 5432;
  std::string address;
  auto operator<=>(const Endpoint&) const = default;
  std::string text() const;  // "db1:5432", "db1(10.0.0.1):5432"
};

// What one good probe tells. Unknown numbers are 0.
struct Sample {
  TimePoint sent{}, answered{};  // CLOCK_MONOTONIC; `sent` before the question left
  Role role = Role::Unknown;
  bool read_only = false;      // default_transaction_read_only
  std::uint64_t position = 0;  // primary: insert, page headers taken off; standby: replayed
  std::uint32_t timeline = 0;
  std::uint64_t system = 0;   // system identifier
  std::string identity;       // server address, port and start: one server behind this address
  bool new_connection = true;  // it tells where the address leads now; a kept one does not
  Cause doubt = Cause::None;  // LoginFailed: alive, and that is all
  std::string text;           // of the doubt
};

// [PG] An idle primary after pg_switch_wal stands behind a page header that no standby ever
// replays.
std::uint64_t without_page_header(std::uint64_t position, std::uint64_t segment_size);

struct HealthPolicy {
  Duration interval = std::chrono::seconds(1), timeout = std::chrono::seconds(1);
  Duration slow_start = std::chrono::seconds(10);
  int fall = 3, rise = 2;
  Duration freshness = std::chrono::milliseconds(10);  // while somebody waits for fresh replicas
};

class HostMachine {
 public:
  // True: something changed that others should know of.
  bool good(const Sample& sample, const HealthPolicy& policy);
  bool bad(Cause cause, std::string_view text, TimePoint now, const HealthPolicy& policy);
  // A pooled connection was lost or refused. A probe is due at once.
  bool fault(TimePoint now);
  // A pooled connection's server said its role (in_hot_standby). Counts where the monitor knows none.
  bool told_role(Role role, TimePoint now);
  TimePoint told_at() const { return told_at_; }

  // When to probe next, and how long to wait for the answer. `held`: work waits for a host.
  TimePoint due(const HealthPolicy& policy, bool held) const;
  Duration patience(const HealthPolicy& policy) const;

  Health health() const { return health_; }
  Cause cause() const { return cause_; }
  const std::string& detail() const { return detail_; }
  const Sample& last() const { return last_; }        // the last good one
  bool answers() const { return answers_; }           // the last probe was good
  TimePoint since() const { return since_; }          // in this state
  TimePoint ramp_from() const { return ramp_from_; }  // kNever: it never has to ramp
  std::uint64_t checks() const { return checks_; }
  std::uint64_t ejections() const { return ejections_; }

 private:
  void set(Health health, TimePoint now);
  Health health_ = Health::Unknown;
  Cause cause_ = Cause::None;
  std::string detail_;
  Sample last_;
  bool answers_ = false;
  int goods_ = 0, bads_ = 0;
  TimePoint since_{}, ended_{};  // ended_: of the last probe; zero: never, or one is due at once
  TimePoint ramp_from_ = base::kNever;
  TimePoint told_at_{};  // when last_.role was told by a pooled connection; zero: it was not
  std::uint64_t checks_ = 0, ejections_ = 0;
};

}  // namespace howdah::route
