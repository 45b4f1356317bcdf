// Book: what an operator does to all pools or those of one entry.
#include <algorithm>

#include "pool/book.h"

namespace howdah::pool {

void Book::reconfigure(std::shared_ptr<const config::Config> config, TimePoint now,
                       Actions& actions) {
  config_ = std::move(config);
  std::shared_ptr<const config::Database> entry;
  std::string_view entry_name;
  bool first = true;
  each_pool("", [&](Pool& pool) {  // sorted by name: one look-up an entry
    if (first || pool.database != entry_name) entry = config_->find_database(pool.database);
    first = false;
    entry_name = pool.database;
    set_entry(pool, entry, actions);
    set_limits(pool);
  });
  relink_scopes();
  make_forced_pools();
  order_.clear();
  each_pool("", [&](Pool& pool) {
    trim(pool, actions);
    if (wants(pool)) order_.push_back(&pool);
    attend_next_tick(pool);
  });
  grow_in_order(order_, now, actions);
}

void Book::set_entry(Pool& pool, std::shared_ptr<const config::Database> entry, Actions& actions) {
  if (!entry) {
    if (pool.removed) return;
    pool.removed = true;
    make_obsolete(pool, "database configuration changed", actions);
    return fail_waiters(pool, removed_error_, actions);
  }
  bool changed =
      entry->needs_reconnect(*pool.entry) || entry->hosts.size() != pool.entry->hosts.size();
  pool.removed = false;
  pool.entry = std::move(entry);
  if (changed) make_obsolete(pool, "connect string changed", actions);
}

void Book::make_obsolete(Pool& pool, const char* reason, Actions& actions) {
  ++pool.epoch;
  pool.epoch_reason = reason;
  reset_hosts(pool);
  pool.login_error.reset();
  close_parked(pool, reason, actions);
  // Those that never come back are not waited for.
  for (Slot *slot = pool.in(SlotState::Active).front(), *next; slot; slot = next) {
    next = Pool::SlotList::next(*slot);
    if (slot->own) close(*slot, reason, actions);
  }
}

void Book::set_hosts(std::string_view database, std::shared_ptr<const HostSet> hosts, TimePoint now,
                     Actions& actions) {
  host_sets_.insert_or_assign(std::string(database), hosts);
  order_.clear();
  bool wildcard = database == "*";
  each_pool(wildcard ? "" : database, [&](Pool& pool) {
    if (wildcard && !pool.entry->automatic) return;
    pool.places = hosts;
    if (!pool.routed()) return;
    put_weights(pool);
    sort_into_lines(pool);
    pool.in_use = true;
    for (Slot *slot = pool.in(SlotState::Parked).front(), *next; slot; slot = next) {
      next = Pool::SlotList::next(*slot);
      if (pool.hosts[slot->host].weight == 0) close(*slot, "host is not to be used", actions);
    }
    attend_next_tick(pool);
    order_.push_back(&pool);
  });
  grow_in_order(order_, now, actions);
}

// Only scopes that have a limit keep a list of idle servers, and limits may have come and gone.
void Book::relink_scopes() {
  std::vector<Slot*> parked;
  each_pool("", [&](Pool& pool) {
    pool.in(SlotState::Parked).each([&](Slot& slot) {
      unlink_idle(slot);
      parked.push_back(&slot);
    });
  });
  std::stable_sort(parked.begin(), parked.end(),
                   [](const Slot* a, const Slot* b) { return a->idle_since < b->idle_since; });
  for (Slot* slot : parked) link_idle(*slot);
}

void Book::reconnect(std::string_view database, TimePoint now, Actions& actions) {
  order_.clear();
  each_pool(database, [&](Pool& pool) {
    make_obsolete(pool, "close_needed", actions);
    order_.push_back(&pool);
  });
  grow_in_order(order_, now, actions);  // a new start: back-offs are over
}

void Book::pause(std::string_view database, Actions& actions) {
  (database.empty() ? paused_ : scope(kDatabase, database).paused) = true;
  each_pool(database, [&](Pool& pool) { close_parked(pool, "pause mode", actions); });
}

void Book::resume(std::string_view database, TimePoint now, Actions& actions) {
  (database.empty() ? paused_ : scope(kDatabase, database).paused) = false;
  order_.clear();
  each_pool(database, [&](Pool& pool) {
    if (paused(pool)) return;
    pool.resumed_at = std::max(pool.resumed_at, now);
    attend_next_tick(pool);
    order_.push_back(&pool);
  });
  if (!database.empty()) drop_scope_if_unused(kDatabase, database);
  grow_in_order(order_, now, actions);
}

void Book::drain(const base::Error& error, Actions& actions) {
  drain_error_ = error;
  pause("", actions);
  each_pool("", [&](Pool& pool) { fail_waiters(pool, error, actions); });
}

}  // namespace howdah::pool
