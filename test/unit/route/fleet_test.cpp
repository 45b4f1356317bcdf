// Hosts by what probes tell: health, primaries, timelines, lag, and which of them an entry may use.
#include <doctest/doctest.h>

#include "howdah/route/fleet.h"

using namespace howdah::route;
using namespace std::chrono_literals;
using howdah::config::TargetAttrs;

namespace {

const HealthPolicy kPolicy;

struct World {
  World() : fleet(kPolicy) {
    for (const char* name : {"a", "b", "c"}) ids.push_back(fleet.add({name, 5432, name}));
  }
  Sample sample(Role role, std::uint64_t position, std::uint32_t timeline = 1) const {
    Sample made;
    made.sent = now;
    made.answered = now + 1ms;
    made.role = role;
    made.position = position;
    made.timeline = timeline;
    made.system = 77;
    return made;
  }
  void primary(HostId id, std::uint64_t position = 1000, std::uint32_t timeline = 1) {
    Sample made = sample(Role::Primary, position, timeline);
    made.identity = std::to_string(id);
    fleet.good(id, made);
  }
  void standby(HostId id, std::uint64_t position = 1000, std::uint32_t timeline = 1) {
    Sample made = sample(Role::Standby, position, timeline);
    made.identity = std::to_string(id);
    fleet.good(id, made);
  }
  Signs signs(HostId id) { return fleet.signs(id).read(); }
  bool fresh(HostId id) { return signs(id).replayed_as_of != TimePoint{}; }
  static Identity who(int id) { return identity_of(std::to_string(id)); }
  void dead(HostId id) {
    for (int i = 0; i < 3; ++i) fleet.bad(id, Cause::Refused, "", now);
  }
  void usual() {
    primary(0);
    standby(1);
    standby(2);
  }
  std::vector<unsigned> weights(TargetAttrs attrs) {
    entry.target_session_attrs = attrs;
    last = fit(entry, ids, *fleet.view(now), kPolicy, now);
    return last.weights;
  }
  using Weights = std::vector<unsigned>;
  Fleet fleet;
  std::vector<HostId> ids;
  TimePoint now{1000s};
  howdah::config::Database entry;
  Fit last;
};
using Weights = std::vector<unsigned>;

}  // namespace

TEST_CASE("target_session_attrs choose among the roles") {
  World world;
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  world.usual();
  CHECK(world.weights(TargetAttrs::Primary) == Weights{100, 0, 0});
  CHECK(world.weights(TargetAttrs::ReadWrite) == Weights{100, 0, 0});
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
  CHECK(world.weights(TargetAttrs::ReadOnly) == Weights{0, 100, 100});
  CHECK(world.weights(TargetAttrs::PreferStandby) == Weights{0, 100, 100});
  CHECK(world.weights(TargetAttrs::Any) == Weights{100, 100, 100});
  world.dead(1);
  world.dead(2);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 0});
  CHECK(world.last.why_none == "no host that fits is there");
  CHECK(world.weights(TargetAttrs::PreferStandby) == Weights{100, 0, 0});
}

TEST_CASE("prefer-standby waits for the first probe of every host") {
  World world;
  world.primary(0);
  world.standby(1);
  CHECK(world.weights(TargetAttrs::PreferStandby) == Weights{0, 100, 0});
  World other;
  other.primary(0);
  CHECK(other.weights(TargetAttrs::PreferStandby) == Weights{0, 0, 0});
}

TEST_CASE("a suspect takes no new work while another host fits, and all of it when none does") {
  World world;
  world.usual();
  world.fleet.bad(1, Cause::Timeout, "", world.now);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 100});
  world.fleet.fault(2, world.now);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
  CHECK(world.weights(TargetAttrs::PreferStandby) == Weights{100, 0, 0});
  world.fleet.fault(0, world.now);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{100, 0, 0});
}

