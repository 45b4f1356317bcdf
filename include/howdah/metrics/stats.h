// Totals per database and their averages over the last stats period: what SHOW STATS, STATS_TOTALS,
// STATS_AVERAGES, TOTALS and the stats log line print.
//
// Averages compare "now" with a snapshot one to two periods old, as PgBouncer does. Call period()
// once at the start too: until the second call that first snapshot is the one compared with. Before
// any call all averages are 0.
// Thread: the supervisor's.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "howdah/base/time.h"
#include "howdah/metrics/counters.h"

namespace howdah::metrics {

struct Averages {  // per second, but *_time per event
  std::uint64_t server_assignments = 0, transactions = 0, queries = 0, received = 0, sent = 0;
  std::uint64_t transaction_time = 0, query_time = 0, wait_time = 0;
  std::uint64_t client_parses = 0, server_parses = 0, binds = 0, client_logins = 0;
};

class Stats {
 public:
  using PerDatabase = std::map<std::string, Counters>;
  // Called every stats period with the totals of that moment.
  void period(const PerDatabase& totals, base::TimePoint now);
  // A database the old snapshot lacks counts from zero. Totals that fell since (a pool was dropped)
  // give 0, never a wrapped number.
  Averages averages(const std::string& database, const Counters& now_totals,
                    base::TimePoint now) const;
  Averages averages_of_all(const Counters& now_totals, base::TimePoint now) const;

 private:
  struct Mark {
    bool taken = false;
    base::TimePoint at{};
    PerDatabase totals;
  };
  const Mark& reference() const { return older_.taken ? older_ : newer_; }
  Mark older_, newer_;
};

}  // namespace howdah::metrics
