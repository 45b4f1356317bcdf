// A client in a transaction block that has failed, without a server: the one that ran it is lost.
// Answers as PostgreSQL does: only what ends the block is carried out, everything else gets 25P02.
//
//   Failed --COMMIT, ROLLBACK, ABORT by Query: CommandComplete ROLLBACK, ReadyForQuery 'I'--> over
//   Failed --the same by Execute: CommandComplete ROLLBACK--> Ended --Sync: ReadyForQuery 'I'--> over
//                                              Ended --anything else: a server's affair--> over
//
// A client that lost its server between two statements has not been told yet: its next request gets
// that error (`untold`) instead of 25P02, a COMMIT too, which must not look like a success. After a
// COMMIT the block is over all the same. ROLLBACK TO fails: its savepoint has gone with the server.
// No I/O. Owner and thread: the worker that holds the client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "howdah/base/buffer.h"
#include "howdah/route/blocks.h"
#include "howdah/session/statements.h"

namespace howdah::session {

class FailedBlock {
 public:
  // `untold`: a whole ErrorResponse; empty: the client knows.
  explicit FailedBlock(std::string untold) : untold_(std::move(untold)) {}

  enum class Next : std::uint8_t {
    More,     // answered (in `out`); the block has still failed
    Over,     // answered; the block is over
    Server,   // not looked at, the block is over: for a server
    Refused,  // error() is the answer to this message: skip the rest of the request
    RefusedAndOver,  // likewise, and that ends the block
  };
  struct Step {
    std::size_t consumed = 0;  // More, Over
    Next next = Next::More;
  };
  struct Names {
    ClientStatements& client;
    StatementTable& table;
    std::string reading;  // Reading::key()
    bool followed;        // named statements follow the client
  };
  // `bytes` begin with a message that is whole, or longer than what was waited for.
  Step feed(std::string_view bytes, const Names& names, base::Buffer& out);
  std::string_view error() const { return error_; }

 private:
  Step refuse();
  Step on_query(std::string_view text, std::size_t size, base::Buffer& out);
  Step on_parse(std::string_view body, std::size_t size, const Names& names, base::Buffer& out);
  Step on_bind(std::string_view body, std::size_t size, const Names& names, base::Buffer& out);
  Step on_describe(std::string_view body, std::size_t size, const Names& names, base::Buffer& out);
  Step on_execute(std::size_t size, base::Buffer& out);

  using First = route::Blocks::First;
  std::string untold_, error_;
  bool ended_ = false;
  First portal_ = First::Other;  // what Execute would run: nothing, or what ends the block
};

}  // namespace howdah::session
