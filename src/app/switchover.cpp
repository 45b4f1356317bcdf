// SWITCHOVER; see the header.
#include "app/switchover.h"

#include <signal.h>

#include <utility>

#include "howdah/base/text.h"

namespace howdah::app {

using base::cat;

namespace {
constexpr int kNotStarted = 127;  // as a shell's
}

base::Result<std::unique_ptr<SwitchoverRun>> SwitchoverRun::begin(
    const config::Settings& settings, const std::string& database, const std::string& to,
    Router& router, pool::Ledger& ledger, base::Log& log, Done done) {
  auto view = router.view();
  auto ids = view ? router.hosts_of(database, *view) : std::nullopt;
  if (!ids) {
    return base::Error{
        "08P01", cat("database ", database, " has neither target_session_attrs nor query_routing")};
  }
  auto machine = route::Switchover::begin(*ids, to, *view, !settings.switchover_command.empty(),
                                          base::monotonic_now() + settings.switchover_timeout);
  if (!machine) return machine.error();
  return std::unique_ptr<SwitchoverRun>(new SwitchoverRun(std::move(*machine), database,
                                                          settings.switchover_command, router,
                                                          ledger, log, std::move(done)));
}

SwitchoverRun::SwitchoverRun(route::Switchover machine, std::string database, std::string command,
                             Router& router, pool::Ledger& ledger, base::Log& log, Done done)
    : machine_(std::move(machine)),
      database_(std::move(database)),
      command_(std::move(command)),
      router_(router),
      ledger_(ledger),
      log_(log),
      done_(std::move(done)) {
  auto view = router_.view();
  log_.info(cat("switchover of ", database_, ": nothing more goes to the primary ",
                view->hosts[machine_.old_primary().front()].endpoint.text()));
  router_.hold(
      [this](route::HostId id, const route::FleetView& seen) { return machine_.holds(id, seen); });
}

SwitchoverRun::~SwitchoverRun() { router_.hold(nullptr); }

std::size_t SwitchoverRun::servers(const route::FleetView& view) const {
  std::size_t sum = 0;
  for (route::HostId id : machine_.old_primary()) {
    const route::Endpoint& at = view.hosts[id].endpoint;
    sum += ledger_.servers_at({at.host, at.port}, at.address);
  }
  return sum;
}

void SwitchoverRun::run_command(const route::FleetView& view) {
  const route::Endpoint& from = view.hosts[machine_.old_primary().front()].endpoint;
  const route::Endpoint& to = view.hosts[machine_.chosen()].endpoint;
  log_.info(cat("switchover of ", database_, ": ", to.text(),
                " has replayed all; running switchover_command"));
  auto started = Child::run(command_, {{"HOWDAH_DATABASE", database_},
                                       {"HOWDAH_OLD_HOST", from.host},
                                       {"HOWDAH_OLD_ADDRESS", from.address},
                                       {"HOWDAH_OLD_PORT", std::to_string(from.port)},
                                       {"HOWDAH_NEW_HOST", to.host},
                                       {"HOWDAH_NEW_ADDRESS", to.address},
                                       {"HOWDAH_NEW_PORT", std::to_string(to.port)}});
  if (started) {
    child_ = std::move(*started);
  } else {
    last_line_ = started.error().text;
    not_started_ = true;
  }
}

void SwitchoverRun::look() {
  if (machine_.over()) return;
  auto view = router_.view();
  route::Switchover::Seen seen;
  seen.servers = servers(*view);
  seen.now = base::monotonic_now();
  seen.canceled = canceled_;
  if (not_started_) seen.exited = kNotStarted;
  if (child_) {
    std::vector<std::string> lines;
    seen.exited = child_->look(lines);
    for (std::string& line : lines) {
      log_.info(cat("switchover_command: ", line));
      last_line_ = std::move(line);
    }
  }
  if (seen.exited) seen.said = last_line_;
  auto before = machine_.phase();
  switch (machine_.step(*view, seen)) {
    case route::Switchover::Act::None:
      break;
    case route::Switchover::Act::Run:
      run_command(*view);
      break;
    case route::Switchover::Act::Terminate:
      child_->signal(SIGTERM);
      break;
    case route::Switchover::Act::Kill:
      child_->signal(SIGKILL);
      break;
  }
  using Phase = route::Switchover::Phase;
  if (machine_.phase() == Phase::Replaying) router_.sample_often(machine_.candidates(), *view);
  if (machine_.phase() == Phase::Promoting && before != Phase::Promoting) {
    log_.info(cat("switchover of ", database_, ": ", view->hosts[machine_.chosen()].endpoint.text(),
                  " has replayed all; waiting until it is the primary"));
  }
}

void SwitchoverRun::finish() {
  bool well = machine_.phase() == route::Switchover::Phase::Done;
  log_.write(
      well ? base::Level::Log : base::Level::Warning,
      cat("switchover of ", database_, well ? " is done: " : " failed: ", machine_.outcome()));
  if (well) {
    done_(machine_.outcome());
  } else {
    done_(base::Error{"08P01", cat("switchover failed: ", machine_.outcome())});
  }
}

}  // namespace howdah::app
