// The supervisor: the main thread. It owns the workers, the listeners, the signals and the
// configuration in force, and is the console's Control.
//
//   Running --SIGTERM, SHUTDOWN WAIT_FOR_CLIENTS--> WaitClients --no client left--> Ending
//   Running --SIGINT, SHUTDOWN WAIT_FOR_SERVERS--> WaitServers --no server left--> Ending
//   any --SIGQUIT, SHUTDOWN, a second SIGTERM or SIGINT--> Ending --all workers quit--> (run returns)
//
// supervisor.cpp: start, threads, messages, end.  control.cpp: what the console may do.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "app/options.h"
#include "app/router.h"
#include "app/switchover.h"
#include "howdah/admin/console.h"
#include "howdah/base/log.h"
#include "howdah/config/loader.h"
#include "howdah/metrics/stats.h"
#include "howdah/net/mailbox.h"
#include "howdah/net/uv_reactor.h"
#include "howdah/pool/client_budget.h"
#include "howdah/pool/ledger.h"
#include "howdah/worker/shared.h"
#include "howdah/worker/worker.h"

namespace howdah::app {

class Supervisor final : public admin::Control, public net::ReactorUser {
 public:
  Supervisor(const Options& options, std::shared_ptr<const config::Config> config,
             std::shared_ptr<const auth::Access> access,
             std::shared_ptr<const worker::TlsContexts> tls, base::Log& log);
  ~Supervisor() override;

  // Opens the listening sockets. Before start(), so that a failure leaves no thread behind.
  base::Status listen();
  // Starts the workers and runs until the end; gives the exit code.
  int run();

  // Control
  void gather(bool rows, std::function<void(const admin::State&)> ready) override;
  void explain(const std::string& sql, std::function<void(const admin::State&)> ready) override;
  void gather(bool rows, const std::string& sql, std::function<void(const admin::State&)> ready);
  base::Status reload() override;
  base::Status set(const std::string& key, const std::string& value) override;
  base::Status shutdown(admin::ShutdownMode mode) override;
  base::Status pause(const std::string& database, std::function<void()> done) override;
  base::Status resume(const std::string& database) override;
  base::Status disable(const std::string& database) override;
  base::Status enable(const std::string& database) override;
  base::Status reconnect(const std::string& database) override;
  base::Status kill(const std::string& database) override;
  base::Status kill_client(std::uint64_t id) override;
  base::Status wait_close(const std::string& database, std::function<void()> done) override;
  base::Status switchover(const std::string& database, const std::string& to,
                          std::function<void(base::Result<std::string>)> done) override;

  void on_timer() override;
  void on_wake() override;

 private:
  enum class Phase { Running, WaitClients, WaitServers, Ending };
  struct Thread {
    std::unique_ptr<net::UvReactor> reactor;
    std::unique_ptr<worker::Worker> worker;
    std::thread thread;
  };
  struct Gathering {
    bool rows;
    std::size_t missing;
    std::vector<admin::WorkerReport> reports;
    std::function<void(const admin::State&)> ready;
  };
  struct Pending {  // a command that answers when something is so
    std::function<bool()> is_so;
    std::function<void()> done;
  };

  void deal(int fd, const net::Address& peer);
  void on(worker::ConsoleCommand& message);
  void on(worker::ConsoleGone& message);
  void on(worker::Report& message);
  void on(worker::CancelWaits& message);
  void on(worker::HostsChanged& message);
  void post_all(const std::function<worker::Message()>& make);
  void perform(pool::Actions actions);
  base::Status apply(std::shared_ptr<const config::Config> config,
                     std::shared_ptr<const auth::Access> access);
  void open_gate(const std::function<void(worker::Gate&)>& change);
  base::Status read_again();
  void tell_paused();
  void log_command(std::string_view verb, const std::string& database);
  void end();
  void signals();
  void look();  // pending commands, shutdown, stats
  void look_at_switchover();
  void stats_period();
  base::Status known_database(const std::string& database, std::string_view verb) const;
  std::size_t clients() const;
  void log_limits();
  net::Listener::Options listener_options() const;

  const Options options_;
  std::shared_ptr<const config::Config> config_;
  std::shared_ptr<const auth::Access> access_;  // what auth_type of config_ needs; null: nothing
  std::vector<std::pair<std::string, std::string>> overrides_;
  base::Log& log_;
  std::unique_ptr<net::UvReactor> reactor_;
  net::Mailbox<worker::SupervisorMessage> mailbox_;
  pool::Ledger ledger_;
  pool::ClientBudget budget_;
  auth::HashCache hashes_;
  auth::ServerKeyring keyring_;
  worker::Shared shared_;
  Router router_;
  metrics::Stats stats_;
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<net::Listener>> tcp_, unix_;
  std::shared_ptr<const worker::Gate> gate_ = std::make_shared<worker::Gate>();
  std::map<std::uint64_t, Gathering> gatherings_;
  std::uint64_t next_token_ = 1;
  std::vector<Pending> pending_;
  std::set<std::string> paused_;
  bool all_paused_ = false;
  pool::Waiter commander_, pauser_;  // who gave the last command; who gave the global PAUSE
  std::unique_ptr<SwitchoverRun> switchover_;
  pool::Waiter switcher_;  // who asked for it
  Phase phase_ = Phase::Running;
  std::size_t running_ = 0;
  base::TimePoint next_stats_{}, next_look_{};
};

}  // namespace howdah::app
