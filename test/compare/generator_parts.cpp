// The parts that conversations are put together from. Each adds whole exchanges to the step that is
// being made, the last one ending in Sync, Query or FunctionCall; some make steps of their own.
#include "compare/generator.h"
#include "support/raw.h"

namespace howdah::compare {

namespace msg = howdah::test::msg;

void Generator::simple() {
  const Statement& first = any_statement(true);
  std::string text = simple_text(first);
  while (chance(20)) {
    // A statement named behind the end of a failed transaction: a known limit of the pooler's.
    const Statement& next = any_statement(true);
    if (first.kind == Kind::Control && next.kind == Kind::Prepare) continue;
    text += "; " + simple_text(next);
  }
  add(msg::query(text));
  known_.erase("");
}

void Generator::settings() { add(msg::query(simple_text(pick(statements(Kind::Setting))))); }

void Generator::unnamed() {
  for (bool more = true; more; more = chance(25)) {
    const Statement& statement = any_statement(false);
    add_parse("", statement);
    if (chance(15)) add(msg::describe('S', ""));
    add(binding("", "", statement.types));
    if (chance(60)) add(msg::describe('P', ""));
    add_execute("");
    if (chance(10)) add(msg::close(chance(50) ? 'S' : 'P', ""));
  }
  add(msg::sync());
}

void Generator::split() {
  if (!known_.count("") || (!has(kRebind) && !parsed_alone_) || chance(40)) {
    add_parse("", any_statement(false));
    if (chance(60)) add(msg::describe('S', ""));
    add(msg::sync());
    parsed_alone_ = true;
    if (chance(50)) end_step();
    if (chance(60)) return;
  }
  // Not in a transaction that may have failed: the other known limit.
  if (!has(kTransactions) && chance(15)) add(msg::describe('S', ""));
  add(binding("", "", known_.count("") ? known_[""] : "i"));
  if (chance(40)) add(msg::describe('P', ""));
  add_execute("");
  add(msg::sync());
}

void Generator::named() {
  const std::string& which = name();
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
      add_parse(which, any_statement(false));
      if (chance(50)) add(msg::describe('S', which));
      if (chance(40)) named_use();
      break;
    case 3:
      add(msg::close('S', which));
      if (chance(50)) add_parse(which, any_statement(false));
      if (chance(30)) named_use();
      break;
    case 4:
      if (has(kTransactions)) {
        add(msg::query("rollback"));
        known_.erase("");
      }
      add(msg::describe('S', which));
      break;
    default:
      if (known_.empty() || chance(20)) add_parse(which, any_statement(false));
      for (bool more = true; more; more = chance(30)) named_use();
  }
  if (has(kFlush) && chance(5)) {
    add(msg::flush());
    end_step();
  }
  add(msg::sync());
}

void Generator::named_use() {
  const std::string& which = name();
  auto found = known_.find(which);
  std::string portal = chance(10) ? "p1" : "";
  add(binding(portal, which, found == known_.end() ? "" : found->second));
  if (chance(40)) add(msg::describe('P', portal));
  add_execute(portal);
}

void Generator::portals() {
  bool in_block = has(kTransactions) && chance(50);
  if (in_block) {
    add(msg::query("begin"));
    if (chance(50)) end_step();
  }
  // Of two that name statements the first may be executed behind the second, and two of one PREPARE
  // may both find a name free: known limits.
  bool may_name = has(kSqlPrepare) && has(kNested);
  auto any = [&]() -> const Statement& {
    bool names = may_name && chance(30);
    may_name = may_name && !names;
    return pick(statements(names ? Kind::Prepare : Kind::Plain));
  };
  const Statement* statement = &any();
  add_parse("", *statement);
  add(binding("p1", "", statement->types));
  if (chance(40) || statement->kind == Kind::Prepare) {
    statement = &any();
    add_parse("", *statement);
  }
  add(binding(has(kErrors) && chance(10) ? "p1" : "p2", "", statement->types));
  for (std::uint64_t turns = 1 + random_.below(4); turns > 0; --turns) {
    std::string portal = chance(50) ? "p1" : "p2";
    add(msg::execute(portal, static_cast<int>(random_.below(3))));
    if (chance(20)) add(msg::describe('P', portal));
    if (chance(15)) add(msg::close('P', portal));
    if (in_block && chance(30)) {
      add(msg::sync());
      if (chance(50)) end_step();
    }
  }
  add(msg::sync());
  if (in_block && chance(70)) add(msg::query(chance(50) ? "commit" : "rollback"));
}

