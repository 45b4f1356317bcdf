// A worker's timers: a binary heap of intrusive Deadline nodes, earliest first.
//
// Deadlines are lazy: arm() never moves an armed node later, only earlier; a node that fires too
// early asks its owner for the true deadline and is armed again. So a client that queues a thousand
// times within its query_wait_timeout touches the heap once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "howdah/base/time.h"

namespace howdah::base {

class DeadlineHeap;

class Deadline {
 public:
  Deadline() = default;
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  bool armed() const { return heap_ != nullptr; }
  TimePoint at() const { return at_; }
  void* owner = nullptr;  // for whoever pops it; set once by the owner
  int kind = 0;           // likewise: which of the owner's machines it belongs to

 private:
  friend class DeadlineHeap;
  std::uint32_t index_ = 0;
  DeadlineHeap* heap_ = nullptr;
  TimePoint at_{};
};

class DeadlineHeap {
 public:
  DeadlineHeap() = default;
  ~DeadlineHeap();
  DeadlineHeap(const DeadlineHeap&) = delete;
  DeadlineHeap& operator=(const DeadlineHeap&) = delete;

  // Arms `node` at `when`, or moves it earlier. kNever and later times leave an armed node alone.
  void arm(Deadline& node, TimePoint when);
  void disarm(Deadline& node);
  // The earliest time, or kNever.
  TimePoint next() const { return nodes_.empty() ? kNever : nodes_[0]->at_; }
  // Removes and gives the earliest node due at `now`, or null.
  Deadline* pop_due(TimePoint now);
  std::size_t size() const { return nodes_.size(); }

 private:
  void place(std::size_t index, Deadline* node);
  void up(std::size_t index);
  void down(std::size_t index);
  std::vector<Deadline*> nodes_;
};

}  // namespace howdah::base
