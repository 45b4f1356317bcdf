// Storage for slots and tickets: objects that never move, found by a number that is never reused.
// id = generation (high half) and index (low half). Freed objects are kept for the next take(), so
// a steady load allocates nothing. T must have a member `id`, 0 while it is free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace howdah::pool {

template <typename T>
class Slab {
 public:
  T& take() {
    if (!free_) add_chunk();
    Node* node = free_;
    free_ = node->next_free;
    ++node->generation;
    node->value.id = (std::uint64_t{node->generation} << 32) | node->index;
    ++used_;
    return node->value;
  }
  void give_back(T& value) {
    Node& node = at(static_cast<std::uint32_t>(value.id));
    value.id = 0;
    node.next_free = free_;
    free_ = &node;
    --used_;
  }
  T* find(std::uint64_t id) {
    auto index = static_cast<std::uint32_t>(id);
    if (id == 0 || index >= chunks_.size() * kChunk) return nullptr;
    T& value = at(index).value;
    return value.id == id ? &value : nullptr;
  }
  std::size_t used() const { return used_; }

 private:
  static constexpr std::size_t kChunk = 64;
  struct Node {
    T value;
    Node* next_free = nullptr;
    std::uint32_t generation = 0;
    std::uint32_t index = 0;
  };
  Node& at(std::uint32_t index) { return chunks_[index / kChunk][index % kChunk]; }
  void add_chunk() {
    auto first = static_cast<std::uint32_t>(chunks_.size() * kChunk);
    auto& chunk = chunks_.emplace_back(std::make_unique<Node[]>(kChunk));
    for (std::size_t i = kChunk; i-- > 0;) {
      chunk[i].index = first + static_cast<std::uint32_t>(i);
      chunk[i].next_free = free_;
      free_ = &chunk[i];
    }
  }
  std::vector<std::unique_ptr<Node[]>> chunks_;
  Node* free_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace howdah::pool
