// The texts that conversations are made of. In a text {t} is the client's own table, {d} its table
// with a deferred constraint, {m} its mark, {n} the name of a statement as SQL has it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace howdah::compare {

enum class Kind {
  Plain,    // works anywhere
  Fails,    // at parsing, planning or executing
  Control,  // of transactions
  CopyIn,
  CopyOut,
  Setting,  // of reported parameters, and what depends on them
  Cursor,
  Prepare,  // PREPARE, EXECUTE, DEALLOCATE name
  Discard,  // of everything
};

struct Statement {
  Kind kind;
  const char* text;
  const char* types;  // of $1, $2, ...: i int4, b int8, t text
};

const std::vector<Statement>& statements(Kind kind);
// Names that clients, and poolers, give to statements.
const std::vector<std::string>& statement_names();

// What no answer to another client may have in it.
std::string mark(int slot);
// The slot of the first mark in `bytes` that is not `slot`'s; -1 when there is none.
int foreign_mark(std::string_view bytes, int slot);

std::string fill_in(std::string_view text, int slot, std::string_view name = "");
// The same statement for the simple protocol: literals for parameters.
std::string with_literals(std::string text, std::string_view types);
// A name as SQL must write it to mean exactly these bytes.
std::string quote_name(std::string_view name);

// What a round begins with on both sides, for one slot; and what makes its tables as new.
std::string make_tables(int slot);
std::string restore_tables(int slot);

}  // namespace howdah::compare
