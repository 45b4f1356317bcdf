// A ledger with a small configuration and a clock that stands still, for the tests of its rules.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <deque>
#include <map>

#include "howdah/pool/ledger.h"

namespace howdah::pool {

using namespace std::chrono_literals;

inline std::shared_ptr<config::Config> small_config() {
  auto config = std::make_shared<config::Config>();
  config->settings.default_pool_size = 2;
  config->settings.server_lifetime = 3600s;
  config->settings.server_login_retry = 15s;
  config->settings.reserve_pool_timeout = 5s;
  return config;
}

inline std::shared_ptr<config::Database> add_database(config::Config& config,
                                                      const std::string& name,
                                                      std::size_t hosts = 1) {
  auto db = std::make_shared<config::Database>();
  db->name = db->dbname = name;
  for (std::size_t i = 0; i < hosts; ++i) db->hosts.push_back({"host" + std::to_string(i), 5432});
  config.databases[name] = db;
  return db;
}

// Owns the permits of all servers, as workers would; every call is followed by check_invariants().
class Yard {
 public:
  explicit Yard(std::shared_ptr<const config::Config> with = nullptr, WorkerId workers = 3)
      : config_(with ? std::move(with) : [] {
          auto config = small_config();
          add_database(*config, "d");
          return config;
        }()),
        ledger(config_, workers) {}

  PoolId pool(const std::string& database = "d", const std::string& user = "u") {
    return ledger.pool(config_->find_database(database), user);
  }
  PoolSnapshot look(PoolId id) {
    for (auto& row : ledger.snapshot())
      if (row.id == id) return row;
    FAIL("no such pool");
    return {};
  }
  bool exists(PoolId id) {
    for (auto& row : ledger.snapshot())
      if (row.id == id) return true;
    return false;
  }

  Checkout checkout(PoolId id, WorkerId worker = 0, std::uint64_t client = 1) {
    return sound(ledger.checkout(id, {worker, client}, now, actions));
  }
  TicketId queue(PoolId id, WorkerId worker = 0, std::uint64_t client = 1) {
    Checkout answer = checkout(id, worker, client);
    REQUIRE(std::holds_alternative<Queued>(answer));
    return std::get<Queued>(answer).ticket;
  }
  SlotId granted(const Checkout& answer) {
    REQUIRE(std::holds_alternative<Granted>(answer));
    return std::get<Granted>(answer).slot;
  }
  Checkin checkin(SlotId slot, WorkerId worker = 0) {
    return sound(ledger.checkin(slot, worker, now));
  }
  // Performs the Open actions so far: connects begin. Returns how many, and where to.
  std::vector<std::size_t> start_opens() {
    std::vector<std::size_t> hosts;
    Actions kept;
    for (Action& action : actions) {
      if (auto* open = std::get_if<Open>(&action)) {
        hosts.push_back(open->host);
        reserve_opens += open->reserve;
        connecting.push_back(std::move(open->permit));
      } else {
        kept.push_back(std::move(action));
      }
    }
    actions = std::move(kept);
    return hosts;
  }
  // The connect that began first is logged in, on `worker`.
  Checkin opened(WorkerId worker = 0) {
    Permit permit = next_connecting();
    last = permit.slot();
    Checkin answer = sound(ledger.opened(permit, worker, now, actions));
    permits[last] = std::move(permit);
    return answer;
  }
  void connect_failed() { ledger.connect_failed(next_connecting(), now, actions), check(); }
  void login_failed(const base::Error& error) {
    ledger.login_failed(next_connecting(), error, now, actions), check();
  }
  void lost(SlotId slot) {
    auto node = permits.extract(slot);
    REQUIRE(!node.empty());
    ledger.lost(std::move(node.mapped()), now, actions);
    check();
  }
  // A server of the pool that is Active on `worker`, opened for a client of its own.
  SlotId active(PoolId id, WorkerId worker = 0) {
    queue(id, worker);
    start_opens();
    Checkin answer = opened(worker);
    REQUIRE(std::holds_alternative<Give>(answer));
    return last;
  }
  SlotId parked(PoolId id, WorkerId worker = 0) {
    SlotId slot = active(id, worker);
    REQUIRE(std::holds_alternative<Park>(checkin(slot, worker)));
    return slot;
  }
  void tick(Duration later = 0s) {
    now += later;
    ledger.tick(now, actions);
    check();
  }
  // Takes the actions of one kind; others stay.
  template <typename T>
  std::vector<T> take() {
    std::vector<T> taken;
    Actions kept;
    for (Action& action : actions) {
      if (auto* one = std::get_if<T>(&action)) {
        taken.push_back(std::move(*one));
      } else {
        kept.push_back(std::move(action));
      }
    }
    actions = std::move(kept);
    return taken;
  }
  void check() { CHECK_EQ(ledger.check_invariants(), ""); }
  template <typename T>
  T sound(T value) {
    check();
    return value;
  }

 private:
  std::shared_ptr<const config::Config> config_;
  Permit next_connecting() {
    start_opens();
    REQUIRE(!connecting.empty());
    Permit permit = std::move(connecting.front());
    connecting.pop_front();
    return permit;
  }

 public:
  Ledger ledger;  // outlives the permits below
  Actions actions;
  TimePoint now{1000s};
  std::deque<Permit> connecting;
  std::map<SlotId, Permit> permits;
  SlotId last = 0;
  std::size_t reserve_opens = 0;
};

// Why a checkin closed the server; "" if it did not.
inline std::string discarded(const Checkin& answer) {
  auto* discard = std::get_if<Discard>(&answer);
  return discard ? discard->reason : "";
}

}  // namespace howdah::pool
