// The keywords that the cheap scan knows. Case is ignored.
#pragma once

#include <cstdint>
#include <string_view>

namespace howdah::route {

// Words that the rules of plain.cpp name.
enum class Id : std::uint8_t {
  None,
  Abort,
  Analyze,
  As,
  Bit,
  By,
  Char,
  Conflict,
  Copy,
  Create,
  Distinct,
  Execute,
  Explain,
  Filter,
  Group,
  Hold,
  Insert,
  Into,
  Join,
  Local,
  Materialized,
  Merge,
  On,
  Order,
  Over,
  Partition,
  PgSettings,
  Recursive,
  Select,
  Set,
  To,
  Transaction,
  Vacuum,
  Values,
  Varying,
  Where,
  With,
};

struct Keyword {
  std::string_view text;
  Id id = Id::None;
  bool verb = false;          // may begin a statement that leaves nothing behind
  bool exit = false;          // the same, but it ends a transaction block
  bool before_paren = false;  // no function's name: reserved, or with a syntax of its own
};

// Null for any other word.
const Keyword* find_keyword(std::string_view word);

}  // namespace howdah::route
