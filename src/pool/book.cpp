// Book: making, finding and forgetting pools; the lists that slots and tickets are in.
#include "pool/book.h"

#include <algorithm>
#include <cassert>

namespace howdah::pool {

namespace {
std::size_t at_least_zero(int number) { return number > 0 ? static_cast<std::size_t>(number) : 0; }
}  // namespace

Book::Book(Ledger* ledger, std::shared_ptr<const config::Config> config, WorkerId workers)
    : ledger_(ledger), config_(std::move(config)), workers_(std::max<WorkerId>(workers, 1)) {
  make_forced_pools();
}

Book::~Book() {
  for (auto& owned : pools_) {
    if (!owned) continue;
    Pool& pool = *owned;
    unblock(pool);
    while (Ticket* ticket = pool.waiting().pop_front()) ticket->id = 0;
    while (Ticket* ticket = pool.waiting_own.pop_front()) ticket->id = 0;
    while (Ticket* ticket = pool.promised.pop_front()) ticket->id = 0;
    for (auto& list : pool.slots)
      while (Slot* slot = list.front()) leave(*slot);
  }
}

// --- pools ---------------------------------------------------------------------------------------

Pool* Book::find(PoolId id) const { return id < pools_.size() ? pools_[id].get() : nullptr; }

PoolId Book::pool(const config::Database& db, std::string_view pool_user) {
  auto found = index_.find(Name(db.name, pool_user));
  if (found != index_.end()) {
    found->second->touched = true;
    return found->second->id;
  }
  // The caller's entry may be of an older configuration than ours.
  auto entry = config_->find_database(db.name);
  bool gone = entry == nullptr;
  if (gone) entry = std::make_shared<config::Database>(db);
  Pool& made = make_pool(std::move(entry), db.name, pool_user);
  made.removed = gone;
  return made.id;
}

Pool& Book::make_pool(std::shared_ptr<const config::Database> entry, std::string_view database,
                      std::string_view user) {
  auto& owned = pools_.emplace_back(std::make_unique<Pool>());
  Pool& pool = *owned;
  pool.id = static_cast<PoolId>(pools_.size() - 1);
  pool.database = database;
  pool.user = user;
  pool.entry = std::move(entry);
  pool.scopes = {&scope(kDatabase, database), &scope(kUser, user)};
  for (Scope* each : pool.scopes) ++each->pools;
  for (BlockedNode& node : pool.blocked) node.pool = &pool;
  pool.parked_on = std::make_unique<Pool::WorkerList[]>(workers_);
  auto places = host_sets_.find(pool.entry->automatic ? "*" : database);
  if (places != host_sets_.end()) pool.places = places->second;
  reset_hosts(pool);
  pool.attention.owner = &pool;
  index_.emplace(Name(pool.database, pool.user), &pool);
  set_limits(pool);
  attend_next_tick(pool);
  return pool;
}

void Book::make_forced_pools() {
  for (const auto& [name, entry] : config_->databases) {
    if (!entry->user || config_->min_pool_size(*entry) <= 0) continue;
    if (!index_.contains(Name(name, *entry->user))) make_pool(entry, name, *entry->user);
  }
}

void Book::forget(Pool& pool, Actions& actions) {
  assert(pool.empty());
  unblock(pool);
  for (Scope* each : pool.scopes) --each->pools;
  drop_scope_if_unused(kDatabase, pool.database);
  drop_scope_if_unused(kUser, pool.user);
  index_.erase(Name(pool.database, pool.user));
  actions.emplace_back(Forget{pool.id});
  pools_[pool.id].reset();
}

void Book::set_limits(Pool& pool) {
  const config::Config& config = *config_;
  pool.size = at_least_zero(config.pool_size(*pool.entry, pool.user));
  pool.reserve = at_least_zero(config.reserve_pool_size(*pool.entry, pool.user));
  pool.minimum = at_least_zero(config.min_pool_size(*pool.entry));
  if (pool.size != 0) pool.minimum = std::min(pool.minimum, pool.size);
  Duration lifetime = config.server_lifetime(*pool.entry);
  if (lifetime != pool.lifetime) {
    pool.lifetime = lifetime;
    pool.lifetime_next = pool.lifetime_check = TimePoint::min();
  }
  pool.scopes[kDatabase]->limit = at_least_zero(config.max_db_connections(*pool.entry));
  pool.scopes[kUser]->limit = at_least_zero(config.max_user_connections(pool.user));
}

Scope& Book::scope(ScopeKind kind, std::string_view name) {
  auto& scopes = scopes_[kind];
  auto found = scopes.find(name);
  if (found == scopes.end()) found = scopes.try_emplace(std::string(name)).first;
  return found->second;
}

void Book::drop_scope_if_unused(ScopeKind kind, std::string_view name) {
  auto found = scopes_[kind].find(name);
  if (found != scopes_[kind].end() && found->second.pools == 0 && !found->second.paused)
    scopes_[kind].erase(found);
}

const base::Error* Book::hopeless(const Pool& pool) const {
  if (pool.removed) return &removed_error_;
  return drain_error_ ? &*drain_error_ : nullptr;
}

PoolInfo Book::info(PoolId id) const {
  const Pool* pool = find(id);
  if (!pool) return {};
  return {pool->entry, pool->user, pool->routed() ? pool->places : nullptr};
}

void Book::client_joined(PoolId id) {
  Pool* pool = find(id);
  if (!pool) return;
  ++pool->clients;
  if (pool->minimum != 0) attend_next_tick(*pool);
}

void Book::client_left(PoolId id, TimePoint now) {
  Pool* pool = find(id);
  if (!pool || pool->clients == 0) return;
  --pool->clients;
  if (pool->empty()) {
    pool->idle_since = now;
    attend_next_tick(*pool);
  }
}

// --- slots ---------------------------------------------------------------------------------------

void Book::enter(Slot& slot) {
  Pool& pool = *slot.pool;
  pool.in(slot.state).push_back(slot);
  pool.own[static_cast<std::size_t>(slot.state)] += slot.own;
  if (slot.state != SlotState::Closing && slot.epoch == pool.epoch) ++pool.hosts[slot.host].servers;
  if (slot.state == SlotState::Parked) {
    pool.parked_on[slot.home].push_back(slot);
    link_idle(slot);
  } else if (slot.state == SlotState::Closing) {
    for (Scope* each : pool.scopes) ++each->closing;
  }
}

void Book::leave(Slot& slot) {
  Pool& pool = *slot.pool;
  pool.in(slot.state).remove(slot);
  pool.own[static_cast<std::size_t>(slot.state)] -= slot.own;
  if (slot.state != SlotState::Closing && slot.epoch == pool.epoch) --pool.hosts[slot.host].servers;
  if (slot.state == SlotState::Parked) {
    pool.parked_on[slot.home].remove(slot);
    unlink_idle(slot);
  } else if (slot.state == SlotState::Closing) {
    for (Scope* each : pool.scopes) --each->closing;
  } else if (slot.state == SlotState::Connecting && slot.epoch == pool.epoch) {
    --pool.hosts[slot.host].connecting;
  }
}

void Book::set_state(Slot& slot, SlotState to) {
  assert(legal(slot.state, to));
  leave(slot);
  slot.state = to;
  enter(slot);
}

void Book::link_idle(Slot& slot) {
  for (std::size_t kind = 0; kind < kScopeKinds; ++kind)
    if (slot.pool->scopes[kind]->limit != 0)
      slot.pool->scopes[kind]->idle.push_back(slot.idle[kind]);
}

void Book::unlink_idle(Slot& slot) {
  for (std::size_t kind = 0; kind < kScopeKinds; ++kind)
    if (slot.idle[kind].link.linked()) slot.pool->scopes[kind]->idle.remove(slot.idle[kind]);
}

Slot& Book::new_slot(Pool& pool, std::size_t host, TimePoint now, Ticket* own) {
  Slot& slot = slots_.take();
  slot.pool = &pool;
  slot.own = own != nullptr;
  slot.ticket = own;
  if (own) {
    pool.waiting_own.remove(*own);
    pool.promised.push_back(*own);
    own->slot = &slot;
  }
  slot.state = SlotState::Connecting;
  slot.home = 0;
  slot.host = static_cast<std::uint32_t>(host);
  slot.epoch = pool.epoch;
  slot.since = slot.idle_since = now;
  for (IdleNode& node : slot.idle) node.slot = &slot;
  ++pool.hosts[host].connecting;
  for (Scope* each : pool.scopes) ++each->servers;
  enter(slot);
  return slot;
}

void Book::release(Slot& slot) {
  Pool& pool = *slot.pool;
  leave(slot);
  for (Scope* each : pool.scopes) --each->servers;
  if (Ticket* ticket = slot.ticket) {
    slot.ticket = nullptr;
    pool.promised.remove(*ticket);
    ticket->slot = nullptr;
    enqueue(*ticket);
  }
  slots_.give_back(slot);
}

void Book::close(Slot& slot, const char* reason, Actions& actions) {
  set_state(slot, SlotState::Closing);
  actions.emplace_back(Close{slot.id, slot.home, reason});
}

void Book::close_parked(Pool& pool, const char* reason, Actions& actions) {
  while (Slot* slot = pool.in(SlotState::Parked).front()) close(*slot, reason, actions);
}

// --- tickets -------------------------------------------------------------------------------------

Ticket& Book::new_ticket(Pool& pool, Waiter who, HostMask hosts, TimePoint since) {
  Ticket& ticket = tickets_.take();
  ticket.pool = &pool;
  ticket.slot = nullptr;
  ticket.own = false;
  ticket.who = who;
  ticket.asked = hosts;
  ticket.since = since;
  ticket.sequence = next_sequence_++;
  return ticket;
}

void Book::drop(Ticket& ticket) { tickets_.give_back(ticket); }

void Book::enqueue(Ticket& ticket) {
  if (!ticket.own) {
    ticket.hosts = effective(*ticket.pool, ticket);
    return ticket.pool->waiting().add(ticket);
  }
  Pool::Queue& queue = ticket.pool->waiting_own;
  if (queue.empty() || queue.back()->before(ticket)) return queue.push_back(ticket);
  Ticket* at = queue.front();
  while (at->before(ticket)) at = Pool::Queue::next(*at);
  queue.insert_before(ticket, at);
}

// `ticket` is in no list.
void Book::promise(Slot& slot, Ticket& ticket) {
  slot.ticket = &ticket;
  ticket.slot = &slot;
  ticket.pool->promised.push_back(ticket);
  set_state(slot, SlotState::Promised);
}

void Book::fail_waiters(Pool& pool, const base::Error& error, Actions& actions) {
  fail_queue(pool.waiting(), error, actions);
  fail_queue(pool.waiting_own, error, actions);
}


}  // namespace howdah::pool
