// The right side of [databases], [users] and [peers] lines (compat 1.3):
//
//   key=value key = 'value with blanks and '' quotes' ...
//
// Empty values are an error; the empty string has no pairs. libpq's parser can't read this.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/base/result.h"

namespace howdah::config {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Pairs in the order written, duplicates included. Error texts hold keys but no values, and no
// text that may be the rest of a password written without quotes.
base::Result<Pairs> parse_connect_string(std::string_view text);

}  // namespace howdah::config
