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
  // Syncs sent before the client could know of the copy are read, and ignored, as copy data comes.
  std::size_t end = copy_ends_ > 0 ? queue_.find(kCopyEnd, head_) : queue_.size();
  std::size_t kept = head_;
  for (std::size_t i = head_; i < end; ++i) {
    if (queue_[i] != kSync) queue_[kept++] = queue_[i];
  }
  if (kept == end) return;
  doubts_ += end - kept;
  queue_.erase(kept, end - kept);
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
  bool lone_query = !none && at == head_ && queue_[at] == kQuery;
  if (doubts_ > 0 && (none || (lone_query && !answered))) {
    --doubts_;  // the answer to a Sync that was taken for ignored
    return true;
  }
  if (none) return false;
  if (lone_query) doubts_ = 0;  // what else there was came before this answer
  for (std::size_t left = at - head_ + 1; left > 0; --left) pop();
  // Ends of copies that were over before: read and dropped by the server.
  while (head_ < queue_.size() && queue_[head_] == kCopyEnd) pop();
  return true;
}

}  // namespace howdah::session
