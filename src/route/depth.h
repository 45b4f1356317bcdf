// How deep a text nests: the grammar's library recurses over its trees without looking at its
// stack.
#pragma once

#include <string_view>

namespace howdah::route {

// True if no tree of this text is deeper than a thread's stack of 1 MB bears. False also for what
// the scanner does not understand.
bool is_shallow(std::string_view sql);

}  // namespace howdah::route
