// Book: a server goes from hand to hand. The hot path: nothing here allocates but the first time.
#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "pool/book.h"

namespace howdah::pool {

Checkout Book::checkout(PoolId id, Waiter who, HostMask hosts, TimePoint now, Actions& actions) {
  Pool* pool = find(id);
  if (!pool) return Refused{removed_error_};
  // The workers' clocks differ a little; the queue's order is that of arrival.
  pool->newest_since = std::max(pool->newest_since, now);
  return ask(*pool, who, hosts, pool->newest_since, now, actions);
}

Checkout Book::retry(PoolId id, Waiter who, HostMask hosts, TimePoint since, TimePoint now,
                     Actions& actions) {
  Pool* pool = find(id);
  if (!pool) return Refused{removed_error_};
  pool->newest_since = std::max(pool->newest_since, since);
  return ask(*pool, who, hosts, since, now, actions);
}

Checkout Book::checkout_own(PoolId id, Waiter who, TimePoint since, TimePoint now,
                            Actions& actions) {
  Pool* pool = find(id);
  if (!pool) return Refused{removed_error_};
  if (const base::Error* error = hopeless(*pool)) return Refused{*error};
  Ticket& ticket = new_ticket(*pool, who, kPrimary, since);
  ticket.own = true;
  enqueue(ticket);
  TicketId id_of_ticket = ticket.id;
  grow(*pool, now, actions);
  return Queued{id_of_ticket};
}

Checkout Book::ask(Pool& pool, Waiter who, HostMask hosts, TimePoint since, TimePoint now,
                   Actions& actions) {
  if (const base::Error* error = hopeless(pool)) return Refused{*error};
  if (!paused(pool)) {
    HostMask will_do = effective(pool, hosts);
    Slot* slot = pool.in(SlotState::Parked).empty() ? nullptr
                                                    : choose_parked(pool, who.worker, will_do);
    if (slot && pool.waiting().front_for(slot->host)) slot = nullptr;
    if (slot && slot->home == who.worker) {
      served(*slot);
      set_state(*slot, SlotState::Active);
      return Granted{slot->id, slot->idle_since};
    }
    if (slot) {
      served(*slot);
      Ticket& ticket = new_ticket(pool, who, hosts, since);
      promise(*slot, ticket);
      return Fetch{slot->id, slot->home, ticket.id};
    }
    if (pool.login_error && pool.live() == 0 && !ready_host(pool, now)) {
      return Refused{
          {pool.login_error->code, base::cat("server login has been failing, cached error: ",
                                             pool.login_error->text, " (server_login_retry)")}};
    }
  }
  Ticket& ticket = new_ticket(pool, who, hosts, since);
  enqueue(ticket);
  grow(pool, now, actions);
  return Queued{ticket.id};
}

Slot* Book::choose_parked(const Pool& pool, WorkerId worker, HostMask hosts) const {
  if (hosts != kAnyHost || (pool.hosts.size() > 1 && balanced_by_us(pool)))
    return choose_among_hosts(pool, worker, hosts);
  if (config_->settings.server_round_robin) return pool.in(SlotState::Parked).front();
  if (worker < workers_)
    if (Slot* own = pool.parked_on[worker].back()) return own;
  return pool.in(SlotState::Parked).back();
}

void Book::hand_out_parked(Pool& pool, Actions& actions) {
  auto served_now = [&](const Line& line) {
    return choose_parked(pool, 0, line.hosts()) != nullptr;
  };
  while (!pool.in(SlotState::Parked).empty()) {
    Ticket* ticket = pool.waiting().oldest(served_now);
    if (!ticket) return;
    Slot* slot = choose_parked(pool, ticket->who.worker, ticket->hosts);
    pool.waiting().remove(*ticket);
    served(*slot);
    promise(*slot, *ticket);
    actions.emplace_back(Send{slot->id, slot->home, ticket->id, ticket->who});
  }
}

bool Book::cancel(TicketId id) {
  Ticket* ticket = tickets_.find(id);
  if (!ticket) return true;
  Slot* slot = ticket->slot;
  if (slot) {
    // Without this the slot would arrive for a client that is gone, and belong to nobody.
    slot->ticket = nullptr;
    ticket->pool->promised.remove(*ticket);
  } else if (ticket->own) {
    ticket->pool->waiting_own.remove(*ticket);
  } else {
    ticket->pool->waiting().remove(*ticket);
  }
  drop(*ticket);
  return slot == nullptr;
}

bool Book::adopted(SlotId id, TicketId ticket_id, WorkerId worker, TimePoint) {
  Slot* slot = slots_.find(id);
  if (!slot || slot->state != SlotState::Promised) return false;
  Ticket* ticket = slot->ticket;
  slot->ticket = nullptr;
  slot->home = worker;
  set_state(*slot, SlotState::Active);
  if (!ticket) return false;
  slot->pool->promised.remove(*ticket);
  if (ticket->id != ticket_id) {
    // It came with somebody else's name on it: the one it was promised to waits again.
    ticket->slot = nullptr;
    enqueue(*ticket);
    attend_next_tick(*slot->pool);
    return false;
  }
  drop(*ticket);
  return true;
}

Checkin Book::checkin(SlotId id, WorkerId worker, TimePoint now) {
  Slot* slot = slots_.find(id);
  if (!slot || slot->state != SlotState::Active) return Discard{"close_needed"};
  return settle(*slot, worker, now, false);
}

Checkin Book::opened(SlotId id, WorkerId worker, TimePoint now, Actions* actions) {
  Slot* slot = slots_.find(id);
  if (!slot || slot->state != SlotState::Connecting) return Discard{"close_needed"};
  Pool& pool = *slot->pool;
  set_state(*slot, SlotState::Active);
  slot->since = slot->idle_since = now;
  if (slot->epoch == pool.epoch) {
    pool.hosts[slot->host].failures = 0;
    pool.hosts[slot->host].retry_at = TimePoint::min();
    pool.login_error.reset();
  }
  if (pool.routed()) joined(pool, *slot);
  if (pool.lifetime.count() > 0) {
    pool.lifetime_check = std::min(pool.lifetime_check, now + pool.lifetime);
    attend(pool, pool.lifetime_check);
  }
  Checkin answer = slot->own ? give_own(*slot, worker, now) : settle(*slot, worker, now, true);
  // There may be more to open than the bound on parallel attempts let through.
  if (actions) {
    grow(pool, now, *actions);
  } else if (wants(pool)) {
    attend_next_tick(pool);
  }
  return answer;
}

Checkin Book::give_own(Slot& slot, WorkerId worker, TimePoint now) {
  Pool& pool = *slot.pool;
  slot.home = std::min<WorkerId>(worker, workers_ - 1);
  const char* reason = unwanted(slot, now, true);
  Ticket* ticket = std::exchange(slot.ticket, nullptr);
  if (ticket) {
    pool.promised.remove(*ticket);
    ticket->slot = nullptr;
    if (!reason && ticket->who.worker == worker) {
      Give give{slot.id, ticket->id, ticket->who};
      drop(*ticket);
      return give;
    }
    enqueue(*ticket);
    attend_next_tick(pool);
  }
  set_state(slot, SlotState::Closing);
  return Discard{reason ? reason : "client disconnect"};
}

bool Book::yields_to_own(Pool& pool, const Ticket* next, TimePoint now) const {
  const Ticket* own = pool.waiting_own.front();
  if (!own || (next && next->before(*own))) return false;
  if (pool.in(SlotState::Closing).size() >= pool.waiting_own.size()) return false;
  bool full = !has_room(pool, own, now);
  for (const Scope* scope : pool.scopes) full = full || scope->stays_full();
  return full && ready_host(pool, now, effective(pool, kPrimary)).has_value();
}

Checkin Book::settle(Slot& slot, WorkerId worker, TimePoint now, bool fresh) {
  Pool& pool = *slot.pool;
  slot.home = std::min<WorkerId>(worker, workers_ - 1);
  const char* reason = unwanted(slot, now, fresh);
  Ticket* ticket = reason ? nullptr : pool.waiting().front_for(slot.host);
  if (!reason && slot.own) reason = "client disconnect";
  if (!reason && !ticket && needed_elsewhere(pool, now)) reason = "evicted";
  if (!reason && yields_to_own(pool, ticket, now)) reason = "evicted";
  if (!reason && !fresh && yields_to_line(pool, slot, ticket, now)) reason = "evicted";
  if (reason) {
    set_state(slot, SlotState::Closing);
    return Discard{reason};
  }
  if (!ticket) {
    slot.idle_since = now;
    set_state(slot, SlotState::Parked);
    return Park{};
  }
  Give give{slot.id, ticket->id, ticket->who};
  served(slot);
  pool.waiting().remove(*ticket);
  if (ticket->who.worker == worker) {
    drop(*ticket);
  } else {
    promise(slot, *ticket);
  }
  return give;
}

const char* Book::unwanted(Slot& slot, TimePoint now, bool fresh) {
  Pool& pool = *slot.pool;
  if (slot.epoch != pool.epoch) return pool.epoch_reason;
  if (paused(pool)) return "pause mode";
  if (over_reserve(pool)) return "too many servers in the pool";
  if (pool.routed()) {
    HostState& host = pool.hosts[slot.host];
    if (host.weight == 0) return "host is not to be used";
    if (!fresh && std::exchange(host.shed, false)) {
      attend_next_tick(pool);
      return "moved to another host";
    }
  }
  if (fresh || !outlived(slot, now)) return nullptr;
  if (pool.lifetime.count() <= 0) return "server lifetime over";  // 0 = use once
  if (now < pool.lifetime_next) {
    pool.lifetime_check = std::min(pool.lifetime_check, pool.lifetime_next);
    attend(pool, pool.lifetime_check);
    return nullptr;
  }
  pool.lifetime_next = now + lifetime_gap(pool);
  return "server lifetime over";
}

bool Book::outlived(const Slot& slot, TimePoint now) const {
  return now - slot.since >= slot.pool->lifetime;
}

Duration Book::lifetime_gap(const Pool& pool) const {
  return pool.size == 0 ? Duration{} : pool.lifetime / static_cast<Duration::rep>(pool.size);
}

bool Book::needed_elsewhere(Pool& pool, TimePoint now) {
  for (Scope* scope : pool.scopes) {
    if (scope->blocked.empty() || !scope->stays_full()) continue;
    for (BlockedNode *node = scope->blocked.front(), *next; node; node = next) {
      next = scope->blocked.next(*node);
      Pool& other = *node->pool;
      if (!wants(other)) {
        scope->blocked.remove(*node);
        continue;
      }
      bool helps =
          has_room(other, next_head(other), now) && ready_host(other, now).has_value();
      for (std::size_t kind = 0; kind < kScopeKinds; ++kind)
        if (other.scopes[kind] != pool.scopes[kind] && other.scopes[kind]->stays_full())
          helps = helps && !other.scopes[kind]->idle.empty();
      if (helps) return true;
    }
  }
  return false;
}

}  // namespace howdah::pool
