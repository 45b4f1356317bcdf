// The monitor's thread; see the header.
//
//   wait (poll) for: an answer, a deadline, the next probe that is due, a message
//   answers -> Fleet -> a new view -> `changed`, and a line in the log for every change of state
#include "howdah/probe/monitor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "howdah/base/mutex.h"
#include "howdah/base/text.h"
#include "probe/host_probe.h"
#include "probe/pace.h"
#include "probe/state_file.h"

namespace howdah::probe {

using base::cat;
using base::Lock;
using route::FleetView;
using route::HostId;

namespace {
constexpr Duration kPublishEvery = std::chrono::milliseconds(50);
}

class Monitor::Loop {
 public:
  Loop(base::Log& log, std::string state_file, std::function<void()> changed)
      : log_(log), state_file_(std::move(state_file)), changed_(std::move(changed)) {
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!state_file_.empty()) {
      auto kept = read_state(state_file_);
      if (!kept) log_.error(kept.error().text);
      if (kept)
        for (const auto& [system, timeline] : *kept) fleet_.remember_timeline(system, timeline);
      (void)fleet_.take_timelines_changed();
    }
    view_ = fleet_.view(base::monotonic_now());
    thread_ = std::thread([this] { run(); });
  }
  ~Loop() {
    {
      Lock lock(mutex_);
      stop_ = true;
    }
    wake();
    thread_.join();
    ::close(wake_);
  }

  void set_targets(Targets targets) {
    {
      Lock lock(mutex_);
      new_targets_ = std::make_unique<Targets>(std::move(targets));
    }
    wake();
  }
  void fault(const route::Endpoint& endpoint) {
    {
      Lock lock(mutex_);
      if (faults_.size() > 1000 ||
          std::find(faults_.begin(), faults_.end(), endpoint) != faults_.end())
        return;
      faults_.push_back(endpoint);
    }
    wake();
  }
  void told_role(const route::Endpoint& endpoint, route::Role role) {
    {
      Lock lock(mutex_);
      // Nothing new for a monitor that logs in itself.
      for (const route::HostView& host : view_->hosts)
        if (host.endpoint == endpoint && host.answers && host.cause != route::Cause::LoginFailed) return;
      if (roles_.size() > 1000) return;
      roles_.emplace_back(endpoint, role);
    }
    wake();
  }
  void told_identity(const route::Endpoint& endpoint, route::Identity identity) {
    {
      Lock lock(mutex_);
      if (identities_.size() > 1000) return;
      identities_.emplace_back(endpoint, identity);
    }
    wake();
  }
  void want_fresh() { wake(); }
  void hold(bool held) {
    {
      Lock lock(mutex_);
      if (held_ == held) return;
      held_ = held;
    }
    wake();
  }
  std::shared_ptr<const FleetView> view() const {
    Lock lock(mutex_);
    return view_;
  }

 private:
  struct Watched {
    HostProbe probe;
    bool wanted = true;
    bool renew = false;  // the address may lead elsewhere now: by a new connection next time
    bool hurry = false;  // and that at once
    Pace pace{};
  };

  void wake() {
    std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }

  bool take_messages(TimePoint now) {
    std::unique_ptr<Targets> targets;
    std::vector<route::Endpoint> faults;
    std::vector<std::pair<route::Endpoint, route::Role>> roles;
    std::vector<std::pair<route::Endpoint, route::Identity>> identities;
    {
      Lock lock(mutex_);
      if (stop_) return false;
      targets = std::move(new_targets_);
      faults.swap(faults_);
      roles.swap(roles_);
      identities.swap(identities_);
      work_held_ = held_;
    }
    if (targets) adopt(*targets);
    for (const route::Endpoint& endpoint : faults)
      for (auto& [id, watched] : watched_)
        if (watched.wanted && fleet_.endpoint(id) == endpoint) note(id, fleet_.fault(id, now), now);
    for (const auto& [endpoint, role] : roles)
      for (auto& [id, watched] : watched_)
        if (watched.wanted && fleet_.endpoint(id) == endpoint)
          note(id, fleet_.told_role(id, role, now), now);
    for (const auto& [endpoint, identity] : identities)
      for (auto& [id, watched] : watched_)
        if (watched.wanted && fleet_.endpoint(id) == endpoint) {
          bool before = fleet_.signs(id).read().balanced;
          if (fleet_.told_identity(id, identity, now)) watched.renew = true;
          bool after = fleet_.signs(id).read().balanced;
          watched.hurry = watched.renew && !after;
          note(id, after != before, now);
        }
    return true;
  }

