// The statements of a text and what they touch, by PostgreSQL's own grammar (libpg_query). The only
// place that knows the library and the names in its trees. Thread: any; the library keeps its memory
// per thread and frees it as the thread ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "howdah/route/facts.h"

namespace howdah::route {

struct GrammarName {
  StatementName::Verb verb;
  std::string name;  // empty for DeallocateAll
};

struct GrammarStatement {
  std::size_t at = 0, end = 0;  // in the text; end: its ';' or the end of the text
  std::uint16_t touch = 0;      // without kNames; kExit for every statement that ends a block
  std::vector<std::string> custom_settings;
  std::optional<GrammarName> name;
};

// Nothing if the grammar doesn't take the text, or something in it is unheard of. The text is not
// to be nested deeper than is_shallow() allows: the library recurses. `strange` says that letters
// of the text are not what they seem: a function's name with a 'z' is then never the catalogue's.
std::optional<std::vector<GrammarStatement>> parse_statements(const std::string& sql, bool strange);

// facts() without the short cuts.
Facts facts_by_grammar(std::string_view sql);

}  // namespace howdah::route
