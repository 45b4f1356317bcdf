// A planned change of primaries: what is waited for, what is held, and every way it can end.
#include "howdah/route/switchover.h"

#include <doctest/doctest.h>

using namespace howdah::route;
using namespace std::chrono_literals;
using Phase = Switchover::Phase;
using Act = Switchover::Act;

namespace {

struct World {
  World() : fleet(HealthPolicy{}) {
    for (const char* name : {"a", "b", "c"}) ids.push_back(fleet.add({name, 5432, name}));
    primary(0, 1000);
    standby(1, 1000);
    standby(2, 1000);
  }
  Sample sample(HostId id, Role role, std::uint64_t position, std::uint32_t timeline) const {
    Sample made;
    made.sent = now;
    made.answered = now + 1ms;
    made.role = role;
    made.position = position;
    made.timeline = timeline;
    made.system = 77;
    made.identity = std::to_string(id);
    return made;
  }
  void primary(HostId id, std::uint64_t position, std::uint32_t timeline = 1) {
    fleet.good(id, sample(id, Role::Primary, position, timeline));
  }
  void standby(HostId id, std::uint64_t position, std::uint32_t timeline = 1) {
    fleet.good(id, sample(id, Role::Standby, position, timeline));
  }
  void dead(HostId id) {
    for (int i = 0; i < 3; ++i) fleet.bad(id, Cause::Refused, "", now);
  }
  auto begin(std::string_view to = "", bool command = true) {
    return Switchover::begin(ids, to, *fleet.view(now), command, now + 60s);
  }
  Switchover begun(std::string_view to = "", bool command = true) {
    auto made = begin(to, command);
    REQUIRE(made.ok());
    return *made;
  }
  std::string refusal(std::string_view to = "") {
    auto made = begin(to);
    REQUIRE_FALSE(made.ok());
    return made.error().text;
  }
  Act step(Switchover& machine, Switchover::Seen seen = {}) {
    seen.now = now;
    return machine.step(*fleet.view(now), seen);
  }
  // All have the same, and the primary was asked before the standbys.
  void sampled(std::uint64_t position) {
    now += 10ms;
    primary(0, position);
    standby(1, position);
    standby(2, position);
  }
  // To the moment when the command has been started.
  void to_command(Switchover& machine) {
    CHECK(step(machine) == Act::None);
    sampled(2000);
    CHECK(step(machine) == Act::Run);
    CHECK(machine.phase() == Phase::Running);
  }
  bool holds(const Switchover& machine, HostId id) { return machine.holds(id, *fleet.view(now)); }
  Fleet fleet;
  std::vector<HostId> ids;
  TimePoint now{1000s};
};

}  // namespace

TEST_CASE("the command runs only when a standby has all that was acknowledged before the drain") {
  World world;
  Switchover machine = world.begun();
  CHECK(world.holds(machine, 0));
  CHECK_FALSE(world.holds(machine, 1));
  world.sampled(1500);
  CHECK(world.step(machine, {.servers = 2}) == Act::None);
  CHECK(machine.phase() == Phase::Draining);
  world.now += 10ms;
  CHECK(world.step(machine) == Act::None);  // drained now: what was sampled before says nothing
  CHECK(machine.phase() == Phase::Replaying);
  world.now += 10ms;
  world.primary(0, 2000);
  world.standby(1, 1500);
  world.standby(2, 1999);
  CHECK(world.step(machine) == Act::None);
  world.standby(2, 2000);
  CHECK(world.step(machine) == Act::Run);
  CHECK(machine.chosen() == 2);
  CHECK(world.holds(machine, 0));
}

TEST_CASE("the named standby is waited for, whatever the others have") {
  World world;
  Switchover machine = world.begun("b:5432");
  world.step(machine);
  world.now += 10ms;
  world.primary(0, 2000);
  world.standby(2, 2000);
  CHECK(world.step(machine) == Act::None);
  world.standby(1, 2000);
  CHECK(world.step(machine) == Act::Run);
  CHECK(machine.chosen() == 1);
}

TEST_CASE("done when another server leads by a higher timeline, which is never held") {
  World world;
  Switchover machine = world.begun();
  world.to_command(machine);
  world.dead(0);
  world.primary(1, 2100, 2);
  CHECK(world.step(machine) == Act::None);
  CHECK_FALSE(machine.over());  // the command still runs
  CHECK_FALSE(world.holds(machine, 1));
  CHECK(world.holds(machine, 0));
  world.step(machine, {.exited = 0});
  CHECK(machine.phase() == Phase::Done);
  CHECK(machine.outcome().find("b") != std::string::npos);
  CHECK_FALSE(world.holds(machine, 0));
}

