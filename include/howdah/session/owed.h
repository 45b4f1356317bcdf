// What a server connection still owes: one entry for each request that ends in a ReadyForQuery, in
// the order sent. A server is handed on only when it owes nothing.
//
// PostgreSQL 15 manual 55.2.3 (extended query), 55.2.6 (COPY). The hard part is COPY FROM STDIN:
// - While the server reads copy data it ignores Flush and Sync. So the Syncs behind the request that
//   started the copy are not answered (drivers send one with Execute, not knowing it is a COPY), and
//   neither are later ones before CopyDone or CopyFail.
// - When the copy fails early the server drops late CopyData, CopyDone and CopyFail silently.
//
//   queue_: 'Q' Query, 'F' FunctionCall, 'S' Sync, 'c' the end of a copy (answered by nothing)
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
  // CommandComplete or ErrorResponse came: an unfinished copy is over.
  void command_ended();
  // ReadyForQuery came. False when none was owed: the stream is out of step.
  bool ready();

  // Nothing to come: not a request, not the rest of a batch that awaits its Sync, not a copy.
  bool nothing() const { return head_ == queue_.size() && !open_batch_ && !copy_in_; }
  std::size_t requests() const { return queue_.size() - head_; }
  bool copy_in() const { return copy_in_; }
  bool open_batch() const { return open_batch_; }

 private:
  void pop();
  std::string queue_;  // short string: no allocation for up to 15 requests in flight
  std::size_t head_ = 0;
  bool open_batch_ = false;  // Parse, Bind, Describe, Execute or Close sent since the last Sync
  bool copy_in_ = false;
};

}  // namespace howdah::session
