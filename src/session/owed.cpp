// What a server connection still owes; see the header.
#include "howdah/session/owed.h"

#include "howdah/wire/message.h"

namespace howdah::session {

namespace {
constexpr char kQuery = 'Q', kFunction = 'F', kSync = 'S', kCopyEnd = 'c';
}

void Owed::sent(char type) {
  switch (type) {
    case wire::fe::kQuery:
      queue_.push_back(kQuery);
      break;
    case wire::fe::kFunctionCall:
      queue_.push_back(kFunction);
      break;
    case wire::fe::kSync:
      // Ignored by a server that reads copy data, unless the end of that data went before it.
      if (copy_in_ && queue_.find(kCopyEnd, head_) == std::string::npos) break;
      queue_.push_back(kSync);
      open_batch_ = false;
      break;
    case wire::fe::kCopyDone:
    case wire::fe::kCopyFail:
      if (copy_in_) queue_.push_back(kCopyEnd);
      break;
    case wire::fe::kParse:
    case wire::fe::kBind:
    case wire::fe::kDescribe:
    case wire::fe::kExecute:
    case wire::fe::kClose:
      open_batch_ = true;
      break;
    default:
      break;
  }
}

void Owed::copy_in_started() {
  copy_in_ = true;
  // Syncs sent before the client could know of the copy are read, and ignored, as copy data comes.
  std::size_t end = queue_.find(kCopyEnd, head_);
  if (end == std::string::npos) end = queue_.size();
  for (std::size_t i = head_; i < end;) {
    if (queue_[i] == kSync) {
      queue_.erase(i, 1);
      --end;
      open_batch_ = true;  // the batch now awaits the Sync after the copy
    } else {
      ++i;
    }
  }
}

void Owed::command_ended() {
  if (!copy_in_) return;
  copy_in_ = false;
  std::size_t end = queue_.find(kCopyEnd, head_);
  if (end != std::string::npos) queue_.erase(end, 1);
}

void Owed::pop() {
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
  while (head_ < queue_.size() && queue_[head_] == kCopyEnd) pop();
  if (head_ == queue_.size()) return false;
  pop();
  return true;
}

}  // namespace howdah::session
