// A planned change of primaries, as a machine that is told what is seen and says what to do.
//
//   Draining --no server connection of ours is on the primary--> Replaying
//   Replaying --a standby has all that was acknowledged until then--> Running | Promoting
//   Running (the command) --exit 0--> Promoting      --another exit--> Failed
//   Running --deadline--> Stopping (SIGTERM, later SIGKILL) --ended--> Failed
//   Promoting --another server is the primary, by a higher timeline--> Done
//   Draining, Replaying --the same--> Done
//   Draining, Replaying, Promoting --deadline, Ctrl-C--> Failed
//
// While none of Done and Failed is reached the primary of the beginning is *held*: no entry uses
// it. A server of a higher timeline is not held, so work goes on with the first view that shows it,
// also while the command still runs.
//
// Thread: the owner's. Pure: time is an argument.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/route/fleet.h"

namespace howdah::route {

class Switchover {
 public:
  enum class Phase : std::uint8_t {
    Draining,
    Replaying,
    Running,
    Stopping,
    Promoting,
    Done,
    Failed
  };
  // What to do with the command.
  enum class Act : std::uint8_t { None, Run, Terminate, Kill };

  // Nothing is begun without one primary and a standby whose lag is known. `ids`: the hosts of the
  // entry; `to`: the standby that shall be the primary, as "host", "host:port" or by its address;
  // empty: the first that has replayed all.
  static base::Result<Switchover> begin(const std::vector<HostId>& ids, std::string_view to,
                                        const FleetView& view, bool has_command,
                                        TimePoint deadline);

  struct Seen {
    // A fresh CLOCK_MONOTONIC, read after `servers` was counted: never the loop's cached time,
    // which may be before the last write was acknowledged.
    TimePoint now{};
    std::size_t servers = 0;      // connections of ours to old_primary(), in any state
    std::optional<int> exited{};  // the command's exit code, once
    std::string said{};           // with it: its last line
    bool canceled = false;
  };
  Act step(const FleetView& view, const Seen& seen);

  Phase phase() const { return phase_; }
  bool over() const { return phase_ == Phase::Done || phase_ == Phase::Failed; }
  // No work for this host.
  bool holds(HostId id, const FleetView& view) const;
  // All names of the server that was the primary as this began.
  const std::vector<HostId>& old_primary() const { return old_; }
  const std::vector<HostId>& candidates() const { return candidates_; }
  HostId chosen() const { return chosen_; }  // from Running or Promoting on
  // Failed: why. Done: who is the primary.
  const std::string& outcome() const { return outcome_; }

 private:
  Switchover() = default;
  void fail(const FleetView& view, std::string why);
  HostId new_primary(const FleetView& view) const;
  Act succeed(const FleetView& view, HostId now_primary);
  Act choose(const FleetView& view, TimePoint now);

  Phase phase_ = Phase::Draining;
  std::uint64_t system_ = 0;
  std::uint32_t timeline_ = 0;
  std::vector<HostId> old_, candidates_;
  HostId chosen_ = kNoHost;
  bool has_command_ = false, killed_ = false;
  TimePoint deadline_{}, drained_{}, stopping_{};
  std::string outcome_;
};

}  // namespace howdah::route
