// What a server connection still owes; see the header.
#include "howdah/session/owed.h"

#include <algorithm>
#include <utility>

#include "howdah/wire/message.h"

namespace howdah::session {

namespace {
constexpr char kCopyEnd = 'c';
constexpr std::size_t kMaxNames = 1024 * 1024;
}  // namespace

bool ends_in_ready(char kind) {
  return kind == wire::fe::kQuery || kind == wire::fe::kFunctionCall || kind == wire::fe::kSync;
}

void Owed::record(char type, bool from_server) {
  flight_[flown_++ % flight_.size()] = from_server ? static_cast<char>(type | 0x80) : type;
}

std::string Owed::flight() const {
  std::string text;
  std::uint32_t count = std::min<std::uint32_t>(flown_, flight_.size());
  for (std::uint32_t i = flown_ - count; i != flown_; ++i) {
    char type = flight_[i % flight_.size()];
    if ((type & 0x80) != 0) text += '<';
    text += static_cast<char>(type & 0x7f);
  }
  return text;
}

void Owed::push(Entry entry) {
  if (entry.kind == kCopyEnd) ++copy_ends_;
  if (ends_in_ready(entry.kind)) {
    ++requests_;
    executed_ = false;
  }
  if (entry.kind == wire::fe::kExecute) executed_ = true;
  queue_.push_back(std::move(entry));
}

void Owed::pop() {
  Entry& entry = queue_[head_];
  if (entry.kind == kCopyEnd) --copy_ends_;
  if (ends_in_ready(entry.kind)) --requests_;
  entry.detail.reset();
  if (++head_ == queue_.size()) {
    queue_.clear();
    names_.clear();
    head_ = 0;
  } else if (head_ >= 4096) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

// Ends of copies that are over or never began: read and dropped by the server.
void Owed::pop_copy_ends() {
  while (head_ < queue_.size() && queue_[head_].kind == kCopyEnd) pop();
}

void Owed::sent(Entry entry, std::string_view name) {
  record(entry.kind, false);
  if (!name.empty() && names_.size() < kMaxNames) {
    entry.name_at = static_cast<std::uint32_t>(names_.size());
    entry.name_size = static_cast<std::uint32_t>(name.size());
    names_.append(name);
  }
  switch (entry.kind) {
    case wire::fe::kQuery:
    case wire::fe::kFunctionCall:
      if (skipping_) break;
      open_batch_ = false;
      push(std::move(entry));
      break;
    case wire::fe::kSync:
      // Ignored by a server that reads copy data, unless the end of that data went before it.
      if (copy_in_ && copy_ends_ == 0) {
        ++doubts_;
        fresh_doubt_ = true;
        break;
      }
      open_batch_ = skipping_ = false;
      push(std::move(entry));
      break;
    case wire::fe::kCopyDone:
    case wire::fe::kCopyFail:
      // Also before the server said that it copies: drivers need not wait for that.
      if (nothing() || skipping_) break;
      entry.kind = kCopyEnd;
      push(std::move(entry));
      break;
    case wire::fe::kParse:
    case wire::fe::kBind:
    case wire::fe::kDescribe:
    case wire::fe::kExecute:
    case wire::fe::kClose:
      if (skipping_) break;
      open_batch_ = true;
      push(std::move(entry));
      break;
    default:
      break;
  }
}

Owed::Verdict Owed::answer(char type, std::unique_ptr<Detail>& finished) {
  namespace be = wire::be;
  record(type, true);
  answered_ = true;
  if (!copy_in_ && copy_ends_ > 0) pop_copy_ends();
  if (head_ == queue_.size()) return Verdict::OutOfStep;
  Entry& entry = queue_[head_];
  Verdict verdict =
      entry.action == Action::Swallow ? Verdict::Swallow : Verdict::Forward;
  const char kind = entry.kind;
  bool query = kind == wire::fe::kQuery, execute = kind == wire::fe::kExecute;
  bool fits = false, ends = false;
  switch (type) {
    case be::kDataRow:
    case be::kCopyOutResponse:
    case be::kCopyData:
    case be::kCopyDone:
      fits = query || execute;
      break;
    case be::kCopyInResponse:
    case be::kCopyBothResponse: {
      fits = query || execute;
      if (!fits) break;
      copy_in_ = true;
      // Syncs sent before the client could know of the copy are read, and ignored, as copy data
      // comes: those right behind the copy's request.
      std::size_t first = head_ + 1, end = first;
      while (end < queue_.size() && queue_[end].kind == wire::fe::kSync) ++end;
      if (first == end) break;
      doubts_ += end - first;
      requests_ -= end - first;
      fresh_doubt_ = true;
      queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(first),
                   queue_.begin() + static_cast<std::ptrdiff_t>(end));
      // If that took the Sync of the copy's own batch, the batch awaits the one after the copy.
      std::size_t last = queue_.size();
      while (last > head_ + 1 && queue_[last - 1].kind == kCopyEnd) --last;
      open_batch_ = !ends_in_ready(queue_[last - 1].kind);
      break;
    }
    case be::kCommandComplete:
      fits = query || execute;
      ends = execute;
      if (fits && copy_in_) {  // it has read all the data
        doubts_ = 0;
        end_copy();
      }
      break;
    case be::kEmptyQuery:
      fits = query || execute;
      ends = execute;
      break;
    case be::kPortalSuspended:
      fits = ends = execute;
      break;
    case be::kParseComplete:
      fits = ends = kind == wire::fe::kParse;
      break;
    case be::kBindComplete:
      fits = ends = kind == wire::fe::kBind;
      break;
    case be::kCloseComplete:
      fits = ends = kind == wire::fe::kClose;
      break;
    case be::kParameterDescription:
      fits = kind == wire::fe::kDescribe;
      break;
    case be::kNoData:
      fits = ends = kind == wire::fe::kDescribe;
      break;
    case be::kRowDescription:
      ends = kind == wire::fe::kDescribe;
      fits = ends || query;
      break;
    case be::kFunctionCallResponse:
      fits = kind == wire::fe::kFunctionCall;
      break;
    default:
      break;
  }
  if (!fits) return Verdict::OutOfStep;
  if (ends) {
    finished = std::move(queue_[head_].detail);
    pop();
  }
  return verdict;
}

void Owed::end_copy() {
  copy_in_ = false;
  if (copy_ends_ == 0) return;
  auto end = std::find_if(queue_.begin() + static_cast<std::ptrdiff_t>(head_), queue_.end(),
                          [](const Entry& entry) { return entry.kind == kCopyEnd; });
  queue_.erase(end);
  --copy_ends_;
}

void Owed::failed(std::vector<Entry>& dropped) {
  record(wire::be::kErrorResponse, true);
  answered_ = true;
  if (copy_in_) end_copy();
  pop_copy_ends();
  if (head_ == queue_.size()) {
    // Nothing was asked: the server's goodbye, or the rest of a batch whose answers all came.
    if (open_batch_) skipping_ = true;
    return;
  }
  if (ends_in_ready(queue_[head_].kind)) return;  // its ReadyForQuery follows
  while (head_ < queue_.size() && queue_[head_].kind != wire::fe::kSync) {
    dropped.push_back(std::move(queue_[head_]));
    queue_[head_].kind = dropped.back().kind;
    pop();
  }
  if (head_ == queue_.size()) {
    skipping_ = true;
    open_batch_ = true;
    return;
  }
  bool ours = queue_[head_].action == Action::Swallow;
  if (ours && head_ + 1 < queue_.size()) queue_[head_ + 1].action = Action::Swallow;
}

Owed::Verdict Owed::ready() {
  record(wire::be::kReadyForQuery, true);
  copy_in_ = false;
  bool answered = std::exchange(answered_, false);
  pop_copy_ends();
  bool none = head_ == queue_.size();
  if (doubts_ > 0) {
    bool lone_sync = !none && queue_[head_].kind == wire::fe::kSync;
    if (none || (!answered && !lone_sync)) {
      --doubts_;  // the answer to a Sync that was taken for ignored
      skipping_ = false;
      if (none) open_batch_ = false;
      return Verdict::Forward;
    }
    // An answer to a later request: what else there was came before it.
    if (!fresh_doubt_ && !lone_sync) doubts_ = 0;
    fresh_doubt_ = false;
  }
  if (none || !ends_in_ready(queue_[head_].kind)) return Verdict::OutOfStep;
  bool ours = queue_[head_].kind == wire::fe::kSync && queue_[head_].action == Action::Swallow;
  pop();
  pop_copy_ends();
  return ours ? Verdict::Swallow : Verdict::Forward;
}

void Owed::lost(std::vector<Entry>& all) {
  while (head_ < queue_.size()) {
    all.push_back(std::move(queue_[head_]));
    queue_[head_].kind = all.back().kind;
    pop();
  }
  copy_in_ = open_batch_ = skipping_ = fresh_doubt_ = false;
  doubts_ = 0;
}

bool Owed::take_made(char& type) {
  if (head_ == queue_.size() || queue_[head_].action != Action::Make) return false;
  type = queue_[head_].kind == wire::fe::kParse ? wire::be::kParseComplete
                                                : wire::be::kCloseComplete;
  pop();
  return true;
}

}  // namespace howdah::session
