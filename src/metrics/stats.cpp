// Averages between a kept snapshot and now.
#include "howdah/metrics/stats.h"

#include <limits>

namespace howdah::metrics {
namespace {

// 128 bits between, because bytes times a million may not fit in 64.
std::uint64_t per_second(std::uint64_t count, std::uint64_t microseconds) {
  unsigned __int128 rate = static_cast<unsigned __int128>(count) * 1000000u / microseconds;
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  return rate > kMax ? kMax : static_cast<std::uint64_t>(rate);
}

std::uint64_t per_event(std::uint64_t time, std::uint64_t events) {
  return events == 0 ? 0 : time / events;
}

Averages average(const Counters& added, base::Duration over) {
  Averages result;
  if (over.count() <= 0) return result;
  auto us = static_cast<std::uint64_t>(over.count());
  result.server_assignments = per_second(added.server_assignments, us);
  result.transactions = per_second(added.transactions, us);
  result.queries = per_second(added.queries, us);
  result.received = per_second(added.received, us);
  result.sent = per_second(added.sent, us);
  result.client_parses = per_second(added.client_parses, us);
  result.server_parses = per_second(added.server_parses, us);
  result.binds = per_second(added.binds, us);
  result.client_logins = per_second(added.client_logins, us);
  result.transaction_time = per_event(added.transaction_time, added.transactions);
  result.query_time = per_event(added.query_time, added.queries);
  result.wait_time = per_event(added.wait_time, added.server_assignments);
  return result;
}

}  // namespace

void Stats::period(const PerDatabase& totals, base::TimePoint now) {
  older_ = std::move(newer_);
  newer_ = {true, now, totals};
}

Averages Stats::averages(const std::string& database, const Counters& now_totals,
                         base::TimePoint now) const {
  const Mark& mark = reference();
  if (!mark.taken) return {};
  auto found = mark.totals.find(database);
  Counters before = found == mark.totals.end() ? Counters{} : found->second;
  return average(now_totals - before, now - mark.at);
}

Averages Stats::averages_of_all(const Counters& now_totals, base::TimePoint now) const {
  const Mark& mark = reference();
  if (!mark.taken) return {};
  Counters before;
  for (const auto& [database, totals] : mark.totals) before += totals;
  return average(now_totals - before, now - mark.at);
}

}  // namespace howdah::metrics
