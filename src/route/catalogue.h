// Which functions are PostgreSQL's own and leave no state in their session, by name.
#pragma once

#include <string_view>

namespace howdah::route {

// `name` as the catalogue has it (folded already if it stood unquoted).
bool is_harmless_function(std::string_view name);

// The same for an unquoted word of a text.
bool is_harmless_word(std::string_view word);

// Functions that make or end state bound to the session: advisory locks, temporary replication
// slots, backups, replication origins.
bool is_pinning_function(std::string_view name);

}  // namespace howdah::route
