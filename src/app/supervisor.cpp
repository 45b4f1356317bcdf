// The supervisor: start, threads, messages, signals, end; see the header.
#include "app/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "app/daemon.h"
#include "app/systemd.h"
#include "howdah/base/text.h"

namespace howdah::app {

using base::cat;
using base::Done;
using base::Status;

namespace {

constexpr base::Duration kLook = std::chrono::milliseconds(100);
constexpr int kMaxWorkers = 8;

pool::WorkerId worker_count(const config::Config& config) {
  int wanted = config.settings.worker_threads;
  if (wanted <= 0) wanted = std::min(usable_cpus(), kMaxWorkers);
  return static_cast<pool::WorkerId>(std::min(wanted, 64));
}

}  // namespace

Supervisor::Supervisor(const Options& options, std::shared_ptr<const config::Config> config,
                       std::shared_ptr<const auth::Access> access,
                       std::shared_ptr<const worker::TlsContexts> tls, base::Log& log)
    : options_(options),
      config_(std::move(config)),
      access_(std::move(access)),
      log_(log),
      reactor_(net::UvReactor::make()),
      mailbox_(reactor_->waker()),
      ledger_(config_, worker_count(*config_)),
      shared_{.ledger = ledger_,
              .clients = budget_,
              .hashes = hashes_,
              .keyring = keyring_,
              .log = log_,
              .names = std::make_shared<session::TrackedNames>(
                  config_->settings.track_extra_parameters),
              .supervisor = mailbox_,
              .version = kCompatVersion,
              .own_uid = geteuid()},
      router_(*reactor_, ledger_, shared_, [this](pool::Actions actions) { perform(std::move(actions)); }) {
  reactor_->set_user(*this);
  shared_.tls.put(std::move(tls));
}

Supervisor::~Supervisor() {
  for (Thread& one : threads_) {
    if (one.thread.joinable()) one.thread.join();
  }
  threads_.clear();
}

net::Listener::Options Supervisor::listener_options() const {
  const auto& settings = config_->settings;
  net::Listener::Options how;
  how.backlog = settings.listen_backlog;
  how.reuse_port = settings.so_reuseport;
  how.defer_accept = settings.tcp_defer_accept;
  how.tcp = {settings.tcp_keepalive,   settings.tcp_keepcnt,        settings.tcp_keepidle,
             settings.tcp_keepintvl,   settings.tcp_socket_buffer,  settings.tcp_user_timeout};
  how.unix_mode = settings.unix_socket_mode;
  how.unix_group = settings.unix_socket_group;
  return how;
}

Status Supervisor::listen() {
  signals();  // before anybody can see that we are there
  const auto& settings = config_->settings;
  auto port = static_cast<std::uint16_t>(settings.listen_port);
  net::Listener::Options how = listener_options();
  if (std::vector<int> passed = passed_sockets(); !passed.empty()) {
    for (int fd : passed) {
      auto made = net::Listener::inherit(fd, how);
      if (!made) return made.error();
      bool local = (*made)->address().family == net::Address::Family::Unix;
      (local ? unix_ : tcp_).push_back(std::move(*made));
    }
    log_.warning("sockets come from systemd: listen_addr and unix_socket_dir are ignored");
    return Done{};
  }
  if (!settings.unix_socket_dir.empty()) {
    auto made = net::Listener::unix_socket(settings.unix_socket_dir, port, how);
    if (!made) return made.error();
    unix_.push_back(std::move(*made));
  }
  for (const std::string& name : settings.listen_addr) {
    std::vector<std::string> warnings;
    auto made = net::Listener::tcp(name, port, how, warnings);
    for (const std::string& warning : warnings) {
      bool no_such_name = made.empty() && warning.find("getaddrinfo") != std::string::npos;
      if (no_such_name) return base::Error{"config", warning};
      log_.warning(warning);
    }
    for (auto& one : made) tcp_.push_back(std::move(one));
  }
  if (!settings.listen_addr.empty() && tcp_.empty()) {
    return base::Error{"io", "cannot listen on any address of listen_addr"};
  }
  if (tcp_.empty() && unix_.empty()) {
    return base::Error{"config", "nowhere to listen on: set listen_addr or unix_socket_dir"};
  }
  return Done{};
}

// A max_client_conn that the descriptor limit cannot meet is said at start, not at the first refusal.
void Supervisor::log_limits() {
  std::uint64_t limit = net::raise_descriptor_limit();
  const auto& settings = config_->settings;
  std::uint64_t servers = 0;
  for (const auto& [name, entry] : config_->databases) {
    servers += static_cast<std::uint64_t>(
        config_->pool_size(*entry, entry->user ? *entry->user : std::string()));
  }
  std::uint64_t expected = static_cast<std::uint64_t>(settings.max_client_conn) + servers + 50;
  log_.info(cat("kernel file descriptor limit: ", limit, " (hard: ", limit, "); max_client_conn: ",
                settings.max_client_conn, ", max expected fd use: ", expected));
  if (expected > limit) {
    log_.warning(cat("max_client_conn = ", settings.max_client_conn, " cannot be met: ", expected,
                     " descriptors may be needed and the limit is ", limit,
                     "; raise the limit (LimitNOFILE, ulimit -n) or lower max_client_conn"));
  }
}

int Supervisor::run() {
  log_limits();
  auto count = worker_count(*config_);
  threads_.resize(count);
  for (pool::WorkerId id = 0; id < count; ++id) {
    Thread& one = threads_[id];
    one.reactor = net::UvReactor::make();
    one.worker = worker::Worker::make(id, *one.reactor, shared_, config_, id == 0,
                                      access_);
    shared_.workers.push_back(&one.worker->mailbox());
  }
  shared_.host_fault = [this](const config::Host& host, const std::string& address) {
    router_.fault(host, address);
  };
  shared_.host_role = [this](const config::Host& host, const std::string& address, bool standby) {
    router_.told_role(host, address, standby);
  };
  shared_.host_identity = [this](const config::Host& host, const std::string& address,
                                 route::Identity which) {
    router_.told_identity(host, address, which);
  };
  shared_.want_fresh = [this](const pool::HostSet& hosts) { router_.want_fresh(hosts); };
  router_.configure(config_);
  running_ = count;
  for (Thread& one : threads_) {
    net::UvReactor* reactor = one.reactor.get();
    one.worker->on_quit([reactor] { reactor->stop(); });
  }
  for (Thread& one : threads_) {
    one.thread = std::thread([&one] { one.reactor->run(); });
  }
  auto failed = [this](int error) {
    log_.warning(cat("cannot accept a connection: ", std::string_view(::strerror(error)),
                     "; accepting pauses for 5 s"));
  };
  for (auto* group : {&tcp_, &unix_}) {
    for (auto& one : *group) {
      one->start(*reactor_, [this](int fd, const net::Address& peer) { deal(fd, peer); }, failed);
      log_.info(cat("listening on ", one->address().text()));
    }
  }
  log_.info(cat("process up: ", kCompatVersion, " (howdah ", kVersion, "), worker threads: ",
                static_cast<int>(count)));
  stats_.period({}, reactor_->now());
  next_stats_ = reactor_->now() + config_->settings.stats_period;
  reactor_->set_timer(reactor_->now() + kLook);
  notify("READY=1");
  reactor_->run();
  for (Thread& one : threads_) one.thread.join();
  tcp_.clear();
  unix_.clear();
  gatherings_.clear();
  pending_.clear();
  switchover_.reset();
  threads_.clear();
  return 0;
}

// To the worker with the fewest clients.
void Supervisor::deal(int fd, const net::Address& peer) {
  auto place =
      budget_.connection(static_cast<std::size_t>(std::max(config_->settings.max_client_conn, 0)));
  Thread* fewest = &threads_[0];
  for (Thread& one : threads_) {
    if (one.worker->client_count() < fewest->worker->client_count()) fewest = &one;
  }
  fewest->worker->deal(worker::NewClient{fd, peer, std::move(place)});
}

// --- Messages ---------------------------------------------------------------------------------------

void Supervisor::on_wake() {
  std::vector<worker::SupervisorMessage> messages;
  mailbox_.drain(messages);
  for (auto& message : messages) std::visit([this](auto& one) { on(one); }, message);
}

void Supervisor::on(worker::ConsoleCommand& message) {
  pool::Waiter to = message.client;
  commander_ = to;
  admin::run_command(message.text, message.rights, *this, [this, to](base::Buffer&& answer) {
    if (phase_ == Phase::Ending) return;
    shared_.workers[to.worker]->post(worker::ConsoleAnswer{to.client, std::move(answer)});
  });
}

void Supervisor::on(worker::ConsoleGone&) {}

// Ctrl-C of the console client that waits for its PAUSE or SWITCHOVER ends that; anybody else's does
// nothing.
void Supervisor::on(worker::CancelWaits& message) {
  bool its_switchover =
      message.client.worker == switcher_.worker && message.client.client == switcher_.client;
  if (switchover_ && its_switchover) switchover_->cancel();
  bool its_own = message.client.worker == pauser_.worker && message.client.client == pauser_.client;
  if (phase_ == Phase::Running && all_paused_ && its_own) (void)resume("");
}

void Supervisor::on(worker::HostsChanged&) {
  router_.look(reactor_->now());
  look_at_switchover();
}

void Supervisor::on(worker::Report& message) {
  auto found = gatherings_.find(message.token);
  if (found == gatherings_.end()) return;
  Gathering& gathering = found->second;
  gathering.reports[message.worker] = std::move(message.report);
  if (--gathering.missing > 0) return;
  auto node = gatherings_.extract(found);
  admin::State state;
  state.config = config_;
  state.ledger = &ledger_;
  state.clients = &budget_;
  state.stats = &stats_;
  state.workers = std::move(node.mapped().reports);
  state.hosts = router_.view();
  state.version = kCompatVersion;
  state.paused = all_paused_;
  state.shutting_down = phase_ != Phase::Running;
  state.disabled_databases.assign(gate_->disabled.begin(), gate_->disabled.end());
  state.paused_databases.assign(paused_.begin(), paused_.end());
  state.now = reactor_->now();
  state.wall_now = std::chrono::duration_cast<base::Duration>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  node.mapped().ready(state);
}

void Supervisor::gather(bool rows, std::function<void(const admin::State&)> ready) {
  gather(rows, "", std::move(ready));
}

void Supervisor::explain(const std::string& sql, std::function<void(const admin::State&)> ready) {
  gather(false, sql, std::move(ready));
}

void Supervisor::gather(bool rows, const std::string& sql,
                        std::function<void(const admin::State&)> ready) {
  std::uint64_t token = next_token_++;
  gatherings_.emplace(token,
                      Gathering{rows, threads_.size(),
                                std::vector<admin::WorkerReport>(threads_.size()),
                                std::move(ready)});
  post_all([&] { return worker::Gather{token, rows, sql}; });
}

void Supervisor::post_all(const std::function<worker::Message()>& make) {
  for (auto* mailbox : shared_.workers) mailbox->post(make());
}

void Supervisor::perform(pool::Actions actions) {
  if (!actions.empty()) shared_.workers[0]->post(worker::Perform{std::move(actions)});
}

// --- Time -------------------------------------------------------------------------------------------

void Supervisor::on_timer() {
  reactor_->set_timer(reactor_->now() + (switchover_ ? SwitchoverRun::kLook : kLook));
  look_at_switchover();
  if (reactor_->now() >= next_look_) look();
}

void Supervisor::look() {
  next_look_ = reactor_->now() + kLook;
  router_.look(reactor_->now());
  for (std::size_t i = 0; i < pending_.size();) {
    if (!pending_[i].is_so()) {
      ++i;
      continue;
    }
    auto done = std::move(pending_[i].done);
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    done();
  }
  if (phase_ == Phase::WaitClients && clients() == 0) {
    log_.info("client connections dropped, exiting");
    end();
  } else if (phase_ == Phase::WaitServers && ledger_.servers() == 0) {
    log_.info("server connections dropped, exiting");
    end();
  }
  base::Duration period = config_->settings.stats_period;
  if (phase_ != Phase::Ending && period.count() > 0 && reactor_->now() >= next_stats_) {
    next_stats_ = reactor_->now() + period;
    stats_period();
  }
}

void Supervisor::stats_period() {
  gather(false, [this](const admin::State& state) {
    metrics::Stats::PerDatabase totals;
    metrics::Counters all;
    for (const auto& report : state.workers) {
      for (const auto& [id, pool] : report.pools) {
        totals[pool.database] += pool.counters;
        all += pool.counters;
      }
    }
    stats_.period(totals, state.now);
    std::string line = admin::stats_line(stats_.averages_of_all(all, state.now));
    notify(cat("STATUS=", line));
    if (config_->settings.log_stats) log_.info(line);
  });
}

std::size_t Supervisor::clients() const {
  std::size_t sum = 0;
  for (const Thread& one : threads_) sum += one.worker->client_count();
  return sum;
}

// --- Signals and the end ------------------------------------------------------------------------------

void Supervisor::signals() {
  auto stop = [this](std::string_view name, std::string_view what, admin::ShutdownMode mode) {
    if (phase_ != Phase::Running) {
      log_.info(cat("got ", name, " while shutting down, fast exit"));
      end();
      return;
    }
    log_.info(cat("got ", name, ", shutting down, waiting for all ", what));
    notify("STOPPING=1");
    (void)shutdown(mode);
  };
  reactor_->on_signal(SIGTERM, [stop] {
    stop("SIGTERM", "clients disconnect", admin::ShutdownMode::WaitForClients);
  });
  reactor_->on_signal(SIGINT, [stop] {
    stop("SIGINT", "servers connections to be released", admin::ShutdownMode::WaitForServers);
  });
  reactor_->on_signal(SIGQUIT, [this] {
    log_.info("got SIGQUIT, fast exit");
    end();
  });
  reactor_->on_signal(SIGHUP, [this] {
    log_.info("got SIGHUP, re-reading config");
    notify_reloading();
    (void)read_again();
    notify("READY=1");
  });
  reactor_->on_signal(SIGUSR1, [this] {
    log_.info("got SIGUSR1, pausing all activity");
    if (auto paused = pause("", [] {}); !paused) log_.info(paused.error().text);
  });
  reactor_->on_signal(SIGUSR2, [this] {
    if (phase_ != Phase::Running) {
      log_.info("got SIGUSR2 while shutting down, ignoring");
      return;
    }
    log_.info("got SIGUSR2, continuing from PAUSE");
    if (auto resumed = resume(""); !resumed) log_.info(resumed.error().text);
  });
}

void Supervisor::end() {
  if (phase_ == Phase::Ending) return;
  phase_ = Phase::Ending;
  for (auto* group : {&tcp_, &unix_}) group->clear();
  post_all([] { return worker::Quit{}; });
  reactor_->stop();  // run() then joins the workers
}

}  // namespace howdah::app
