// The ledger of all pools: who holds which server, who waits, what may be opened. Numbers only; it
// never sees a socket. One mutex; every call is a pure decision under it, and the caller acts after.
//
// One pool bounds all workers: pool_size means what the manual says however many threads run.
// Waiters of a pool are served strictly first come first served across workers.
//
//   slot:    Connecting --opened--> (given | Parked) <--checkin / adopted--> Active
//            Parked --checkout on its worker--> Active
//            Parked --checkout elsewhere (Fetch, Send)--> Promised --adopted--> Active
//            Active --checkin with a waiter elsewhere (Give)--> Promised --adopted--> Active
//            any --lost--> gone
//   ticket:  Waiting --> Promised (a slot is on its way) --> gone
//            cancel() of a Promised ticket voids the promise: when the slot arrives, adopted()
//            gives it on. (A simulation of this ledger lost a connection exactly there.)
//
// Budgets over pools: max_db_connections per entry, max_user_connections per pool user. A pool that
// may grow but for a full budget gets the longest-idle server of another pool of that budget closed
// (Close action, "evicted"), if that pool has no waiters.
//
// Thread: any. Nothing here calls out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/base/time.h"
#include "howdah/config/config.h"

namespace howdah::route {
class HostSigns;
}

namespace howdah::pool {

using base::Duration;
using base::TimePoint;

using WorkerId = std::uint16_t;
using PoolId = std::uint32_t;    // never reused
using SlotId = std::uint64_t;    // never reused
using TicketId = std::uint64_t;  // never reused; 0 = none

// Hosts of a routed entry by their index, a bit each (the first 64).
//   query_routing: those that reads of this client may go to; where none of them takes work now,
//                  and for kPrimary, the primary
//   others:        those that will do; where none of them takes work now, any
using HostMask = std::uint64_t;
inline constexpr HostMask kAnyHost = ~HostMask{0};
inline constexpr HostMask kPrimary = 0;

struct Waiter {
  WorkerId worker = 0;
  std::uint64_t client = 0;  // the worker's own number for it
};

class Ledger;

// The right to have one server connection, from before its connect until it is closed. Move-only.
// Hand it back with Ledger::lost() or a *_failed() call; a Permit that is simply dropped gives the
// slot back too, but its pool's waiters are then looked after only by the next tick().
class Permit {
 public:
  Permit() = default;
  Permit(Ledger* ledger, SlotId slot) : ledger_(ledger), slot_(slot) {}
  Permit(Permit&& other) noexcept : ledger_(other.ledger_), slot_(other.slot_) {
    other.ledger_ = nullptr;
  }
  Permit& operator=(Permit&& other) noexcept;
  ~Permit();
  SlotId slot() const { return slot_; }
  explicit operator bool() const { return ledger_ != nullptr; }

