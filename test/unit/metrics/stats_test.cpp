// Counters and their averages.
#include "howdah/metrics/stats.h"

#include <doctest/doctest.h>

#include <limits>

namespace {

using namespace howdah::metrics;
using howdah::base::Duration;
using howdah::base::TimePoint;

TimePoint second(std::int64_t s) { return TimePoint(Duration(s * 1000000)); }

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

Counters all(std::uint64_t n) { return {n, n, n, n, n, n, n, n, n, n, n, n}; }

TEST_CASE("addition and subtraction reach every counter") {
  Counters sum{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  sum += all(100);
  CHECK(sum == Counters{101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112});
  CHECK(sum - all(100) == Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
}

TEST_CASE("a counter that fell gives 0, never a wrapped number") {
  CHECK(all(5) - all(6) == all(0));
  CHECK(all(0) - all(kMax) == all(0));
}

TEST_CASE("counts are averaged per second, times per event") {
  Stats stats;
  stats.period({}, second(0));
  Counters now;
  now.server_assignments = 20;
  now.transactions = 100;
  now.queries = 200;
  now.received = 3000;
  now.sent = 4000;
  now.transaction_time = 50000;
  now.query_time = 30000;
  now.wait_time = 700;
  now.client_parses = 10;
  now.server_parses = 30;
  now.binds = 50;
  now.client_logins = 70;
  for (const Averages& a :
       {stats.averages("app", now, second(10)), stats.averages_of_all(now, second(10))}) {
    CHECK(a.server_assignments == 2);
    CHECK(a.transactions == 10);
    CHECK(a.queries == 20);
    CHECK(a.received == 300);
    CHECK(a.sent == 400);
    CHECK(a.transaction_time == 500);
    CHECK(a.query_time == 150);
    CHECK(a.wait_time == 35);
    CHECK(a.client_parses == 1);
    CHECK(a.server_parses == 3);
    CHECK(a.binds == 5);
    CHECK(a.client_logins == 7);
  }
}

TEST_CASE("averages look one to two periods back") {
  Stats stats;
  auto queries = [](std::uint64_t n) {
    Counters counters;
    counters.queries = n;
    return counters;
  };
  auto average = [&](std::uint64_t n, std::int64_t s) {
    return stats.averages("app", queries(n), second(s)).queries;
  };
  CHECK(average(1000, 10) == 0);  // nothing to compare with yet
  stats.period({}, second(0));
  CHECK(average(600, 60) == 10);
  stats.period({{"app", queries(600)}}, second(60));
  CHECK(average(600, 60) == 10);    // still since second 0
  CHECK(average(1200, 120) == 10);  // two periods
  stats.period({{"app", queries(1200)}}, second(120));
  CHECK(average(1200, 120) == 10);  // since second 60 now
  CHECK(average(600 + 6000, 120) == 100);
  stats.period({{"app", queries(1200)}}, second(180));
  CHECK(average(1200, 180) == 0);  // a quiet period
}

TEST_CASE("databases do not mix, and a new one counts from zero") {
  Stats stats;
  stats.period({{"a", all(1000)}, {"b", all(10)}}, second(0));
  stats.period({}, second(1));
  CHECK(stats.averages("a", all(1010), second(10)).queries == 1);
  CHECK(stats.averages("b", all(1010), second(10)).queries == 100);
  CHECK(stats.averages("c", all(1010), second(10)).queries == 101);
  CHECK(stats.averages_of_all(all(2010), second(10)).queries == 100);
}

TEST_CASE("totals that fell with a dropped pool give 0") {
  Stats stats;
  stats.period({{"a", all(1000)}}, second(0));
  Averages a = stats.averages("a", all(10), second(10));
  CHECK(a.queries == 0);
  CHECK(a.query_time == 0);
}

TEST_CASE("no time passed, a clock that went back, and huge counters are no trouble") {
  Stats stats;
  stats.period({}, second(100));
  CHECK(stats.averages("a", all(5), second(100)).queries == 0);
  CHECK(stats.averages("a", all(5), second(99)).queries == 0);
  CHECK(stats.averages("a", all(kMax), second(101)).received == kMax);
  CHECK(stats.averages("a", all(kMax), TimePoint(second(100) + Duration(1))).received == kMax);
  CHECK(stats.averages("a", all(kMax), second(102)).received == kMax / 2);
  CHECK(stats.averages("a", all(kMax), second(101)).query_time == 1);
}

}  // namespace
