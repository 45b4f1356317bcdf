// A contiguous byte queue: append at the tail, consume at the head. An empty Buffer owns no memory
// (consume() of the last byte frees it), so idle connections cost nothing. Movable, not copyable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace howdah::base {

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { clear(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      clear();
      swap(other);
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::string_view view() const { return {data_ + head_, tail_ - head_}; }
  std::size_t size() const { return tail_ - head_; }
  bool empty() const { return head_ == tail_; }
  std::size_t capacity() const { return capacity_; }

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
  void swap(Buffer& other) noexcept;
  void reserve(std::size_t more);
  char* data_ = nullptr;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace howdah::base
