// The byte queue (howdah/base/buffer.h):
//
//   data_ [ used up | bytes of the queue | room ]
//         0       head_               tail_   capacity_
#include "howdah/base/buffer.h"

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "howdah/base/secret.h"

namespace howdah::base {

namespace {
constexpr std::size_t kMinimum = 64;
}  // namespace

void Buffer::swap(Buffer& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(head_, other.head_);
  std::swap(tail_, other.tail_);
  std::swap(capacity_, other.capacity_);
}

// Room for `more` bytes at the tail: by moving to the front if that is enough, else by doubling.
void Buffer::reserve(std::size_t more) {
  if (more <= capacity_ - tail_) return;
  std::size_t kept = size();
  if (more <= capacity_ - kept) {
    std::memmove(data_, data_ + head_, kept);
  } else {
    std::size_t wanted = capacity_ < kMinimum ? kMinimum : capacity_;
    while (wanted - kept < more) {
      if (wanted > static_cast<std::size_t>(-1) / 2) throw std::bad_alloc();
      wanted *= 2;
    }
    auto* bigger = static_cast<char*>(std::malloc(wanted));
    if (!bigger) throw std::bad_alloc();
    if (kept) std::memcpy(bigger, data_ + head_, kept);
    // The old place may hold a secret, and a later wipe() would not reach it.
    if (data_) base::wipe(data_, tail_);
    std::free(data_);
    data_ = bigger;
    capacity_ = wanted;
  }
  head_ = 0;
  tail_ = kept;
}

char* Buffer::extend(std::size_t count) {
  reserve(count);
  char* room = data_ + tail_;
  tail_ += count;
  return room;
}

void Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
}

void Buffer::overwrite(std::size_t at, std::string_view bytes) {
  assert(at <= size() && bytes.size() <= size() - at);
  if (bytes.empty()) return;
  std::memcpy(data_ + head_ + at, bytes.data(), bytes.size());
}

void Buffer::consume(std::size_t count) {
  assert(count <= size());
  head_ += count;
  if (head_ == tail_) clear();
}

void Buffer::truncate(std::size_t count) {
  assert(count <= size());
  tail_ = head_ + count;
  if (head_ == tail_) clear();
}

void Buffer::clear() {
  std::free(data_);
  data_ = nullptr;
  head_ = tail_ = capacity_ = 0;
}

void Buffer::wipe() {
  if (data_) base::wipe(data_, capacity_);
  clear();
}

}  // namespace howdah::base
