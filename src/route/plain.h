// The cheap scan: can this text leave anything behind? Without grammar and without allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace howdah::route {

struct Plain {
  bool plain = false;
  std::size_t statements = 0;  // that are not empty; counts only if plain
};

Plain scan_plain(std::string_view sql);

// For one statement COMMIT, END, ROLLBACK or ABORT with the words that may follow: all it does is
// to end its transaction block. False whenever it is something else or not sure.
bool is_simple_exit(std::string_view sql);

}  // namespace howdah::route
