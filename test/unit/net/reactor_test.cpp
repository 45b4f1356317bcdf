// The loop: time, timer, deferred tasks, helper threads, names, signals, and its end.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net_fixture.h"

using namespace howdah::net;
using howdah::base::monotonic_now;
using howdah::base::TimePoint;
using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST_CASE("the timer fires once, never early, and not in a spin") {
  Loop loop;
  for (int us : {1, 300, 1000, 1700, 2999, 5001}) {
    TimePoint due = monotonic_now() + microseconds(us);
    int fired = 0;
    loop.timer = [&] {
      CHECK(monotonic_now() >= due);
      CHECK(loop.reactor->now() >= due);
      ++fired;
      loop.stop();
    };
    loop.reactor->set_timer(due);
    loop.reactor->run();
    CHECK(fired == 1);
  }
}

TEST_CASE("the timer can be moved, taken back and set again inside its callback") {
  Loop loop;
  auto start = monotonic_now();
  std::vector<int> fired;
  loop.timer = [&] {
    fired.push_back(static_cast<int>(fired.size()));
    if (fired.size() == 3) return loop.stop();
    loop.reactor->set_timer(loop.reactor->now() + milliseconds(1));
  };
  loop.reactor->set_timer(start + milliseconds(2));
  loop.reactor->set_timer(howdah::base::kNever);
  loop.reactor->set_timer(start + std::chrono::hours(1));
  loop.reactor->set_timer(start + milliseconds(3));
  loop.reactor->set_timer(start + milliseconds(3));
  loop.reactor->run();
  CHECK(fired.size() == 3);
  CHECK(monotonic_now() - start < std::chrono::seconds(5));
}

TEST_CASE("a time in the past fires at once") {
  Loop loop;
  bool fired = false;
  loop.timer = [&] {
    fired = true;
    loop.stop();
  };
  loop.reactor->set_timer(monotonic_now() - std::chrono::seconds(1));
  loop.reactor->run();
  CHECK(fired);
}

TEST_CASE("now stands still within a callback and is fresh in the next") {
  Loop loop;
  TimePoint first, second;
  loop.wake = [&] {
    if (first == TimePoint{}) {
      first = loop.reactor->now();
      auto until = monotonic_now() + milliseconds(2);
      while (monotonic_now() < until) {
      }
      CHECK(loop.reactor->now() == first);
      loop.reactor->waker().wake();
      return;
    }
    auto before = monotonic_now();
    second = loop.reactor->now();
    CHECK(second >= before);
    loop.stop();
  };
  loop.reactor->waker().wake();
  loop.run();
  CHECK(second - first >= milliseconds(2));
}

TEST_CASE("deferred tasks run after the callback, in order, before the loop blocks") {
  Loop loop;
  std::vector<std::string> order;
  loop.wake = [&] {
    loop.reactor->defer([&] {
      order.push_back("first");
      // From inside a task too: nothing else would wake this loop.
      loop.reactor->defer([&] {
        order.push_back("third");
        loop.reactor->defer([&] { loop.stop(); });
      });
    });
    loop.reactor->defer([&] { order.push_back("second"); });
    order.push_back("callback");
  };
  loop.reactor->waker().wake();
  loop.run();
  CHECK(order == std::vector<std::string>{"callback", "first", "second", "third"});
}

TEST_CASE("a task that defers itself for ever doesn't keep the loop from its other work") {
  Loop loop;
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    loop.reactor->defer(again);
  };
  loop.reactor->defer(again);
  loop.wake = [&] { loop.stop(); };
  loop.reactor->waker().wake();
  loop.run();
  CHECK(rounds >= 1);
}

TEST_CASE("work runs elsewhere, its end here") {
  Loop loop;
  auto here = std::this_thread::get_id();
  std::thread::id there;
  int done = 0;
  for (int i = 0; i < 20; ++i)
    loop.reactor->work(
        [&, i] {
          if (i == 0) there = std::this_thread::get_id();
        },
        [&] {
          CHECK(std::this_thread::get_id() == here);
          if (++done == 20) loop.stop();
        });
  loop.run();
  CHECK(done == 20);
  CHECK(there != here);
  CHECK(there != std::thread::id{});
}

TEST_CASE("wakes from another thread arrive, several may be one") {
  Loop loop;
  std::atomic<int> posted{0};
  int woken = 0;
  loop.wake = [&] {
    ++woken;
    if (posted == 1000) loop.stop();
  };
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      ++posted;
      loop.reactor->waker().wake();
    }
  });
  loop.run();
  other.join();
  CHECK(woken >= 1);
  CHECK(woken <= 1000);
}

TEST_CASE("numeric and unix hosts are resolved before the return") {
  Loop loop;
  auto resolve = [&](const std::string& host) {
    Resolved got;
    bool called = false;
    loop.reactor->resolve(host, 5432, [&](Resolved r) {
      got = std::move(r);
      called = true;
    });
    REQUIRE(called);
    return got;
  };
  using Family = Address::Family;
  CHECK(resolve("10.1.2.3").addresses == std::vector<Address>{{Family::Inet, "10.1.2.3", 5432}});
  CHECK(resolve("::1").addresses == std::vector<Address>{{Family::Inet6, "::1", 5432}});
  CHECK(resolve("/run/pg").addresses ==
        std::vector<Address>{{Family::Unix, "/run/pg/.s.PGSQL.5432", 5432}});
  CHECK(resolve("@pg").addresses ==
        std::vector<Address>{{Family::Unix, "@pg/.s.PGSQL.5432", 5432}});
  CHECK(resolve("").addresses.empty());
  CHECK_FALSE(resolve("").error.empty());
}

