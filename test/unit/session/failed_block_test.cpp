// A failed transaction block whose server is gone answers as PostgreSQL does.
#include "howdah/session/failed_block.h"

#include <doctest/doctest.h>

#include "bytes.h"
#include "howdah/session/relay.h"

using namespace howdah;
using namespace howdah::session;
using Next = FailedBlock::Next;

namespace {
struct Fixture {
  explicit Fixture(std::string untold = "") : block(std::move(untold)) {}
  ClientStatements client;
  StatementTable table;
  base::Buffer out;
  FailedBlock block;
  std::string told;

  Next say(std::string_view bytes) {
    told.clear();
    while (true) {
      auto step = block.feed(bytes, {client, table, "", true}, out);
      told += out.view();
      out.clear();
      if (step.next != Next::More) return step.next;
      bytes.remove_prefix(step.consumed);
      if (bytes.empty() || step.consumed == 0) return step.next;
    }
  }
  std::string code() {
    return std::string(wire::read_error(block.error().substr(wire::kHeaderSize)).code);
  }
};
const std::string kUntold = error("ERROR", "08006", "lost");
const std::string kRolledBack = complete("ROLLBACK");
}  // namespace

TEST_CASE("only what ends the block is carried out") {
  Fixture f;
  for (const char* sql : {"select 1", "begin", "rollback to a", "commit; select 1", "selekt", "commit prepared 'x'"}) {
    CAPTURE(sql);
    CHECK(f.say(query(sql)) == Next::Refused);
    CHECK(f.code() == "25P02");
    CHECK(f.say(parse(sql)) == Next::Refused);
    CHECK(f.code() == "25P02");
    CHECK(f.told.empty());
  }
  CHECK(f.say(query("")) == Next::More);
  CHECK(f.told == message('I') + ready('E'));
  CHECK(f.say(sync_batch()) == Next::More);
  CHECK(f.told == ready('E'));
  CHECK(f.say(query("commit")) == Next::Over);
  CHECK(f.told == kRolledBack + ready('I'));
}

TEST_CASE("the extended protocol ends the block, with what is behind it left to a server") {
  Fixture f;
  CHECK(f.say(batch("rollback")) == Next::Over);
  CHECK(f.told == message('1') + message('2') + kRolledBack + ready('I'));
  Fixture more;
  CHECK(more.say(parse("abort") + bind() + message('D', z("P")) + execute() + parse("select 1")) ==
        Next::Server);
  CHECK(more.told == message('1') + message('2') + message('n') + kRolledBack);
  Fixture rest;
  CHECK(rest.say(query("rollback; select 1")) == Next::Server);
  CHECK(rest.told.empty());
}

TEST_CASE("statements keep their names") {
  Fixture f;
  f.client.add("c", f.table.get(Statement::Form::Protocol, std::string("commit\0\0\0", 9), ""));
  f.client.add("s", f.table.get(Statement::Form::Protocol, std::string("select 1\0\0\0", 11), ""));
  auto bind_to = [](std::string_view name) {
    return message('B', z("") + z(name) + std::string(6, '\0'));
  };
  CHECK(f.say(bind_to("s")) == Next::Refused);
  CHECK(f.code() == "25P02");
  CHECK(f.say(bind_to("none")) == Next::Refused);
  CHECK(f.code() == "26000");
  CHECK(f.say(message('P', z("c") + z("commit") + std::string(2, '\0'))) == Next::Refused);
  CHECK(f.code() == "42P05");
  CHECK(f.say(message('C', z("Ss"))) == Next::More);
  CHECK(!f.client.find("s"));
  CHECK(f.say(bind_to("c") + execute() + sync_batch()) == Next::Over);
  CHECK(f.told == message('2') + kRolledBack + ready('I'));
}

TEST_CASE("a client that does not know yet is told before anything looks like a success") {
  Fixture f(kUntold);
  CHECK(f.say(query("select 1")) == Next::Refused);
  CHECK(f.block.error() == kUntold);
  CHECK(f.say(query("select 1")) == Next::Refused);
  CHECK(f.code() == "25P02");
  Fixture commit(kUntold);
  CHECK(commit.say(query("commit")) == Next::RefusedAndOver);
  CHECK(commit.block.error() == kUntold);
  Fixture extended(kUntold);
  CHECK(extended.say(batch("commit")) == Next::RefusedAndOver);
  CHECK(extended.block.error() == kUntold);
  Fixture rollback(kUntold);
  CHECK(rollback.say(query("rollback")) == Next::Over);
  CHECK(rollback.told == kRolledBack + ready('I'));
}

TEST_CASE("messages too long or too broken to end a block are refused") {
  Fixture f;
  std::string big = query(std::string(100000, 'x'));
  CHECK(f.say(std::string_view(big).substr(0, 20000)) == Next::Refused);
  for (char type : {'Q', 'P', 'B', 'D', 'C', 'F', 'E'}) {
    CAPTURE(type);
    CHECK(f.say(message(type, "\xff")) == Next::Refused);
  }
}
