// Lines of [databases], [users] and [peers] made into their structs.
#pragma once

#include <string_view>
#include <vector>

#include "config/problems.h"
#include "howdah/config/config.h"

namespace howdah::config {

// What the three sections know, for messages and for the manual's test.
std::vector<std::string_view> database_keys();
std::vector<std::string_view> user_keys();
std::vector<std::string_view> peer_keys();

// Each adds to `problems` whatever is wrong, all of it, and still returns what could be read. A
// database without host= has no hosts but the port in `default_port`: the socket directory is known
// only when the whole file is read. `used`: the keys of the line, for warnings.
struct DatabaseLine {
  Database entry;
  std::uint16_t default_port = 5432;
  std::vector<std::string> used;
};
DatabaseLine read_database(std::string_view name, std::string_view value, const Place& place,
                           Problems& problems);
User read_user(std::string_view name, std::string_view value, const Place& place,
               Problems& problems);
Peer read_peer(std::string_view name, std::string_view value, const Place& place,
               Problems& problems);

}  // namespace howdah::config
