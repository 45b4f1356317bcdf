// Book: what time alone makes due. A pool that has something coming is in the deadline heap; a tick
// touches those whose time is there and no others.
#include <algorithm>
#include <chrono>

#include "pool/book.h"

namespace howdah::pool {

namespace {
using namespace std::chrono_literals;
constexpr Duration kFillRetry = 1s;  // min_pool_size that a limit or a host does not let through
// Of a database that only `*` knows and that the server says does not exist: anybody may make up
// names, before any proof where the auth_query is asked there.
constexpr Duration kNoSuchDatabase = 15s;

bool does_not_exist(const Pool& pool) {
  return pool.entry->automatic && pool.login_error && pool.login_error->code == "3D000";
}
}  // namespace

void Book::tick(TimePoint now, Actions& actions) {
  due_.clear();
  while (base::Deadline* deadline = heap_.pop_due(now))
    due_.push_back(static_cast<Pool*>(deadline->owner));
  for (Pool* pool : due_) hand_out_parked(*pool, actions);
  // Oldest head waiter first, also when several pools of one limit are due at once.
  order_ = due_;
  grow_in_order(order_, now, actions);
  for (Pool* pool : due_) look_after(*pool, now, actions);
}

// Each part says itself when it wants the next look.
void Book::look_after(Pool& pool, TimePoint now, Actions& actions) {
  if (const base::Error* error = hopeless(pool)) fail_waiters(pool, *error, actions);
  trim(pool, actions);
  retire_old(pool, now, actions);
  grow(pool, now, actions);
  fill(pool, now, actions);
  if (balanced_by_us(pool)) rebalance(pool, now, actions);
  forget_if_idle(pool, now, actions);
}

// A smaller pool_size: parked servers beyond it go now, the others at their checkin.
void Book::trim(Pool& pool, Actions& actions) {
  while (over_reserve(pool)) {
    Slot* slot = pool.in(SlotState::Parked).front();
    if (!slot) return;
    close(*slot, "too many servers in the pool", actions);
  }
}

void Book::retire_old(Pool& pool, TimePoint now, Actions& actions) {
  if (pool.lifetime.count() <= 0) return;
  if (now < pool.lifetime_check) return attend(pool, pool.lifetime_check);
  TimePoint next = base::kNever;
  pool.in(SlotState::Parked).each([&](Slot& slot) {
    if (!outlived(slot, now)) {
      next = std::min(next, slot.since + pool.lifetime);
    } else if (now < pool.lifetime_next) {
      next = std::min(next, pool.lifetime_next);
    } else {
      close(slot, "server lifetime over", actions);
      pool.lifetime_next = now + lifetime_gap(pool);
    }
  });
  // Those in use are closed at their checkin if they are over age by then.
  for (SlotState state : {SlotState::Active, SlotState::Promised})
    pool.in(state).each([&](Slot& slot) {
      if (!outlived(slot, now)) next = std::min(next, slot.since + pool.lifetime);
    });
  pool.lifetime_check = next;
  attend(pool, next);
}

bool Book::kept_filled(const Pool& pool) const {
  return pool.minimum != 0 && (pool.clients != 0 || pool.entry->user.has_value()) &&
         !paused(pool) && !hopeless(pool);
}

// One a tick, and never at the cost of another pool's server.
void Book::fill(Pool& pool, TimePoint now, Actions& actions) {
  if (!kept_filled(pool) || pool.live() >= pool.minimum) return;
  bool room = pool.size == 0 || pool.count() < pool.size;
  for (Scope* scope : pool.scopes) room = room && !scope->full();
  auto host = ready_host(pool, now);
  if (!room || !host) {
    attend_back_off(pool, now);
    return attend(pool, now + kFillRetry);
  }
  open(pool, *host, now, actions);
  if (pool.live() < pool.minimum) attend(pool, now + Duration(1));
}

bool Book::forget_if_idle(Pool& pool, TimePoint now, Actions& actions) {
  if (!pool.empty()) return false;
  if (pool.touched) {
    pool.touched = false;
    pool.idle_since = now;
    // Whoever asked for the pool has until the next look to join it.
    if (pool.removed) attend(pool, now + kFillRetry);
  }
  const config::Settings& settings = config_->settings;
  TimePoint due = base::kNever;
  if (pool.entry->automatic && !pool.scopes[kDatabase]->paused)
    due = base::deadline_after(pool.idle_since, settings.autodb_idle_timeout);
  if (does_not_exist(pool)) due = std::min(due, pool.idle_since + kNoSuchDatabase);
  if (!(pool.entry->user && pool.minimum != 0))
    due = std::min(due, base::deadline_after(pool.idle_since, settings.pool_idle_timeout));
  if (pool.removed) due = std::min(due, pool.idle_since + kFillRetry);
  if (now < due) {
    attend(pool, due);
    return false;
  }
  forget(pool, actions);
  return true;
}

}  // namespace howdah::pool
