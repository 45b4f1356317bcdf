// What clients ask howdah itself, outside of PostgreSQL's grammar.
#pragma once

#include <optional>
#include <string_view>

#include "howdah/route/classes.h"

namespace howdah::route {

// SET [SESSION] howdah.route = primary | replica | auto | DEFAULT, RESET howdah.route, as the only
// statement. Not by the grammar: PRIMARY is a keyword. Nothing for any other text or value.
std::optional<Wish> set_route(std::string_view sql);

}  // namespace howdah::route
