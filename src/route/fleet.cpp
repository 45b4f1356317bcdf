// All watched hosts together; see the header.
#include "howdah/route/fleet.h"

#include <algorithm>

namespace howdah::route {

namespace {
// Points kept of a primary; beyond, every other one of the older half goes.
constexpr std::size_t kRingPoints = 4096;
constexpr int kOldAfter = 3;  // intervals without news of the primary

// May be taken for the primary: writable, alive as far as anybody knows.
bool may_lead(const HostView& host) {
  return host.role == Role::Primary && host.health != Health::Ejected &&
         host.health != Health::Unknown;
}
}  // namespace

HostId Fleet::add(const Endpoint& endpoint) {
  for (HostId id = 0; id < hosts_.size(); ++id)
    if (hosts_[id].endpoint == endpoint) return id;
  hosts_.push_back({endpoint, {}});
  return static_cast<HostId>(hosts_.size() - 1);
}

void Fleet::remember_timeline(std::uint64_t system, std::uint32_t timeline) {
  if (system == 0 || timeline == 0) return;
  std::uint32_t& highest = timelines_[system];
  if (timeline <= highest) return;
  highest = timeline;
  timelines_changed_ = true;
}

bool Fleet::take_timelines_changed() { return std::exchange(timelines_changed_, false); }

void Fleet::note_primary(const Sample& sample) {
  if (sample.role != Role::Primary || sample.system == 0 || sample.position == 0) return;
  auto known = timelines_.find(sample.system);
  if (known != timelines_.end() && sample.timeline < known->second) return;
  Ring& ring = rings_[sample.system];
  if (ring.timeline != sample.timeline) {  // a new timeline voids what was measured before
    ring.timeline = sample.timeline;
    ring.points.clear();
  }
  if (!ring.points.empty() && ring.points.back().position >= sample.position) {
    // Nothing was written since: whoever has replayed this far has all, as of the later moment.
    ring.points.back().at = sample.sent;
    return;
  }
  ring.points.push_back({sample.sent, sample.position});
  if (ring.points.size() <= kRingPoints) return;
  std::deque<Point> fewer;
  for (std::size_t i = 0; i < ring.points.size(); ++i)
    if (i >= kRingPoints / 2 || i % 2 == 0) fewer.push_back(ring.points[i]);
  ring.points.swap(fewer);
}

bool Fleet::good(HostId id, const Sample& sample) {
  std::uint32_t before = timelines_.contains(sample.system) ? timelines_[sample.system] : 0;
  remember_timeline(sample.system, sample.timeline);
  note_primary(sample);
  bool changed = hosts_[id].machine.good(sample, policy_);
  return changed || (sample.system != 0 && timelines_[sample.system] != before);
}

bool Fleet::bad(HostId id, Cause cause, std::string_view text, TimePoint now) {
  return hosts_[id].machine.bad(cause, text, now, policy_);
}

bool Fleet::fault(HostId id, TimePoint now) { return hosts_[id].machine.fault(now); }

Lag Fleet::lag_of(const Sample& standby, TimePoint now) const {
  Lag lag;
  auto found = rings_.find(standby.system);
  if (standby.system == 0 || standby.position == 0 || found == rings_.end()) return lag;
  const Ring& ring = found->second;
  // What it has replayed of another timeline says nothing of this one.
  if (ring.points.empty() || standby.timeline != ring.timeline) return lag;
  const auto& points = ring.points;
  lag.known = true;
  std::uint64_t newest = points.back().position;
  lag.bytes = newest > standby.position ? newest - standby.position : 0;
  auto after = std::upper_bound(
      points.begin(), points.end(), standby.position,
      [](std::uint64_t position, const Point& point) { return position < point.position; });
  // It has all that was there at the moment of the point before `after`.
  if (after != points.begin()) lag.replayed_as_of = std::prev(after)->at;
  if (after != points.end()) {
    lag.age = std::max(now - after->at, Duration(1));  // the primary was beyond it then
  } else if (now - points.back().at > kOldAfter * policy_.interval + policy_.timeout) {
    lag.age = now - points.back().at;  // nobody knows what the primary did since
  }
  return lag;
}

std::shared_ptr<const FleetView> Fleet::view(TimePoint now) const {
  auto made = std::make_shared<FleetView>();
  made->made = now;
  for (const auto& [system, timeline] : timelines_) made->systems[system].timeline = timeline;
  for (const Host& host : hosts_) {
    const HostMachine& machine = host.machine;
    const Sample& last = machine.last();
    HostView& view = made->hosts.emplace_back();
    view.endpoint = host.endpoint;
    view.role = last.role;
    view.health = machine.health();
    view.cause = machine.cause();
    view.detail = machine.detail();
    view.identity = last.identity;
    view.answers = machine.answers();
    view.read_only = last.read_only;
    view.timeline = last.timeline;
    view.system = last.system;
    view.position = last.position;
    view.latency = last.answered - last.sent;
    view.since = machine.since();
    view.told_at = machine.told_at();
    view.ramp_from = machine.ramp_from();
    view.checks = machine.checks();
    view.ejections = machine.ejections();
    if (view.role == Role::Standby) view.lag = lag_of(last, now);
  }
  // Who leads each system: the writable host of its highest timeline, if there is just one.
  for (HostId id = 0; id < made->hosts.size(); ++id) {
    HostView& host = made->hosts[id];
    if (!may_lead(host)) continue;
    if (host.system == 0) continue;  // the server doesn't say: fit() takes it if it is alone
    SystemView& system = made->systems[host.system];
    if (host.timeline < system.timeline) {
      host.stale_primary = true;
      continue;
    }
    if (system.primary == kNoHost) {
      system.primary = id;
    } else if (made->hosts[system.primary].identity != host.identity || host.identity.empty()) {
      system.split_brain = true;
    }
  }
  for (HostView& host : made->hosts)
    if (may_lead(host) && host.system != 0 && made->systems[host.system].split_brain)
      host.stale_primary = true;
  return made;
}

}  // namespace howdah::route
