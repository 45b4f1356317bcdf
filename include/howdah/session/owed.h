// What a server connection still owes: one entry for each request that ends in a ReadyForQuery, in
// the order sent. A server is handed on only when it owes nothing.
//
// PostgreSQL 15 manual 55.2.3 (extended query), 55.2.6 (COPY). The hard part is COPY FROM STDIN:
// - While the server reads copy data it ignores Flush and Sync. So the Syncs behind the request that
//   started the copy are not answered (drivers send one with Execute, not knowing it is a COPY), and
//   neither are later ones before CopyDone or CopyFail.
// - When the copy fails early the server drops late CopyData, CopyDone and CopyFail silently.
// - When it fails before it read any data (a statement trigger raised), the Sync behind Execute was
//   not ignored and is answered. Nothing in the stream tells the two cases apart, so such a server is
//   doubtful(): one ReadyForQuery more may come. The next request clears the doubt, because something
//   else answers it before its own ReadyForQuery (all but a lone Sync).
//
//   queue_: 'Q' Query, 'F' FunctionCall, 'S' Sync; answered by no ReadyForQuery of their own:
//           'b' a batch (Parse, Bind, Describe, Execute, Close up to its Sync), 'c' a copy's end
//
// One per server connection; no I/O; the queue is bounded by what a client may pipeline.
#pragma once

#include <cstddef>
#include <string>

namespace howdah::session {

class Owed {
 public:
  // The header of this client message was sent to the server.
  void sent(char type);
  // The server began COPY FROM STDIN (or CopyBoth).
  void copy_in_started();
  // CommandComplete came: a copy that was under way has read all its data.
  void command_completed();
  // ErrorResponse came: a copy that was under way is over.
  void command_failed();
  // Any other message came that answers a request.
  void answered() { answered_ = true; }
  // ReadyForQuery came. False when none was owed: the stream is out of step.
  bool ready();

  // Nothing to come: not a request, not the rest of a batch that awaits its Sync, not a copy.
  bool nothing() const { return head_ == queue_.size() && !copy_in_; }
  // A ReadyForQuery may come that is not counted: to be handed on only after a Query of our own.
  bool doubtful() const { return doubts_ > 0; }
  bool copy_in() const { return copy_in_; }
  bool open_batch() const { return open_batch_; }

 private:
  void push(char entry);
  void pop();
  void end_copy();
  std::string queue_;  // short string: no allocation for up to 15 entries in flight
  std::size_t head_ = 0;
  std::size_t copy_ends_ = 0;  // 'c' in the queue
  std::size_t doubts_ = 0;     // Syncs taken for ignored, not proved so
  bool open_batch_ = false;    // the last request in the queue is a batch without its Sync
  bool copy_in_ = false;
  bool fresh_doubt_ = false;   // they belong to the request at the head
  bool answered_ = false;      // by anything since the last ReadyForQuery
};

}  // namespace howdah::session
