// Book: hosts of routed entries: who gets the next client, the next server, and how servers move
// when the weights of hosts change. A host's share of a pool is its part of all servers by weight,
// and at least one; a host below its share gets a server at the next tick, though nobody waits for
// one.
#include <algorithm>
#include <limits>

#include "pool/book.h"

namespace howdah::pool {

namespace {
constexpr std::uint64_t kStride = 1 << 20;
constexpr std::uint64_t kMayBeAhead = 4 * kStride / kWholeWeight;  // four clients' worth
// Parked servers that are looked at for one of the right host: the newest of a worker.
constexpr std::size_t kLookAt = 32;
constexpr std::size_t kParallelConnects = 16;
constexpr Duration kMoveEvery = std::chrono::milliseconds(100);

bool may_connect(const HostState& host, TimePoint now) {
  return host.weight != 0 && now >= host.retry_at &&
         host.connecting < (host.failures == 0 ? kParallelConnects : 1);
}
}  // namespace

void Book::reset_hosts(Pool& pool) {
  pool.hosts.assign(pool.host_count(), HostState{});
  pool.next_host = pool.hosts.empty() ? 0 : pool.next_host % pool.hosts.size();
  // Slots of former epochs have host numbers of their own; they look nowhere.
  if (pool.routed()) put_weights(pool);
  sort_into_lines(pool);
}

void Book::put_weights(Pool& pool) {
  if (!pool.places) return;
  if (pool.hosts.size() < pool.places->size()) {
    std::size_t had = pool.hosts.size();
    pool.hosts.resize(pool.places->size());
    for (std::size_t i = had; i < pool.hosts.size(); ++i) pool.hosts[i].weight = 0;
  }
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < pool.places->size(); ++i)
    if (pool.hosts[i].weight != 0 && (*pool.places)[i].weight != 0)
      least = std::min(least, pool.hosts[i].pass);
  for (std::size_t i = 0; i < pool.hosts.size(); ++i) {
    HostState& host = pool.hosts[i];
    unsigned weight = i < pool.places->size() ? (*pool.places)[i].weight : 0;
    if (host.weight == 0 && weight != 0) {
      // It is back: what went wrong before is over, and it has nothing to catch up on.
      host.failures = 0;
      host.retry_at = TimePoint::min();
      if (least != std::numeric_limits<std::uint64_t>::max())
        host.pass = std::max(host.pass, least);
    }
    host.weight = weight;
    host.shed = false;
  }
  pool.readable = pool.writable = pool.working = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(pool.places->size(), 64); ++i) {
    if ((*pool.places)[i].weight == 0) continue;
    HostMask bit = HostMask{1} << i;
    pool.working |= bit;
    ((*pool.places)[i].primary ? pool.writable : pool.readable) |= bit;
  }
}

bool Book::balanced_by_us(const Pool& pool) const {
  return pool.routed() && pool.entry->load_balance_hosts != config::LoadBalance::Disable;
}

Slot* Book::choose_by_share(const Pool& pool, const Pool::WorkerList& list,
                            HostMask hosts) const {
  Slot* best = nullptr;
  std::size_t looked = 0;
  for (Slot* slot = list.back(); slot && (!best || looked < kLookAt);
       slot = Pool::WorkerList::prev(*slot)) {
    ++looked;
    if (!within(hosts, slot->host)) continue;
    auto before = [&](const Slot& one) { return std::pair(pool.hosts[one.host].pass, one.host); };
    if (!best || before(*slot) < before(*best)) best = slot;
  }
  return best;
}

// The caller's own worker first, as far as no host gets ahead of the others by that.
Slot* Book::choose_among_hosts(const Pool& pool, WorkerId worker, HostMask hosts) const {
  Slot* own = worker < workers_ ? choose_by_share(pool, pool.parked_on[worker], hosts) : nullptr;
  if (own) {
    std::uint64_t least = pool.hosts[own->host].pass;
    for (std::size_t i = 0; i < pool.hosts.size(); ++i) {
      const HostState& host = pool.hosts[i];
      if (host.weight != 0 && host.servers != 0 && within(hosts, i))
        least = std::min(least, host.pass);
    }
    if (pool.hosts[own->host].pass <= least + kMayBeAhead) return own;
  }
  Slot* best = own;
  for (WorkerId other = 0; other < workers_; ++other) {
    Slot* slot = other == worker ? nullptr : choose_by_share(pool, pool.parked_on[other], hosts);
    if (slot && (!best || pool.hosts[slot->host].pass < pool.hosts[best->host].pass)) best = slot;
  }
  return best;
}

// A server has been opened. The first one of its host has nothing to catch up on.
void Book::joined(Pool& pool, const Slot& slot) {
  attend_next_tick(pool);
  if (slot.epoch != pool.epoch) return;
  HostState& host = pool.hosts[slot.host];
  if (host.servers - host.connecting > 1) return;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const HostState& other : pool.hosts)
    if (&other != &host && other.weight != 0 && other.servers > other.connecting)
      least = std::min(least, other.pass);
  if (least != std::numeric_limits<std::uint64_t>::max()) host.pass = std::max(host.pass, least);
}

