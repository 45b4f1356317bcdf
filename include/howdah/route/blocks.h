// What a text of SQL does to a transaction block, as far as its words tell: for the pooler that has
// to say in which state a session is whose server is lost.
//
// By tokens alone; one statement costs its first words. Where a text cannot be read (a Bad token) what
// was read before it counts. Pure; thread: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace howdah::route {

struct Blocks {
  enum class First : std::uint8_t {
    Nothing,   // no statement at all
    Begin,     // BEGIN, START TRANSACTION
    Commit,    // COMMIT, END, PREPARE TRANSACTION
    Rollback,  // ROLLBACK, ABORT
    Other,     // COMMIT PREPARED, ROLLBACK TO and ... AND CHAIN, too
  };
  First first = First::Nothing;
  bool single = true;   // at most one statement
  bool opens = false;   // a block that it does not end itself
  bool ends() const { return first == First::Commit || first == First::Rollback; }
};

Blocks blocks(std::string_view sql);

}  // namespace howdah::route
