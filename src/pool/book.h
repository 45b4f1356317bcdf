// All the rules of the ledger, without its lock: Ledger (ledger.cpp) calls one function of Book
// under one mutex and does nothing else. The rules in words: README.md. Members by topic:
//   book.cpp: pools, slots, tickets, scopes   checkout.cpp: a server goes from hand to hand
//   growth.cpp: what may be opened, failures  tick.cpp: what time alone makes due
//   reload.cpp: reconfigure, pause, drain     audit.cpp: snapshot, invariants
//   host_share.cpp: hosts of routed entries   lines.cpp: waiters that not every host will do for
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/base/deadline_heap.h"
#include "howdah/pool/ledger.h"
#include "pool/pool_state.h"
#include "pool/slab.h"
#include "pool/waiting.h"

namespace howdah::pool {

class Book {
 public:
  Book(Ledger* ledger, std::shared_ptr<const config::Config> config, WorkerId workers);
  ~Book();
  Book(const Book&) = delete;
  Book& operator=(const Book&) = delete;

  // As in Ledger.
  PoolId pool(const config::Database& db, std::string_view pool_user);
  PoolInfo info(PoolId pool) const;
  void client_joined(PoolId pool);
  void client_left(PoolId pool, TimePoint now);
  Checkout checkout(PoolId pool, Waiter who, HostMask hosts, TimePoint now, Actions& actions);
  bool cancel(TicketId ticket);
  Checkout retry(PoolId pool, Waiter who, HostMask hosts, TimePoint since, TimePoint now,
                 Actions& actions);
  Checkout checkout_own(PoolId pool, Waiter who, TimePoint since, TimePoint now, Actions& actions);
  Checkin checkin(SlotId slot, WorkerId worker, TimePoint now);
  bool adopted(SlotId slot, TicketId ticket, WorkerId worker, TimePoint now);
  // `actions` null: what may be opened after it is left to the next tick.
  Checkin opened(SlotId slot, WorkerId worker, TimePoint now, Actions* actions);
  void connect_failed(SlotId slot, TimePoint now, Actions& actions);
  void login_failed(SlotId slot, const base::Error& error, TimePoint now, Actions& actions);
  void lost(SlotId slot, TimePoint now, Actions& actions);
  void dropped(SlotId slot);
  bool retire(SlotId slot);
  void tick(TimePoint now, Actions& actions);
  void reconfigure(std::shared_ptr<const config::Config> config, TimePoint now, Actions& actions);
  void set_hosts(std::string_view database, std::shared_ptr<const HostSet> hosts, TimePoint now,
                 Actions& actions);
  void reconnect(std::string_view database, TimePoint now, Actions& actions);
  void pause(std::string_view database, Actions& actions);
  void resume(std::string_view database, TimePoint now, Actions& actions);
  void drain(const base::Error& error, Actions& actions);
  std::vector<PoolSnapshot> snapshot() const;
  std::size_t servers() const { return slots_.used(); }
  std::size_t servers_of(ScopeKind kind, std::string_view name) const;
  std::size_t servers_at(const config::Host& host, std::string_view address) const;
  std::string check_invariants() const;

 private:
  using Scopes = std::map<std::string, Scope, std::less<>>;
  using Name = std::pair<std::string_view, std::string_view>;  // views into the Pool

  // --- pools (book.cpp)
  Pool* find(PoolId id) const;
  Pool& make_pool(std::shared_ptr<const config::Database> entry, std::string_view database,
                  std::string_view user);
  void make_forced_pools();
  void forget(Pool& pool, Actions& actions);
  void set_limits(Pool& pool);
  Scope& scope(ScopeKind kind, std::string_view name);
  void drop_scope_if_unused(ScopeKind kind, std::string_view name);
  bool paused(const Pool& pool) const { return paused_ || pool.scopes[kDatabase]->paused; }
  // The error that no waiter of this pool can escape, or null.
  const base::Error* hopeless(const Pool& pool) const;
  // To be looked at by the first tick at or after `when`.
  void attend(Pool& pool, TimePoint when) { heap_.arm(pool.attention, when); }
  void attend_next_tick(Pool& pool) { attend(pool, TimePoint::min()); }

