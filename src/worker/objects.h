// What a worker owns: PoolView, Client, Server, CancelJob. Plain data with their lists; the verbs are
// WorkerImpl's. A client or server is in exactly one list of its PoolView at a time: its state as
// SHOW prints it is the list it is in.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/buffer.h"
#include "howdah/base/deadline_heap.h"
#include "howdah/base/list.h"
#include "howdah/base/text.h"
#include "howdah/config/config.h"
#include "howdah/metrics/counters.h"
#include "howdah/net/transport.h"
#include "howdah/pool/client_budget.h"
#include "howdah/pool/ledger.h"
#include "howdah/route/classifier.h"
#include "howdah/session/client_session.h"
#include "howdah/session/failed_block.h"
#include "howdah/session/harvest.h"
#include "howdah/session/passage.h"
#include "howdah/session/server_session.h"
#include "howdah/worker/messages.h"
#include "howdah/worker/retries.h"
#include "howdah/worker/shared.h"

namespace howdah::worker {

class WorkerImpl;

// True for what is part of a login: it yields to queries (yielding.cpp).
bool can_wait(const Message& message);
class Client;
class Lookup;
struct PoolView;

using base::Duration;
using base::TimePoint;

// Why reading from a connection is paused: reading resumes when no reason is left.
enum Pause : std::uint8_t {
  kPeerFull = 1,   // the other side takes no more for now
  kHeldFull = 2,   // it waits (for a server, a look-up) and has sent all we keep meanwhile
  kRefusalDelayed = 4,  // auth_failure_delay: what it says is of no interest any more
};

enum class ClientList : std::uint8_t { Login, Idle, Active, Waiting, Count };
enum class ServerList : std::uint8_t {
  Login, Idle, Active, Tested, BeingCanceled, Count
};

// What a client whose session has state needs beyond others; most have none (state.cpp).
struct ClientState {
  session::StateRef wanted;  // what is set in its session
  session::StateRef start;   // its start-up values: where RESET leads
  // For one request only: `wanted` could not be put in place, and the request amends that.
  session::StateRef instead;
  bool use_instead = false;
  std::uint8_t pins = 0;  // session::Pin: why it keeps its server
};

// Start-up values of parameters that follow by what servers report (session/parameters.h).
struct Given {
  std::size_t index;
  std::string start, last;  // last: as of the last harvest
  bool operator==(const Given&) const = default;
};
using GivenRef = std::shared_ptr<const std::vector<Given>>;

// What a client of an entry with query_routing needs beyond others (split.cpp).
struct Routing {
  route::ScopePtr scope;        // null: not looked at yet
  session::StateRef scope_of;   // the state that scope, role and wish are of
  bool other_role = false;      // SET ROLE: names mean something else
  route::Wish wish = route::Wish::Auto;  // SET howdah.route, as it is on servers
  std::optional<route::Wish> set_wish;   // likewise, answered by us, and later
  // What it knows: CLOCK_MONOTONIC read after the answer had come; zero: never.
  TimePoint wrote_at{}, answered_at{};  // of its last write; of the last read on a standby
  route::Identity writer = 0;    // where it wrote
  route::Identity reader = 0;    // the standby it read from, and the primary that one follows
  route::Identity reads_of = 0;
  TimePoint unknown_until{};     // the outcome of a write is not known; zero: it is
  bool wrote = false;            // since it came, or DISCARD ALL (read_your_writes = session)
  std::string doubt;             // it may have been by this text, of which the catalogue is asked
  // Of its present request.
  pool::HostMask hosts = pool::kPrimary;
  route::Identity reads_from = 0;
  bool reads = false;            // a known read: it leaves no write behind
  bool read_only_block = false;  // and begins a transaction of which that is true
  bool discards_all = false;     // and does nothing else
  bool chosen = false;           // by us, not by a hint
  bool on_replica = false;
  bool ask_catalogue = false;
  bool not_yet = false;          // nobody can say where it goes: choose_hosts() comes again
  std::uint8_t refusals = 0;     // of servers that were granted
  bool doubted = false;          // it is `doubt`
};

// How often an entry's requests went where, for one reason.
struct RouteCounts {
  std::uint64_t to_primary = 0, to_replica = 0;
};

// Who a client says it is, or is taken for. Clients of a pool share it.
struct ClientName {
  std::string user, database;
  bool operator==(const ClientName&) const = default;
};

// PAM said no, and wants the answer to take its time.
struct DelayedNo {
  TimePoint at;
  base::Error why;
};

// Of a client that has lost a server; most never do (loss.cpp).
struct LossState {
  std::unique_ptr<session::FailedBlock> failed;  // null: in no block
  bool moved = false;     // its present request runs for the second time (retry.cpp)
  pool::HostMask hosts = pool::kAnyHost;  // where
};

class Client final : public net::TransportUser {
 public:
  Client(WorkerImpl& owner, std::uint64_t number) : worker(owner), id(number), session() {}
  void on_ready(bool readable, bool writable) override;

