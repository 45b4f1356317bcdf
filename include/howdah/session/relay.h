// The two directions of a linked pair, as two machines that share no framing state.
//
// Each walks the 5-byte headers of a chunk and says what is to be sent on: views of the chunk as it is
// (Pieces), no copies. Bodies are looked at only where something must be known: ErrorResponse,
// ParameterStatus, ReadyForQuery and short CommandCompletes are held until whole (up to kMaxHeld).
//
//   client chunk --ClientStream::forward--> to the server,  Owed::sent() per header
//   server chunk --ServerStream::forward--> to the client,  stops behind the ReadyForQuery after
//                                                           which nothing is owed
//
// In transaction mode ClientStream::follow() takes forward()'s place: prepared statements get the
// names they have on this server, are parsed there if they are not yet, and are answered without the
// server where it need not be asked (client_stream.cpp). Parse, and Query up to kMaxText, are then held
// until whole, Bind until its two names are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/route/facts.h"
#include "howdah/session/batch.h"
#include "howdah/session/owed.h"
#include "howdah/session/parameters.h"
#include "howdah/session/pieces.h"
#include "howdah/session/reading.h"
#include "howdah/session/statements.h"
#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

namespace howdah::session {

inline constexpr std::size_t kMaxHeld = 64 * 1024;
// Longer texts are not looked into: they are taken to touch everything.
inline constexpr std::size_t kMaxText = 1024 * 1024;

// Facts of texts seen lately, so that the grammar is not asked each time. One per worker.
class FactsCache {
 public:
  const route::Facts& of(std::string_view sql);
  // Whether the texts to come can be read at all, of the client they come from.
  void set_readable(route::Readable readable) { readable_ = readable; }
  // Those of a text that nobody has looked into.
  static const route::Facts& everything();
  // Keeps a statement known for a while that nobody else refers to (prepare_unnamed).
  void keep(StatementRef statement);

 private:
  route::Readable readable_ = route::Readable::Yes;
  static constexpr std::size_t kSlots = 256, kMaxKept = 4096;
  std::vector<StatementRef> recent_;
  struct Slot {
    std::string text;
    route::Facts facts;
  };
  std::vector<Slot> slots_;
  route::Facts long_one_;
};

// What executing a portal will do to the maps. Those of portals that are gone do no harm: executing
// them fails.
struct BoundPortal {
  std::string portal;
  std::unique_ptr<Owed::Detail> effects;
};

// What ClientStream::follow() needs to follow statements over one link.
struct Following {
  Owed& owed;
  ClientStatements& client;
  std::uint64_t client_id;
  ServerStatements& server;
  StatementTable& table;
  PoolStatements& pool;
  FactsCache& facts;
  std::size_t max_prepared = 0;   // 0: statements are not followed, texts may still be
  bool track = true;              // session_state = track: texts are looked into
  bool share_unnamed = false;     // prepare_unnamed
  wire::TxStatus tx = wire::TxStatus::Idle;
  Reading reading;
  Pieces& to_server;
  Pieces& to_client;
  Batch* batch = nullptr;  // null: nothing is kept
  bool keep = false;       // a routed entry: every batch, not only those that may meet an outdated
                           // plan, and what it does to transaction blocks
  bool one_batch = false;  // what comes behind a Sync or Query waits for its answer
  std::vector<const Statement*> parsing{};  // that name statements and are being parsed anew
  std::size_t needed = 0;  // statements that the present message needs: they are not to make room
  // Portals that name statements and may still be executed; how many there were since there was none.
  const std::vector<BoundPortal>* bound = nullptr;
  std::size_t bound_number = 0;
};

// Client to server: belongs to the client session.
class ClientStream {
 public:
  enum class Stop {
    Bytes,       // all of the chunk is taken but for a message that is not all there
    Stall,       // the rest waits until every request sent is answered (Owed::quiet)
    Terminate,   // the client said goodbye
    Violation,   // error() says what
  };
  struct Taken {
    std::size_t forward = 0;  // bytes at the start of the chunk that are dealt with
    Stop stop = Stop::Bytes;
  };
  // Everything as it is: the bytes taken are to be sent on.
  Taken forward(std::string_view chunk, std::uint32_t max_packet, Owed& owed);
  // What is to be sent is in the two Pieces of `f`.
  Taken follow(std::string_view chunk, std::uint32_t max_packet, Following& f);
  // The same walk for a client that has no server: drops late CopyData, CopyDone, CopyFail, and the
  // rest of a message that is to be dropped. Gives the bytes to drop.
  std::size_t drop_late_copy(std::string_view chunk, std::uint32_t max_packet);

