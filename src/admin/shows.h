// The table of SHOW: word, rights, what must be gathered, columns, and the function that writes the
// rows. Columns are PgBouncer's, names, order and types (compat 3.3): scrapers read them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "admin/answer.h"
#include "howdah/admin/console.h"

namespace howdah::admin {

enum class ShowKind {
  Rows,         // of what the pools and the config say
  SocketRows,   // needs a row per client and server from the workers
  Notice,       // HELP
  Unavailable,  // a word of PgBouncer's that this version cannot answer, and says so
};

struct Show {
  std::string_view word;
  Rights rights;
  ShowKind kind;
  Columns columns;
  void (*fill)(const State& state, base::Buffer& to);  // null unless Rows or SocketRows
};

std::vector<const Show*> all_shows();
const Show* find_show(std::string_view word);  // any case; null = unknown

// The whole answer of a SHOW that has rows.
base::Buffer show_answer(const Show& show, const State& state);

// What drivers ask or set when they connect, answered without being a setting of ours.
struct DriverSetting {
  std::string_view name, value;
};
const DriverSetting* find_driver_setting(std::string_view name);
base::Buffer driver_setting_answer(const DriverSetting& setting);

// Each file of rows (show_*.cpp) offers its part of the table.
std::span<const Show> config_shows();
std::span<const Show> pool_shows();
std::span<const Show> socket_shows();
std::span<const Show> host_shows();
std::span<const Show> route_shows();

}  // namespace howdah::admin