void Generator::copy_in() {
  const Statement& statement = pick(statements(Kind::CopyIn));
  bool csv = std::string_view(statement.text).find("csv") != std::string_view::npos;
  bool extended = chance(40);
  if (extended) {
    add_parse("", statement);
    add(binding("", "", ""));
    add(msg::execute(""));
    // A driver that does not know of the copy: the server skips it, if the copy began.
    if (chance(50)) add(msg::sync());
  } else {
    std::string text = text_of(statement);
    if (chance(15)) text = simple_text(any_statement(true)) + "; " + text;
    if (chance(15)) text += "; " + simple_text(any_statement(true));
    add(msg::query(text));
  }
  known_.erase("");  // bound once more it would want data again
  if (chance(50)) {
    if (extended) add(msg::flush());
    end_step();
  }
  for (std::uint64_t rows = random_.below(4); rows > 0; --rows) {
    std::string row = std::to_string(100 + random_.below(1000)) + (csv ? "," : "\t");
    row += mark(slot_) + "copied\n";
    if (has(kErrors) && chance(10)) row = "abc,\t\n";
    // Rows need not be messages.
    std::size_t cut = chance(30) ? random_.below(row.size()) : 0;
    if (cut > 0) add(msg::copy_data(row.substr(0, cut)));
    add(msg::copy_data(row.substr(cut)));
  }
  add(chance(80) ? msg::copy_done() : msg::copy_fail("gave up " + mark(slot_)));
  if (extended) add(msg::sync());
}

void Generator::copy_out() {
  const Statement& statement = pick(statements(Kind::CopyOut));
  if (chance(50)) {
    add(msg::query(text_of(statement)));
    known_.erase("");
    return;
  }
  add_parse("", statement);
  add(binding("", "", ""));
  add(msg::execute(""));
  add(msg::sync());
}

void Generator::function() {
  constexpr std::uint32_t kLengthOfText = 1317, kNone = 999999;
  bool good = !has(kErrors) || chance(80);
  add(msg::function_call(good ? kLengthOfText : kNone, {mark(slot_)}));
}

void Generator::flushed() {
  const Statement& statement = any_statement(false);
  std::string which = has(kNamed) && chance(50) ? name() : "";
  if (which.empty() || chance(50)) {
    add_parse(which, statement);
    if (chance(60)) add(msg::describe('S', which));
    add(msg::flush());
    end_step();
  }
  add(binding("", which, known_.count(which) ? known_[which] : ""));
  if (chance(50)) {
    add(msg::describe('P', ""));
    add(msg::flush());
    end_step();
  }
  add_execute("");
  if (chance(50)) {
    add(msg::flush());
    end_step();
  }
  add(msg::sync());
}

void Generator::unsynced() {
  const Statement& statement = any_statement(false);
  std::string which = has(kNamed) && chance(50) ? name() : "";
  add_parse(which, statement);
  if (chance(70)) {
    add(binding("", which, statement.types));
    if (chance(70)) add_execute("");
  }
  if (has(kFunctions) && chance(30)) {
    function();
  } else {
    simple();
  }
  // Had the batch failed, the Query would have been skipped, and the client be stuck without it.
  if (chance(70)) add(msg::sync());
}

}  // namespace howdah::compare