  // --- slots and tickets (book.cpp)
  void set_state(Slot& slot, SlotState to);
  void enter(Slot& slot);
  void leave(Slot& slot);
  void link_idle(Slot& slot);
  void unlink_idle(Slot& slot);
  Slot& new_slot(Pool& pool, std::size_t host, TimePoint now, Ticket* own);
  // The slot is gone: its room is free, and the ticket it was promised to waits again.
  void release(Slot& slot);
  Ticket& new_ticket(Pool& pool, Waiter who, HostMask hosts, TimePoint since);
  void drop(Ticket& ticket);
  void enqueue(Ticket& ticket);
  void promise(Slot& slot, Ticket& ticket);
  void close(Slot& slot, const char* reason, Actions& actions);
  void close_parked(Pool& pool, const char* reason, Actions& actions);
  void fail_waiters(Pool& pool, const base::Error& error, Actions& actions);
  template <typename Queue>
  void fail_queue(Queue& queue, const base::Error& error, Actions& actions);

  // --- hand to hand (checkout.cpp)
  Checkout ask(Pool& pool, Waiter who, HostMask hosts, TimePoint since, TimePoint now,
               Actions& actions);
  Slot* choose_parked(const Pool& pool, WorkerId worker, HostMask hosts) const;
  // Waiters beside parked servers: only after a promised server was lost.
  void hand_out_parked(Pool& pool, Actions& actions);
  Checkin settle(Slot& slot, WorkerId worker, TimePoint now, bool fresh);
  const char* unwanted(Slot& slot, TimePoint now, bool fresh);
  bool outlived(const Slot& slot, TimePoint now) const;
  Checkin give_own(Slot& slot, WorkerId worker, TimePoint now);
  // One that waits for a slot of its own is before `next` and has no room but this slot's.
  bool yields_to_own(Pool& pool, const Ticket* next, TimePoint now) const;
  // The same for those who wait for other hosts than this slot's (lines.cpp).
  bool yields_to_line(Pool& pool, const Slot& slot, const Ticket* next, TimePoint now);
  // Between two closings for age, so that a pool is not renewed all at once.
  Duration lifetime_gap(const Pool& pool) const;
  // A parked slot's room would let a blocked pool grow.
  bool needed_elsewhere(Pool& pool, TimePoint now);

  // --- growth (growth.cpp)
  bool wants(const Pool& pool) const;
  bool over_reserve(const Pool& pool) const;
  TimePoint reserve_from(const Pool& pool, const Ticket* head) const;
  bool has_room(const Pool& pool, const Ticket* head, TimePoint now) const;
  bool wants_shared(const Pool& pool) const;
  // --- lines of waiters (lines.cpp)
  static HostMask effective(const Pool& pool, HostMask asked);
  static HostMask effective(const Pool& pool, const Ticket& ticket) {
    return effective(pool, ticket.asked);
  }
  void sort_into_lines(Pool& pool);
  std::size_t connecting_for(const Pool& pool, HostMask hosts) const;
  std::size_t servers_for(const Pool& pool, HostMask hosts) const;
  // One that more servers would help; null: none.
  bool short_of(const Pool& pool, const Line& line) const;
  Line* next_line(const Pool& pool, std::span<const Line* const> but) const;
  void make_room_for(Pool& pool, const Line& line, Actions& actions);
  // Whom the next slot is for, if it is to be one of its own; null: for those who share.
  Ticket* next_own(const Pool& pool) const;
  const Ticket* next_head(const Pool& pool) const;
  void make_room_for_own(Pool& pool, Actions& actions);
  std::optional<std::size_t> ready_host(Pool& pool, TimePoint now,
                                        HostMask hosts = kAnyHost) const;
  void attend_back_off(Pool& pool, TimePoint now);
  bool admitted(Pool& pool, Actions& actions);
  void unblock(Pool& pool);
  void open(Pool& pool, std::size_t host, TimePoint now, Actions& actions, Ticket* own = nullptr);
  void grow(Pool& pool, TimePoint now, Actions& actions);
  void grow_in_order(std::vector<Pool*>& pools, TimePoint now, Actions& actions);
  // After room came free in this pool and its scopes.
  void refill(Pool& pool, TimePoint now, Actions& actions);
  void after_loss(Pool& pool, TimePoint now, Actions& actions);
  void back_off(const Slot& slot, TimePoint now);

