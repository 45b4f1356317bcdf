// Merges the ledger's snapshot with the workers' reports.
#include "admin/pool_view.h"

#include <algorithm>

namespace howdah::admin {
namespace {

void add(WorkerPool& to, const WorkerPool& from) {
  to.counters += from.counters;
  to.cl_active += from.cl_active;
  to.cl_waiting += from.cl_waiting;
  to.cl_active_cancel_req += from.cl_active_cancel_req;
  to.cl_waiting_cancel_req += from.cl_waiting_cancel_req;
  to.sv_active += from.sv_active;
  to.sv_active_cancel += from.sv_active_cancel;
  to.sv_being_canceled += from.sv_being_canceled;
  to.sv_idle += from.sv_idle;
  to.sv_used += from.sv_used;
  to.sv_tested += from.sv_tested;
  to.sv_login += from.sv_login;
  to.sv_pinned += from.sv_pinned;
  to.max_wait_us = std::max(to.max_wait_us, from.max_wait_us);
}

}  // namespace

bool is_console_database(std::string_view name) { return name == kConsole || name == "howdah"; }

std::map<PoolKey, WorkerPool> merge_pools(const State& state) {
  std::map<PoolKey, WorkerPool> pools;
  pools[{std::string(kConsole), std::string(kConsole)}] = {};
  for (const WorkerReport& worker : state.workers) {
    for (const auto& [id, pool] : worker.pools) add(pools[{pool.database, pool.user}], pool);
  }
  if (state.ledger == nullptr) return pools;

  // A removed pool and its successor may carry the same names for a while: sum those first.
  struct Queue {
    std::size_t waiting = 0, connecting = 0;
    base::TimePoint oldest = base::kNever;
  };
  std::map<PoolKey, Queue> queues;
  for (const pool::PoolSnapshot& pool : state.ledger->snapshot()) {
    Queue& queue = queues[{pool.database, pool.user}];
    queue.waiting += pool.waiting;
    queue.connecting += pool.connecting;
    queue.oldest = std::min(queue.oldest, pool.oldest_waiter);
  }
  for (const auto& [key, queue] : queues) {
    WorkerPool& pool = pools[key];
    pool.cl_waiting = queue.waiting;
    pool.sv_login = queue.connecting;
    bool waits = queue.oldest != base::kNever && queue.oldest < state.now;
    pool.max_wait_us = waits ? (state.now - queue.oldest).count() : 0;
  }
  return pools;
}

std::map<std::string, metrics::Counters> database_totals(const State& state) {
  std::map<std::string, metrics::Counters> totals;
  totals[std::string(kConsole)] = {};
  for (const WorkerReport& worker : state.workers) {
    for (const auto& [id, pool] : worker.pools) totals[pool.database] += pool.counters;
  }
  if (state.ledger == nullptr) return totals;
  for (const pool::PoolSnapshot& pool : state.ledger->snapshot()) totals[pool.database];
  return totals;
}

metrics::Counters sum(const std::map<std::string, metrics::Counters>& totals) {
  metrics::Counters all;
  for (const auto& [database, counters] : totals) all += counters;
  return all;
}

std::set<std::string> database_names(const State& state) {
  std::set<std::string> names{std::string(kConsole)};
  for (const auto& [name, database] : state.config->databases) names.insert(name);
  // Made from the `*` line: known by their pools, or because somebody paused or disabled them.
  auto add_automatic = [&](const std::string& name) {
    if (state.config->find_database(name)) names.insert(name);
  };
  if (state.ledger != nullptr) {
    for (const pool::PoolSnapshot& pool : state.ledger->snapshot()) add_automatic(pool.database);
  }
  for (const std::string& name : state.paused_databases) add_automatic(name);
  for (const std::string& name : state.disabled_databases) add_automatic(name);
  return names;
}

std::set<std::string> user_names(const State& state) {
  std::set<std::string> names{std::string(kConsole)};
  for (const auto& [name, user] : state.config->users) names.insert(name);
  for (const auto& [name, secret] : state.config->userlist) names.insert(name);
  for (const WorkerReport& worker : state.workers) {
    for (const auto& [id, pool] : worker.pools) names.insert(pool.user);
    for (const SocketRow& client : worker.clients) {
      if (client.state != "login" && !client.user.empty()) names.insert(client.user);
    }
  }
  if (state.ledger != nullptr) {
    for (const pool::PoolSnapshot& pool : state.ledger->snapshot()) names.insert(pool.user);
  }
  return names;
}

}  // namespace howdah::admin