  WorkerImpl& worker;
  const std::uint64_t id;
  std::unique_ptr<net::Transport> transport;
  session::ClientSession session;
  session::ClientStatements statements;
  base::Buffer in;  // an incomplete or not yet wanted rest
  // Of the client itself, also behind a proxy.
  const net::Address& peer() const {
    static const net::Address kGone;
    return behind_proxy ? *behind_proxy : transport ? transport->peer() : kGone;
  }
  net::PeerCredentials credentials() const {
    return transport ? transport->credentials() : net::PeerCredentials();
  }
  const std::string& user() const { return name->user; }
  const std::string& database() const { return name->database; }
  std::shared_ptr<const ClientName> name;      // never null
  std::unique_ptr<net::Address> behind_proxy;  // what a PROXY header said
  std::shared_ptr<const config::Database> entry;
  std::unique_ptr<ClientState> state;
  std::unique_ptr<Routing> route;  // null: nobody chooses for it
  GivenRef given;            // null: none
  PoolView* pool = nullptr;  // null until logged in, and for the console
  Server* server = nullptr;  // assigned: linked, or being made ready for this client
  pool::TicketId ticket = 0;
  CancelKey key;  // empty until logged in
  session::Replication replication = session::Replication::None;
  session::Passage passage;  // replication only
  std::uint8_t pauses = 0;
  bool dead = false, notified = false, admin = false, joined = false;
  bool want_write = false, flight = false;  // flight: a look-up or hash is under way
  bool tls_next = false;  // TLS begins when what is unsent has gone
  bool cancel_request = false, login_failed = false, closing = false;
  bool proxy_header = false;  // it has to come first
  bool at_gate = false;       // it has a place of max_login_conn, or waits for one
  bool delayed = false;       // the refusal of its password is held back until `refuse_at`
  bool asked_again = false;   // the auth_query, because the check by a cached secret failed
  bool torn = false;  // it got a part of a message whose rest will never come: nothing may follow
  ClientList in_list = ClientList::Count;
  TimePoint connected{}, last_activity{}, wait_since{}, refuse_at{};
  TimePoint look_up_at{};                   // when its login asked who it is
  TimePoint request_at{};                   // first packet of the present or last query
  Duration wait_timeout{}, idle_timeout{};  // effective for this client; 0 = off
  base::Deadline deadline;
  base::Link<Client> link;
  std::unique_ptr<DelayedNo> delayed_no;
  std::unique_ptr<LossState> loss;
  pool::ClientBudget::Place place, db_place, user_place;
};

class Server final : public net::TransportUser {
 public:
  // Resolving -> Connecting -> Login -> Setup (connect_query) -> Ready -> Closing
  enum class Stage : std::uint8_t { Resolving, Connecting, Login, Setup, Ready };

  void on_ready(bool readable, bool writable) override;