TEST_CASE("without a command the change of roles is waited for") {
  World world;
  Switchover machine = world.begun("", false);
  world.step(machine);
  world.sampled(2000);
  CHECK(world.step(machine) == Act::None);
  CHECK(machine.phase() == Phase::Promoting);
  world.now += 30s;
  world.step(machine);
  CHECK_FALSE(machine.over());
  SUBCASE("it comes, with the old primary there") {
    world.primary(2, 2100, 2);
    world.step(machine);
    CHECK(machine.phase() == Phase::Done);
  }
  SUBCASE("two that accept writes on one timeline are no change") {
    world.primary(2, 2100, 1);
    world.step(machine);
    CHECK_FALSE(machine.over());
  }
  SUBCASE("it does not come") {
    world.now += 31s;
    world.step(machine);
    CHECK(machine.phase() == Phase::Failed);
    CHECK(machine.outcome() == "no standby has become the primary in time");
  }
  CHECK((machine.over() ? !world.holds(machine, 0) : world.holds(machine, 0)));
}

TEST_CASE("a name that leads to the new primary is free again") {
  World world;
  Switchover machine = world.begun();
  world.to_command(machine);
  world.primary(0, 3000, 2);
  CHECK_FALSE(world.holds(machine, 0));
  world.step(machine, {.exited = 0});
  CHECK(machine.phase() == Phase::Done);
}

TEST_CASE("a command that fails ends the hold, and says what it said") {
  World world;
  Switchover machine = world.begun();
  world.to_command(machine);
  SUBCASE("nothing has changed") {
    world.step(machine, {.exited = 3, .said = "no luck"});
    CHECK(machine.outcome() == "switchover_command failed with exit code 3: no luck");
  }
  SUBCASE("after it had promoted") {
    world.primary(1, 2100, 2);
    world.step(machine, {.exited = 3});
    CHECK(machine.outcome().find("; b") != std::string::npos);
    CHECK(machine.outcome().find("is the primary now") != std::string::npos);
  }
  CHECK(machine.phase() == Phase::Failed);
  CHECK_FALSE(world.holds(machine, 0));
}

TEST_CASE("a command that takes too long is ended, by force if need be, and held until it is") {
  World world;
  Switchover machine = world.begun();
  world.to_command(machine);
  CHECK(world.step(machine, {.canceled = true}) == Act::None);  // not in the middle of it
  CHECK(machine.phase() == Phase::Running);
  world.now += 61s;
  CHECK(world.step(machine) == Act::Terminate);
  CHECK(world.step(machine) == Act::None);
  world.now += 3s;
  CHECK(world.step(machine) == Act::Kill);
  CHECK(world.step(machine) == Act::None);
  CHECK(world.holds(machine, 0));
  world.step(machine, {.exited = 137});
  CHECK(machine.phase() == Phase::Failed);
  CHECK_FALSE(world.holds(machine, 0));
}

TEST_CASE("what does not end, or does not catch up, in time, and Ctrl-C") {
  World world;
  Switchover machine = world.begun();
  SUBCASE("transactions") {
    world.now += 61s;
    world.step(machine, {.servers = 2});
    CHECK(machine.outcome() ==
          "transactions or sessions on 2 connections to the primary did not end in time");
  }
  SUBCASE("replay") {
    world.step(machine);
    world.now += 61s;
    world.step(machine);
    CHECK(machine.outcome() == "no standby has replayed all of the primary's log in time");
  }
  SUBCASE("Ctrl-C while draining") {
    world.step(machine, {.servers = 2, .canceled = true});
    CHECK(machine.outcome() == "canceled");
  }
  SUBCASE("Ctrl-C while replaying") {
    world.step(machine);
    world.step(machine, {.canceled = true});
    CHECK(machine.outcome() == "canceled");
  }
  CHECK(machine.phase() == Phase::Failed);
  CHECK_FALSE(world.holds(machine, 0));
}

TEST_CASE("a failover that comes in between is the change that was wanted") {
  World world;
  Switchover machine = world.begun();
  world.step(machine, {.servers = 1});
  world.dead(0);
  world.primary(1, 2100, 2);
  CHECK(world.step(machine, {.servers = 1}) == Act::None);  // and no command after it
  CHECK(machine.phase() == Phase::Done);
}

TEST_CASE("nothing is begun without one primary and a standby that can be measured") {
  World world;
  CHECK(world.refusal("d") == "no host of this database is called d");
  CHECK(world.refusal("a") == "a is not a standby that is up and whose lag is known");
  SUBCASE("no primary") {
    world.dead(0);
    CHECK(world.refusal() == "there is no primary now");
  }
  SUBCASE("split brain") {
    world.primary(1, 2000, 1);
    CHECK(world.refusal() == "two servers of this cluster accept writes: split brain");
  }
  SUBCASE("no standby") {
    world.dead(1);
    world.dead(2);
    CHECK(world.refusal() == "no standby is up whose lag is known");
    CHECK(world.refusal("b") == "b is not a standby that is up and whose lag is known");
  }
  SUBCASE("nothing is known") {
    Fleet fresh{HealthPolicy{}};
    HostId id = fresh.add({"a", 5432, "a"});
    auto made = Switchover::begin({id}, "", *fresh.view(world.now), true, world.now + 60s);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().text == "nothing is known of the hosts: the monitor cannot log in");
  }
}
