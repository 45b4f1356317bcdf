// Book: what may be opened, where, and what a failure to open means.
#include <algorithm>
#include <chrono>
#include <utility>

#include "pool/book.h"

namespace howdah::pool {

namespace {
using namespace std::chrono_literals;

// Connects in flight per (pool, host); a host that has failed is first tried with one.
constexpr std::size_t kParallelConnects = 16;
constexpr Duration kFirstBackOff = 250ms;
// Even with server_login_retry = 0, a dead host is not tried in a closed loop.
constexpr Duration kLeastBackOff = 1ms;

std::size_t parallel_connects(const HostState& host) {
  return host.failures == 0 ? kParallelConnects : 1;
}
}  // namespace

// --- may it grow? --------------------------------------------------------------------------------

bool Book::wants(const Pool& pool) const {
  return (wants_shared(pool) || !pool.waiting_own.empty()) && !paused(pool) && !hopeless(pool);
}

bool Book::wants_shared(const Pool& pool) const {
  for (const auto& line : pool.waiting().lines())
    if (short_of(pool, *line)) return true;
  return false;
}

Ticket* Book::next_own(const Pool& pool) const {
  Ticket* own = pool.waiting_own.front();
  const Line* line = next_line(pool, {});
  return own && (!line || own->before(*line->front())) ? own : nullptr;
}

const Ticket* Book::next_head(const Pool& pool) const {
  const Ticket* own = next_own(pool);
  const Line* line = own ? nullptr : next_line(pool, {});
  return own ? own : line ? line->front() : nullptr;
}

bool Book::over_reserve(const Pool& pool) const {
  return pool.size != 0 && pool.staying() > pool.size + pool.reserve;
}

// When the head waiter has waited long enough for the reserve; kNever = there is none.
TimePoint Book::reserve_from(const Pool& pool, const Ticket* head) const {
  if (pool.reserve == 0 || !head) return base::kNever;
  // A pause stops the waiters' clocks.
  TimePoint since = std::max(head->since, pool.resumed_at);
  return base::deadline_after(since, config_->settings.reserve_pool_timeout);
}

bool Book::has_room(const Pool& pool, const Ticket* head, TimePoint now) const {
  if (pool.size == 0 || pool.count() < pool.size) return true;
  return pool.count() < pool.size + pool.reserve && now >= reserve_from(pool, head);
}

// An idle server gives way to one that is wanted for a client alone.
void Book::make_room_for_own(Pool& pool, Actions& actions) {
  while (pool.in(SlotState::Closing).size() < pool.waiting_own.size() &&
         !pool.in(SlotState::Parked).empty())
    close(*pool.in(SlotState::Parked).front(), "evicted", actions);
}

std::optional<std::size_t> Book::ready_host(Pool& pool, TimePoint now, HostMask hosts) const {
  config::LoadBalance mode = pool.entry->load_balance_hosts;
  if (pool.routed() || mode == config::LoadBalance::Random ||
      mode == config::LoadBalance::LeastConnections)
    return host_by_share(pool, now, hosts);
  for (std::size_t i = 0; i < pool.hosts.size(); ++i) {
    std::size_t number = (pool.next_host + i) % pool.hosts.size();
    const HostState& host = pool.hosts[number];
    if (now < host.retry_at) continue;
    if (host.connecting < parallel_connects(host)) return number;
    // Without balancing a busy host is waited for; only a failed one is left.
    if (pool.entry->load_balance_hosts == config::LoadBalance::Disable) return std::nullopt;
  }
  return std::nullopt;
}

void Book::attend_back_off(Pool& pool, TimePoint now) {
  for (const HostState& host : pool.hosts)
    if (now < host.retry_at) attend(pool, host.retry_at);
}

// Asks the limits over pools. Where one is full, makes room by closing the longest-idle server of
// another pool and puts this pool in line: it is asked again when that server is lost.
bool Book::admitted(Pool& pool, Actions& actions) {
  bool full = false;
  bool futile = false;  // one of them is full for good: closing for the other would be a waste
  for (Scope* scope : pool.scopes) {
    full = full || scope->full();
    futile = futile || (scope->stays_full() && scope->idle.empty());
  }
  if (!full) return true;
  // In line at both: the other one may be full, too, by the time this one is not.
  for (std::size_t kind = 0; kind < kScopeKinds; ++kind)
    if (!pool.blocked[kind].link.linked()) pool.scopes[kind]->blocked.push_back(pool.blocked[kind]);
  if (futile) return false;
  for (Scope* scope : pool.scopes)
    while (scope->stays_full() && !scope->idle.empty())
      close(*scope->idle.front()->slot, "evicted", actions);
  return false;
}

void Book::unblock(Pool& pool) {
  for (std::size_t kind = 0; kind < kScopeKinds; ++kind)
    if (pool.blocked[kind].link.linked()) pool.scopes[kind]->blocked.remove(pool.blocked[kind]);
}

void Book::open(Pool& pool, std::size_t host, TimePoint now, Actions& actions, Ticket* own) {
  bool reserve = pool.size != 0 && pool.count() >= pool.size;
  pool.next_host = pool.entry->load_balance_hosts == config::LoadBalance::Disable
                       ? host
                       : (host + 1) % pool.hosts.size();
  Slot& slot = new_slot(pool, host, now, own);
  Open open{Permit(ledger_, slot.id), pool.id, host, reserve};
  if (own) {
    open.ticket = own->id;
    open.to = own->who;
  }
  actions.emplace_back(std::move(open));
}

void Book::grow(Pool& pool, TimePoint now, Actions& actions) {
  unblock(pool);
  stuck_.clear();
  while (wants(pool)) {
    Line* line = next_line(pool, stuck_);
    Ticket* own = pool.waiting_own.front();
    if (own && line && line->front()->before(*own)) own = nullptr;
    if (own && std::find(stuck_.begin(), stuck_.end(), nullptr) != stuck_.end()) own = nullptr;
    if (!own && !line) return;
    const Ticket* head = own ? own : line->front();
    if (!has_room(pool, head, now)) {
      if (own) make_room_for_own(pool, actions);
      if (!own) make_room_for(pool, *line, actions);
      if (pool.count() < pool.size + pool.reserve) attend(pool, reserve_from(pool, head));
      return;
    }
    auto host = ready_host(pool, now, own ? effective(pool, kPrimary) : line->hosts());
    if (!host) {  // others may wait for hosts that can be tried
      attend_back_off(pool, now);
      stuck_.push_back(own ? nullptr : line);
      continue;
    }
    if (!admitted(pool, actions)) return;
    open(pool, *host, now, actions, own);
  }
}

void Book::grow_in_order(std::vector<Pool*>& pools, TimePoint now, Actions& actions) {
  std::erase_if(pools, [&](Pool* pool) { return !wants(*pool); });
  std::sort(pools.begin(), pools.end(), [](const Pool* a, const Pool* b) {
    return a->oldest()->before(*b->oldest());
  });
  for (Pool* pool : pools) grow(*pool, now, actions);
}

void Book::refill(Pool& pool, TimePoint now, Actions& actions) {
  order_.assign(1, &pool);
  for (Scope* scope : pool.scopes)
    scope->blocked.each([&](BlockedNode& node) { order_.push_back(node.pool); });
  grow_in_order(order_, now, actions);  // a pool that is named twice is only asked twice
}

// --- ends ----------------------------------------------------------------------------------------

void Book::after_loss(Pool& pool, TimePoint now, Actions& actions) {
  // A waiter whose promised server is lost may be back in the queue.
  if (const base::Error* error = hopeless(pool)) fail_waiters(pool, *error, actions);
  hand_out_parked(pool, actions);
  if (pool.live() < pool.minimum) attend_next_tick(pool);
  if (pool.empty()) {
    pool.idle_since = now;
    attend_next_tick(pool);
  }
  refill(pool, now, actions);
}

void Book::lost(SlotId id, TimePoint now, Actions& actions) {
  Slot* slot = slots_.find(id);
  if (!slot) return;
  Pool& pool = *slot->pool;
  release(*slot);
  after_loss(pool, now, actions);
}

void Book::dropped(SlotId id) {
  Slot* slot = slots_.find(id);
  if (!slot) return;
  Pool& pool = *slot->pool;
  release(*slot);
  // Nobody is here to act: the next tick looks after those who may gain by it.
  attend_next_tick(pool);
  for (Scope* scope : pool.scopes)
    scope->blocked.each([&](BlockedNode& node) { attend_next_tick(*node.pool); });
}

void Book::back_off(const Slot& slot, TimePoint now) {
  Pool& pool = *slot.pool;
  if (slot.epoch != pool.epoch || slot.state != SlotState::Connecting) return;
  HostState& host = pool.hosts[slot.host];
  // Attempts that were made together fail together: that is one failure.
  if (host.failures != 0 && slot.since <= host.failed_at) return;
  Duration delay = kFirstBackOff * (1 << std::min(host.failures, 20u));
  delay = std::max(std::min(delay, config_->settings.server_login_retry), kLeastBackOff);
  ++host.failures;
  host.failed_at = now;
  host.retry_at = now + delay;
  if (pool.entry->load_balance_hosts == config::LoadBalance::Disable && pool.next_host == slot.host)
    pool.next_host = (slot.host + 1) % pool.hosts.size();
}

void Book::connect_failed(SlotId id, TimePoint now, Actions& actions) {
  Slot* slot = slots_.find(id);
  if (!slot) return;
  back_off(*slot, now);
  lost(id, now, actions);
}

void Book::login_failed(SlotId id, const base::Error& error, TimePoint now, Actions& actions) {
  Slot* slot = slots_.find(id);
  if (!slot) return;
  Pool& pool = *slot->pool;
  if (slot->own) {  // it says nothing of logins of another kind
    if (Ticket* ticket = std::exchange(slot->ticket, nullptr)) {
      pool.promised.remove(*ticket);
      actions.emplace_back(Fail{ticket->id, ticket->who, error});
      drop(*ticket);
    }
  } else if (slot->epoch == pool.epoch && slot->state == SlotState::Connecting) {
    back_off(*slot, now);
    pool.login_error = error;
    if (pool.usable() == 0) fail_queue(pool.waiting(), error, actions);
  }
  lost(id, now, actions);
}

bool Book::retire(SlotId id) {
  Slot* slot = slots_.find(id);
  if (!slot || slot->state != SlotState::Parked || slot->pool->usable() <= slot->pool->minimum)
    return false;
  set_state(*slot, SlotState::Closing);
  return true;
}

}  // namespace howdah::pool