  // --- hosts of routed entries (host_share.cpp)
  void reset_hosts(Pool& pool);
  void put_weights(Pool& pool);
  bool balanced_by_us(const Pool& pool) const;
  Slot* choose_by_share(const Pool& pool, const Pool::WorkerList& list, HostMask hosts) const;
  Slot* choose_among_hosts(const Pool& pool, WorkerId worker, HostMask hosts) const;
  void served(Slot& slot);
  void joined(Pool& pool, const Slot& slot);
  std::optional<std::size_t> host_by_share(Pool& pool, TimePoint now, HostMask hosts) const;
  bool shares(const Pool& pool, const HostState& host) const;
  std::size_t share(const Pool& pool, const HostState& host) const;
  std::optional<std::size_t> lacking(const Pool& pool, TimePoint now) const;
  HostState* rich(Pool& pool) const;
  Slot* idle_on(Pool& pool, const HostState& host) const;
  void rebalance(Pool& pool, TimePoint now, Actions& actions);

  // --- time (tick.cpp)
  void look_after(Pool& pool, TimePoint now, Actions& actions);
  void trim(Pool& pool, Actions& actions);
  void retire_old(Pool& pool, TimePoint now, Actions& actions);
  bool kept_filled(const Pool& pool) const;
  void fill(Pool& pool, TimePoint now, Actions& actions);
  bool forget_if_idle(Pool& pool, TimePoint now, Actions& actions);

  // --- reload (reload.cpp)
  void set_entry(Pool& pool, std::shared_ptr<const config::Database> entry, Actions& actions);
  void make_obsolete(Pool& pool, const char* reason, Actions& actions);
  void relink_scopes();
  template <typename F>
  void each_pool(std::string_view database, F&& visit);

  Ledger* ledger_;
  std::shared_ptr<const config::Config> config_;
  const WorkerId workers_;
  bool paused_ = false;
  std::optional<base::Error> drain_error_;
  const base::Error removed_error_{"57P01", "database removed"};

  base::DeadlineHeap heap_;  // pools by when they need a look
  std::array<Scopes, kScopeKinds> scopes_;
  std::map<std::string, std::shared_ptr<const HostSet>, std::less<>> host_sets_;  // by entry
  std::vector<std::unique_ptr<Pool>> pools_;  // by PoolId; null = forgotten
  std::map<Name, Pool*> index_;
  Slab<Slot> slots_;
  Slab<Ticket> tickets_;
  std::uint64_t next_sequence_ = 0;
  std::vector<Pool*> order_, due_;  // scratch
  std::vector<const Line*> stuck_;  // of grow(); null: those for slots of their own
};

template <typename Queue>
void Book::fail_queue(Queue& queue, const base::Error& error, Actions& actions) {
  while (Ticket* ticket = queue.pop_front()) {
    actions.emplace_back(Fail{ticket->id, ticket->who, error});
    drop(*ticket);
  }
}

template <typename F>
void Book::each_pool(std::string_view database, F&& visit) {
  for (auto at = database.empty() ? index_.begin() : index_.lower_bound(Name(database, ""));
       at != index_.end() && (database.empty() || at->first.first == database); ++at)
    visit(*at->second);
}

}  // namespace howdah::pool
