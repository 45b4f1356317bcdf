#pragma once

#include <string_view>

namespace howdah::route {

// Well-formed UTF-8, the only encoding that the grammar's library reads.
bool is_utf8(std::string_view text);

}  // namespace howdah::route