  WorkerImpl* worker = nullptr;  // changes hands
  std::uint64_t id = 0;
  pool::Permit permit;
  pool::PoolId pool_id = 0;
  PoolView* pool = nullptr;
  std::shared_ptr<const config::Database> entry;  // in force when it was opened
  std::shared_ptr<const Welcome> welcome;  // in force when it was opened
  std::unique_ptr<net::Transport> transport;
  std::unique_ptr<session::ServerSession> session;
  base::Buffer in;
  Client* client = nullptr;
  Lookup* lookup = nullptr;  // instead of a client: the auth_query that it is asked
  base::Secret file_password;        // of password_file, until the login begins
  std::uint64_t password_version = 0;
  Stage stage = Stage::Resolving;
  std::uint8_t pauses = 0;
  bool dead = false, want_write = false, flight = false;
  std::uint16_t cancels = 0;  // cancel requests on their way to it
  bool free_when_canceled = false;
  bool unsure = false;  // a cancel may still hit it: nobody else may get it
  bool used = false;  // linked since it was last reset
  // Opened for one replication client, closed with it (replication.cpp).
  bool own = false;
  session::Replication replication = session::Replication::None;
  std::vector<std::pair<std::string, std::string>> own_startup;
  session::Passage passage;
  // Its client vanished; what it still does is cancelled, drained, rolled back (reclaim.cpp).
  bool orphan = false, copy_failed = false;
  std::size_t drained = 0;
  TimePoint reclaim_until{}, cancel_again{};
  bool tls_refused = false;  // TLS did not work out and will not by itself
  // What is set in its session beyond its own defaults, and what will be when SetParameters is done.
  session::StateRef state, next_state;
  bool strays = false;   // texts that nobody understood may have prepared statements by their own names
  bool hidden = false;   // a client did what may leave something behind that nobody can ask for
  bool unread = false;   // a client may have left something, and nobody has asked yet
  // Parameters that follow by report and were set in this session, a bit each.
  std::uint64_t set_here = 0, next_set_here = 0;
  std::uint8_t harvests = 0;  // tries of the harvest that is under way
  ServerList in_list = ServerList::Count;
  config::Host host;
  std::string address;  // of a routed entry's host
  std::size_t place = 0;  // its index among the entry's hosts
  bool routed = false;  // the monitor watches its host
  std::shared_ptr<route::HostSigns> signs;  // of that host; null: not watched
  route::Identity identity = 0;             // which server it is; 0: nobody asked
  bool moved = false;                       // that one is no longer behind its address
  bool standby = false;  // it said so at its login, and has not said otherwise since
  bool rescue = false;  // we chose this standby for the request: what it refuses runs on the primary
  bool misfit = false;  // at its login it turned out to be in another role than its entry asks for
  std::shared_ptr<const net::TlsContext> tls;  // null: its entry has TLS off, or it is local
  std::vector<net::Address> addresses;  // left to try
  TimePoint idle_since{};  // when it was parked; zero: it was not, since its last use
  TimePoint created{}, query_start{}, xact_start{}, last_packet{}, step_start{};
  bool in_query = false, in_xact = false;
  base::Deadline deadline;
  base::Link<Server> link;
};

// One question to the auth_query, on its way to a server of the pool (auth database, auth_user); the
// clients that wait for it are known to UserCache.
class Lookup {
 public:
  explicit Lookup(std::uint64_t number) : id(number) {}
  const std::uint64_t id;  // as a client's: the ledger knows it as a waiter
  std::shared_ptr<const config::Database> entry;
  std::string auth_user, key, user, query;
  pool::TicketId ticket = 0;
  Server* server = nullptr;
  bool retried = false, dead = false;
  bool slow = false;  // those who know an older answer wait no more
  TimePoint asked{}, give_up{};
  route::ScopePtr scope;  // not null: a question to the catalogue instead (split.cpp)
  std::uint64_t question = 0;
  base::Deadline deadline;
};

// One cancel request being forwarded to PostgreSQL, inside TLS if the server's connection is.
//   Connecting -> [Asking (SSLRequest) -> Securing (handshake)] -> Sending -> Sent
class CancelJob final : public net::TransportUser {
 public:
  CancelJob(WorkerImpl& owner, std::uint64_t number) : worker(owner), id(number) {}
  void on_ready(bool readable, bool writable) override;
  WorkerImpl& worker;
  const std::uint64_t id;
  std::unique_ptr<net::Transport> transport;
  enum class Stage : std::uint8_t { Connecting, Asking, Securing, Sending, Sent };
  std::string packet;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain
  std::string host;                            // its name, for TLS
  bool direct = false;
  Stage stage = Stage::Connecting;
  pool::SlotId slot = 0;
  int peer = 0;  // not 0: to that peer, and not to a server
  pool::Waiter from;
  TimePoint query_start{};  // of the query it is meant for
  bool delivered = false, dead = false;
  base::Deadline deadline;
};

// Cancel requests to one peer.
struct PeerQueue {
  std::size_t jobs = 0;
  std::deque<PeerCancel> waiting;  // for one of the jobs to end
};

inline ClientState& state_of(Client& client) {
  if (!client.state) client.state = std::make_unique<ClientState>();
  return *client.state;
}

// True for a parameter that servers report by themselves.
inline bool reports(const Welcome& welcome, std::string_view name) {
  for (const auto& pair : welcome) {
    if (base::iequal(pair.first, name)) return true;
  }
  return false;
}

// What this worker keeps about one pool.
struct PoolView {
  pool::PoolId id = 0;
  std::shared_ptr<const config::Database> entry;
  std::string user;
  bool removed = false;  // its entry is gone from the configuration
  TimePoint paused_since{};  // by an operator; zero: it is not
  config::PoolMode mode = config::PoolMode::Session;
  bool follows = false;  // session state follows its client
  int max_pinned = 0;
  std::uint64_t pinned = 0;  // clients of this worker that keep their server
  Duration query_timeout{}, idle_transaction_timeout{}, transaction_timeout{};
  std::shared_ptr<const Welcome> welcome;
  // Of the client that logged in last: the next one's are often the same, and are then shared.
  GivenRef usual_given;
  session::StateRef usual_start;
  session::Parameters usual_parameters;
  std::shared_ptr<const ClientName> usual_name;
  metrics::Counters counters;
  RecentCount recent;  // statements of routed entries
  std::shared_ptr<const pool::HostSet> hosts;  // of a routed entry, see hosts_of()
  std::uint64_t hosts_version = 0;
  std::uint64_t classes_epoch = 0;  // of `statements`, as of which the classifier's answers are
  std::array<RouteCounts, route::kReasons> routes{};
  std::shared_ptr<session::PoolStatements> statements;
  std::array<base::List<Client, &Client::link>, static_cast<std::size_t>(ClientList::Count)> clients;
  std::array<base::List<Server, &Server::link>, static_cast<std::size_t>(ServerList::Count)> servers;

  auto& list(ClientList which) { return clients[static_cast<std::size_t>(which)]; }
  auto& list(ServerList which) { return servers[static_cast<std::size_t>(which)]; }
};

}  // namespace howdah::worker