  bool at_boundary() const { return body_left_ == 0; }
  // How many bytes the message takes that is held until it is whole; 0: none is.
  std::size_t needs() const { return needs_; }
  bool stalled() const { return stalled_; }
  void resume() { stalled_ = false; }
  // What the bytes that follow wait for; put back after an earlier batch went through once more.
  struct Waits {
    bool stalled;
    std::uint32_t needs;
  };
  Waits waits() const { return {stalled_, needs_}; }
  void wait(Waits waits) {
    stalled_ = stalled_ || waits.stalled;
    needs_ = waits.needs;
  }
  // disable_pqexec: a Query is a violation.
  void forbid_query(bool forbidden) { query_forbidden_ = forbidden; }
  const char* error() const { return error_; }

  // route::Touch of all that was sent since clear_touched(), and the custom settings set by it.
  std::uint16_t touched() const { return touched_; }
  std::span<const std::string> custom_settings() const {
    return custom_settings_ ? *custom_settings_ : std::span<const std::string>();
  }
  void clear_touched() {
    touched_ = 0;
    custom_settings_.reset();
  }
  // A link begins or ends.
  void relink() {
    stalled_ = sealed_ = false;
    bound_.reset();
  }

 private:
  enum class Head { Incomplete, Ok, Terminate, Violation };
  std::size_t take_body(std::size_t available);
  Head read_head(std::string_view bytes, std::uint32_t max_packet, wire::Header& header);
  void touch(const route::Facts& facts);
  void touch(const Statement& statement);
  bool must_wait(const Following& f, char type, std::string_view seen, bool whole) const;
  void add_custom(const std::vector<std::string>& names);
  // Each looks at one message and sends what is to be sent of `seen`, the part of it that is here.
  void on_parse(Following& f, std::string_view seen);
  void parse_named(Following& f, std::string_view name, std::string_view body);
  void parse_unnamed(Following& f, std::string_view seen, std::string_view body);
  bool on_bind(Following& f, std::string_view seen);  // false: its names are not all here
  void keep_effects(std::string_view portal);
  void on_execute(Following& f, std::string_view seen);
  void on_describe(Following& f, std::string_view seen);
  void on_close(Following& f, std::string_view seen);
  void on_query(Following& f, std::string_view seen);
  void use_unnamed(Following& f, bool describe);
  static std::uint64_t begin_unnamed(Following& f);

  std::uint32_t body_left_ = 0;
  std::uint16_t touched_ = 0;
  bool query_forbidden_ = false;
  bool stalled_ = false;
  bool sealed_ = false;  // a batch went out with one_batch
  std::uint32_t needs_ = 0;
  std::unique_ptr<Owed::Detail> sql_effects_;  // of the unnamed statement, until it is bound
  std::unique_ptr<std::vector<BoundPortal>> bound_;  // most clients have none
  std::uint32_t bound_number_ = 0;
  std::uint64_t names_version_ = 0;            // of the client's names when it was parsed
  Owed::Block bound_block_ = Owed::Block::Stays;  // what the statement bound last does
  std::unique_ptr<std::vector<std::string>> custom_settings_;  // most clients have none
  const char* error_ = nullptr;
};

// True for a byte that may start a message of a logged-in client.
bool is_client_message(char type);

// Server to client: belongs to the server session.
class ServerStream {
 public:
  enum class Event {
    Bytes,      // all taken but for an incomplete header or held message
    Settled,    // a ReadyForQuery came and nothing is owed: tx() says in which state
    Again,      // likewise, but the batch failed and nothing of that was told: to be run again
    Fatal,      // it has said why it goes, and that is last_words(): nothing of it was told
    Violation,  // error() says what: close this server
  };
  struct Taken {
    std::size_t forward = 0;  // bytes at the start of the chunk that are dealt with
    Event event = Event::Bytes;
  };
  struct Sides {
    const TrackedNames& names;
    Parameters& server;
    Parameters* client;             // null while an internal query runs or no client is linked
    Owed& owed;
    ServerStatements* statements = nullptr;  // null: not followed
    ClientStatements* of_client = nullptr;
    PoolStatements* pool = nullptr;
    Pieces* out = nullptr;   // what goes to the client; null: nobody wants it
    Batch* batch = nullptr;  // null: nothing is kept
    bool hold_fatal = false;  // the client outlives this server: Event::Fatal
  };
  Taken forward(std::string_view chunk, const Sides& sides);

