// The mailbox between threads.
#include "howdah/net/mailbox.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "net_fixture.h"

using namespace howdah::net;

namespace {
struct CountingWaker : Waker {
  void wake() override { ++count; }
  int count = 0;
};
}  // namespace

TEST_CASE("only the first message of an empty box wakes the owner") {
  CountingWaker waker;
  Mailbox<int> box(waker);
  std::vector<int> got;
  box.post(1);
  box.post(2);
  CHECK(waker.count == 1);
  box.drain(got);
  CHECK(got == std::vector<int>{1, 2});
  box.drain(got);
  CHECK(got.empty());
  box.post(3);
  CHECK(waker.count == 2);
}

TEST_CASE("a loop gets every message of many threads, each thread's in order") {
  constexpr int kThreads = 4, kEach = 5000;
  struct Message {
    int thread, number;
  };
  Loop loop;
  Mailbox<Message> box(loop.reactor->waker());
  std::vector<Message> got;
  std::vector<int> next(kThreads, 0);
  int total = 0;
  bool ordered = true;
  loop.wake = [&] {
    box.drain(got);
    for (const Message& m : got) {
      ordered = ordered && next[m.thread] == m.number;
      ++next[m.thread];
      if (++total == kThreads * kEach) loop.stop();
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&box, t] {
      for (int i = 0; i < kEach; ++i) box.post({t, i});
    });
  loop.run();
  for (auto& thread : threads) thread.join();
  CHECK(ordered);
  CHECK(total == kThreads * kEach);
}
