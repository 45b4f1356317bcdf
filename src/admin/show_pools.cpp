// SHOW POOLS and the statistics: STATS, STATS_TOTALS, STATS_AVERAGES, TOTALS.
#include "admin/pool_view.h"
#include "admin/shows.h"

namespace howdah::admin {
namespace {

constexpr wire::Column kPools[] = {{"database", kText},
                                   {"user", kText},
                                   {"cl_active", kInt},
                                   {"cl_waiting", kInt},
                                   {"cl_active_cancel_req", kInt},
                                   {"cl_waiting_cancel_req", kInt},
                                   {"sv_active", kInt},
                                   {"sv_active_cancel", kInt},
                                   {"sv_being_canceled", kInt},
                                   {"sv_idle", kInt},
                                   {"sv_used", kInt},
                                   {"sv_tested", kInt},
                                   {"sv_login", kInt},
                                   {"maxwait", kInt},
                                   {"maxwait_us", kInt},
                                   {"pool_mode", kText},
                                   {"load_balance_hosts", kText},
                                   // Ours.
                                   {"sv_pinned", kInt}};

struct Traits {
  std::string mode;
  std::optional<std::string> balance;
};

Traits traits(const config::Config& config, const PoolKey& key) {
  if (key.first == kConsole) return {"statement", std::nullopt};
  auto database = config.find_database(key.first);
  // Removed by a reload, and still closing.
  if (!database) return {std::string(config::name(config.settings.pool_mode)), std::nullopt};
  Traits result{std::string(config::name(config.pool_mode(*database, key.second))), std::nullopt};
  if (database->hosts.size() > 1) result.balance = config::name(database->load_balance_hosts);
  return result;
}

void pool_rows(const State& state, base::Buffer& to) {
  for (const auto& [key, pool] : merge_pools(state)) {
    Traits of = traits(*state.config, key);
    Row(to, std::size(kPools))
        .text(key.first)
        .text(key.second)
        .number(pool.cl_active)
        .number(pool.cl_waiting)
        .number(pool.cl_active_cancel_req)
        .number(pool.cl_waiting_cancel_req)
        .number(pool.sv_active)
        .number(pool.sv_active_cancel)
        .number(pool.sv_being_canceled)
        .number(pool.sv_idle)
        .number(pool.sv_used)
        .number(pool.sv_tested)
        .number(pool.sv_login)
        .number(pool.max_wait_us / 1000000)
        .number(pool.max_wait_us % 1000000)
        .text(of.mode)
        .text(of.balance)
        .number(pool.sv_pinned);
  }
}

// The twelve counters in the order of every statistics table.
constexpr std::uint64_t metrics::Counters::*kTotals[] = {
    &metrics::Counters::server_assignments,
    &metrics::Counters::transactions,
    &metrics::Counters::queries,
    &metrics::Counters::received,
    &metrics::Counters::sent,
    &metrics::Counters::transaction_time,
    &metrics::Counters::query_time,
    &metrics::Counters::wait_time,
    &metrics::Counters::client_parses,
    &metrics::Counters::server_parses,
    &metrics::Counters::binds,
    &metrics::Counters::client_logins,
};
constexpr std::uint64_t metrics::Averages::*kAverages[] = {
    &metrics::Averages::server_assignments,
    &metrics::Averages::transactions,
    &metrics::Averages::queries,
    &metrics::Averages::received,
    &metrics::Averages::sent,
    &metrics::Averages::transaction_time,
    &metrics::Averages::query_time,
    &metrics::Averages::wait_time,
    &metrics::Averages::client_parses,
    &metrics::Averages::server_parses,
    &metrics::Averages::binds,
    &metrics::Averages::client_logins,
};
static_assert(std::size(kTotals) == std::size(kAverages));

constexpr wire::Column kStats[] = {{"database", kText},
                                   {"total_server_assignment_count", kNumeric},
                                   {"total_xact_count", kNumeric},
                                   {"total_query_count", kNumeric},
                                   {"total_received", kNumeric},
                                   {"total_sent", kNumeric},
                                   {"total_xact_time", kNumeric},
                                   {"total_query_time", kNumeric},
                                   {"total_wait_time", kNumeric},
                                   {"total_client_parse_count", kNumeric},
                                   {"total_server_parse_count", kNumeric},
                                   {"total_bind_count", kNumeric},
                                   {"total_client_login_count", kNumeric},
                                   {"avg_server_assignment_count", kNumeric},
                                   {"avg_xact_count", kNumeric},
                                   {"avg_query_count", kNumeric},
                                   {"avg_recv", kNumeric},
                                   {"avg_sent", kNumeric},
                                   {"avg_xact_time", kNumeric},
                                   {"avg_query_time", kNumeric},
                                   {"avg_wait_time", kNumeric},
                                   {"avg_client_parse_count", kNumeric},
                                   {"avg_server_parse_count", kNumeric},
                                   {"avg_bind_count", kNumeric},
                                   {"avg_client_login_count", kNumeric}};

constexpr wire::Column kStatsTotals[] = {{"database", kText},
                                         {"server_assignment_count", kNumeric},
                                         {"xact_count", kNumeric},
                                         {"query_count", kNumeric},
                                         {"bytes_received", kNumeric},
                                         {"bytes_sent", kNumeric},
                                         {"xact_time", kNumeric},
                                         {"query_time", kNumeric},
                                         {"wait_time", kNumeric},
                                         {"client_parse_count", kNumeric},
                                         {"server_parse_count", kNumeric},
                                         {"bind_count", kNumeric},
                                         {"client_login_count", kNumeric}};

// The prefix really stands on the last four only.
constexpr wire::Column kStatsAverages[] = {{"database", kText},
                                           {"server_assignment_count", kNumeric},
                                           {"xact_count", kNumeric},
                                           {"query_count", kNumeric},
                                           {"bytes_received", kNumeric},
                                           {"bytes_sent", kNumeric},
                                           {"xact_time", kNumeric},
                                           {"query_time", kNumeric},
                                           {"wait_time", kNumeric},
                                           {"avg_client_parse_count", kNumeric},
                                           {"avg_server_parse_count", kNumeric},
                                           {"avg_bind_count", kNumeric},
                                           {"avg_client_login_count", kNumeric}};

void add_totals(Row& row, const metrics::Counters& totals) {
  for (auto field : kTotals) row.number(totals.*field);
}

void add_averages(Row& row, const State& state, const std::string& database,
                  const metrics::Counters& totals) {
  metrics::Averages averages;
  if (state.stats) averages = state.stats->averages(database, totals, state.now);
  for (auto field : kAverages) row.number(averages.*field);
}

void stats_rows(const State& state, base::Buffer& to) {
  for (const auto& [database, totals] : database_totals(state)) {
    Row row(to, std::size(kStats));
    row.text(database);
    add_totals(row, totals);
    add_averages(row, state, database, totals);
  }
}

void stats_totals_rows(const State& state, base::Buffer& to) {
  for (const auto& [database, totals] : database_totals(state)) {
    Row row(to, std::size(kStatsTotals));
    row.text(database);
    add_totals(row, totals);
  }
}

void stats_averages_rows(const State& state, base::Buffer& to) {
  for (const auto& [database, totals] : database_totals(state)) {
    Row row(to, std::size(kStatsAverages));
    row.text(database);
    add_averages(row, state, database, totals);
  }
}

constexpr wire::Column kTotalsTable[] = {{"name", kText}, {"value", kNumeric}};

constexpr std::string_view kTotalsNames[] = {
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
    "client_login_count",
};
static_assert(std::size(kTotalsNames) == std::size(kTotals));

void totals_rows(const State& state, base::Buffer& to) {
  metrics::Counters totals = sum(database_totals(state));
  metrics::Averages averages;
  if (state.stats) averages = state.stats->averages_of_all(totals, state.now);
  for (std::size_t i = 0; i < std::size(kTotals); ++i) {
    Row(to, 2).text(base::cat("total_", kTotalsNames[i])).number(totals.*kTotals[i]);
  }
  for (std::size_t i = 0; i < std::size(kTotals); ++i) {
    Row(to, 2).text(base::cat("avg_", kTotalsNames[i])).number(averages.*kAverages[i]);
  }
}

constexpr Show kShows[] = {
    {"POOLS", Rights::Stats, ShowKind::Rows, kPools, pool_rows},
    {"STATS", Rights::Stats, ShowKind::Rows, kStats, stats_rows},
    {"STATS_TOTALS", Rights::Stats, ShowKind::Rows, kStatsTotals, stats_totals_rows},
    {"STATS_AVERAGES", Rights::Stats, ShowKind::Rows, kStatsAverages, stats_averages_rows},
    {"TOTALS", Rights::Stats, ShowKind::Rows, kTotalsTable, totals_rows},
};

}  // namespace

std::span<const Show> pool_shows() { return kShows; }

}  // namespace howdah::admin
