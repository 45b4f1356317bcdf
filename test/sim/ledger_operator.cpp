// The operator of the simulated world: reloads, pauses, broken hosts, jumps in time; and the ends
// of a history, where nothing may be left hanging.
#include <chrono>

#include "sim/ledger_world.h"

namespace howdah::sim {

using namespace std::chrono_literals;

namespace {
constexpr Duration kForEver = 10'000'000s;  // a lifetime that ends in no history
}

std::shared_ptr<config::Config> LedgerWorld::make_config() {
  auto config = std::make_shared<config::Config>();
  config::Settings& settings = config->settings;
  bool storm = phase_ == Phase::Storm;
  auto sometimes = [&](int percent, std::int64_t low, std::int64_t high) {
    return static_cast<int>(random_.chance(percent) ? random_.between(low, high) : 0);
  };
  settings.default_pool_size = random_.chance(90) ? static_cast<int>(random_.between(1, 4)) : 0;
  settings.reserve_pool_size = sometimes(40, 1, 2);
  settings.reserve_pool_timeout = random_.chance(85) ? Duration(random_.between(1, 300'000)) : 0us;
  settings.min_pool_size = sometimes(30, 1, 3);
  settings.max_db_connections = sometimes(40, 1, 4);
  settings.max_user_connections = sometimes(30, 1, 5);
  settings.server_round_robin = random_.chance(20);
  settings.server_login_retry = Duration(random_.between(1000, 2'000'000));
  settings.server_lifetime = random_.chance(10)            ? 0us
                             : storm && random_.chance(30) ? Duration(random_.between(1, 500'000))
                                                           : Duration(kForEver);
  settings.pool_idle_timeout = sometimes(30, 1, 300'000) * 1us;
  settings.autodb_idle_timeout = sometimes(80, 1, 300'000) * 1us;
  for (char name = 'a'; name <= 'c'; ++name) {
    if (storm && random_.chance(10)) continue;  // removed
    auto db = std::make_shared<config::Database>();
    db->name = db->dbname = std::string(1, name);
    for (std::int64_t i = random_.between(1, 3); i > 0; --i) db->hosts.push_back({"h", 5432});
    if (random_.chance(30)) db->load_balance_hosts = config::LoadBalance::Disable;
    if (random_.chance(10)) db->pool_size = static_cast<int>(random_.between(1, 3));
    if (name == 'c' && random_.chance(50)) db->user = "u";
    config->databases[db->name] = db;
  }
  if (random_.chance(30)) {
    auto star = std::make_shared<config::Database>();
    star->name = "*";
    star->hosts.push_back({"h", 5432});
    config->wildcard = star;
  }
  return config;
}

void LedgerWorld::tick_forever() {
  say("tick");
  ledger_->tick(now(0), actions_);
  act(0);
  later(100'000, [this] { tick_forever(); });
}

void LedgerWorld::reload(std::shared_ptr<config::Config> config) {
  config_ = std::move(config);
  ++epoch_;
  not_before_.clear();
  ledger_->reconfigure(config_, now(0), actions_);
  act(0);
}

void LedgerWorld::operate() {
  if (phase_ != Phase::Storm) return;
  std::string which =
      random_.chance(40) ? "" : std::string(1, static_cast<char>('a' + random_.below(3)));
  WorkerId worker = static_cast<WorkerId>(random_.below(workers_));
  switch (random_.below(8)) {
    case 0:
      say("PAUSE ", which);
      which.empty() ? (void)(paused_all_ = true) : (void)(paused_[which] = true);
      ledger_->pause(which, now(worker), actions_);
      later(random_.between(0, 300'000), [this, which, worker] {
        say("RESUME ", which);
        which.empty() ? (void)(paused_all_ = false) : (void)paused_.erase(which);
        ledger_->resume(which, now(worker), actions_);
        act(worker);
      });
      break;
    case 1:
      say("RELOAD");
      reload(make_config());
      break;
    case 2:
      say("RECONNECT ", which);
      ++epoch_;
      not_before_.clear();
      ledger_->reconnect(which, now(worker), actions_);
      break;
    case 3:
      say("a host changes its mind");
      host_down_[random_.below(host_down_.size())] = random_.chance(50) && trouble_ > 0;
      break;
    case 4:
      if (random_.chance(30)) {
        say("time jumps");
        now_ += Duration(random_.between(1'000'000, 7'200'000'000));
      }
      break;
    default: {  // idle servers die, or have idled too long
      std::vector<SlotId> idle;
      for (auto& [slot, server] : servers_)
        if (server.state == ServerState::Parked) idle.push_back(slot);
      if (idle.empty()) break;
      SlotId slot = idle[random_.below(idle.size())];
      Server& server = servers_.at(slot);
      if (random_.chance(trouble_)) {
        say("idle server ", slot, " dies");
        lose(server.at, slot);
      } else if (ledger_->retire(slot, now(server.at))) {
        say("retire ", slot);
        expect(!server.told_to_close && server.promised_to == 0, "retired though it is not idle");
        server.state = ServerState::Closing;
        later(random_.between(0, 1000), [this, at = server.at, slot] { lose(at, slot); });
      }
      break;
    }
  }
  act(worker);
  later(random_.between(0, random_.chance(70) ? 20'000 : 200'000), [this] { operate(); });
}

// Hosts are well, nothing is paused, every entry is there; who holds a server keeps it.
void LedgerWorld::freeze() {
  say("--- freeze");
  phase_ = Phase::Freeze;
  for (auto& client : clients_)
    if (client.state == ClientState::Idle && random_.chance(70)) {
      phase_ = Phase::Storm;  // it may still be refused
      ask(client, false);
      phase_ = Phase::Freeze;
      act(client.worker);
      after_event();
    }
  run_until(now_ + 500ms);  // pauses end
  // A reload makes the ledger look at every pool, and so hides what it forgot to look at by itself:
  // only where there is no other way to come to rest.
  Duration lifetime = config_->settings.server_lifetime;
  if (config_->databases.size() < 3 || (lifetime > 0us && lifetime < kForEver) ||
      random_.chance(20)) {
    reload(make_config());
    after_event();
  }
  run_until(now_ + 6s);
  check_settled();
  check_nothing_more_to_open();
}

void LedgerWorld::calm() {
  say("--- calm");
  phase_ = Phase::Calm;
  for (auto& client : clients_)
    if (client.state == ClientState::Active) {
      release(client);
      act(client.worker);
      after_event();
    }
  run_until(now_ + 6s);
  if (trace_)
    for (auto& row : ledger_->snapshot())
      say("pool ", row.id, " ", row.database, "/", row.user, ": ", row.waiting, " waiting, ",
          row.active, " active, ", row.parked, " parked, ", row.connecting, " connecting, ",
          row.promised, " promised, ", row.closing, " closing, ", row.paused ? "paused" : "");
  check_settled();
  for (auto& client : clients_)
    expect(client.state != ClientState::Waiting,
           "a client waits though every server was given back");
}

void LedgerWorld::drain() {
  say("--- drain");
  phase_ = Phase::Drain;
  paused_all_ = true;
  ledger_->drain({"57P01", "server shutting down"}, now(0), actions_);
  act(0);
  after_event();
  run_until(now_ + 1s);
  expect(ledger_->servers() == 0, "a server is left after the drain");
}

// No message is under way: every server is parked or held, every waiter is in a queue.
void LedgerWorld::check_settled() {
  std::map<PoolId, std::array<std::size_t, 3>> ours;  // waiting, active, parked
  for (auto& client : clients_) {
    if (client.state == ClientState::Waiting) ++ours[client.pool][0];
    if (client.state == ClientState::Active) ++ours[client.pool][1];
    bool own_waits = client.state == ClientState::Waiting && client.own;
    for (auto& [slot, server] : servers_)
      expect(!own_waits || server.pool != client.pool || server.state != ServerState::Parked,
             "one waits for a server of its own beside an idle one that could make room");
    expect(client.state != ClientState::Waiting || !client.promised, "a promise was not kept");
  }
  for (auto& [slot, server] : servers_)
    if (server.state == ServerState::Parked) ++ours[server.pool][2];
  for (auto& row : ledger_->snapshot()) {
    auto& [waiting, active, parked] = ours[row.id];
    if (row.connecting || row.promised || row.closing)
      violated(base::cat("pool ", row.id, " does not come to rest"));
    if (row.waiting != waiting || row.active != active || row.parked != parked)
      violated(base::cat("pool ", row.id, ": ledger and workers disagree on who has what"));
  }
}

void LedgerWorld::check_nothing_more_to_open() {
  auto rows = ledger_->snapshot();
  for (auto& row : rows) {
    auto entry = config_->find_database(row.database);
    if (!entry) continue;
    int size = config_->pool_size(*entry, row.user);
    int reserve = config_->settings.reserve_pool_timeout > 0us
                      ? config_->reserve_pool_size(*entry, row.user)
                      : 0;
    auto count = static_cast<int>(row.active + row.parked);
    int in_database = 0, in_user = 0;
    bool idle_in_database = false, idle_in_user = false;
    for (auto& other : rows) {
      auto there = static_cast<int>(other.active + other.parked);
      if (other.database == row.database) {
        in_database += there;
        idle_in_database |= other.parked != 0;
      }
      if (other.user == row.user) in_user += there, idle_in_user |= other.parked != 0;
    }
    int max_database = config_->max_db_connections(*entry);
    int max_user = config_->max_user_connections(row.user);
    bool database_full = max_database != 0 && in_database >= max_database;
    bool user_full = max_user != 0 && in_user >= max_user;
    if (row.waiting != 0)
      expect((size != 0 && count >= size + reserve) || (database_full && !idle_in_database) ||
                 (user_full && !idle_in_user),
             "a client waits though a server could be opened for it");
    int least = config_->min_pool_size(*entry);
    if (size != 0) least = std::min(least, size);
    if (row.clients != 0 || entry->user)
      expect(count >= least || database_full || user_full, "min_pool_size is not kept");
  }
}

}  // namespace howdah::sim
