// What a server connection still owes: one entry for each message that it answers, in the order
// sent. A server is handed on only when it owes nothing; what it says must fit the entry at the
// head.
//
// PostgreSQL 15 manual 55.2.3 (extended query), 55.2.6 (COPY).
//
//   entry  asked by         answered by (the last of these takes it off)
//   P      Parse            ParseComplete
//   B      Bind             BindComplete
//   C      Close            CloseComplete
//   D      Describe         [ParameterDescription] RowDescription | NoData
//   E      Execute          rows, copies ... CommandComplete | EmptyQueryResponse | PortalSuspended
//   S      Sync             ReadyForQuery
//   Q      Query            anything of the above ... ReadyForQuery
//   F      FunctionCall     FunctionCallResponse ReadyForQuery
//   c      CopyDone, CopyFail  (nothing: the end of a copy)
//
// An answer is forwarded to the client, or swallowed (the message was ours), or made by us when its
// turn comes (the message was never sent). After an error the server skips all up to the next Sync,
// Queries too: so do the entries; dropped ones are given back so that what they did to the maps of
// statements can be undone. A message of ours that a Query needs is followed by a Sync of ours:
// when it fails, the client gets that error and the Query's own answer but for its ReadyForQuery is
// swallowed.
//
// COPY FROM STDIN is the hard part:
// - While the server reads copy data it ignores Flush and Sync. So the Syncs behind the request
// that
//   started the copy are not answered (drivers send one with Execute, not knowing it is a COPY),
//   and neither are later ones before CopyDone or CopyFail.
// - When the copy fails early the server drops late CopyData, CopyDone and CopyFail silently.
// - When it fails before it read any data (a statement trigger raised), the Sync behind Execute was
//   not ignored and is answered. Nothing in the stream tells the two cases apart, so such a server
//   is doubtful(): one ReadyForQuery more may come. The next request clears the doubt, because
//   something else answers it before its own ReadyForQuery (all but a lone Sync).
//
// One per server connection; no I/O; the queue is bounded by what a client may pipeline.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/session/statements.h"

namespace howdah::session {

class Owed {
 public:
  enum class Action : std::uint8_t { Forward, Swallow, Make };
  // What a message did to the maps when it was sent; undone if it is skipped or fails.
  enum Undo : std::uint8_t {
    kClientAdded = 1,
    kClientRemoved = 2,
    kServerAdded = 4,
    kServerRemoved = 8,
    kDummyAdded = 16,
    kFreesName = 32,  // when it fails itself: the client was told of a success too early
    kClientGone = 64  // nothing to undo: takes a name that SQL before it is still to make
  };
  // A name in the server's error texts and what the client calls it.
  struct Alias {
    std::string server, client;
  };
  // What a CommandComplete of PREPARE or DEALLOCATE within this entry does to the maps.
  struct SqlEffect {
    bool prepare;
    std::string name;
    StatementRef statement;  // prepared, or really deallocated; null: only the dummy was
  };
  // A text was changed: from this character on its positions are `by` less than those the client
  // sees.
  struct Shift {
    std::size_t from;
    std::ptrdiff_t by;
  };
  struct Detail {
    std::uint8_t undo = 0;
    bool tells = false;      // notices are the client's though the answer is not
    bool must_fail = false;  // sent for PostgreSQL's own error; success would falsify the maps
    std::string name;        // the client's
    StatementRef statement;
    std::vector<Alias> aliases;
    std::vector<SqlEffect> effects;
    std::vector<Shift> shifts;           // for the position that an error tells
    bool clears = false;                 // DEALLOCATE ALL, DISCARD ALL
    std::vector<StatementRef> executed;  // statements that its text executes
    std::size_t next_effect = 0;
  };
  // What it does to a transaction block, if it runs to its end.
  enum class Block : std::uint8_t { Stays, Opens, Ends };
  struct Entry {
    char kind = 0;
    Action action = Action::Forward;
    std::uint64_t statement = 0;  // id on the server of the statement it uses
    std::unique_ptr<Detail> detail{};
    std::uint32_t name_at = 0,
                  name_size = 0;  // what the client calls that statement, see name_of()
    std::uint64_t unnamed =
        0;  // the version of the client's unnamed statement that it began or restored
    Block block = Block::Stays;  // Query, Execute of routed entries
  };
  enum class Verdict { Forward, Swallow, OutOfStep };

