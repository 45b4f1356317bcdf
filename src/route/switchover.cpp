// A planned change of primaries; see the header.
#include "howdah/route/switchover.h"

#include <algorithm>
#include <utility>

#include "howdah/base/text.h"

namespace howdah::route {

using base::cat;
using base::Error;

namespace {
constexpr Duration kTermination = std::chrono::seconds(2);

Error refused(std::string text) { return {"08P01", std::move(text)}; }

bool is_called(const Endpoint& endpoint, std::string_view text) {
  for (const std::string* name : {&endpoint.host, &endpoint.address})
    if (!name->empty() && (text == *name || text == cat(*name, ":", endpoint.port))) return true;
  return false;
}

bool can_be_measured(const HostView& host, std::uint64_t system) {
  return host.role == Role::Standby && host.system == system && host.health == Health::Up &&
         host.lag.known && !host.balanced;
}
}  // namespace

base::Result<Switchover> Switchover::begin(const std::vector<HostId>& ids, std::string_view to,
                                           const FleetView& view, bool has_command,
                                           TimePoint deadline) {
  Switchover made;
  made.has_command_ = has_command;
  made.deadline_ = deadline;
  HostId primary = kNoHost;
  bool known = false;
  for (HostId id : ids) {
    auto system = view.systems.find(view.hosts[id].system);
    if (view.hosts[id].system == 0 || system == view.systems.end()) continue;
    known = true;
    if (system->second.split_brain)
      return refused("two servers of this cluster accept writes: split brain");
    HostId leads = system->second.primary;
    if (leads == kNoHost || leads == primary) continue;
    if (primary != kNoHost) return refused("the hosts of this database are of two clusters");
    primary = leads;
  }
  if (!known) return refused("nothing is known of the hosts: the monitor cannot log in");
  if (primary == kNoHost) return refused("there is no primary now");
  const HostView& leader = view.hosts[primary];
  made.system_ = leader.system;
  made.timeline_ = leader.timeline;
  for (HostId id = 0; id < view.hosts.size(); ++id) {
    const HostView& host = view.hosts[id];
    bool same = id == primary || (host.role == Role::Primary && host.system == leader.system &&
                                  !host.identity.empty() && host.identity == leader.identity);
    if (same) made.old_.push_back(id);
  }
  bool named = false;
  for (HostId id : ids) {
    if (!to.empty() && !is_called(view.hosts[id].endpoint, to)) continue;
    named = true;
    if (can_be_measured(view.hosts[id], made.system_)) made.candidates_.push_back(id);
  }
  if (!named) return refused(cat("no host of this database is called ", to));
  if (made.candidates_.empty())
    return refused(to.empty() ? std::string("no standby is up whose lag is known")
                              : cat(to, " is not a standby that is up and whose lag is known"));
  if (!to.empty() && made.candidates_.size() > 1)
    return refused(cat(to, " is more than one standby: name it as address:port"));
  return made;
}

bool Switchover::holds(HostId id, const FleetView& view) const {
  if (over() || std::find(old_.begin(), old_.end(), id) == old_.end()) return false;
  const HostView& host = view.hosts[id];
  // Its name may lead to the new primary by now.
  return host.role != Role::Primary || host.system != system_ || host.timeline <= timeline_;
}

HostId Switchover::new_primary(const FleetView& view) const {
  auto found = view.systems.find(system_);
  if (found == view.systems.end() || found->second.split_brain) return kNoHost;
  HostId leads = found->second.primary;
  if (leads == kNoHost || !view.hosts[leads].answers) return kNoHost;
  return view.hosts[leads].timeline > timeline_ ? leads : kNoHost;
}

Switchover::Act Switchover::succeed(const FleetView& view, HostId now_primary) {
  phase_ = Phase::Done;
  outcome_ = cat(view.hosts[now_primary].endpoint.text(), " is the primary");
  return Act::None;
}

void Switchover::fail(const FleetView& view, std::string why) {
  phase_ = Phase::Failed;
  outcome_ = std::move(why);
  HostId now_primary = new_primary(view);
  if (now_primary != kNoHost)
    outcome_ += cat("; ", view.hosts[now_primary].endpoint.text(), " is the primary now");
}

Switchover::Act Switchover::choose(const FleetView& view, TimePoint now) {
  for (HostId id : candidates_) {
    const HostView& host = view.hosts[id];
    if (!can_be_measured(host, system_) || host.lag.replayed_as_of <= drained_) continue;
    chosen_ = id;
    phase_ = has_command_ ? Phase::Running : Phase::Promoting;
    return has_command_ ? Act::Run : Act::None;
  }
  if (now >= deadline_) fail(view, "no standby has replayed all of the primary's log in time");
  return Act::None;
}

Switchover::Act Switchover::step(const FleetView& view, const Seen& seen) {
  HostId now_primary = new_primary(view);
  switch (phase_) {
    case Phase::Draining:
    case Phase::Replaying:
    case Phase::Promoting:
      if (now_primary != kNoHost) return succeed(view, now_primary);
      if (seen.canceled) {
        fail(view, "canceled");
        return Act::None;
      }
      break;
    case Phase::Running:
    case Phase::Stopping:
    case Phase::Done:
    case Phase::Failed:
      break;
  }
  switch (phase_) {
    case Phase::Draining:
      if (seen.servers == 0) {
        drained_ = seen.now;
        phase_ = Phase::Replaying;
        return choose(view, seen.now);
      }
      if (seen.now >= deadline_)
        fail(view, cat("transactions or sessions on ", seen.servers,
                       " connections to the primary did not end in time"));
      return Act::None;
    case Phase::Replaying:
      return choose(view, seen.now);
    case Phase::Running:
      if (seen.exited) {
        if (*seen.exited == 0) {
          phase_ = Phase::Promoting;
          if (now_primary != kNoHost) return succeed(view, now_primary);
          return Act::None;
        }
        fail(view, cat("switchover_command failed with exit code ", *seen.exited,
                       seen.said.empty() ? "" : ": ", seen.said));
      } else if (seen.now >= deadline_) {
        phase_ = Phase::Stopping;
        stopping_ = seen.now;
        return Act::Terminate;
      }
      return Act::None;
    case Phase::Stopping:
      if (seen.exited) {
        fail(view, "switchover_command took too long and was ended");
      } else if (!killed_ && seen.now >= stopping_ + kTermination) {
        killed_ = true;
        return Act::Kill;
      }
      return Act::None;
    case Phase::Promoting:
      if (seen.now >= deadline_) fail(view, "no standby has become the primary in time");
      return Act::None;
    case Phase::Done:
    case Phase::Failed:
      return Act::None;
  }
  return Act::None;
}

}  // namespace howdah::route
