// The byte queue (howdah/base/buffer.h):
//
//   block_ -> Block [ used up | bytes of the queue | room ]
//                   0        head                tail   capacity
#include "howdah/base/buffer.h"

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

#include "howdah/base/secret.h"

namespace howdah::base {

namespace {
constexpr std::size_t kMinimum = 64;
}  // namespace

// Room for `more` bytes at the tail: by moving to the front if that is enough, else by doubling.
void Buffer::reserve(std::size_t more) {
  std::size_t capacity = this->capacity(), kept = size();
  if (block_ && more <= capacity - block_->tail) return;
  if (block_ && more <= capacity - kept) {
    std::memmove(data(), data() + block_->head, kept);
  } else {
    std::size_t wanted = capacity < kMinimum ? kMinimum : capacity;
    while (wanted - kept < more) {
      if (wanted > static_cast<std::size_t>(-1) / 2) throw std::bad_alloc();
      wanted *= 2;
    }
    auto* bigger = static_cast<Block*>(std::malloc(sizeof(Block) + wanted));
    if (!bigger) throw std::bad_alloc();
    if (kept) std::memcpy(bigger + 1, data() + block_->head, kept);
    // The old place may hold a secret, and a later wipe() would not reach it.
    if (block_) base::wipe(data(), block_->tail);
    std::free(block_);
    block_ = bigger;
    block_->capacity = wanted;
  }
  block_->head = 0;
  block_->tail = kept;
}

char* Buffer::extend(std::size_t count) {
  reserve(count);
  char* room = data() + block_->tail;
  block_->tail += count;
  return room;
}

void Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
}

void Buffer::overwrite(std::size_t at, std::string_view bytes) {
  assert(at <= size() && bytes.size() <= size() - at);
  if (bytes.empty()) return;
  std::memcpy(data() + block_->head + at, bytes.data(), bytes.size());
}

void Buffer::consume(std::size_t count) {
  assert(count <= size());
  if (!block_) return;
  block_->head += count;
  if (block_->head == block_->tail) clear();
}

void Buffer::truncate(std::size_t count) {
  assert(count <= size());
  if (!block_) return;
  block_->tail = block_->head + count;
  if (block_->head == block_->tail) clear();
}

void Buffer::clear() {
  std::free(block_);
  block_ = nullptr;
}

void Buffer::wipe() {
  if (block_) base::wipe(data(), block_->capacity);
  clear();
}

}  // namespace howdah::base