  // The header of this client message was sent to the server.
  void sent(char type) { sent(Entry{type}); }
  // `name`: what the client calls the statement, for error texts.
  void sent(Entry entry, std::string_view name = {});
  std::string_view name_of(const Entry& entry) const {
    return std::string_view(names_).substr(entry.name_at, entry.name_size);
  }
  // A message of the server other than ErrorResponse, ReadyForQuery and asynchronous ones.
  // `finished` gets the entry that it took off, if it has a detail.
  Verdict answer(char type, std::unique_ptr<Detail>& finished);
  // ErrorResponse came. Entries that it ends or skips are appended to `dropped`, in order.
  void failed(std::vector<Entry>& dropped);
  // ReadyForQuery came. OutOfStep when none was owed.
  Verdict ready();
  // Nothing more will come of it: gives all that was to be answered, in order.
  void lost(std::vector<Entry>& all);
  // The next answer is to be made by us: takes it off and gives its type. Only between messages.
  bool take_made(char& type);

  // The entry that the server is answering; null when there is none.
  Entry* head() { return head_ < queue_.size() ? &queue_[head_] : nullptr; }
  // The message sent last, if it is not answered yet.
  const Entry* last() const { return head_ < queue_.size() ? &queue_.back() : nullptr; }
  // Everything that is still to be answered, for looking through.
  template <typename F>
  void each(F&& look) const {
    for (std::size_t i = head_; i < queue_.size(); ++i) look(queue_[i]);
  }

  // Nothing to come: not a request, not the rest of a batch that awaits its Sync, not a copy.
  bool nothing() const { return head_ == queue_.size() && !copy_in_ && !open_batch_ && !skipping_; }
  // No earlier request is unanswered: what the server last said of its transaction holds now.
  bool quiet() const { return requests_ == 0; }
  // A ReadyForQuery may come that is not counted: to be handed on only after a Query of our own.
  bool doubtful() const { return doubts_ > 0; }
  bool copy_in() const { return copy_in_; }
  // The server reads copy data, and the end of it has not been sent.
  bool reading_copy() const { return copy_in_ && copy_ends_ == 0; }
  bool open_batch() const { return open_batch_; }
  // In this batch something has been executed, so that the transaction's state may be another.
  bool executed() const { return executed_; }
  // An error has been seen, its Sync has not been sent: the server ignores whatever comes before
  // it.
  bool skipping() const { return skipping_; }
  // The last 64 messages both ways, oldest first: the client's as they are, the server's behind
  // '<'.
  std::string flight() const;

 private:
  void push(Entry entry);
  void pop();
  void pop_copy_ends();
  void end_copy();
  void record(char type, bool from_server);

  std::vector<Entry> queue_;
  std::string names_;  // of the entries; emptied with the queue
  std::size_t head_ = 0;
  std::size_t copy_ends_ = 0;  // 'c' in the queue
  std::size_t requests_ = 0;   // Q, F and S in the queue
  std::size_t doubts_ = 0;     // Syncs taken for ignored, not proved so
  bool open_batch_ = false;    // messages of a batch were sent whose Sync was not
  bool executed_ = false;      // in the open batch
  bool copy_in_ = false;
  bool skipping_ = false;
  bool fresh_doubt_ = false;       // they belong to the request at the head
  bool answered_ = false;          // by anything since the last ReadyForQuery
  std::array<char, 64> flight_{};  // high bit: from the server
  std::uint32_t flown_ = 0;
};

// A message of the client that is answered by a ReadyForQuery.
bool ends_in_ready(char kind);

}  // namespace howdah::session
