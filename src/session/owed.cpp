// What a server connection still owes; see the header.
#include "howdah/session/owed.h"

#include <utility>

#include "howdah/wire/message.h"

namespace howdah::session {

namespace {
constexpr char kQuery = 'Q', kFunction = 'F', kSync = 'S', kBatch = 'b', kCopyEnd = 'c';

bool ends_in_ready(char entry) {
  return entry == kQuery || entry == kFunction || entry == kSync;
}
}  // namespace

void Owed::push(char entry) {
  queue_.push_back(entry);
  if (entry == kCopyEnd) ++copy_ends_;
}

void Owed::sent(char type) {
  switch (type) {
    case wire::fe::kQuery:
      push(kQuery);
      open_batch_ = false;
      break;
    case wire::fe::kFunctionCall:
      push(kFunction);
      open_batch_ = false;
      break;
    case wire::fe::kSync:
      // Ignored by a server that reads copy data, unless the end of that data went before it.
      if (copy_in_ && copy_ends_ == 0) {
        ++doubts_;
        fresh_doubt_ = true;
        break;
      }
      push(kSync);
      open_batch_ = false;
      break;
    case wire::fe::kCopyDone:
    case wire::fe::kCopyFail:
      // Also before the server said that it copies: drivers need not wait for that.
      if (!nothing()) push(kCopyEnd);
      break;
    case wire::fe::kParse:
    case wire::fe::kBind:
    case wire::fe::kDescribe:
    case wire::fe::kExecute:
    case wire::fe::kClose:
      if (!open_batch_) push(kBatch);
      open_batch_ = true;
      break;
    default:
      break;
  }
}

void Owed::copy_in_started() {
  copy_in_ = true;
  // Ends of copies that never began.
  while (head_ < queue_.size() && queue_[head_] == kCopyEnd) pop();
  if (head_ == queue_.size()) return;
  // Syncs sent before the client could know of the copy are read, and ignored, as copy data comes:
  // those right behind the copy's request. (Another request there would be the copy's FATAL end.)
  std::size_t first = head_ + 1, end = first;
  while (end < queue_.size() && queue_[end] == kSync) ++end;
  if (first == end) return;
  doubts_ += end - first;
  fresh_doubt_ = true;
  queue_.erase(first, end - first);
  // If that took the Sync of the copy's own batch, the batch awaits the one after the copy.
  std::size_t last = queue_.find_last_not_of(kCopyEnd);
  open_batch_ = last != std::string::npos && last >= head_ && queue_[last] == kBatch;
}

void Owed::end_copy() {
  copy_in_ = false;
  if (copy_ends_ == 0) return;
  queue_.erase(queue_.find(kCopyEnd, head_), 1);
  --copy_ends_;
}

void Owed::command_completed() {
  answered_ = true;
  if (!copy_in_) return;
  doubts_ = 0;
  end_copy();
}

void Owed::command_failed() {
  answered_ = true;
  if (copy_in_) end_copy();
}

void Owed::pop() {
  if (queue_[head_] == kCopyEnd) --copy_ends_;
  if (++head_ == queue_.size()) {
    queue_.clear();
    head_ = 0;
  } else if (head_ >= 4096) {
    queue_.erase(0, head_);
    head_ = 0;
  }
}

bool Owed::ready() {
  copy_in_ = false;
  bool answered = std::exchange(answered_, false);
  std::size_t at = head_;
  while (at < queue_.size() && !ends_in_ready(queue_[at])) ++at;
  bool none = at == queue_.size();
  if (doubts_ > 0) {
    bool lone_sync = !none && at == head_ && queue_[at] == kSync;
    if (none || (!answered && !lone_sync)) {
      --doubts_;  // the answer to a Sync that was taken for ignored
      return true;
    }
    // An answer to a later request: what else there was came before it.
    if (!fresh_doubt_ && !lone_sync) doubts_ = 0;
    fresh_doubt_ = false;
  }
  if (none) return false;
  for (std::size_t left = at - head_ + 1; left > 0; --left) pop();
  // Ends of copies that were over before: read and dropped by the server.
  while (head_ < queue_.size() && queue_[head_] == kCopyEnd) pop();
  return true;
}

}  // namespace howdah::session
