// What a text does to a transaction block.
#include "howdah/route/blocks.h"

#include <doctest/doctest.h>

#include <string>

using namespace howdah::route;
using First = Blocks::First;

TEST_CASE("texts that open and end transaction blocks are told from others") {
  struct {
    const char* sql;
    First first;
    bool single, opens;
  } cases[] = {
      {"", First::Nothing, true, false},
      {" ; -- nothing\n;", First::Nothing, true, false},
      {"begin", First::Begin, true, true},
      {"/* x */ BEGIN isolation level serializable;", First::Begin, true, true},
      {"start transaction read only", First::Begin, true, true},
      {"start", First::Other, true, false},
      {"commit", First::Commit, true, false},
      {"END;", First::Commit, true, false},
      {"prepare transaction 'x'", First::Commit, true, false},
      {"prepare x as select 1", First::Other, true, false},
      {"rollback work", First::Rollback, true, false},
      {"abort and no chain", First::Rollback, true, false},
      {"rollback and chain", First::Other, true, false},
      {"rollback to savepoint a", First::Other, true, false},
      {"rollback transaction to a", First::Other, true, false},
      {"rollback prepared 'x'", First::Other, true, false},
      {"commit prepared 'x'", First::Other, true, false},
      {"select 'begin'", First::Other, true, false},
      {"select 1; begin; select 2", First::Other, false, true},
      {"begin; select 1; commit", First::Begin, false, false},
      {"rollback; begin", First::Rollback, false, true},
      {"commit; select 1", First::Commit, false, false},
      {"select ';begin;' ", First::Other, true, false},
      {"\"begin\"", First::Other, true, false},
      {"$", First::Other, true, false},
  };
  for (const auto& one : cases) {
    CAPTURE(one.sql);
    Blocks found = blocks(one.sql);
    CHECK(found.first == one.first);
    CHECK(found.single == one.single);
    CHECK(found.opens == one.opens);
  }
}
