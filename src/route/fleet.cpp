// All watched hosts together; see the header.
#include "howdah/route/fleet.h"

#include <algorithm>

namespace howdah::route {

namespace {
// Points kept of a primary; beyond, every other one of the older half goes.
constexpr std::size_t kRingPoints = 4096;
constexpr int kOldAfter = 3;  // intervals without news of the primary

// Servers of one address that are remembered, and how long an address counts as balanced after
// connections to it led to servers in turn.
constexpr std::size_t kMet = 8;
constexpr Duration kBalancedLasts = std::chrono::minutes(10);

// May be taken for the primary: writable, alive as far as anybody knows.
bool may_lead(const HostMachine& host) {
  return host.last().role == Role::Primary && host.health() != Health::Ejected &&
         host.health() != Health::Unknown;
}
}  // namespace

Identity identity_of(std::string_view text) {
  if (text.empty()) return 0;
  Identity hash = 14695981039346656037u;  // FNV-1a
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash == 0 ? 1 : hash;
}

HostId Fleet::add(const Endpoint& endpoint) {
  for (HostId id = 0; id < hosts_.size(); ++id)
    if (hosts_[id].endpoint == endpoint) return id;
  hosts_.emplace_back().endpoint = endpoint;
  return static_cast<HostId>(hosts_.size() - 1);
}

void Fleet::forget(HostId id) {
  Host& host = hosts_[id];
  host.machine = {};
  host.met.clear();
  host.balanced_until = {};
  write_signs({});
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
  Identity identity = identity_of(sample.identity);
  bool back = !ring.points.empty() && sample.position < ring.points.back().position;
  // A new timeline voids what was measured before; so does a new start, which may have lost the end
  // of its log, and a position that only another server could have.
  if (ring.timeline != sample.timeline || ring.identity != identity || back) {
    ring.timeline = sample.timeline;
    ring.identity = identity;
    ring.points.clear();
  }
  if (!ring.points.empty() && ring.points.back().position == sample.position) {
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
  Host& host = hosts_[id];
  bool changed =
      sample.new_connection && meet(host, identity_of(sample.identity), sample.answered);
  changed = host.machine.good(sample, policy_) || changed;
  write_signs(sample.answered);
  return changed || (sample.system != 0 && timelines_[sample.system] != before);
}

bool Fleet::bad(HostId id, Cause cause, std::string_view text, TimePoint now) {
  bool changed = hosts_[id].machine.bad(cause, text, now, policy_);
  write_signs(now);
  return changed;
}

bool Fleet::fault(HostId id, TimePoint now) {
  bool changed = hosts_[id].machine.fault(now);
  write_signs(now);
  return changed;
}

// A server that was started anew, or an address that moved, is another one, and the one before is
// not met again. Where it is, both are there at the same time.
bool Fleet::meet(Host& host, Identity identity, TimePoint now) {
  if (identity == 0 || (!host.met.empty() && host.met.back() == identity)) return false;
  auto before = std::find(host.met.begin(), host.met.end(), identity);
  bool again = before != host.met.end();
  if (again) host.met.erase(before);
  host.met.push_back(identity);
  if (host.met.size() > kMet) host.met.erase(host.met.begin());
  if (!again) return false;
  bool news = now >= host.balanced_until;
  host.balanced_until = now + kBalancedLasts;
  return news;
}

bool Fleet::told_identity(HostId id, Identity identity, TimePoint now) {
  Host& host = hosts_[id];
  meet(host, identity, now);
  write_signs(now);
  return identity != 0 && identity != identity_of(host.machine.last().identity);
}

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

// Who leads each system: the writable host of its highest timeline, if there is just one.
std::map<std::uint64_t, SystemView> Fleet::systems() const {
  std::map<std::uint64_t, SystemView> made;
  for (const auto& [system, timeline] : timelines_) made[system].timeline = timeline;
  for (HostId id = 0; id < hosts_.size(); ++id) {
    const Sample& last = hosts_[id].machine.last();
    // One that does not say its system: fit() takes it if it is alone.
    if (!may_lead(hosts_[id].machine) || last.system == 0) continue;
    SystemView& system = made[last.system];
    if (last.timeline < system.timeline) continue;
    if (system.primary == kNoHost) {
      system.primary = id;
    } else if (last.identity.empty() ||
               hosts_[system.primary].machine.last().identity != last.identity) {
      system.split_brain = true;
    }
  }
  return made;
}

// It accepts writes and must get none.
bool Fleet::stale(const Host& host, const std::map<std::uint64_t, SystemView>& systems) const {
  const Sample& last = host.machine.last();
  if (!may_lead(host.machine) || last.system == 0) return false;
  const SystemView& system = systems.at(last.system);
  return last.timeline < system.timeline || system.split_brain;
}

HostId Fleet::primary_of(HostId id) const {
  std::uint64_t system = hosts_[id].machine.last().system;
  if (system == 0) return kNoHost;
  SystemView found = systems()[system];
  return found.split_brain ? kNoHost : found.primary;
}

void Fleet::write_signs(TimePoint now) {
  auto systems = this->systems();
  for (const Host& host : hosts_) {
    const HostMachine& machine = host.machine;
    const Sample& last = machine.last();
    Signs signs;
    signs.identity = machine.answers() ? identity_of(last.identity) : 0;
    signs.balanced = now < host.balanced_until;
    const Host* primary = nullptr;
    if (last.system != 0 && signs.identity != 0 && last.doubt == Cause::None) {
      const SystemView& system = systems[last.system];
      if (!system.split_brain && system.primary != kNoHost) primary = &hosts_[system.primary];
    }
    if (primary && last.role == Role::Primary && !stale(host, systems)) {
      signs.leads = true;  // maybe one server by two names
      signs.primary = signs.identity;
    } else if (primary && last.role == Role::Standby && !signs.balanced &&
               (machine.health() == Health::Up || machine.health() == Health::Probing) &&
               now >= primary->balanced_until) {
      auto ring = rings_.find(last.system);
      // The ring may still be of the primary before.
      if (ring != rings_.end() && ring->second.identity != 0 &&
          ring->second.identity == identity_of(primary->machine.last().identity)) {
        signs.primary = ring->second.identity;
        signs.replayed_as_of = lag_of(last, now).replayed_as_of;
      }
    }
    host.signs->write(signs);
  }
}

std::shared_ptr<const FleetView> Fleet::view(TimePoint now) const {
  auto made = std::make_shared<FleetView>();
  made->made = now;
  made->systems = systems();
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
    view.stale_primary = stale(host, made->systems);
    view.timeline = last.timeline;
    view.system = last.system;
    view.position = last.position;
    view.latency = last.answered - last.sent;
    view.since = machine.since();
    view.told_at = machine.told_at();
    view.ramp_from = machine.ramp_from();
    view.checks = machine.checks();
    view.ejections = machine.ejections();
    view.balanced = now < host.balanced_until;
    view.signs = host.signs;
    // Which of its servers was asked is not which a client's connection leads to.
    if (view.role == Role::Standby && !view.balanced) view.lag = lag_of(last, now);
  }
  return made;
}

}  // namespace howdah::route
