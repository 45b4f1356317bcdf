// Freshness as workers read it: what may be trusted, and when it is withdrawn.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "howdah/route/fleet.h"

using namespace howdah::route;
using namespace std::chrono_literals;

namespace {

struct World {
  World() {
    for (const char* name : {"a", "b", "c"}) fleet.add({name, 5432, name});
    see(0, Role::Primary, 1000);
    see(1, Role::Standby, 1000);
    see(2, Role::Standby, 1000);
  }
  Sample sample(Role role, std::uint64_t position, std::uint32_t timeline, const std::string& who) {
    Sample made;
    made.sent = now;
    made.answered = now + 1ms;
    made.role = role;
    made.position = position;
    made.timeline = timeline;
    made.system = 77;
    made.identity = who;
    return made;
  }
  void see(HostId id, Role role, std::uint64_t position, std::uint32_t timeline = 1,
           std::string who = "") {
    if (who.empty()) who = std::to_string(id);
    fleet.good(id, sample(role, position, timeline, who));
  }
  void step() { now += 10ms; }
  Signs signs(HostId id) { return fleet.signs(id).read(); }
  bool fresh(HostId id) { return signs(id).replayed_as_of != TimePoint{}; }
  Fleet fleet{HealthPolicy{}};
  TimePoint now{1000s};
};

Identity who(const char* text) { return identity_of(text); }

}  // namespace

TEST_CASE("a replica is as fresh as the latest stamp whose position it has replayed") {
  World world;
  TimePoint first = world.now;
  CHECK(world.signs(1).replayed_as_of == first);
  CHECK(world.signs(1).primary == who("0"));
  CHECK(world.signs(0).leads);
  world.step();
  world.see(0, Role::Primary, 1100);
  CHECK(world.signs(1).replayed_as_of == first);
  world.step();
  TimePoint third = world.now;
  world.see(0, Role::Primary, 1200);
  world.see(1, Role::Standby, 1150);
  CHECK(world.signs(1).replayed_as_of == third - 10ms);
  world.see(1, Role::Standby, 1199);
  CHECK(world.signs(1).replayed_as_of == third - 10ms);
  world.see(1, Role::Standby, 1200);
  CHECK(world.signs(1).replayed_as_of == third);
  // An idle primary: the same position, as of later.
  world.step();
  world.see(0, Role::Primary, 1200);
  CHECK(world.signs(1).replayed_as_of == third + 10ms);
}

TEST_CASE("a read is shown a write only by stamps of the server that took it, strictly after it") {
  World world;
  Signs signs = world.signs(1);
  TimePoint stamp = signs.replayed_as_of;
  CHECK(signs.shows(stamp - 1us, who("0"), who("1")));
  CHECK(!signs.shows(stamp, who("0"), who("1")));
  CHECK(!signs.shows(stamp - 1us, who("9"), who("1")));  // the write went elsewhere
  CHECK(!signs.shows(stamp - 1us, 0, who("1")));
  CHECK(!signs.shows(stamp - 1us, who("0"), who("2")));  // the connection leads elsewhere
  CHECK(!signs.shows(stamp - 1us, who("0"), 0));
}

TEST_CASE("a new timeline voids every stamp until replicas are known to be on it") {
  World world;
  world.step();
  world.see(1, Role::Primary, 1500, 2);
  CHECK(!world.fresh(2));
  CHECK(!world.fresh(0));
  CHECK(world.signs(1).leads);
  CHECK(!world.signs(0).leads);
  // The old one lives on: what it says counts no more.
  world.see(0, Role::Primary, 2000, 1);
  world.see(2, Role::Standby, 2000, 1);
  CHECK(!world.fresh(2));
  TimePoint second = world.now;
  world.see(2, Role::Standby, 1500, 2);
  CHECK(world.signs(2).replayed_as_of == second);
  CHECK(world.signs(2).primary == who("1"));
}

TEST_CASE("a standby's newer timeline alone voids the stamps") {
  World world;
  world.see(2, Role::Standby, 1000, 2);
  CHECK(!world.fresh(1));
  CHECK(!world.fresh(2));
  CHECK(!world.signs(0).leads);
}

TEST_CASE("a primary that was started anew begins with new stamps") {
  World world;
  world.step();
  world.see(0, Role::Primary, 900, 1, "0 again");  // the end of its log was lost
  CHECK(world.signs(1).primary == who("0 again"));
  CHECK(world.signs(1).replayed_as_of == world.now);
  world.see(1, Role::Standby, 890);
  CHECK(!world.fresh(1));
}

TEST_CASE("an address that leads to another server: stamps are of the new one only") {
  World world;
  world.step();
  world.see(0, Role::Primary, 5000, 1, "moved");
  CHECK(!world.fresh(1));
  CHECK(world.signs(0).identity == who("moved"));
  // Its standby, restarted on something else.
  world.see(1, Role::Standby, 5000, 1, "1 again");
  CHECK(world.signs(1).identity == who("1 again"));
  CHECK(!world.signs(1).shows(world.now - 1us, who("moved"), who("1")));
  CHECK(world.signs(1).shows(world.now - 1us, who("moved"), who("1 again")));
}

