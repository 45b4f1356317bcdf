// What PostgreSQL will still say to what was sent: a client's view of the protocol, by which a run
// knows that a step is answered. It is told every message of both directions.
//
// PostgreSQL 15 manual 55.2. Messages are worked off in order; the one at the front is the one
// that PostgreSQL works on:
//   Query, FunctionCall, Sync   answered up to ReadyForQuery
//   Parse 1, Bind 2, Close 3, Describe T or n, Execute C, I or s
//   an error of one of these: all is skipped up to the next Sync
//   a copy that reads: Flush and Sync are skipped, CopyData is read, CopyDone and CopyFail end it
//   Flush, and what of a copy comes too late: no answer
// It cannot tell when a failing copy stops to read: no Sync may stand between its CopyData.
#pragma once

#include <deque>

namespace howdah::compare {

class Outstanding {
 public:
  void sent(char type);
  void got(char type);
  // All is answered, or the server waits for copy data that was not sent yet.
  bool done() const { return queue_.empty() || (reading() && queue_.size() == 1); }
  // An answer came that nothing asked for.
  bool confused() const { return confused_; }

 private:
  bool reading() const { return copy_in_ && !copy_over_; }
  void settle();
  void pop_if(char type);
  std::deque<char> queue_;
  bool skipping_ = false, copy_in_ = false, copy_over_ = false, confused_ = false;
};

}  // namespace howdah::compare