TEST_CASE("an ejected standby comes back after rise good probes, with a ramp; a primary at once") {
  World world;
  world.usual();
  world.dead(0);
  world.dead(1);
  CHECK(world.fleet.host(1).health() == Health::Ejected);
  world.standby(1);
  CHECK(world.fleet.host(1).health() == Health::Probing);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 100});
  world.standby(1);
  CHECK(world.fleet.host(1).health() == Health::Up);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 10, 100});
  CHECK(world.last.ramping);
  world.now += 5s;
  CHECK(world.weights(TargetAttrs::Standby)[1] >= 45);
  world.now += 6s;
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
  CHECK(!world.last.ramping);
  world.primary(0);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{100, 0, 0});
}

TEST_CASE("a suspect is probed soon, an ejected host with back-off, all of them while work waits") {
  World world;
  world.usual();
  TimePoint probed = world.now + 1ms;
  CHECK(world.fleet.due(1, false) >= probed + 900ms);
  CHECK(world.fleet.due(1, false) <= probed + 1100ms);
  CHECK(world.fleet.due(1, true) == probed + 100ms);
  world.fleet.bad(1, Cause::Refused, "", world.now);
  CHECK(world.fleet.due(1, false) == world.now + 250ms);
  world.fleet.bad(1, Cause::Timeout, "", world.now);
  CHECK(world.fleet.due(1, false) == world.now);
  CHECK(world.fleet.patience(1) == 500ms);
  for (int i = 0; i < 10; ++i) world.fleet.bad(1, Cause::Refused, "", world.now);
  CHECK(world.fleet.due(1, false) >= world.now + 900ms);
  CHECK(world.fleet.due(1, false) <= world.now + 1200ms);
  // A storm of lost connections is one suspicion.
  world.standby(2);
  for (int i = 0; i < 100; ++i) world.fleet.fault(2, world.now);
  CHECK(world.fleet.host(2).health() == Health::Suspect);
  CHECK(world.fleet.due(2, false) == TimePoint{});
}

TEST_CASE("a writable host of an old timeline never gets a write, not even alone") {
  World world;
  world.usual();
  world.dead(0);
  world.primary(1, 2000, 2);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 100, 0});
  world.primary(0, 3000, 1);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 100, 0});
  CHECK(world.fleet.view(world.now)->hosts[0].stale_primary);
  world.dead(1);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  CHECK(world.last.why_none.find("old timeline") != std::string::npos);
  // Also in a process that starts with what another one kept.
  World second;
  second.fleet.remember_timeline(77, 2);
  second.primary(0, 3000, 1);
  CHECK(second.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  // A standby that follows the new timeline is proof enough.
  World third;
  third.primary(0, 3000, 1);
  third.standby(1, 100, 2);
  CHECK(third.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
}

TEST_CASE("of two writable hosts of one timeline neither is written to") {
  World world;
  world.usual();
  world.primary(1);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  CHECK(world.last.why_none.find("split brain") != std::string::npos);
  CHECK(world.fleet.view(world.now)->systems.at(77).split_brain);
}

TEST_CASE("hosts of another cluster are left alone; without a majority all are") {
  World world;
  world.usual();
  Sample foreign = world.sample(Role::Standby, 1000);
  foreign.system = 88;
  world.fleet.good(2, foreign);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 0});
  CHECK(world.weights(TargetAttrs::Any) == Weights{100, 100, 0});
  world.ids = {0, 2};
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 0});
  CHECK(world.last.why_none == "hosts belong to different clusters");
}

TEST_CASE("lag is told in bytes and, by the primary's own samples, in time") {
  World world;
  world.usual();
  for (int second = 1; second <= 10; ++second) {
    world.now += 1s;
    world.primary(0, 1000 + 100u * static_cast<unsigned>(second));
  }
  world.standby(1, 2000);
  world.standby(2, 1450);
  auto view = world.fleet.view(world.now);
  CHECK(view->hosts[1].lag.known);
  CHECK(view->hosts[1].lag.bytes == 0);
  CHECK(view->hosts[1].lag.age == 0s);
  CHECK(view->hosts[2].lag.bytes == 550);
  CHECK(view->hosts[2].lag.age == 5s);  // the primary was beyond it 5 s ago
  CHECK(view->hosts[2].lag.replayed_as_of == world.now - 6s);
  world.entry.max_replica_lag_time = 4s;
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 0});
  world.entry.max_replica_lag_time = 6s;
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
  world.now += 2s;  // it grows by itself
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 0});
  world.entry.max_replica_lag = 500;
  world.entry.max_replica_lag_time = {};
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 0});
  world.entry.max_replica_lag = 600;
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
}

