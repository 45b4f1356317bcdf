// Seeded simulation of the pool ledger (ledger_world.h).
//   sim_ledger --seeds N [--first S]   runs seeds S to S+N-1; prints the first that fails, with its
//   trace sim_ledger --seed S                runs one seed with its trace
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sim/ledger_world.h"

namespace {

bool run(std::uint64_t seed, bool trace, howdah::sim::Totals& totals) {
  try {
    howdah::sim::LedgerWorld(seed, trace, totals).run();
    return true;
  } catch (const std::exception& violation) {
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed),
                 violation.what());
    return false;
  }
}

}  // namespace

int main(int count, char** words) {
  std::uint64_t seeds = 1000, first = 1;
  bool trace = false;
  for (int i = 1; i < count; ++i) {
    std::string_view word = words[i];
    char* end = nullptr;
    std::uint64_t number = i + 1 < count ? std::strtoull(words[i + 1], &end, 10) : 0;
    bool known = end && *end == '\0' && words[i + 1][0] != '\0';
    if (known && word == "--seeds") {
      seeds = number;
    } else if (known && word == "--first") {
      first = number;
    } else if (known && word == "--seed") {
      first = number, seeds = 1, trace = true;
    } else {
      std::fprintf(stderr, "usage: sim_ledger [--seeds N] [--first S] | --seed S\n");
      return 2;
    }
    ++i;
  }
  howdah::sim::Totals totals;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    if (run(seed, trace, totals)) continue;
    if (!trace) {
      std::fprintf(stderr, "trace (replay: sim_ledger --seed %llu):\n",
                   static_cast<unsigned long long>(seed));
      run(seed, true, totals);
    }
    return 1;
  }
  const std::pair<const char*, std::uint64_t> counts[] = {
      {"events", totals.events},
      {"granted", totals.granted},
      {"fetched", totals.fetched},
      {"given", totals.given},
      {"queued", totals.queued},
      {"refused", totals.refused},
      {"opened", totals.opened},
      {"reserve opens", totals.reserve},
      {"void promises", totals.voided},
      {"lost in transit", totals.lost_in_transit},
      {"sent instead", totals.sent},
      {"evicted", totals.evicted},
      {"told to close", totals.closed},
      {"waiters failed", totals.failed},
      {"retried", totals.retried},
      {"pools forgotten", totals.forgotten},
      {"connects failed", totals.connect_failures},
      {"logins failed", totals.login_failures},
      {"permits dropped", totals.dropped},
      {"asked for servers of their own", totals.own_asked},
      {"servers given to their only client", totals.own_given},
      {"of these closed by the operator", totals.own_closed},
  };
  std::printf("%llu seeds clean\n", static_cast<unsigned long long>(seeds));
  for (auto& [what, number] : counts)
    std::printf("%12llu %s\n", static_cast<unsigned long long>(number), what);
  return 0;
}