TEST_CASE("a replica re-pointed to another cluster, or promoted, is fresh no more") {
  World world;
  Sample foreign = world.sample(Role::Standby, 1000, 1, "1");
  foreign.system = 88;
  world.fleet.good(1, foreign);
  CHECK(!world.fresh(1));
  world.see(2, Role::Primary, 1000, 1);
  CHECK(!world.fresh(2));
}

TEST_CASE("split brain: nobody leads, nobody is fresh") {
  World world;
  world.see(1, Role::Primary, 1000);
  for (HostId id : {0u, 1u, 2u}) {
    CHECK(!world.fresh(id));
    CHECK(!world.signs(id).leads);
  }
}

TEST_CASE("without a primary, or when it or the replica is in doubt, nothing is fresh") {
  World world;
  world.fleet.fault(1, world.now);
  CHECK(!world.fresh(1));
  CHECK(world.fresh(2));
  world.see(1, Role::Standby, 1000);
  CHECK(world.fresh(1));
  world.fleet.bad(1, Cause::Timeout, "", world.now);
  CHECK(!world.fresh(1));
  world.see(1, Role::Standby, 1000);
  for (int i = 0; i < 3; ++i) world.fleet.bad(0, Cause::Refused, "", world.now);
  CHECK(!world.fresh(1));
  CHECK(!world.fresh(2));
}

TEST_CASE("a replica that does not say where it is or who it is is not fresh") {
  World world;
  world.see(1, Role::Standby, 0);
  CHECK(!world.fresh(1));
  Sample nameless = world.sample(Role::Standby, 1000, 1, "");
  world.fleet.good(1, nameless);
  CHECK(!world.fresh(1));
  Sample full = world.sample(Role::Standby, 0, 1, "2");
  full.doubt = Cause::TooManyConnections;
  world.fleet.good(2, full);
  CHECK(!world.fresh(2));
}

TEST_CASE("servers met in turn make an address balanced; a restart or a move does not") {
  World world;
  world.fleet.told_identity(1, who("1"), world.now);
  CHECK(!world.signs(1).balanced);
  CHECK(world.fleet.told_identity(1, who("other"), world.now));
  CHECK(!world.signs(1).balanced);
  CHECK(world.fresh(1));
  // What the monitor's own connection says again is no news of where the address leads.
  Sample kept = world.sample(Role::Standby, 1000, 1, "1");
  kept.new_connection = false;
  world.fleet.good(1, kept);
  CHECK(!world.signs(1).balanced);
  CHECK(!world.fleet.told_identity(1, who("1"), world.now));
  CHECK(world.signs(1).balanced);
  CHECK(!world.fresh(1));
  CHECK(!world.signs(1).measured(who("1")));
  CHECK(world.fleet.view(world.now)->hosts[1].balanced);
  CHECK(!world.fleet.view(world.now)->hosts[1].lag.known);
  world.now += 11min;
  world.see(0, Role::Primary, 1000);
  world.see(1, Role::Standby, 1000);
  CHECK(world.fresh(1));
  // Behind the primary's address there are several: nobody's freshness means anything.
  world.fleet.told_identity(0, who("x"), world.now);
  world.fleet.told_identity(0, who("0"), world.now);
  CHECK(!world.fresh(1));
  CHECK(!world.fresh(2));
}

TEST_CASE("a host that is watched no more is neither fresh nor a second primary") {
  World world;
  world.fleet.forget(1);
  CHECK(!world.fresh(1));
  CHECK(world.fresh(2));
  HostId moved = world.fleet.add({"a", 5432, "other address"});
  world.fleet.forget(0);
  CHECK(!world.fresh(2));
  world.see(moved, Role::Primary, 1000, 1, "new");
  CHECK(!world.fleet.view(world.now)->systems.at(77).split_brain);
  CHECK(world.signs(2).primary == who("new"));
}

TEST_CASE("a reader never gets fields of two moments") {
  HostSigns signs;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::int64_t i = 1; !stop.load(); ++i) {
      Signs made;
      made.replayed_as_of = TimePoint(Duration(i));
      made.identity = made.primary = static_cast<Identity>(i);
      made.balanced = made.leads = i % 2 != 0;
      signs.write(made);
    }
  });
  bool same = true;
  for (int i = 0; i < 200'000; ++i) {
    Signs read = signs.read();
    same = same && read.identity == read.primary && read.balanced == read.leads &&
           read.replayed_as_of == TimePoint(Duration(static_cast<std::int64_t>(read.identity))) &&
           (read.identity == 0 || (read.identity % 2 != 0) == read.leads);
  }
  stop = true;
  writer.join();
  CHECK(same);
}

TEST_CASE("who wants freshness is told once to the monitor, and is forgotten soon") {
  HostSigns signs;
  TimePoint now{1000s};
  CHECK(!signs.wanted(now));
  CHECK(signs.want(now));
  CHECK(!signs.want(now + 10ms));
  CHECK(signs.wanted(now + 200ms));
  CHECK(!signs.wanted(now + 300ms));
  CHECK(signs.want(now + 300ms));
}
