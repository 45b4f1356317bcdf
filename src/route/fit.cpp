// Which hosts an entry may use, by what is known of them; see fleet.h.
#include <algorithm>
#include <map>

#include "howdah/base/text.h"
#include "howdah/route/fleet.h"

namespace howdah::route {

namespace {
using config::TargetAttrs;
constexpr unsigned kWhole = 100, kRampFrom = 10;
// A role that a pooled connection told is tried anew after this, where nobody else fits.
constexpr Duration kHearsayLasts = std::chrono::seconds(1);

// The system that most hosts of the entry belong to; 0: none, or no majority.
std::uint64_t majority(const std::vector<HostId>& ids, const FleetView& view) {
  std::map<std::uint64_t, std::size_t> votes;
  for (HostId id : ids)
    if (view.hosts[id].system != 0) ++votes[view.hosts[id].system];
  std::uint64_t best = 0;
  std::size_t most = 0;
  bool tie = false;
  for (const auto& [system, count] : votes) {
    tie = count == most;
    if (count <= most) continue;
    best = system;
    most = count;
  }
  return tie ? 0 : best;
}

unsigned ramp(const HostView& host, const HealthPolicy& policy, TimePoint now, bool& ramping) {
  if (host.ramp_from == base::kNever || policy.slow_start.count() <= 0) return kWhole;
  if (now >= host.ramp_from + policy.slow_start) return kWhole;
  ramping = true;
  auto part = (now - host.ramp_from).count() * kWhole / policy.slow_start.count();
  return std::max(static_cast<unsigned>(std::max<std::int64_t>(part, 0)), kRampFrom);
}

bool within_lag(const config::Database& entry, const HostView& host, const FleetView& view,
                TimePoint now) {
  if (entry.max_replica_lag <= 0 && entry.max_replica_lag_time.count() <= 0) return true;
  if (!host.lag.known) return false;
  if (entry.max_replica_lag > 0 &&
      host.lag.bytes > static_cast<std::uint64_t>(entry.max_replica_lag))
    return false;
  if (entry.max_replica_lag_time.count() <= 0) return true;
  Duration age = host.lag.age.count() == 0 ? Duration{} : host.lag.age + (now - view.made);
  return age <= entry.max_replica_lag_time;
}

struct Candidates {
  std::vector<std::size_t> up, doubtful;  // places in `ids`
  void add(std::size_t place, const HostView& host) {
    // A suspect takes no new work while another fits; one that is coming back only if it must.
    if (host.health == Health::Up) up.push_back(place);
    if (host.health == Health::Suspect || (host.health == Health::Probing && host.answers))
      doubtful.push_back(place);
  }
  const std::vector<std::size_t>& best() const { return up.empty() ? doubtful : up; }
};
}  // namespace

static Fit fit_as(TargetAttrs attrs, const config::Database& entry, const std::vector<HostId>& ids,
                  const FleetView& view, const HealthPolicy& policy, TimePoint now) {
  Fit made;
  made.weights.assign(ids.size(), 0);
  std::uint64_t system = majority(ids, view);
  Candidates primaries, standbys, all;
  // Alive, and their role is for a login to find out.
  std::vector<std::size_t> strangers, old_news;
  bool split = false, foreign = false, lagging = false, stale = false, unknown = false,
       unprobed = false;
  for (std::size_t place = 0; place < ids.size(); ++place) {
    const HostView& host = view.hosts[ids[place]];
    unprobed = unprobed || host.checks == 0;
    if (host.health == Health::Unknown) continue;
    // Also when there is no majority. One that does not say is taken for a standby of it, no more.
    bool other = host.system != system && (host.system != 0 || host.role == Role::Primary);
    if (host.cause == Cause::LoginFailed && host.health == Health::Up) {
      if (host.role == Role::Unknown) strangers.push_back(place);
      if (host.role != Role::Unknown && now - host.told_at > kHearsayLasts)
        old_news.push_back(place);
    }
    switch (host.role) {
      case Role::Primary: {
        auto known = view.systems.find(host.system);
        split = split || (known != view.systems.end() && known->second.split_brain);
        stale = stale || host.stale_primary;
        foreign = foreign || other;
        if (other || host.stale_primary) break;
        primaries.add(place, host);
        all.add(place, host);
        break;
      }
      case Role::Standby:
        foreign = foreign || other;
        if (other) break;
        all.add(place, host);
        if (within_lag(entry, host, view, now)) {
          standbys.add(place, host);
        } else {
          lagging = true;
        }
        break;
      case Role::Unknown:
        unknown = true;
        all.add(place, host);
        break;
    }
  }
  const std::vector<std::size_t>* chosen = nullptr;
  bool ramps = true;
  switch (attrs) {
    case TargetAttrs::Any:
      chosen = &all.best();
      break;
    case TargetAttrs::ReadWrite:
    case TargetAttrs::Primary:
      std::erase_if(primaries.up, [&](std::size_t place) {
        return attrs == TargetAttrs::ReadWrite &&
               view.hosts[ids[place]].read_only;
      });
      chosen = &primaries.best();
      ramps = false;
      break;
    case TargetAttrs::ReadOnly:
      for (std::size_t place : primaries.up)
        if (view.hosts[ids[place]].read_only) standbys.up.push_back(place);
      chosen = &standbys.best();
      break;
    case TargetAttrs::Standby:
      chosen = &standbys.best();
      break;
    case TargetAttrs::PreferStandby:
      chosen = &standbys.best();
      if (unprobed) break;  // at the start the primary may answer first
      if (standbys.up.empty() && !primaries.up.empty()) chosen = &primaries.up;
      if (chosen->empty()) chosen = &primaries.best();
      break;
  }
  bool lag_limit = entry.max_replica_lag > 0 || entry.max_replica_lag_time.count() > 0;
  bool wants_primary = attrs == TargetAttrs::Primary ||
                       attrs == TargetAttrs::ReadWrite;
  bool has_standby = chosen == &standbys.up || chosen == &standbys.doubtful;
  // Nobody knows a lag of theirs, and a known primary is primary enough.
  if (attrs == TargetAttrs::Any || (lag_limit && !wants_primary) ||
      (wants_primary && !chosen->empty()))
    strangers.clear();
  if (!chosen->empty() || (lag_limit && !wants_primary)) old_news.clear();
  // Where timelines are known, nobody is tried as a primary whose own is not: it may be the old one.
  if (wants_primary && system != 0) {
    strangers.clear();
    old_news.clear();
  }
  if (!strangers.empty() && !wants_primary && !has_standby) chosen = &strangers;
  for (std::size_t place : strangers) made.weights[place] = kWhole;
  for (std::size_t place : old_news) made.weights[place] = kWhole;
  if (chosen->empty() && !old_news.empty()) chosen = &old_news;
  if (chosen->empty() && !strangers.empty()) chosen = &strangers;
  if (wants_primary && chosen != &strangers && chosen != &old_news && chosen->size() > 1) {
    // One server behind two names, or two that nobody could compare: never in turn.
    made.weights[chosen->front()] = kWhole;
    return made;
  }
  for (std::size_t place : *chosen)
    made.weights[place] = ramps && chosen->size() > 1
                              ? ramp(view.hosts[ids[place]], policy, now, made.ramping)
                              : kWhole;
  if (!chosen->empty()) return made;
  made.why_none = split     ? "two servers of one cluster accept writes: split brain"
                  : foreign ? "hosts belong to different clusters"
                  : stale   ? "the only server that accepts writes has an old timeline"
                  : lagging ? "all standbys are too far behind"
                  : unknown ? "the role of the hosts is not known: the monitor cannot log in"
                            : "no host that fits is there";
  return made;
}

Fit fit(const config::Database& entry, const std::vector<HostId>& ids, const FleetView& view,
        const HealthPolicy& policy, TimePoint now) {
  if (!entry.by_query()) return fit_as(entry.target_session_attrs, entry, ids, view, policy, now);
  // Writes and reads, each on its own; of those whose role nobody knows, none reads.
  Fit made = fit_as(TargetAttrs::Primary, entry, ids, view, policy, now);
  for (unsigned weight : made.weights) made.primary.push_back(weight != 0);
  if (entry.query_routing == config::QueryRouting::Shadow) return made;
  Fit reads = fit_as(TargetAttrs::Standby, entry, ids, view, policy, now);
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (!made.primary[i] && view.hosts[ids[i]].role == Role::Standby)
      made.weights[i] = reads.weights[i];
  made.ramping = made.ramping || reads.ramping;
  return made;
}

}  // namespace howdah::route
