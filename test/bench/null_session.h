// One connection to the null PostgreSQL server, without I/O: bytes in, bytes out. It answers every
// query at once from memory, but keeps what a pooler relies on: transaction status, statements and
// portals by name, errors that skip to Sync, and ParameterStatus after a SET that changes a value.
//
//   Startup --SSLRequest/GSSENCRequest ('N')--> Startup --StartupMessage--> Ready
//   Ready --error in an extended message--> Skipping --Sync--> Ready
//   any --Terminate, CancelRequest, broken framing--> Closed
//
// A query's first word decides the answer: BEGIN, COMMIT, ROLLBACK, SET, DISCARD, RESET,
// DEALLOCATE, COPY ... TO, nothing (EmptyQueryResponse); anything else is a SELECT.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace howdah::bench {

// The answer to a SELECT: `rows` rows of one text column with `row_bytes` bytes each.
struct NullAnswer {
  int rows = 1;
  int row_bytes = 1;
};

class NullSession {
 public:
  NullSession(const NullAnswer& answer, std::uint32_t pid) : answer_(answer), pid_(pid) {}

  // Reads whole messages from the front of `in`, appends the answers to `out`, and returns how many
  // bytes were used; the caller keeps the rest and gives it again with what follows.
  std::size_t feed(std::string_view in, std::string& out);
  bool closed() const { return state_ == State::kClosed; }

 private:
  enum class State { kStartup, kReady, kSkipping, kClosed };
  enum class Kind {
    kSelect,
    kBegin,
    kCommit,
    kRollback,
    kSet,
    kReset,
    kDiscard,
    kDeallocate,
    kCopyOut,
    kCopyIn,
    kEmpty
  };
  struct Statement {
    Kind kind = Kind::kSelect;
    std::string text;
  };
  using Names = std::map<std::string, Statement, std::less<>>;
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  void startup(std::string_view body, std::string& out);
  void welcome(std::string& out);
  void message(char type, std::string_view body, std::string& out);
  void simple_query(std::string_view text, std::string& out);
  void parse(std::string_view body, std::string& out);
  void bind(std::string_view body, std::string& out);
  void describe(std::string_view body, std::string& out);
  void close(std::string_view body, std::string& out);
  void execute(std::string_view body, std::string& out);
  void run(const Statement& statement, bool with_description, std::string& out);
  void rows(std::string_view query, std::string& out);
  void set(std::string_view text);
  void set_parameter(std::string_view name, std::string_view value);
  void reset();
  void ready(std::string& out);
  void fail(std::string_view code, std::string_view text, bool extended, std::string& out);

  static Kind kind_of(std::string_view text);
  static void describe_row(std::string& out);

  NullAnswer answer_;
  std::uint32_t pid_;
  State state_ = State::kStartup;
  char status_ = 'I';
  Names statements_;
  Names portals_;
  Parameters parameters_;  // what was reported at the start, then as changed
  Parameters at_start_;
  std::vector<std::size_t> changed_;  // parameters to report before the next ReadyForQuery
};

}  // namespace howdah::bench
