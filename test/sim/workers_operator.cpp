// What the operator does to the workers, as the supervisor does it (src/app/control.cpp), and what
// goes wrong with the servers; see workers_world.h.
#include <utility>

#include "howdah/base/text.h"
#include "sim/workers_world.h"

namespace howdah::sim {

using base::cat;

void WorkersWorld::post_all(const std::function<worker::Message()>& make) {
  for (auto* mailbox : shared_->workers) mailbox->post(make());
}

void WorkersWorld::perform(pool::Actions actions) {
  if (!actions.empty()) shared_->workers[0]->post(worker::Perform{std::move(actions)});
}

void WorkersWorld::operate() {
  if (calm_) return;
  Random& random = world_.random;
  switch (random.below(gentle_ ? 4 : 7)) {
    case 0:
      return reload();
    case 1: {
      ++totals_.reconnects;
      static const char* kWhich[] = {"", "dt", "ds", "dm", "df"};
      std::string database = kWhich[random.below(5)];
      trace(cat("RECONNECT ", database));
      post_all([&] { return worker::ForgetWelcome{database}; });
      pool::Actions actions;
      ledger_->reconnect(database, world_.now, actions);
      return perform(std::move(actions));
    }
    case 2:
      return pause_for_a_while();
    case 3:
      return post_all([&] { return worker::Gather{next_token_++, random.chance(50)}; });
    case 4: {
      ++totals_.kills;
      std::uint64_t id = 1 + random.below(shared_->next_id.load());
      trace(cat("KILL_CLIENT ", id));
      ward_.kills = true;
      return post_all([&] {
        return worker::KillClients{"", id, {"57P01", "admin forced disconnect"}};
      });
    }
    case 5: {
      ++totals_.kills;
      trace("KILL dt");
      pool::Actions actions;
      ledger_->pause("dt", world_.now, actions);
      perform(std::move(actions));
      ward_.kills = true;
      post_all([&] { return worker::KillClients{"dt", 0, {"57P01", "database removed"}}; });
      world_.after(milliseconds(random.between(1, 500)), [this] {
        pool::Actions more;
        ledger_->resume("dt", world_.now, more);
        perform(std::move(more));
      });
      return;
    }
    default: {
      bool closed = gate_.disabled.contains("ds");
      closed ? (void)gate_.disabled.erase("ds") : (void)gate_.disabled.insert("ds");
      trace(closed ? "ENABLE ds" : "DISABLE ds");
      auto gate = std::make_shared<const worker::Gate>(gate_);
      return post_all([&] { return worker::NewGate{gate}; });
    }
  }
}

void WorkersWorld::reload() {
  ++totals_.reloads;
  Random& random = world_.random;
  if (random.chance(50)) knobs_.size_t = static_cast<int>(random.between(1, 5));
  if (random.chance(30)) knobs_.size_s = static_cast<int>(random.between(2, 6));
  if (random.chance(30)) knobs_.size_m = static_cast<int>(random.between(1, 4));
  if (random.chance(30)) knobs_.reserve = static_cast<int>(random.below(3));
  if (random.chance(30)) knobs_.min = static_cast<int>(random.below(3));
  if (random.chance(30)) knobs_.max_db = static_cast<int>(random.below(4));
  if (random.chance(30)) knobs_.second_home = !knobs_.second_home;
  if (random.chance(30)) knobs_.spare = !knobs_.spare;
  trace("RELOAD");
  auto fresh = load();
  if (!fresh) return;
  config::Diff changes = config::diff(*config_, *fresh);
  config_ = std::move(fresh);
  note_limits();
  post_all([&] { return worker::NewConfig{config_}; });
  ward_.kills = ward_.kills || !changes.removed_databases.empty();
  for (const std::string& name : changes.removed_databases)
    post_all([&] { return worker::KillClients{name, 0, {"57P01", "database removed"}}; });
  for (const std::string& name : changes.reconnect_databases)
    post_all([&] { return worker::ForgetWelcome{name}; });
  pool::Actions actions;
  ledger_->reconfigure(config_, world_.now, actions);
  perform(std::move(actions));
}

void WorkersWorld::pause_for_a_while() {
  ++totals_.pauses;
  Random& random = world_.random;
  std::string database = random.chance(50) ? "" : random.chance(50) ? "dt" : "ds";
  trace(cat("PAUSE ", database));
  pool::Actions actions;
  ledger_->pause(database, world_.now, actions);
  perform(std::move(actions));
  world_.after(milliseconds(random.between(1, 1500)), [this, database] {
    trace(cat("RESUME ", database));
    pool::Actions more;
    ledger_->resume(database, world_.now, more);
    perform(std::move(more));
  });
}

void WorkersWorld::cause_trouble() {
  Random& random = world_.random;
  auto maybe = [&](int percent, int most) {
    return random.chance(percent) ? static_cast<int>(random.between(1, most)) : 0;
  };
  ward_.faults = {maybe(40, 20), maybe(25, 40), maybe(40, 30), maybe(40, 10),
                  0,             maybe(50, 3),  maybe(50, 5),  maybe(50, 20)};
  if (random.chance(15)) {  // down for a time, from the start or later
    TimePoint from = random.chance(50) ? world_.now
                                       : world_.now + milliseconds(random.between(0, 2000));
    Faults before = ward_.faults;
    world_.at(from, [this] {
      if (calm_) return;
      ward_.faults.refuse_connect = 100;
      for (int i = 0; i < 10; ++i) home_.kill_one();
    });
    world_.at(from + milliseconds(random.between(10, 1500)), [this, before] {
      if (!calm_) ward_.faults = before;
    });
  }
  for (std::int64_t left = random.between(0, 12); left > 0; --left) {
    world_.after(milliseconds(random.between(0, 5000)), [this] {
      if (!calm_) (world_.random.chance(70) ? home_ : second_).kill_one();
    });
  }
}

// From now on nothing fails, and everybody may finish.
void WorkersWorld::calm() {
  calm_ = true;
  trace("calm");
  ward_.faults = {};
  pool::Actions actions;
  for (const char* database : {"", "dt", "ds"})
    ledger_->resume(database, world_.now, actions);
  perform(std::move(actions));
  gate_ = {};
  post_all([] { return worker::NewGate{std::make_shared<worker::Gate>()}; });
  for (const auto& client : clients_) client->wind_down();
}

}  // namespace howdah::sim