TEST_CASE("what nobody knows is no small lag: old news, other timelines, hosts that don't say") {
  World world;
  world.usual();
  world.entry.max_replica_lag_time = 1s;
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
  world.standby(1, 0);  // no position
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 100});
  world.now += 10s;  // no sample of the primary for so long
  world.standby(1);
  world.standby(2);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 0});
  CHECK(world.last.why_none == "all standbys are too far behind");
  world.primary(0, 1000, 2);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 0});
  world.standby(1, 1000, 2);
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 0});
}

TEST_CASE("without a monitor's login roles are found out by pooled connections") {
  World world;
  auto alive = [&](HostId id) {
    Sample made;
    made.sent = made.answered = world.now;
    made.doubt = Cause::LoginFailed;
    world.fleet.good(id, made);
  };
  for (HostId id : world.ids) alive(id);
  // Any of them may be what is wanted.
  CHECK(world.weights(TargetAttrs::Primary) == Weights{100, 100, 100});
  CHECK(world.weights(TargetAttrs::Standby) == Weights{100, 100, 100});
  world.fleet.told_role(1, Role::Standby, world.now);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{100, 0, 100});
  CHECK(world.weights(TargetAttrs::Standby) == Weights{100, 100, 100});
  world.fleet.told_role(0, Role::Primary, world.now);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{100, 0, 0});
  CHECK(world.weights(TargetAttrs::PreferStandby) == Weights{0, 100, 100});
  world.fleet.told_role(2, Role::Standby, world.now);
  alive(2);  // the next probe knows no better
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 100, 100});
  // A lag that nobody can know is no small one.
  world.entry.max_replica_lag = 1000;
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 0});
  world.entry.max_replica_lag = 0;
  // The primary is gone: the others may have changed, which a login will tell.
  world.dead(0);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  world.now += 2s;
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 100, 100});
  world.fleet.told_role(1, Role::Primary, world.now);
  CHECK(world.weights(TargetAttrs::Primary) == Weights{0, 100, 0});
  CHECK(world.weights(TargetAttrs::Standby) == Weights{0, 0, 100});
  // A lost connection: it may come back as something else.
  world.fleet.fault(2, world.now);
  CHECK(world.fleet.view(world.now)->hosts[2].role == Role::Unknown);
}

TEST_CASE("where timelines are known a host that the monitor cannot enter is no primary") {
  World world;
  world.usual();
  world.dead(0);
  Sample alive;
  alive.sent = alive.answered = world.now;
  alive.doubt = Cause::LoginFailed;
  World other;
  other.standby(1);
  other.fleet.good(0, alive);
  CHECK(other.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  other.fleet.told_role(0, Role::Primary, other.now);
  CHECK(other.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  other.now += 2s;
  CHECK(other.weights(TargetAttrs::Primary) == Weights{0, 0, 0});
  CHECK(other.weights(TargetAttrs::Standby) == Weights{0, 100, 0});
}

TEST_CASE("an insert position behind a bare page header counts as the page's start") {
  constexpr std::uint64_t kSegment = 16 << 20;
  CHECK(without_page_header(5 * kSegment + 40, kSegment) == 5 * kSegment);
  CHECK(without_page_header(5 * kSegment + 24, kSegment) == 5 * kSegment + 24);
  CHECK(without_page_header(5 * kSegment + 8192 + 24, kSegment) == 5 * kSegment + 8192);
  CHECK(without_page_header(5 * kSegment + 8192 + 40, kSegment) == 5 * kSegment + 8192 + 40);
  CHECK(without_page_header(100, kSegment) == 100);
}
