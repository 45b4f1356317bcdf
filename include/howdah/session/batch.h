// The batch that runs on a server, kept so that it can be run once more as if for the first time:
// on this server after a plan was found outdated, or on another one.
//
// A batch is what a client sends up to and with a Sync, or one Query. It is kept if it began
// outside a transaction with nothing owed, is at most kMax long, has no Flush, and somebody wants
// it: want(), or Following::keep. Nobody else pays for it; who does pays a copy into memory that is
// used again.
//
//   Off --begin()--> Open --Sync or Query sent--> Whole --an answer goes to the client--> Off
//                     |                             |--another message is sent-----------> Off
//                     |--Flush, too long, nobody wants it--> Off
//                                                   |--fail(error, why)--> Failed
//                                                   --ReadyForQuery('I')--> run it again
//                                                                       |--ReadyForQuery('T',
//                                                                       'E')--> Off, the error is
//                                                                       told
//
// While it is Whole, answers that say nothing yet (ParseComplete, BindComplete, CloseComplete,
// ParameterDescription, NoData, RowDescription) are held; they go ahead of the first one that does. PostgreSQL
// itself sends nothing before the Sync unless it has 8 kB of it, so no client waits for them. Whole
// means therefore: nothing of this batch's answer has reached the client, bytes() are all of it,
// and after take() they can be sent again, here or elsewhere.
//
// One per server connection, as only linked clients have batches. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/session/pieces.h"
#include "howdah/session/statements.h"

namespace howdah::session {

class Batch {
 public:
  static constexpr std::size_t kMax = 16 * 1024;
  enum class State : std::uint8_t { Off, Open, Whole, Failed };
  // Why it is to be run again.
  enum class Why : std::uint8_t {
    Plan,      // outdated: on the same server, with its statements parsed anew
    Conflict,  // a standby's recovery was in its way: on another one
    ReadOnly,  // a standby cannot run it: on the primary
  };

  State state() const { return state_; }
  bool open() const { return state_ == State::Open; }
  bool whole() const { return state_ == State::Whole; }
  bool failed() const { return state_ == State::Failed; }
  void off();

  // --- While it is sent. `at`: where in the present chunk its first message begins.
  void begin(std::size_t at);
  void want() { wanted_ = true; }
  void sent(char type, bool first);
  // What a message of it changes among the client's names, so that take() can put it back.
  void added(std::string_view name, StatementRef statement);    // Parse
  void removed(std::string_view name, StatementRef statement);  // Close
  // It parses the unnamed statement itself.
  void parses_unnamed() { parses_unnamed_ = open(); }
  bool has_unnamed_parse() const { return parses_unnamed_; }
  // The chunk is dealt with up to `end`.
  void keep(std::string_view chunk, std::size_t end, bool wanted);

  // --- While it is answered.
  // An answer that says nothing yet.
  static bool may_wait(char type);
  void hold(std::string_view answers) { held_ += answers; }
  // Something of consequence comes, or there is no running it again any more: what is held goes
  // first. `client`: whose name goes if its late error is told now; needed once it has failed.
  void release(Pieces* out, ClientStatements* client = nullptr);
  bool to_release() const { return state_ != State::Off || !held_.empty(); }
  // That error is not told yet.
  void fail(std::string_view error, Why why);
  Why why() const { return why_; }
  // It is the late error of a Parse that was answered early: the name goes when it is told.
  void frees(std::string_view name, std::uint64_t statement) {
    freed_ = name;
    freed_id_ = statement;
  }
  // Which failures its owner wants to hear of before the client does.
  void set_wishes(bool conflict, bool read_only) {
    conflict_ = conflict;
    read_only_ = read_only;
  }
  bool wants(Why why) const { return why == Why::Conflict ? conflict_ : read_only_; }

  std::string_view bytes() const { return bytes_; }

  // The texts that it runs, in order. False: not all of them are known, or what a parameter's type
  // of the database's own does.
  bool executes(const ClientStatements& client, std::vector<std::string>& texts) const;
  // Its bytes, to be sent once more; the client's names are as before it.
  std::string take(ClientStatements& client);

 private:
  struct Change {
    std::string name;
    StatementRef statement;
    bool added;
  };
  State state_ = State::Off;
  Why why_ = Why::Plan;
  bool wanted_ = false, parses_unnamed_ = false;
  bool conflict_ = false, read_only_ = false;
  std::size_t from_ = 0;
  std::string bytes_, held_, freed_;
  std::uint64_t freed_id_ = 0;  // 0: none
  std::vector<Change> changes_;
};

}  // namespace howdah::session
