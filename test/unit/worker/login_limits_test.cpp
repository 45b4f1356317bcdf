// LoginGate and FailureTable: who may log in now, and how long a refusal waits.
#include "howdah/worker/login_limits.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace howdah;
using namespace howdah::worker;
using namespace std::chrono_literals;

namespace {
pool::Waiter client(std::uint64_t number) { return {0, number}; }
const TimePoint kStart = TimePoint{} + 1000s;
}  // namespace

TEST_CASE("the gate lets in as many as the limit, the others in the order they came") {
  LoginGate gate;
  CHECK(gate.enter(client(1), 2));
  CHECK(gate.enter(client(2), 2));
  CHECK_FALSE(gate.enter(client(3), 2));
  CHECK_FALSE(gate.enter(client(4), 2));
  CHECK_FALSE(gate.enter(client(5), 2));
  CHECK(gate.leave(client(4), 2).empty());  // gave up waiting
  auto next = gate.leave(client(1), 2);
  REQUIRE(next.size() == 1);
  CHECK(next[0].client == 3);
  CHECK_FALSE(gate.enter(client(6), 2));  // behind 5
  CHECK(gate.leave(client(3), 2)[0].client == 5);
  CHECK(gate.leave(client(2), 2)[0].client == 6);
  gate.leave(client(5), 2);
  gate.leave(client(6), 2);
  CHECK(gate.inside() == 0);
  CHECK(gate.waiting() == 0);
}

TEST_CASE("without a limit all go in; a raised limit lets the waiting in at the next leave") {
  LoginGate gate;
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(gate.enter(client(i), 0));
  for (std::uint64_t i = 100; i < 110; ++i) CHECK_FALSE(gate.enter(client(i), 50));
  CHECK(gate.leave(client(0), 50).empty());
  CHECK(gate.leave(client(1), 101).size() == 3);
  CHECK(gate.leave(client(2), 0).size() == 7);
  CHECK(gate.waiting() == 0);
}

TEST_CASE("a gate loses no place and no waiter, whoever leaves when") {
  std::mt19937 random(7);
  LoginGate gate;
  constexpr std::size_t kLimit = 5;
  std::set<std::uint64_t> inside, waiting;
  std::uint64_t next = 1;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2 && inside.size() + waiting.size() < 40) {
      (gate.enter(client(next), kLimit) ? inside : waiting).insert(next);
      ++next;
    } else {
      auto& from = random() % 2 || waiting.empty() ? inside : waiting;
      if (from.empty()) continue;
      auto who = std::next(from.begin(), static_cast<long>(random() % from.size()));
      std::uint64_t number = *who;
      from.erase(who);
      for (auto one : gate.leave(client(number), kLimit)) {
        CHECK(waiting.erase(one.client) == 1);
        inside.insert(one.client);
      }
    }
    REQUIRE(inside.size() <= kLimit);
    REQUIRE((waiting.empty() || inside.size() == kLimit));
    REQUIRE(gate.inside() == inside.size());
    REQUIRE(gate.waiting() == waiting.size());
  }
}

TEST_CASE("failures of an address wait twice as long each, up to the cap, and are forgotten") {
  FailureTable table;
  base::Ip ip = *base::Ip::parse("10.1.2.3");
  for (int doubling = 0; doubling < 10; ++doubling) {
    auto factor = 1 << std::min<int>(doubling, FailureTable::kMostDoublings);
    CHECK(table.failed(ip, kStart, 100ms) == 100ms * factor);
  }
  CHECK(table.failed(*base::Ip::parse("10.1.2.4"), kStart, 100ms) == 100ms);
  // Two quiet minutes forget two failures; a long time all.
  CHECK(table.failed(ip, kStart + 2 * FailureTable::kForget, 100ms) == 100ms * 32);
  CHECK(table.failed(ip, kStart + 1h, 100ms) == 100ms);
}

TEST_CASE("no delay is asked for: nothing is kept") {
  FailureTable table;
  CHECK(table.failed(*base::Ip::parse("10.1.2.3"), kStart, {}) == 0ms);
  CHECK(table.size() == 0);
}

TEST_CASE("an IPv6 network is one address; IPv4 through IPv6 is IPv4") {
  FailureTable table;
  CHECK(table.failed(*base::Ip::parse("2001:db8::1"), kStart, 1s) == 1s);
  CHECK(table.failed(*base::Ip::parse("2001:db8::ffff:1"), kStart, 1s) == 2s);
  CHECK(table.failed(*base::Ip::parse("2001:db8:0:1::1"), kStart, 1s) == 1s);
  CHECK(table.failed(*base::Ip::parse("10.1.2.3"), kStart, 1s) == 1s);
  CHECK(table.failed(*base::Ip::parse("::ffff:10.1.2.3"), kStart, 1s) == 2s);
}

TEST_CASE("a flood of addresses is bounded and leaves the ones that go on failing") {
  FailureTable table;
  base::Ip stubborn = *base::Ip::parse("10.0.0.1");
  base::Ip ip = *base::Ip::parse("11.0.0.0");
  for (int i = 0; i < 30000; ++i) {
    ip.bytes[13] = static_cast<std::uint8_t>(i >> 16);
    ip.bytes[14] = static_cast<std::uint8_t>(i >> 8);
    ip.bytes[15] = static_cast<std::uint8_t>(i);
    table.failed(ip, kStart, 1s);
    if (i % 5000 == 0) table.failed(stubborn, kStart, 1s);
  }
  CHECK(table.size() == FailureTable::kMost);
  CHECK(table.failed(stubborn, kStart, 1s) == 64s);
}
