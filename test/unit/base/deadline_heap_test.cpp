// The timers' heap.
#include "howdah/base/deadline_heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

using namespace howdah::base;

namespace {
TimePoint at(int us) { return TimePoint(Duration(us)); }
}  // namespace

TEST_CASE("arming moves a node earlier, never later, and kNever arms nothing") {
  DeadlineHeap heap;
  Deadline node;
  heap.arm(node, kNever);
  CHECK_FALSE(node.armed());
  CHECK(heap.next() == kNever);
  heap.arm(node, at(10));
  heap.arm(node, at(20));
  heap.arm(node, kNever);
  CHECK(heap.next() == at(10));
  heap.arm(node, at(5));
  CHECK(heap.next() == at(5));
  CHECK(heap.size() == 1);
}

TEST_CASE("nothing pops before it is due, and a popped node is free again") {
  DeadlineHeap heap;
  Deadline node;
  heap.arm(node, at(10));
  CHECK(heap.pop_due(at(9)) == nullptr);
  CHECK(heap.pop_due(at(10)) == &node);
  CHECK_FALSE(node.armed());
  heap.arm(node, at(30));
  CHECK(heap.next() == at(30));
}

TEST_CASE("a destroyed node leaves its heap, a destroyed heap lets its nodes go") {
  Deadline survivor;
  {
    DeadlineHeap heap;
    heap.arm(survivor, at(3));
    {
      Deadline gone;
      heap.arm(gone, at(1));
      CHECK(heap.next() == at(1));
    }
    CHECK(heap.next() == at(3));
    CHECK(heap.size() == 1);
  }
  CHECK_FALSE(survivor.armed());
}

TEST_CASE("nodes pop in the order of time under random arming and disarming") {
  std::mt19937 random(3);
  DeadlineHeap heap;
  std::vector<std::unique_ptr<Deadline>> nodes;
  for (int i = 0; i < 500; ++i) nodes.push_back(std::make_unique<Deadline>());
  for (int round = 0; round < 20000; ++round) {
    Deadline& node = *nodes[random() % nodes.size()];
    if (random() % 3)
      heap.arm(node, at(static_cast<int>(random() % 100000)));
    else
      heap.disarm(node);
    TimePoint least = kNever;
    if (round % 50 == 0) {
      std::size_t armed = 0;
      for (auto& each : nodes) {
        if (!each->armed()) continue;
        ++armed;
        least = std::min(least, each->at());
      }
      REQUIRE(heap.size() == armed);
      REQUIRE(heap.next() == least);
    }
  }
  TimePoint last{};
  while (Deadline* node = heap.pop_due(at(1000000))) {
    REQUIRE(node->at() >= last);
    last = node->at();
  }
  CHECK(heap.size() == 0);
}