 private:
  friend class Ledger;
  Ledger* ledger_ = nullptr;
  SlotId slot_ = 0;
};

// --- What the caller has to do after a call -------------------------------------------------------
// Open a server connection for `pool` to host number `host` of its entry, on the calling worker.
struct Open {
  Permit permit;
  PoolId pool;
  std::size_t host;
  bool reserve = false;  // beyond pool_size: worth a warning in the log
  // checkout_own(): the one this connection is for; to be opened on its worker. 0: for whoever waits.
  TicketId ticket = 0;
  Waiter to{};
};
// Hand `slot`, which the calling worker holds, to this waiter: same worker: link it now (no
// adopted() call); other worker: detach, post it there, and that worker calls adopted().
struct Give {
  SlotId slot;
  TicketId ticket;
  Waiter to;
};
// Tell `home` (maybe the caller) to close this slot and then call lost(). It is parked, and already
// out of the idle list: nobody else can get it; or it is one of checkout_own() and has a client.
struct Close {
  SlotId slot;
  WorkerId home;
  const char* reason;  // compat section 9, "Server close reasons"
};
// Tell `home` (maybe the caller) to hand this parked slot to this waiter, just as if the waiter's
// own worker had asked for it (Fetch). Also with home == to.worker the slot is Promised until that
// worker calls adopted(). Rare: a waiter whose promised server was lost while others are parked.
struct Send {
  SlotId slot;
  WorkerId home;
  TicketId ticket;
  Waiter to;
};
// This waiter's ticket is gone; its client is to be told `error` (FATAL).
struct Fail {
  TicketId ticket;
  Waiter to;
  base::Error error;
};
// The pool is dropped (no clients, no servers, idle too long): forget what is kept about it.
struct Forget {
  PoolId pool;
};
using Action = std::variant<Open, Give, Close, Send, Fail, Forget>;
using Actions = std::vector<Action>;  // appended to; empty on the hot path

// --- Answers ------------------------------------------------------------------------------------
struct Granted {  // parked on the calling worker; now Active there
  SlotId slot;
  TimePoint idle_since;
};
struct Fetch {  // parked elsewhere, promised to the caller: post a request to `home`
  SlotId slot;
  WorkerId home;
  TicketId ticket;
};
struct Queued {
  TicketId ticket;
};
struct Refused {  // 8.3: the pool's logins are known to fail and nothing can be tried now
  base::Error error;
};
using Checkout = std::variant<Granted, Fetch, Queued, Refused>;

struct Park {};  // keep it, idle, on the calling worker's loop
struct Discard {  // close it, then call lost()
  const char* reason;
};
using Checkin = std::variant<Park, Give, Discard>;

// A pool as SHOW POOLS and the tests see it.
struct PoolSnapshot {
  PoolId id;
  std::string database, user;
  std::size_t waiting, active, parked, connecting, promised;  // promised: in transit
  std::size_t clients;            // logged in
  TimePoint oldest_waiter;        // kNever = none
  bool paused;
  std::size_t closing = 0;   // told to close, not yet lost
  std::size_t obsolete = 0;  // any state, opened before the last RECONNECT or change of the entry
};

// The hosts of a routed entry (config::Database::routed()); Open::host is an index here. An index
// keeps its meaning for the life of the process: hosts that go away stay, with weight 0.
struct HostPlace {
  config::Host host;
  std::string address;  // numeric; empty: a unix socket
  unsigned weight = 0;  // its share of the work, 100 = whole; 0: it gets none, and loses its servers
  bool primary = false;  // query_routing: for writes; all others with a weight are for reads
  std::shared_ptr<route::HostSigns> signs{};  // what the monitor says of it; not the ledger's matter
  bool operator==(const HostPlace&) const = default;
};
using HostSet = std::vector<HostPlace>;

// What a pool stands for: the entry in force and the pool user.
struct PoolInfo {
  std::shared_ptr<const config::Database> database;
  std::string user;
  std::shared_ptr<const HostSet> hosts;  // null: those of the entry
};

class Ledger {
 public:
  Ledger(std::shared_ptr<const config::Config> config, WorkerId workers);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Finds or makes the pool of an entry and a pool user (the forced user, else the login user).
  PoolId pool(const std::shared_ptr<const config::Database>& db, std::string_view pool_user);
  // Of a pool that exists.
  PoolInfo info(PoolId pool) const;
  // A client logged in to / left this pool (min_pool_size and pool_idle_timeout depend on it).
  void client_joined(PoolId pool);
  void client_left(PoolId pool, TimePoint now);

  // Wants a server for a client of the calling worker.
  Checkout checkout(PoolId pool, Waiter who, TimePoint now, Actions& actions,
                    HostMask hosts = kAnyHost);
  // The client of this ticket no longer waits (it left, timed out, was cancelled). True: it was
  // waiting, or is gone already (a Fail is under way). False: its slot is under way, and the
  // promise is void now.
  bool cancel(TicketId ticket);
  // Puts a waiter whose granted server turned out to be dead back where it was: before all who came
  // after `since`. (Call lost() for the server too.)
  Checkout retry(PoolId pool, Waiter who, TimePoint since, TimePoint now, Actions& actions,
                 HostMask hosts = kAnyHost);

  // Wants a server that nobody had before and nobody will have after it (replication). It counts
  // and waits as all do (`since` as in retry(); pool_size is kept by closing an idle server), but
  // what is opened for it is opened on the worker of `who`, and a login that fails fails this
  // ticket alone. Such a slot is Discarded at its checkin, and closed by a RECONNECT or a change of
  // the entry while it is Active. Gives Queued or Refused.
  Checkout checkout_own(PoolId pool, Waiter who, TimePoint since, TimePoint now, Actions& actions);