TEST_CASE("names are resolved on a helper thread and then cached") {
  Loop loop;
  std::vector<Resolved> got;
  auto collect = [&](Resolved r) {
    got.push_back(std::move(r));
    if (got.size() == 3) loop.stop();
  };
  loop.reactor->resolve("localhost", 1, collect);
  loop.reactor->resolve("LOCALHOST", 2, collect);
  loop.reactor->resolve(std::string(300, 'x') + ".invalid", 3, collect);
  loop.run();
  REQUIRE(got.size() == 3);
  int failed = 0;
  for (auto& r : got) {
    if (r.addresses.empty()) {
      ++failed;
      CHECK(r.error.find("xxx.invalid") != std::string::npos);
      continue;
    }
    CHECK((r.addresses[0].host == "127.0.0.1" || r.addresses[0].host == "::1"));
    CHECK(r.addresses[0].port > 0);
  }
  CHECK(failed == 1);
  loop.reactor->resolve("localhost", 4, collect);
  REQUIRE(got.size() == 4);  // from the cache, before the return
  CHECK(got[3].addresses[0].port == 4);
}

TEST_CASE("addresses are looked up on a helper thread, and never answered before the return") {
  Loop loop;
  std::vector<ReverseResolved> got(4);
  int answers = 0;
  bool inside = true;
  using Family = Address::Family;
  const Address asked[] = {{Family::Inet, "127.0.0.1", 5432},
                           {Family::Unix, "/run/pg", 1},
                           {Family::None, "", 0},
                           {Family::Inet, "not numeric", 0}};
  for (std::size_t i = 0; i < 4; ++i) {
    loop.reactor->reverse(asked[i], [&, i](ReverseResolved r) {
      CHECK_FALSE(inside);
      got[i] = std::move(r);
      if (++answers == 4) loop.stop();
    });
  }
  inside = false;
  loop.run();
  CHECK(answers == 4);
  CHECK(got[0].name.starts_with("localhost"));
  CHECK_FALSE(got[0].failed);
  for (std::size_t i = 1; i < 4; ++i) CHECK(got[i].name.empty());
}

TEST_CASE("a signal reaches its handler on the loop, the last one set") {
  Loop loop;
  int first = 0, second = 0;
  loop.reactor->on_signal(SIGUSR2, [&] {
    ++first;
    loop.reactor->on_signal(SIGUSR2, [&] {
      ++second;
      loop.stop();
    });
    ::kill(::getpid(), SIGUSR2);
  });
  ::kill(::getpid(), SIGUSR2);
  loop.run();
  CHECK(first == 1);
  CHECK(second == 1);
}

TEST_CASE("a reactor may end with work, names, tasks, timers and signals under way") {
  std::promise<void> gate;
  auto token = std::make_shared<int>(1);
  bool called = false;
  {
    Loop loop;
    auto opened = gate.get_future().share();
    loop.reactor->work([opened] { opened.wait(); }, [&called, token] { called = true; });
    for (int i = 0; i < 10; ++i)
      loop.reactor->work([token] {}, [&called, token] { called = true; });
    loop.reactor->resolve("localhost", 1, [&called, token](Resolved) { called = true; });
    loop.reactor->reverse({Address::Family::Inet, "127.0.0.1", 1},
                          [&called, token](ReverseResolved) { called = true; });
    loop.reactor->reverse({}, [&called, token](ReverseResolved) { called = true; });
    loop.reactor->defer([&called, token] { called = true; });
    loop.reactor->on_signal(SIGUSR2, [token] {});
    loop.reactor->set_timer(monotonic_now() + milliseconds(1));
    gate.set_value();
  }
  CHECK_FALSE(called);
  CHECK(token.use_count() == 1);
}

TEST_CASE("helper threads give way to loops") {
  Loop loop;
  int here = ::getpriority(PRIO_PROCESS, 0), there = -100;
  loop.reactor->work(
      [&] { there = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid))); },
      [&] { loop.stop(); });
  loop.run();
  CHECK(there == std::min(here + 10, 19));
  CHECK(::getpriority(PRIO_PROCESS, 0) == here);
}

TEST_CASE("time for what can wait is about a millisecond an iteration, and never none") {
  Loop loop;
  int pieces = 0, rounds = 0;
  std::function<void()> slice = [&] {
    int taken = 0;
    while (loop.reactor->time_left()) {
      ++taken;
      for (TimePoint until = monotonic_now() + microseconds(600); monotonic_now() < until;) {
      }
    }
    CHECK(taken <= 2);
    pieces += taken;
    if (++rounds == 20) return loop.stop();
    loop.reactor->defer(slice);
  };
  loop.reactor->defer(slice);
  loop.run();
  CHECK(pieces >= 9);  // a slice of each iteration; two deferred rounds may share one
}