// A client goes to this server.
void Book::served(Slot& slot) {
  Pool& pool = *slot.pool;
  if (!pool.routed() || slot.epoch != pool.epoch) return;
  HostState& host = pool.hosts[slot.host];
  pool.in_use = true;
  host.pass += kStride / std::max(host.weight, 1u);
}

// Where the next server of a routed pool is opened.
std::optional<std::size_t> Book::host_by_share(Pool& pool, TimePoint now,
                                               HostMask hosts) const {
  std::optional<std::size_t> best;
  auto will_do = [&](std::size_t i) {
    return within(hosts, i) && may_connect(pool.hosts[i], now);
  };
  auto load = [&](std::size_t i) {
    return pool.hosts[i].servers * kStride / std::max(pool.hosts[i].weight, 1u);
  };
  if (pool.entry->load_balance_hosts == config::LoadBalance::Disable) {
    for (std::size_t i = 0; i < pool.hosts.size(); ++i) {
      if (!within(hosts, i)) continue;
      if (may_connect(pool.hosts[i], now)) return i;
      // A busy host is waited for; only one that may not be used or has failed is left.
      if (pool.hosts[i].weight != 0 && now >= pool.hosts[i].retry_at) return std::nullopt;
    }
    return best;
  }
  if (pool.entry->load_balance_hosts == config::LoadBalance::Random) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < pool.hosts.size(); ++i)
      sum += will_do(i) ? pool.hosts[i].weight : 0;
    if (sum == 0) return best;
    pool.chance = pool.chance * 1664525u + 1013904223u;
    std::uint64_t at = (pool.chance >> 8) % sum;
    for (std::size_t i = 0; i < pool.hosts.size(); ++i) {
      if (!will_do(i)) continue;
      if (at < pool.hosts[i].weight) return i;
      at -= pool.hosts[i].weight;
    }
    return best;
  }
  for (std::size_t n = 0; n < pool.hosts.size(); ++n) {
    std::size_t i = (pool.next_host + n) % pool.hosts.size();
    if (will_do(i) && (!best || load(i) < load(*best))) best = i;
  }
  return best;
}

// How many servers go to the primary of a split entry is not by weight: who waits decides.
bool Book::shares(const Pool& pool, const HostState& host) const {
  return !pool.splits() ||
         within(pool.readable, static_cast<std::size_t>(&host - pool.hosts.data()));
}

std::size_t Book::share(const Pool& pool, const HostState& host) const {
  if (host.weight == 0) return 0;
  std::size_t servers = 0, weights = 0;
  for (const HostState& each : pool.hosts) {
    if (each.weight == 0 || !shares(pool, each)) continue;
    servers += each.servers;
    weights += each.weight;
  }
  return std::max<std::size_t>(servers * host.weight / weights, 1);
}

std::optional<std::size_t> Book::lacking(const Pool& pool, TimePoint now) const {
  for (std::size_t i = 0; i < pool.hosts.size(); ++i) {
    const HostState& host = pool.hosts[i];
    if (shares(pool, host) && may_connect(host, now) && host.servers < share(pool, host)) return i;
  }
  return std::nullopt;
}

// The host with most above its share, if that is at least one.
HostState* Book::rich(Pool& pool) const {
  HostState* best = nullptr;
  std::size_t most = 0;
  for (HostState& host : pool.hosts) {
    if (!shares(pool, host)) continue;
    std::size_t due = share(pool, host);
    if (host.servers <= due || host.servers - due <= most) continue;
    most = host.servers - due;
    best = &host;
  }
  return best;
}

Slot* Book::idle_on(Pool& pool, const HostState& host) const {
  for (Slot* slot = pool.in(SlotState::Parked).front(); slot; slot = Pool::SlotList::next(*slot))
    if (&pool.hosts[slot->host] == &host) return slot;
  return nullptr;
}

// A pool that nobody has used since it was last in balance is left to die out.
// One server a tick: that is fast enough, and no storm of logins on a host that has just come back.
void Book::rebalance(Pool& pool, TimePoint now, Actions& actions) {
  if (paused(pool) || hopeless(pool) || pool.staying() == 0 || !pool.in_use) return;
  auto poor = lacking(pool, now);
  if (!poor) {
    pool.in_use = false;
    return;
  }
  bool room = pool.size == 0 || pool.count() < pool.size;
  for (Scope* scope : pool.scopes) room = room && !scope->full();
  if (room) open(pool, *poor, now, actions);
  HostState* giver = rich(pool);
  if (room || giver) attend(pool, now + kMoveEvery);
  if (!giver) return;
  if (Slot* slot = idle_on(pool, *giver)) {
    close(*slot, "moved to another host", actions);
  } else if (!room) {
    giver->shed = true;
  }
}

}  // namespace howdah::pool
