// The nouns of the ledger: Slot (one server connection, numbers only), Ticket (one waiter), Scope
// (a limit over several pools) and Pool. A state is the list an object is in; counts are lengths.
//
//   Slot     Connecting -> Active          (login done)
//            Active     -> Parked | Promised | Closing      Parked -> Active | Promised | Closing
//            Promised   -> Active          (arrived)        any    -> gone (lost)
//            Promised: on its way between workers, to slot.ticket, or to nobody (void promise).
//            Closing: told to close; it counts until lost() says that it is gone.
//
//   Ticket   Waiting <--> Promised (ticket.slot is on its way)       any --> gone
//            Back to Waiting only when the promised slot is lost: to its old place, which is given
//            by (since, sequence).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "howdah/base/deadline_heap.h"
#include "howdah/base/list.h"
#include "howdah/base/result.h"
#include "howdah/config/config.h"
#include "howdah/pool/ledger.h"

namespace howdah::pool {

struct Pool;
struct Slot;
struct Ticket;
class Line;
class Waiting;

enum class SlotState : std::uint8_t { Connecting, Active, Parked, Promised, Closing };
inline constexpr std::size_t kSlotStates = 5;
bool legal(SlotState from, SlotState to);

// The two kinds of limits over pools, as index into Pool::scopes, Slot::idle, Pool::blocked.
enum ScopeKind : std::size_t { kDatabase, kUser, kScopeKinds };

struct IdleNode {
  Slot* slot = nullptr;
  base::Link<IdleNode> link;
};
struct BlockedNode {
  Pool* pool = nullptr;
  base::Link<BlockedNode> link;
};

struct Slot {
  SlotId id = 0;
  Pool* pool = nullptr;
  Ticket* ticket = nullptr;  // Promised: to whom; null = the promise is void
  SlotState state = SlotState::Connecting;
  bool own = false;  // for one ticket only, which is known while it connects; then for its client
  WorkerId home = 0;  // the worker it is parked on or was promised by
  std::uint32_t host = 0;
  std::uint32_t epoch = 0;  // the pool's when it was opened; older = obsolete
  TimePoint since{};        // of the connect, and from the login on of the login
  TimePoint idle_since{};
  base::Link<Slot> in_pool;
  base::Link<Slot> on_worker;              // Parked only
  std::array<IdleNode, kScopeKinds> idle;  // Parked only, in scopes that have a limit
};

struct Ticket {
  TicketId id = 0;
  Pool* pool = nullptr;
  Slot* slot = nullptr;  // Promised only
  Waiter who;
  TimePoint since{};
  std::uint64_t sequence = 0;
  bool own = false;  // wants a slot of its own
  HostMask asked = kAnyHost;  // as in checkout()
  HostMask hosts = kAnyHost;  // what that means now; its line's
  Line* line = nullptr;       // waiting, not own
  base::Link<Ticket> link;
  bool before(const Ticket& other) const {
    return since != other.since ? since < other.since : sequence < other.sequence;
  }
};

// max_db_connections of an entry, or max_user_connections of a pool user.
struct Scope {
  std::size_t limit = 0;    // 0 = none
  std::size_t servers = 0;  // slots in any state
  std::size_t closing = 0;  // of these: room that is on its way
  std::size_t pools = 0;
  bool paused = false;                                  // PAUSE db
  base::List<IdleNode, &IdleNode::link> idle;           // longest idle first; only with a limit
  base::List<BlockedNode, &BlockedNode::link> blocked;  // pools that may grow but for this limit
  bool full() const { return limit != 0 && servers >= limit; }
  // Full, and nothing that is closing will change that.
  bool stays_full() const { return limit != 0 && servers - closing >= limit; }
};

inline constexpr unsigned kWholeWeight = 100;

// One host of the entry as this pool sees it.
struct HostState {
  std::size_t connecting = 0;
  std::size_t servers = 0;  // of the present epoch, not on their way out
  unsigned weight = kWholeWeight;
  // Stride scheduling: the host with the least `pass` gets the next client; a client costs
  // 1/weight.
  std::uint64_t pass = 0;
  bool shed = false;  // the next server that comes back is closed: others have too few
  unsigned failures = 0;  // in a row, rounds of parallel attempts counted once
  TimePoint failed_at = TimePoint::min();
  TimePoint retry_at = TimePoint::min();
};

struct Pool {
  PoolId id = 0;
  std::string database, user;
  std::shared_ptr<const config::Database> entry;
  std::array<Scope*, kScopeKinds> scopes{};
  bool removed = false;  // its entry is gone from the configuration