  // --- The server is lost, its client stays (loss.cpp). Only at a boundary.
  struct Errors {  // whole messages; which one a request gets depends on what it was
    std::string_view words;     // for the first: what the server said; empty: nothing
    std::string_view in_block;  // for what ran in a transaction block, which is rolled back
    std::string_view outside;   // for what ran outside of one, or was to commit it
  };
  struct Aftermath {
    bool in_block = false;  // the client is in a transaction block, and that has failed
    bool told = false;      // it has been told so
    bool to_sync = false;   // what it sends up to its next Sync is to be skipped
  };
  // Answers everything that is owed, and undoes what that did to the client's names.
  Aftermath lose(const Errors& errors, const Sides& sides);
  // The server's goodbye as an ERROR; empty: it said none.
  const std::string& last_words() const { return last_words_; }
  // Answers of ours whose turn has come, unless a message of the server is half through.
  void emit_made(const Sides& sides);

  wire::TxStatus tx() const { return tx_; }
  void set_tx(wire::TxStatus tx) { tx_ = tx; }
  bool at_boundary() const { return body_left_ == 0; }
  // A standby has become a primary while we were connected.
  bool promoted() const { return promoted_; }
  // COPY FROM STDIN began since clear_error().
  bool copy_in_begun() const { return copy_in_begun_; }
  // The last ErrorResponse seen since clear_error() was FATAL or PANIC: the client has been told why the server goes.
  bool saw_fatal() const { return saw_fatal_; }
  // True once any ErrorResponse was seen since clear_error(); its text.
  bool saw_error() const { return saw_error_; }
  const std::string& error_text() const { return error_text_; }
  const std::string& error_code() const { return error_code_; }
  void clear_error();
  void keep_error_text(bool keep) { keep_error_text_ = keep; }
  const char* error() const { return error_; }

 private:
  enum class Look { Forward, Made, Ready, Again, Fatal, Bad };
  Look look_status(std::string_view body, const Sides& sides);
  Look look_ready(std::string_view body, const Sides& sides);
  Look look_error(std::string_view whole, const Sides& sides);
  void keep_last_words(std::string_view whole, const wire::ErrorFields& fields);
  bool run_again(const Owed::Entry& head, const Sides& sides) const;
  static void knows_outdated(const Owed::Entry& head, bool again, const Sides& sides);
  void look_complete(std::string_view tag, const Sides& sides);
  void finished(char type, Owed::Detail& detail, const Sides& sides);
  void undo(Owed::Entry& entry, bool skipped, const Sides& sides);
  void undo_dropped(const Sides& sides);
  static void apply_later_names(const Sides& sides);

  std::uint32_t body_left_ = 0;
  bool drop_body_ = false;  // the rest of the body is not the client's to see
  wire::TxStatus tx_ = wire::TxStatus::Idle;
  bool promoted_ = false;
  bool saw_fatal_ = false, saw_error_ = false, keep_error_text_ = false, copy_in_begun_ = false;
  std::string error_text_, error_code_, last_words_;
  std::vector<Owed::Entry> dropped_;
  const char* error_ = nullptr;
};

}  // namespace howdah::session