  // The holder is done with an Active slot; it goes on to the oldest waiter or is parked here.
  Checkin checkin(SlotId slot, WorkerId worker, TimePoint now);
  // A Promised slot has arrived at `worker`. Given to this ticket: true, and it is Active. False: the
  // promise was void; the slot is Active here and the caller must checkin() it.
  bool adopted(SlotId slot, TicketId ticket, WorkerId worker, TimePoint now);

  // A connection is logged in and ready: Active on `worker`, and at once checked in as by checkin().
  // The form with `actions` also says what may be opened next (connects in flight are bounded per
  // host); without them that waits for the next tick().
  Checkin opened(const Permit& permit, WorkerId worker, TimePoint now);
  Checkin opened(const Permit& permit, WorkerId worker, TimePoint now, Actions& actions);
  // No TCP/unix connection, or a time-out, or 57P03 and 53300 from the server: waiters go on
  // waiting, the host is left alone for a while (doubling from 250 ms up to server_login_retry).
  void connect_failed(Permit permit, TimePoint now, Actions& actions);
  // The server refused our login: as connect_failed, and when the pool has no usable server all its
  // waiters fail with `error` (text and SQLSTATE as the server sent them).
  void login_failed(Permit permit, const base::Error& error, TimePoint now, Actions& actions);
  // The connection is closed. May be told of a slot in any state; a ticket that was promised it goes
  // back to its place in the queue. Others may now be served: see actions.
  void lost(Permit permit, TimePoint now, Actions& actions);
  // Wants to close a parked slot (server_idle_timeout). False: it is no longer parked here, or
  // min_pool_size keeps it. True: it is out of the idle list; close it and call lost().
  bool retire(SlotId slot, TimePoint now);

  // Every ~100 ms, by one worker: reserve pool, min_pool_size, ended back-offs, surplus, server
  // lifetime of parked slots (spaced by lifetime / pool_size), dropped pools. Costs what there is
  // to do, not what exists.
  void tick(TimePoint now, Actions& actions);

  // Reload: new limits; pools of removed or changed entries are marked so that their servers are
  // closed when they come back, parked ones now.
  void reconfigure(std::shared_ptr<const config::Config> config, TimePoint now, Actions& actions);
  // What the hosts of a routed entry ("*": of those made from that line) are good for now. Until the first call its pools open nothing
  // and their clients wait; so they do while no host has weight. Servers of hosts without weight
  // are closed when idle. Where weights come and go, servers move by and by until each host has its
  // share (but with load_balance_hosts = disable): a host that lacks one gets it first, then the
  // others give up idle ones.
  void set_hosts(std::string_view database, std::shared_ptr<const HostSet> hosts, TimePoint now,
                 Actions& actions);
  // RECONNECT. Empty database = all.
  void reconnect(std::string_view database, TimePoint now, Actions& actions);
  // PAUSE / RESUME; empty = all. While paused nothing is granted or opened; parked slots are closed,
  // Active ones at their checkin.
  void pause(std::string_view database, TimePoint now, Actions& actions);
  void resume(std::string_view database, TimePoint now, Actions& actions);
  // SHUTDOWN WAIT_FOR_SERVERS: pause() and every waiter, present and future, fails with `error`.
  void drain(const base::Error& error, TimePoint now, Actions& actions);

  std::vector<PoolSnapshot> snapshot() const;
  std::size_t servers() const;  // slots that exist, connecting ones included
  std::size_t servers_of_database(std::string_view database) const;
  std::size_t servers_of_user(std::string_view pool_user) const;
  // Slots of routed pools at this host, in any state; not those of checkout_own(). What was opened
  // before its entry was routed, and is in use still, counts for every host.
  std::size_t servers_at(const config::Host& host, std::string_view address) const;
  // Aborts the test with a text if any invariant is broken; costs O(everything).
  std::string check_invariants() const;  // empty = sound

 private:
  friend class Permit;
  void dropped(SlotId slot);  // a Permit died unreturned
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::pool