  // Limits, from the configuration in force.
  std::size_t size = 0;  // 0 = unlimited
  std::size_t reserve = 0;
  std::size_t minimum = 0;
  Duration lifetime{};

  using SlotList = base::List<Slot, &Slot::in_pool>;
  using WorkerList = base::List<Slot, &Slot::on_worker>;
  using Queue = base::List<Ticket, &Ticket::link>;
  std::array<SlotList, kSlotStates> slots;  // by state; Parked: longest idle first
  std::unique_ptr<WorkerList[]> parked_on;  // by worker
  std::unique_ptr<Waiting> lines;           // never null
  Queue waiting_own;                        // for slots of their own, in the same order
  std::array<std::size_t, kSlotStates> own{};  // slots of their own, by state
  Queue promised;

  std::uint32_t epoch = 0;  // grows when all present servers become obsolete
  const char* epoch_reason = "";
  std::vector<HostState> hosts;
  std::shared_ptr<const HostSet> places;  // routed entries: what `hosts` are
  HostMask readable = 0, writable = 0, working = 0;  // of `hosts`: by weight and role
  bool in_use = false;  // clients were served since the shares of hosts were last right
  std::uint32_t chance = 1;               // state of a small generator, for `random`
  std::size_t next_host = 0;
  std::optional<base::Error> login_error;  // of the last login, if that failed

  std::size_t clients = 0;
  bool touched = true;  // handed out by pool() since the last look: don't forget it now
  TimePoint idle_since{};
  TimePoint newest_since = TimePoint::min();
  TimePoint resumed_at = TimePoint::min();
  TimePoint moved_at = TimePoint::min();  // a server was given up for waiters of other hosts
  TimePoint lifetime_check = kNeverChecked;    // when to look at ages next
  TimePoint lifetime_next = TimePoint::min();  // closings of old servers are spaced
  base::Deadline attention;
  std::array<BlockedNode, kScopeKinds> blocked;

  static constexpr TimePoint kNeverChecked = base::kNever;

  Pool();
  ~Pool();
  Waiting& waiting() const { return *lines; }
  bool routed() const { return entry->routed(); }
  bool splits() const { return entry->query_routing != config::QueryRouting::Off; }
  std::size_t host_count() const {
    if (routed()) return places ? places->size() : 0;
    return entry->hosts.empty() ? 1 : entry->hosts.size();
  }
  const SlotList& in(SlotState state) const { return slots[static_cast<std::size_t>(state)]; }
  SlotList& in(SlotState state) { return slots[static_cast<std::size_t>(state)]; }
  std::size_t owned(SlotState state) const { return own[static_cast<std::size_t>(state)]; }
  // Being made for those who share.
  std::size_t connecting() const {
    return in(SlotState::Connecting).size() - owned(SlotState::Connecting);
  }
  // Logged in and of use for those who share.
  std::size_t usable() const {
    return in(SlotState::Active).size() + in(SlotState::Parked).size() +
           in(SlotState::Promised).size() - owned(SlotState::Active);
  }
  std::size_t live() const { return usable() + connecting(); }
  // All that are not on their way out.
  std::size_t staying() const {
    return live() + owned(SlotState::Active) + owned(SlotState::Connecting);
  }
  std::size_t count() const { return staying() + in(SlotState::Closing).size(); }
  const Ticket* oldest() const;  // of both queues; null = nobody waits
  bool empty() const;
};

}  // namespace howdah::pool
