// The binary heap of timers (howdah/base/deadline_heap.h). Each node knows its index, so that
// disarming needs no search.
#include "howdah/base/deadline_heap.h"

#include <cassert>

namespace howdah::base {

Deadline::~Deadline() {
  if (heap_) heap_->disarm(*this);
}

DeadlineHeap::~DeadlineHeap() {
  for (Deadline* node : nodes_) node->heap_ = nullptr;
}

void DeadlineHeap::place(std::size_t index, Deadline* node) {
  nodes_[index] = node;
  node->index_ = static_cast<std::uint32_t>(index);
}

void DeadlineHeap::up(std::size_t index) {
  Deadline* node = nodes_[index];
  while (index > 0) {
    std::size_t parent = (index - 1) / 2;
    if (nodes_[parent]->at_ <= node->at_) break;
    place(index, nodes_[parent]);
    index = parent;
  }
  place(index, node);
}

void DeadlineHeap::down(std::size_t index) {
  Deadline* node = nodes_[index];
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= nodes_.size()) break;
    if (child + 1 < nodes_.size() && nodes_[child + 1]->at_ < nodes_[child]->at_) ++child;
    if (node->at_ <= nodes_[child]->at_) break;
    place(index, nodes_[child]);
    index = child;
  }
  place(index, node);
}

void DeadlineHeap::arm(Deadline& node, TimePoint when) {
  if (when == kNever) return;
  if (node.heap_) {
    assert(node.heap_ == this);  // a moving owner disarms before it changes the thread
    if (node.at_ <= when) return;
    node.at_ = when;
    up(node.index_);
    return;
  }
  node.heap_ = this;
  node.at_ = when;
  nodes_.push_back(&node);
  node.index_ = static_cast<std::uint32_t>(nodes_.size() - 1);
  up(node.index_);
}

void DeadlineHeap::disarm(Deadline& node) {
  if (!node.heap_) return;
  assert(node.heap_ == this);
  std::size_t index = node.index_;
  node.heap_ = nullptr;
  Deadline* last = nodes_.back();
  nodes_.pop_back();
  if (last == &node) return;
  place(index, last);
  up(index);
  down(last->index_);
}

Deadline* DeadlineHeap::pop_due(TimePoint now) {
  if (nodes_.empty() || nodes_[0]->at_ > now) return nullptr;
  Deadline* first = nodes_[0];
  disarm(*first);
  return first;
}

}  // namespace howdah::base
