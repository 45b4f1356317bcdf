// The ledger called from several threads at once (worth most under ThreadSanitizer).
#include <atomic>
#include <mutex>
#include <thread>

#include "unit/pool/yard.h"

namespace howdah::pool {

TEST_CASE("threads that share pools, limits and permits leave the ledger sound") {
  auto config = small_config();
  config->settings.max_db_connections = 3;
  add_database(*config, "d");
  Ledger ledger(config, 4);
  const PoolId pools[] = {ledger.pool(config->find_database("d"), "a"),
                          ledger.pool(config->find_database("d"), "b")};
  std::mutex mutex;
  std::map<SlotId, Permit> permits;
  std::atomic<int> served = 0;
  TimePoint now{1000s};

  auto work = [&](WorkerId worker) {
    Actions actions;
    auto permit_of = [&](SlotId slot) {
      std::lock_guard guard(mutex);
      auto node = permits.extract(slot);
      return node.empty() ? Permit{} : std::move(node.mapped());
    };
    auto lose = [&](SlotId slot) { ledger.lost(permit_of(slot), now, actions); };
    // Whoever is given a server is done with it at once, in the giver's thread.
    auto settle = [&](SlotId slot, Checkin answer, WorkerId at) {
      while (auto* give = std::get_if<Give>(&answer)) {
        served += give->to.worker == at || ledger.adopted(slot, give->ticket, give->to.worker, now);
        at = give->to.worker;
        answer = ledger.checkin(slot, at, now);
      }
      if (std::holds_alternative<Discard>(answer)) lose(slot);
    };
    auto act = [&] {
      while (!actions.empty()) {
        Action action = std::move(actions.back());
        actions.pop_back();
        if (auto* open = std::get_if<Open>(&action)) {
          SlotId slot = open->permit.slot();
          Checkin answer = ledger.opened(open->permit, worker, now, actions);
          {
            std::lock_guard guard(mutex);
            permits[slot] = std::move(open->permit);
          }
          settle(slot, answer, worker);
        } else if (auto* close = std::get_if<Close>(&action)) {
          Permit permit;  // its opener files it a little after the ledger parked it
          while (!(permit = permit_of(close->slot))) std::this_thread::yield();
          ledger.lost(std::move(permit), now, actions);
        }
      }
    };
    for (int i = 0; i < 3000; ++i) {
      Checkout answer = ledger.checkout(pools[i % 2], {worker, 1}, now, actions);
      if (auto* granted = std::get_if<Granted>(&answer)) {
        ++served;
        settle(granted->slot, ledger.checkin(granted->slot, worker, now), worker);
      } else if (auto* fetch = std::get_if<Fetch>(&answer)) {
        served += ledger.adopted(fetch->slot, fetch->ticket, worker, now);
        settle(fetch->slot, ledger.checkin(fetch->slot, worker, now), worker);
      } else if (auto* queued = std::get_if<Queued>(&answer)) {
        act();
        if (i % 3) ledger.cancel(queued->ticket);
      }
      act();
      if (worker == 0 && i % 64 == 0) ledger.tick(now, actions), act();
    }
  };
  std::vector<std::thread> threads;
  for (WorkerId worker = 0; worker < 4; ++worker) threads.emplace_back(work, worker);
  for (auto& thread : threads) thread.join();

  CHECK_EQ(ledger.check_invariants(), "");
  CHECK(served > 1000);
  CHECK(ledger.servers() <= 3);
  CHECK_EQ(ledger.servers(), permits.size());
  for (auto& row : ledger.snapshot()) {
    CHECK_EQ(row.promised, 0);
    CHECK_EQ(row.active, 0);
    CHECK_EQ(row.connecting, 0);
    CHECK_EQ(row.closing, 0);
  }
}

}  // namespace howdah::pool
