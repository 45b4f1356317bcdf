// Where the name of a prepared statement stands in a statement.
#pragma once

#include <optional>
#include <string_view>

#include "howdah/route/facts.h"
#include "route/grammar.h"

namespace howdah::route {

// Looks for what the grammar read in sql[statement.at, statement.end); nothing if the text seems to
// say something else.
std::optional<StatementName> find_name(std::string_view sql, const GrammarStatement& statement);

}  // namespace howdah::route
