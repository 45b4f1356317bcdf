// What the console may do: Supervisor's part as admin::Control; see supervisor.h.
#include <algorithm>
#include <utility>

#include "app/supervisor.h"
#include "howdah/auth/access.h"
#include "howdah/base/text.h"
#include "howdah/session/login_plan.h"

namespace howdah::app {

using base::cat;
using base::Done;
using base::Error;
using base::Status;

namespace {
Error refused(std::string text) { return {"08P01", std::move(text)}; }
}  // namespace

Status Supervisor::known_database(const std::string& database, std::string_view verb) const {
  if (session::is_console_database(database)) {
    return refused(cat("cannot ", verb, " admin db: ", database));
  }
  if (!config_->find_database(database)) return refused(cat("no such database: ", database));
  return Done{};
}

// --- Reload -------------------------------------------------------------------------------------------

// Read and judged whole; then swapped. A bad file changes nothing.
Status Supervisor::reload() {
  log_command("RELOAD", "");
  return read_again();
}

Status Supervisor::read_again() {
  config::Loaded loaded = config::load(config_->file, {});
  if (!loaded.config) {
    for (const auto& problem : loaded.problems) log_.error(cat(problem.where, ": ", problem.text));
    log_.error("reload refused: the configuration in force stays");
    return Error{"F0000", "RELOAD failed, see logs for additional details"};
  }
  auth::LoadedAccess access = auth::load_access(*loaded.config, auth::disk_sources());
  if (!access.problems.empty()) {
    for (const auto& problem : access.problems) log_.error(cat(problem.where, ": ", problem.text));
    log_.error("reload refused: the configuration and the rules in force stay");
    return Error{"F0000", "RELOAD failed, see logs for additional details"};
  }
  base::LogTargets targets;
  const auto& settings = loaded.config->settings;
  targets.to_stderr = !options_.quiet && !options_.daemon;
  targets.file = settings.logfile;
  targets.syslog = settings.syslog;
  targets.syslog_ident = settings.syslog_ident;
  targets.syslog_facility = settings.syslog_facility;
  targets.verbose = std::max(settings.verbose, options_.verbose);
  if (auto opened = log_.open(targets); !opened) {
    log_.error(cat("reload refused: ", opened.error().text));
    return Error{"F0000", "RELOAD failed, see logs for additional details"};
  }
  for (const std::string& warning : loaded.config->warnings) log_.warning(warning);
  for (const std::string& warning : access.warnings) log_.warning(warning);
  if (!apply(std::move(loaded.config), std::move(access.access))) {
    log_.error("reload refused: the configuration and the certificates in force stay");
    return Error{"F0000", "RELOAD failed, see logs for additional details"};
  }
  return Done{};
}

// Fails, and changes nothing, when TLS cannot be set up as it says.
Status Supervisor::apply(std::shared_ptr<const config::Config> config,
                         std::shared_ptr<const auth::Access> access) {
  std::vector<std::string> problems, kept;
  auto tls = worker::make_tls_contexts(*config, shared_.tls.get().get(), problems, &kept);
  for (const std::string& line : kept) log_.warning(line);
  for (const std::string& problem : problems) log_.error(cat("TLS setup failed: ", problem));
  if (!tls) return refused(cat("TLS setup failed: ", problems.front()));
  shared_.tls.put(std::move(tls));  // before anybody hears of entries that need it
  config::Diff changes = config::diff(*config_, *config);
  for (const std::string& key : changes.restart_keys) {
    log_.warning(cat("\"", key, "\" takes effect at the next start only"));
  }
  std::set<std::string> new_secrets;
  for (const auto* list : {&config_->userlist, &config->userlist}) {
    for (const auto& [name, secret] : *list) {
      auto before = config_->userlist.find(name), after = config->userlist.find(name);
      bool same = before != config_->userlist.end() && after != config->userlist.end() &&
                  before->second == after->second;
      if (!same) new_secrets.insert(name);
    }
  }
  config_ = std::move(config);
  access_ = std::move(access);
  shared_.credentials.forget(new_secrets);
  shared_.users.clear();
  post_all([&] { return worker::NewConfig{config_, access_}; });  // also ends clients of removed entries
  router_.configure(config_);
  for (const std::string& name : changes.removed_databases) {
    log_.warning(cat("dropping database '", name,
                     "' as it does not exist anymore or inactive auto-database"));
  }
  net::Listener::Options how = listener_options();
  for (auto& one : tcp_) one->retune(how);
  pool::Actions actions;
  ledger_.reconfigure(config_, reactor_->now(), actions);
  perform(std::move(actions));
  return Done{};
}

Status Supervisor::set(const std::string& key, const std::string& value) {
  auto changed = config::with_setting(*config_, key, value);
  if (!changed) return changed.error();
  std::shared_ptr<const auth::Access> access = access_;
  if (key.starts_with("auth_") || key.starts_with("client_tls_")) {
    auth::LoadedAccess loaded = auth::load_access(**changed, auth::disk_sources());
    if (!loaded.problems.empty()) {
      const auto& first = loaded.problems.front();
      return Error{"config", cat(first.where, ": ", first.text)};
    }
    access = std::move(loaded.access);
  }
  return apply(std::move(*changed), std::move(access));
}

// --- Pools --------------------------------------------------------------------------------------------

Status Supervisor::pause(const std::string& database, std::function<void()> done) {
  if (database.empty()) {
    if (all_paused_ || phase_ != Phase::Running) return refused("already suspended/paused");
    all_paused_ = true;
    pauser_ = commander_;
  } else {
    if (auto known = known_database(database, "pause"); !known) return known;
    paused_.insert(database);
  }
  log_command("PAUSE", database);
  tell_paused();
  pool::Actions actions;
  ledger_.pause(database, reactor_->now(), actions);
  perform(std::move(actions));
  pending_.push_back({[this, database] {
                        return database.empty() ? ledger_.servers() == 0
                                                : ledger_.servers_of_database(database) == 0;
                      },
                      std::move(done)});
  look();
  return Done{};
}

Status Supervisor::resume(const std::string& database) {
  if (phase_ != Phase::Running) return refused("pooler is shutting down");
  if (database.empty()) {
    if (!all_paused_) return refused("pooler is not paused/suspended");
    all_paused_ = false;
  } else {
    if (auto known = known_database(database, "resume"); !known) return known;
    if (paused_.erase(database) == 0) return refused(cat("database ", database, " is not paused"));
  }
  log_command("RESUME", database);
  tell_paused();
  pool::Actions actions;
  ledger_.resume(database, reactor_->now(), actions);
  perform(std::move(actions));
  return Done{};
}

void Supervisor::log_command(std::string_view verb, const std::string& database) {
  log_.info(database.empty() ? cat(verb, " command issued")
                             : cat(verb, " '", database, "' command issued"));
}

void Supervisor::open_gate(const std::function<void(worker::Gate&)>& change) {
  auto next = std::make_shared<worker::Gate>(*gate_);
  change(*next);
  gate_ = std::move(next);
  post_all([&] { return worker::NewGate{gate_}; });
}

// The clocks of waiting clients stop while an operator pauses their pool.
void Supervisor::tell_paused() {
  open_gate([this](worker::Gate& gate) {
    gate.all_paused = all_paused_;
    gate.paused.clear();
    gate.paused.insert(paused_.begin(), paused_.end());
  });
}

Status Supervisor::disable(const std::string& database) {
  if (auto known = known_database(database, "disable"); !known) return known;
  log_command("DISABLE", database);
  open_gate([&](worker::Gate& gate) { gate.disabled.insert(database); });
  return Done{};
}

Status Supervisor::enable(const std::string& database) {
  if (auto known = known_database(database, "enable"); !known) return known;
  log_command("ENABLE", database);
  open_gate([&](worker::Gate& gate) { gate.disabled.erase(database); });
  return Done{};
}

Status Supervisor::reconnect(const std::string& database) {
  if (!database.empty()) {
    if (auto known = known_database(database, "reconnect"); !known) return known;
  }
  log_command("RECONNECT", database);
  post_all([&] { return worker::ForgetWelcome{database}; });
  pool::Actions actions;
  ledger_.reconnect(database, reactor_->now(), actions);
  perform(std::move(actions));
  return Done{};
}

// Paused, and all its clients and servers closed; RESUME ends it.
Status Supervisor::kill(const std::string& database) {
  if (all_paused_) return refused("already suspended/paused");
  std::vector<std::string> names;
  if (database.empty()) {
    for (const auto& [name, entry] : config_->databases) names.push_back(name);
  } else {
    if (auto known = known_database(database, "kill"); !known) return known;
    names.push_back(database);
  }
  log_command("KILL", database);
  for (const std::string& name : names) {
    paused_.insert(name);
    pool::Actions actions;
    ledger_.pause(name, reactor_->now(), actions);
    perform(std::move(actions));
    post_all([&] { return worker::KillClients{name, 0, {"57P01", "database removed"}}; });
  }
  tell_paused();
  return Done{};
}

Status Supervisor::kill_client(std::uint64_t id) {
  post_all([&] { return worker::KillClients{"", id, {"57P01", "admin forced disconnect"}}; });
  return Done{};
}

Status Supervisor::wait_close(const std::string& database, std::function<void()> done) {
  if (!database.empty()) {
    if (auto known = known_database(database, "wait in"); !known) return known;
  }
  auto none_left = [this, database] {
    for (const auto& pool : ledger_.snapshot()) {
      if ((database.empty() || pool.database == database) && pool.obsolete > 0) return false;
    }
    return true;
  };
  pending_.push_back({none_left, std::move(done)});
  look();
  return Done{};
}

// --- Switchover ---------------------------------------------------------------------------------------

Status Supervisor::switchover(const std::string& database, const std::string& to,
                              std::function<void(base::Result<std::string>)> done) {
  if (phase_ != Phase::Running) return refused("pooler is shutting down");
  if (auto known = known_database(database, "switch"); !known) return known;
  if (switchover_) return refused("a switchover is under way already");
  auto begun = SwitchoverRun::begin(config_->settings, database, to, router_, ledger_, log_,
                                    std::move(done));
  if (!begun) return begun.error();
  log_command("SWITCHOVER", database);
  switchover_ = std::move(*begun);
  switcher_ = commander_;
  reactor_->set_timer(reactor_->now() + SwitchoverRun::kLook);
  return Done{};
}

void Supervisor::look_at_switchover() {
  if (!switchover_) return;
  switchover_->look();
  if (!switchover_->over()) return;
  auto ended = std::move(switchover_);
  router_.hold(nullptr);  // before the answer: who hears it may write at once
  ended->finish();
}

// --- Shutdown -----------------------------------------------------------------------------------------

Status Supervisor::shutdown(admin::ShutdownMode mode) {
  if (mode == admin::ShutdownMode::Immediate) {
    log_.info("SHUTDOWN command issued");
    end();
    return Done{};
  }
  if (phase_ != Phase::Running) return refused("pooler is shutting down");
  tcp_.clear();  // refused from now on; the unix socket stays for the console
  open_gate([](worker::Gate& gate) { gate.shutting_down = true; });
  if (mode == admin::ShutdownMode::WaitForClients) {
    phase_ = Phase::WaitClients;
    return Done{};
  }
  phase_ = Phase::WaitServers;
  pool::Actions actions;
  ledger_.drain({"57P01", "server shutting down"}, reactor_->now(), actions);
  perform(std::move(actions));
  return Done{};
}

}  // namespace howdah::app
