// Real workers (howdah/worker) over the simulated system of sim_reactor.h, with fake clients, fake
// servers, and an operator who does what the supervisor does. One seed is one history.
//
//   Gentle histories: nothing fails, so no client may see an error, whatever the operator reloads,
//   reconnects or pauses. Rough ones: servers die, refuse, are slow; clients are killed, databases
//   vanish; errors may come, but only legal ones, and nobody may wait for ever.
//
// Phases: Storm -> Calm (all is well, clients finish and go) -> Settled (the books must be even) ->
// Quit. Some rough histories quit in the middle of the storm.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "howdah/config/loader.h"
#include "howdah/worker/shared.h"
#include "howdah/worker/worker.h"
#include "sim/fake_client.h"
#include "sim/fake_postgres.h"
#include "sim/sim_reactor.h"

namespace howdah::sim {

struct WorkersTotals {
  ClientTotals clients;
  std::uint64_t events = 0, gentle = 0, reloads = 0, reconnects = 0, pauses = 0, kills = 0,
                stormy_quits = 0, queries = 0, server_logins = 0, deaths = 0, refused = 0,
                cancels_hit = 0, workers[5] = {};
};

class WorkersWorld {
 public:
  WorkersWorld(std::uint64_t seed, bool trace, WorkersTotals& totals);
  ~WorkersWorld();
  std::string run();  // empty: nothing was broken

 private:
  struct Knobs {  // what a reload may change
    int size_t = 2, size_s = 2, size_m = 2, reserve = 0, min = 0, max_db = 0;
    bool spare = true;       // the database that comes and goes
    bool second_home = false;
  };
  struct NoWaker final : net::Waker {
    void wake() override {}
  };

  std::shared_ptr<const config::Config> load();
  void note_limits();
  void start_workers();
  void add_client();
  void each_step();
  void compare_books();
  void drain_supervisor();
  void post_all(const std::function<worker::Message()>& make);
  void perform(pool::Actions actions);
  void expect_failures();
  void operate();
  void reload();
  void pause_for_a_while();
  void cause_trouble();
  void calm();
  std::string at_rest() const;
  void check_settled();
  void quit();
  std::string books() const;
  void trace(const std::string& text) const;

  SimWorld world_;
  WorkersTotals& totals_;
  Ward ward_;
  FakePostgres home_{world_, ward_}, second_{world_, ward_};
  Knobs knobs_;
  bool gentle_, stormy_quit_;
  std::string settings_;  // the part of the ini that no reload changes
  int login_timeout_, wait_timeout_;
  std::string auth_type_;
  base::Log log_;
  NoWaker no_waker_;
  std::shared_ptr<const config::Config> config_;
  pool::WorkerId count_;
  std::unique_ptr<pool::Ledger> ledger_;
  pool::ClientBudget budget_;
  auth::HashCache hashes_{1000};
  auth::ServerKeyring keyring_;
  net::Mailbox<worker::SupervisorMessage> mailbox_{no_waker_};
  std::unique_ptr<worker::Shared> shared_;
  std::vector<SimReactor*> reactors_;
  std::vector<std::unique_ptr<worker::Worker>> workers_;
  worker::Gate gate_;
  FakeClient::Around around_;
  std::vector<std::unique_ptr<FakeClient>> clients_;
  std::uint64_t next_client_ = 1, next_token_ = 1, reports_ = 0;
  std::size_t quit_ = 0;
  bool calm_ = false;
};

}  // namespace howdah::sim