  void adopt(const Targets& targets) {
    fleet_.set_policy(targets.policy);
    for (auto& [id, watched] : watched_) watched.wanted = false;
    for (const Target& target : targets.hosts) {
      HostId id = fleet_.add(target.endpoint);
      auto [at, made] = watched_.try_emplace(id, Watched{HostProbe(target.endpoint, target.login)});
      at->second.wanted = true;
      if (!made) at->second.probe.set_login(target.login);
    }
    for (auto& [id, watched] : watched_)
      if (!watched.wanted) {
        watched.probe.close();
        fleet_.forget(id);
      }
    dirty_ = true;
  }

  void note(HostId id, bool changed, TimePoint now) {
    dirty_ = true;
    if (!changed) return;
    urgent_ = true;
    auto view = fleet_.view(now);
    const route::HostView& host = view->hosts[id];
    std::string line =
        cat("host ", host.endpoint.text(), " is ", name(host.health), ", ", name(host.role));
    if (host.timeline != 0) line += cat(", timeline ", host.timeline);
    if (host.cause != route::Cause::None) line += cat(": ", name(host.cause));
    if (!host.detail.empty()) line += cat(" (", host.detail, ")");
    if (host.balanced) line += "; its address leads to several servers";
    if (host.stale_primary)
      line += "; it accepts writes but must get none: old timeline or split brain";
    if (std::exchange(said_[id], line) == line) return;
    bool bad =
        host.health != route::Health::Up || host.cause != route::Cause::None || host.stale_primary;
    log_.write(bad ? base::Level::Warning : base::Level::Log, line);
  }

  void take(HostId id, Outcome outcome, TimePoint now) {
    if (outcome.index() == 0) return;
    Watched& watched = watched_.at(id);
    if (auto* sample = std::get_if<route::Sample>(&outcome)) {
      bool asked_fast = watched.pace.asked;
      TimePoint fresh_before = fleet_.signs(id).read().replayed_as_of;
      if (sample->doubt == route::Cause::TooManyConnections) {
        // Alive, and what it was: only its position is not known.
        route::Sample last = fleet_.host(id).last();
        last.sent = sample->sent;
        last.answered = sample->answered;
        last.position = 0;
        last.doubt = sample->doubt;
        last.text = sample->text;
        *sample = std::move(last);
      }
      note(id, fleet_.good(id, *sample), now);
      route::Signs signs = fleet_.signs(id).read();
      if (asked_fast)
        watched.pace.answered(signs.replayed_as_of > fresh_before, sample->sent, fleet_.policy());
      if (signs.leads) ask_followers(id, now);
    } else {
      watched.pace = {};
      const Failure& failure = std::get<Failure>(outcome);
      note(id, fleet_.bad(id, failure.cause, failure.text, now), now);
    }
  }

  void publish(TimePoint now) {
    // Positions alone are no hurry, when they are sampled often.
    if (!dirty_ || (!urgent_ && now < published_ + kPublishEvery)) return;
    dirty_ = false;
    published_ = now;
    auto made = fleet_.view(now);
    {
      Lock lock(mutex_);
      view_ = std::move(made);
    }
    if (!state_file_.empty() && fleet_.take_timelines_changed()) {
      if (auto written = write_state(state_file_, fleet_.timelines()); !written)
        log_.error(written.error().text);
    }
    if (std::exchange(urgent_, false)) changed_();
  }

  void begin(HostId id, Watched& watched, TimePoint now) {
    watched.hurry = false;
    if (std::exchange(watched.renew, false)) watched.probe.close();
    take(id, watched.probe.begin(now, fleet_.patience(id)), now);
  }

  // Somebody waits for fresh replicas: their primary is sampled, and after its answer those of them
  // whose turn it is; a replica can only confirm a position that was sampled before.
  // Gives when to look again.
  TimePoint sample_often(TimePoint now) {
    TimePoint next = base::kNever;
    for (auto& [id, watched] : watched_) {
      if (!watched.wanted || fleet_.host(id).last().role != route::Role::Standby) continue;
      if (!fleet_.signs(id).wanted(now)) {
        watched.pace = {};
        continue;
      }
      HostId primary = fleet_.primary_of(id);
      auto leader = primary == route::kNoHost ? watched_.end() : watched_.find(primary);
      if (leader == watched_.end() || !leader->second.wanted) continue;
      if (watched.pace.asked) {  // goes on with an answer, its own or the primary's
        if (now > watched.pace.since + 2 * fleet_.policy().timeout) watched.pace.asked = false;
        continue;
      }
      if (now < watched.pace.due) {
        next = std::min(next, watched.pace.due);
        continue;
      }
      watched.pace.asked = true;
      watched.pace.since = now;
      if (!leader->second.probe.busy()) begin(primary, leader->second, now);
    }
    return next;
  }

