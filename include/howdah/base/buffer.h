// A contiguous byte queue: append at the tail, consume at the head. An empty Buffer owns no memory
// (consume() of the last byte frees it), so idle connections cost nothing but one pointer. Movable,
// not copyable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace howdah::base {

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { clear(); }
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      clear();
      std::swap(block_, other.block_);
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::string_view view() const {
    return block_ ? std::string_view(data() + block_->head, size()) : std::string_view();
  }
  std::size_t size() const { return block_ ? block_->tail - block_->head : 0; }
  bool empty() const { return size() == 0; }
  std::size_t capacity() const { return block_ ? block_->capacity : 0; }

  void append(std::string_view bytes);
  // `count` writable bytes at the tail, already part of the buffer. Valid until the next call.
  char* extend(std::size_t count);
  // Overwrites bytes inside the buffer; `at` counts from the head.
  void overwrite(std::size_t at, std::string_view bytes);
  // Drops `count` bytes at the head (count <= size()). Frees the memory when nothing is left.
  void consume(std::size_t count);
  // Drops bytes at the tail so that size() == count.
  void truncate(std::size_t count);
  void clear();            // frees the memory
  void wipe();             // overwrites, then frees: for buffers that held a secret

 private:
  // Stands in front of its bytes.
  struct Block {
    std::size_t head, tail, capacity;
  };
  char* data() const { return reinterpret_cast<char*>(block_ + 1); }
  void reserve(std::size_t more);
  Block* block_ = nullptr;
};

}  // namespace howdah::base
