// Seeded simulation of the workers (workers_world.h).
//   sim_workers --seeds N [--first S]   runs seeds S to S+N-1; prints each that fails
//   sim_workers --seed S [--trace]      runs one seed, with all that clients get and the pooler logs
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sim/workers_world.h"

int main(int count, char** words) {
  std::uint64_t seeds = 1000, first = 1;
  bool trace = false;
  for (int i = 1; i < count; ++i) {
    std::string_view word = words[i];
    if (word == "--trace") {
      trace = true;
      continue;
    }
    char* end = nullptr;
    std::uint64_t number = i + 1 < count ? std::strtoull(words[i + 1], &end, 10) : 0;
    bool known = end && *end == '\0' && words[i + 1][0] != '\0';
    if (known && word == "--seeds") {
      seeds = number;
    } else if (known && word == "--first") {
      first = number;
    } else if (known && word == "--seed") {
      first = number, seeds = 1;
    } else {
      std::fprintf(stderr, "usage: sim_workers [--seeds N] [--first S] [--seed S] [--trace]\n");
      return 2;
    }
    ++i;
  }
  howdah::sim::WorkersTotals totals;
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + seeds && failed < 10; ++seed) {
    std::string broken = howdah::sim::WorkersWorld(seed, trace, totals).run();
    if (broken.empty()) continue;
    ++failed;
    std::fprintf(stderr, "seed %llu: %s", static_cast<unsigned long long>(seed), broken.c_str());
  }
  const auto& clients = totals.clients;
  const std::pair<const char*, std::uint64_t> counts[] = {
      {"events", totals.events},
      {"gentle histories", totals.gentle},
      {"with 1 worker", totals.workers[1]},
      {"with 4 workers", totals.workers[4]},
      {"client logins", clients.logins},
      {"requests", clients.requests},
      {"answered", clients.answers},
      {"transactions begun", clients.transactions},
      {"extended batches", clients.batches},
      {"copies in", clients.copies},
      {"big answers", clients.big},
      {"cancels sent", clients.cancels},
      {"statements cancelled", clients.cancelled},
      {"cancels that reached a server", totals.cancels_hit},
      {"clients told FATAL", clients.fatal},
      {"clients that left busy", clients.left_busy},
      {"server logins", totals.server_logins},
      {"server messages", totals.queries},
      {"server deaths", totals.deaths},
      {"logins refused", totals.refused},
      {"reloads", totals.reloads},
      {"reconnects", totals.reconnects},
      {"pauses", totals.pauses},
      {"kills", totals.kills},
      {"quits in the storm", totals.stormy_quits},
  };
  if (failed == 0) std::printf("%llu seeds clean\n", static_cast<unsigned long long>(seeds));
  for (auto& [what, number] : counts)
    std::printf("%12llu %s\n", static_cast<unsigned long long>(number), what);
  return failed ? 1 : 0;
}
