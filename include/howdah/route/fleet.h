// All watched hosts together: which cluster each belongs to, who is its primary, how far behind
// each standby is, and so which hosts an entry may use. Rules: ../shared/design/routing.md,
// section 2.
//
//   Fleet (the monitor's thread) --view()--> FleetView (immutable, any thread) --fit()--> weights
//
// Lag without clocks: a ring of (time, position) of the primary for each system; a standby's age is
// how long ago the primary stood where the standby has replayed.
//
// Split brain: the highest timeline ever seen of a system, on any host, is kept. A writable host
// below it is never a primary, even when it is the only one; of two at the same timeline neither
// is.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "howdah/config/config.h"
#include "howdah/route/host.h"
#include "howdah/route/host_signs.h"

namespace howdah::route {

using HostId = std::uint32_t;  // index, never reused
inline constexpr HostId kNoHost = UINT32_MAX;

// What is known of a standby's distance to its primary.
struct Lag {
  bool known = false;
  std::uint64_t bytes = 0;
  Duration age{};              // at FleetView::made; grows by itself
  TimePoint replayed_as_of{};  // it has all that was acknowledged before this moment
};

struct HostView {
  Endpoint endpoint;
  Role role = Role::Unknown;
  Health health = Health::Unknown;
  Cause cause = Cause::None;
  std::string detail, identity;
  bool answers = false, read_only = false;
  bool stale_primary = false;  // writable, but of an old timeline or not alone
  std::uint32_t timeline = 0;
  std::uint64_t system = 0;
  std::uint64_t position = 0;
  Lag lag;  // standbys
  Duration latency{};
  TimePoint since{}, ramp_from = base::kNever;
  TimePoint told_at{};  // the role is what a pooled connection said then; zero: the monitor knows it
  std::uint64_t checks = 0, ejections = 0;
  bool balanced = false;              // the address leads to several servers
  std::shared_ptr<HostSigns> signs;   // the host's, for as long as it has its HostId
};

struct SystemView {
  std::uint32_t timeline = 0;
  HostId primary = kNoHost;
  bool split_brain = false;
};

struct FleetView {
  TimePoint made{};
  std::vector<HostView> hosts;  // by HostId
  std::map<std::uint64_t, SystemView> systems;
};

// Shares of an entry's hosts, in the order of `ids`: 0 = not to be used, 100 = whole.
struct Fit {
  std::vector<unsigned> weights;
  std::vector<bool> primary;  // entries with query_routing: who gets what writes; else empty
  std::string why_none;  // when all are 0
  bool ramping = false;  // weights will grow by time alone
};
Fit fit(const config::Database& entry, const std::vector<HostId>& ids, const FleetView& view,
        const HealthPolicy& policy, TimePoint now);

class Fleet {
 public:
  explicit Fleet(HealthPolicy policy) : policy_(policy) {}
  void set_policy(HealthPolicy policy) { policy_ = policy; }
  const HealthPolicy& policy() const { return policy_; }

  HostId add(const Endpoint& endpoint);  // finds or makes
  // It is watched no more: what was known of it is void.
  void forget(HostId id);
  std::size_t size() const { return hosts_.size(); }
  const HostMachine& host(HostId id) const { return hosts_[id].machine; }
  const Endpoint& endpoint(HostId id) const { return hosts_[id].endpoint; }
  HostSigns& signs(HostId id) const { return *hosts_[id].signs; }
  HostId primary_of(HostId id) const;  // of its system; kNoHost: none, or several

  // True: worth a new view at once (else only positions have moved).
  bool good(HostId id, const Sample& sample);
  bool bad(HostId id, Cause cause, std::string_view text, TimePoint now);
  bool fault(HostId id, TimePoint now);
  bool told_role(HostId id, Role role, TimePoint now) {
    return hosts_[id].machine.told_role(role, now);
  }
  // A new connection to this address turned out to lead to this server. True: another one than the
  // last that was asked, so it should be asked anew, by a new connection.
  bool told_identity(HostId id, Identity identity, TimePoint now);
  TimePoint due(HostId id, bool held) const { return hosts_[id].machine.due(policy_, held); }
  Duration patience(HostId id) const { return hosts_[id].machine.patience(policy_); }

  std::shared_ptr<const FleetView> view(TimePoint now) const;

  // Highest timelines by system, for the state file; true once after each change.
  const std::map<std::uint64_t, std::uint32_t>& timelines() const { return timelines_; }
  bool take_timelines_changed();
  void remember_timeline(std::uint64_t system, std::uint32_t timeline);

 private:
  struct Host {
    Endpoint endpoint;
    HostMachine machine;
    std::shared_ptr<HostSigns> signs = std::make_shared<HostSigns>();
    // Servers that new connections led to, the latest last; more than these are not kept.
    std::vector<Identity> met;
    TimePoint balanced_until{};
  };
  struct Point {
    TimePoint at{};
    std::uint64_t position = 0;
  };
  struct Ring {  // of one primary's timeline
    std::uint32_t timeline = 0;
    Identity identity = 0;
    std::deque<Point> points;
  };
  void note_primary(const Sample& sample);
  Lag lag_of(const Sample& standby, TimePoint now) const;
  // After whatever may have changed them, and before anybody else hears of it.
  void write_signs(TimePoint now);
  std::map<std::uint64_t, SystemView> systems() const;
  bool stale(const Host& host, const std::map<std::uint64_t, SystemView>& systems) const;
  bool meet(Host& host, Identity identity, TimePoint now);
  HealthPolicy policy_;
  std::vector<Host> hosts_;
  std::map<std::uint64_t, std::uint32_t> timelines_;
  std::map<std::uint64_t, Ring> rings_;
  bool timelines_changed_ = false;
};

}  // namespace howdah::route
