// One picture of all pools: the ledger's snapshot (who waits, what connects) merged with what the
// workers say of their own sockets, by (database, user).
//
// From the ledger: waiting clients, the oldest waiter, connections being made; it alone knows them
// over all workers at one moment. From the workers: the states of linked and idle sockets, cancels,
// counters. A pool only a worker knows (the console's own) is taken from the worker whole.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "howdah/admin/console.h"

namespace howdah::admin {

inline constexpr std::string_view kConsole = "pgbouncer";  // its row in SHOW POOLS and the like

// The names under which the console is reached as a database (compat section 0).
bool is_console_database(std::string_view name);

using PoolKey = std::pair<std::string, std::string>;  // database, user

// Sorted by database, then user; the console's own pool is always there.
std::map<PoolKey, WorkerPool> merge_pools(const State& state);

// Totals per database over the merged pools.
std::map<std::string, metrics::Counters> database_totals(const State& state);
metrics::Counters sum(const std::map<std::string, metrics::Counters>& totals);

// What SHOW DATABASES and SHOW USERS list: configured ones, those in use, the console.
std::set<std::string> database_names(const State& state);
std::set<std::string> user_names(const State& state);

}  // namespace howdah::admin