  void ask_followers(HostId primary, TimePoint now) {
    for (auto& [id, watched] : watched_)
      if (watched.wanted && watched.pace.asked && !watched.probe.busy() &&
          fleet_.primary_of(id) == primary)
        begin(id, watched, now);
  }

  void run() {
    std::vector<pollfd> polled;
    std::vector<HostId> ids;
    for (;;) {
      TimePoint now = base::monotonic_now();
      if (!take_messages(now)) return;
      TimePoint next = sample_often(now);
      polled.assign(1, pollfd{wake_, POLLIN, 0});
      ids.assign(1, route::kNoHost);
      for (auto& [id, watched] : watched_) {
        if (!watched.wanted) continue;
        if (!watched.probe.busy() && (now >= fleet_.due(id, work_held_) || watched.hurry))
          begin(id, watched, now);
        next = std::min(
            next, watched.probe.busy() ? watched.probe.deadline() : fleet_.due(id, work_held_));
        if (watched.probe.fd() < 0) continue;
        polled.push_back({watched.probe.fd(), watched.probe.events(), 0});
        ids.push_back(id);
      }
      publish(now);
      if (dirty_) next = std::min(next, published_ + kPublishEvery);
      int wait = -1;
      if (next != base::kNever) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(next - base::monotonic_now());
        wait = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
      }
      (void)::poll(polled.data(), polled.size(), wait);
      if (polled[0].revents != 0) {
        std::uint64_t count;
        (void)!::read(wake_, &count, sizeof count);
      }
      now = base::monotonic_now();
      for (std::size_t i = 1; i < polled.size(); ++i) {
        HostProbe& probe = watched_.at(ids[i]).probe;
        bool ready = polled[i].revents != 0;
        if (probe.busy()) {
          take(ids[i], probe.step(now, ready), now);
        } else if (ready && probe.idle_died()) {
          note(ids[i], fleet_.fault(ids[i], now), now);
        }
      }
      // Those without a descriptor yet have deadlines, too.
      for (auto& [id, watched] : watched_)
        if (watched.probe.busy() && now >= watched.probe.deadline())
          take(id, watched.probe.step(now, false), now);
    }
  }

  base::Log& log_;
  const std::string state_file_;
  const std::function<void()> changed_;
  route::Fleet fleet_{route::HealthPolicy{}};
  std::map<HostId, Watched> watched_;
  std::map<HostId, std::string> said_;
  TimePoint published_{};
  bool dirty_ = false, urgent_ = false, work_held_ = false;
  int wake_ = -1;
  mutable base::Mutex mutex_;
  std::unique_ptr<Targets> new_targets_ GUARDED_BY(mutex_);
  std::vector<route::Endpoint> faults_ GUARDED_BY(mutex_);
  std::vector<std::pair<route::Endpoint, route::Role>> roles_ GUARDED_BY(mutex_);
  std::vector<std::pair<route::Endpoint, route::Identity>> identities_ GUARDED_BY(mutex_);
  std::shared_ptr<const FleetView> view_ GUARDED_BY(mutex_);
  bool held_ GUARDED_BY(mutex_) = false, stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Monitor::Monitor(base::Log& log, std::string state_file, std::function<void()> changed)
    : loop_(std::make_unique<Loop>(log, std::move(state_file), std::move(changed))) {}
Monitor::~Monitor() = default;
void Monitor::set_targets(Targets targets) { loop_->set_targets(std::move(targets)); }
void Monitor::fault(const route::Endpoint& endpoint) { loop_->fault(endpoint); }
void Monitor::told_role(const route::Endpoint& endpoint, route::Role role) {
  loop_->told_role(endpoint, role);
}
void Monitor::told_identity(const route::Endpoint& endpoint, route::Identity identity) {
  loop_->told_identity(endpoint, identity);
}
void Monitor::want_fresh() { loop_->want_fresh(); }
void Monitor::hold(bool held) { loop_->hold(held); }
std::shared_ptr<const FleetView> Monitor::view() const { return loop_->view(); }

}  // namespace howdah::probe
