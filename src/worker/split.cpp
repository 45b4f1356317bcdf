// query_routing: which hosts a request may go to, and what a client has written and read; see
// ../shared/design/routing.md, sections 3 and 4, and worker_impl.h.
//
//   first message(s) up to Sync -> class of each text -> hosts -> checkout -> may_use -> link ->
//   answer
//
// A class holds for one batch (one_batch in session/relay.h): what is sent behind it while it runs
// as a read waits, and is looked at anew. On the primary everything may follow a write at once.
//
// Freshness is judged twice: for the hosts to ask for, and when a server is there, since an address
// may by now lead elsewhere. In doubt, the primary.
#include <algorithm>

#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/message.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using route::Class;
using route::Kind;
using route::Reason;
using route::Signs;
using route::Wish;
namespace fe = wire::fe;

namespace {
constexpr Duration kUnknownLasts = std::chrono::seconds(60), kWroteNow = std::chrono::seconds(1);

// What a request is, text by text: the worst of them counts.
struct Sum {
  Class cls = Class::Read;
  Reason reason = Reason::Empty;
  Wish hint = Wish::Auto;
  bool any = false;
  void add(Class more, Reason why) {
    if (!any || static_cast<int>(more) > static_cast<int>(cls)) {
      cls = more;
      reason = why;
    }
    any = true;
  }
};

bool is(const session::StateRef& state, std::string_view name, std::string_view value) {
  const std::string* found = state ? state->find(name) : nullptr;
  return found && base::iequal(*found, value);
}
}  // namespace

// --- What it is ---------------------------------------------------------------------------------

class WorkerImpl::RequestReader {
 public:
  RequestReader(WorkerImpl& worker, Client& client)
      : worker_(worker), client_(client), state_(worker.wanted_state(client)) {}

  enum class Outcome { Known, More };
  Outcome read(std::string_view bytes) {
    bool query = !bytes.empty() && bytes[0] == fe::kQuery;
    while (true) {
      wire::Header header{};
      auto head = wire::read_header(bytes, worker_.config_->settings.max_packet_size, header);
      bool whole = head == wire::HeaderState::Ok && bytes.size() - wire::kHeaderSize >= header.body;
      if (head == wire::HeaderState::Malformed) return worst(Reason::Batch);
      bool begun = head == wire::HeaderState::Ok;
      std::size_t size = begun ? wire::kHeaderSize + header.body : bytes.size();
      if (size > route::kLargestRead - taken_) return worst(query ? Reason::TooLong : Reason::Batch);
      if (!whole) return Outcome::More;
      taken_ += size;
      std::string_view body = bytes.substr(wire::kHeaderSize, header.body);
      bytes.remove_prefix(size);
      switch (header.type) {
        case fe::kQuery: {
          if (!query) return worst(Reason::Batch);
          wire::Cursor cursor(body);
          std::string_view text = cursor.cstring();
          if (!cursor.ok()) return worst(Reason::NotUnderstood);
          add(text);
          return Outcome::Known;
        }
        case fe::kParse:
          on_parse(body);
          break;
        case fe::kBind:
          on_bind(body);
          break;
        case fe::kDescribe:
        case fe::kClose:
        case fe::kExecute:
          break;
        case fe::kSync:
          if (!sum.any) sum.add(Class::Local, Reason::Empty);
          return Outcome::Known;
        default:  // a Flush: what comes behind it nobody can know; a function call
          return worst(Reason::Batch);
      }
    }
  }

  Sum sum;
  bool read_only_block = false;
  bool unknown = false;       // of names: the catalogue is to be asked
  bool discards_all = false;  // and nothing else
  std::string doubt;  // the one text that is unknown; empty: there is none, or there are several

 private:
  Outcome worst(Reason reason) {
    sum.add(Class::Write, reason);
    return Outcome::Known;
  }

  void on_parse(std::string_view body) {
    wire::Cursor cursor(body);
    std::string_view name = cursor.cstring();
    if (!cursor.ok()) return sum.add(Class::Write, Reason::NotUnderstood);
    parsed_.push_back(name);
    auto text = session::text_without_own_types(cursor.rest());
    if (!text) return sum.add(Class::Write, Reason::Cast);
    add(*text);
  }

  void on_bind(std::string_view body) {
    wire::Cursor cursor(body);
    cursor.cstring();
    std::string_view name = cursor.cstring();
    if (!cursor.ok()) return sum.add(Class::Write, Reason::NotUnderstood);
    if (std::find(parsed_.begin(), parsed_.end(), name) != parsed_.end()) return;
    if (name.empty() && !client_.statements.unnamed_shared()) {
      const std::string* kept = client_.statements.unnamed();
      auto text = kept ? session::text_without_own_types(*kept) : std::nullopt;
      return text ? add(*text) : sum.add(Class::Write, Reason::Unknown);
    }
    session::StatementRef statement =
        name.empty() ? client_.statements.unnamed_shared() : client_.statements.find(name);
    add(statement);
  }

  void add(const session::StatementRef& statement, bool executed = false) {
    if (!statement) return sum.add(Class::Local, Reason::Missing);  // PostgreSQL says so
    auto text = session::sql_of(*statement);
    return text ? add(*text, executed) : sum.add(Class::Write, Reason::Cast);
  }

  // `executed`: by an EXECUTE. What that executes in turn is not looked at but taken for a write:
  // statements can name each other in a circle.
  void add(std::string_view text, bool executed = false) {
    if (worker_.readable(client_) != route::Readable::Yes)
      return sum.add(Class::Write, Reason::Unreadable);
    const route::Known& known =
        worker_.classifier_.classify(text, client_.route->scope, worker_.now());
    const route::Shape& shape = *known.shape;
    if (sum.hint == Wish::Auto) sum.hint = shape.hint;
    if (known.reason == Reason::Unknown) {
      doubt = unknown ? std::string_view() : text;
      unknown = true;
    }
    if (shape.kind == Kind::Begin && !shape.several) {
      bool serializable =
          shape.serializable || is(state_, "default_transaction_isolation", "serializable");
      bool read_only = shape.access == route::Shape::Access::ReadOnly ||
                       (shape.access == route::Shape::Access::Default &&
                        is(state_, "default_transaction_read_only", "on"));
      read_only_block = read_only && !serializable;
      if (read_only_block) return sum.add(Class::Read, Reason::BeginReadOnly);
      return sum.add(Class::Write, serializable ? Reason::Serializable : Reason::Begin);
    }
    discards_all =
        !sum.any && shape.kind == Kind::Session && base::iequal(shape.subject, "DISCARD ALL");
    if (shape.kind == Kind::Execute && known.cls == Class::Read) {
      if (executed) return sum.add(Class::Write, known.reason);
      session::StatementRef statement = client_.statements.find(shape.statement);
      sum.add(known.cls, known.reason);
      return add(statement, true);
    }
    sum.add(known.cls, known.reason);
  }

  WorkerImpl& worker_;
  Client& client_;
  const session::StateRef& state_;
  std::vector<std::string_view> parsed_;
  std::size_t taken_ = 0;
};

std::optional<std::string_view> WorkerImpl::search_path_of(const session::StateRef& state) {
  const std::string* path = state ? state->find("search_path") : nullptr;
  return path ? std::optional<std::string_view>(*path) : std::nullopt;
}

// Names mean what they mean to this client now.
void WorkerImpl::look_at_scope(Client& client) {
  Routing& r = *client.route;
  PoolView& pool = *client.pool;
  std::uint64_t epoch = pool.statements->epoch();
  if (epoch != pool.classes_epoch) {
    pool.classes_epoch = epoch;
    classifier_.forget(pool.entry->dbname);
  }
  const session::StateRef& state = wanted_state(client);
  if (r.scope && r.scope_of == state) return;
  r.scope_of = state;
  r.scope = classifier_.scope(pool.entry->dbname, pool.user, search_path_of(state));
  r.other_role = state && (state->find("role") || state->find("session_authorization"));
  const std::string* wish = state ? state->find("howdah.route") : nullptr;
  if (wish) r.set_wish.reset();
  r.wish = !wish                            ? Wish::Auto
           : base::iequal(*wish, "primary") ? Wish::Primary
           : base::iequal(*wish, "replica") ? Wish::Replica
                                            : Wish::Auto;
}

// --- Where it may go ----------------------------------------------------------------------------

// False: not yet. The client has to send more, or what its last transaction set is still being
// asked for (state.cpp), and may change what this request means.
bool WorkerImpl::choose_hosts(Client& client, std::string_view bytes) {
  if (client.server) return false;
  Routing& r = *client.route;
  RequestReader request(*this, client);
  if (request.read(bytes) == RequestReader::Outcome::More) return false;
  Sum sum = request.sum;
  if (r.other_role) sum = {Class::Write, Reason::Unreadable, sum.hint, true};
  Wish wish = sum.hint != Wish::Auto ? sum.hint : r.set_wish.value_or(r.wish);
  const bool again = client.loss && client.loss->moved;
  const bool rescued = again && client.loss->hosts == pool::kPrimary;
  if (rescued) sum = {Class::Write, Reason::Rescued, Wish::Auto, true};
  r.reads = sum.cls != Class::Write;
  r.read_only_block = request.read_only_block;
  r.ask_catalogue = request.unknown;
  r.chosen = wish == Wish::Auto;
  if (!r.doubt.empty()) {
    const route::Known& known = classifier_.classify(r.doubt, r.scope, now());
    r.wrote = r.wrote || (known.cls == Class::Write && known.reason != Reason::Unknown);
    if (known.reason != Reason::Unknown) r.doubt.clear();
  }
  // One doubt is remembered; a second one counts as a write at once.
  const bool remembers = client.pool->entry->read_your_writes == config::ReadYourWrites::Session &&
                         (r.doubt.empty() || r.doubt == request.doubt) && !request.doubt.empty() &&
                         sum.reason == Reason::Unknown;
  if (remembers) r.doubt = request.doubt;
  r.doubted = remembers;
  r.refusals = 0;
  r.hosts = pool::kPrimary;
  r.discards_all = request.discards_all;
  Reason reason = sum.reason;
  if (wish == Wish::Primary) {
    reason = Reason::WishedPrimary;
  } else if (wish == Wish::Replica) {
    r.hosts = readable_hosts(*client.pool);
    reason = Reason::WishedReplica;
  } else if (sum.cls == Class::Read &&
             is(wanted_state(client), "default_transaction_isolation", "serializable")) {
    reason = Reason::Serializable;
  } else if (sum.cls == Class::Read) {
    r.hosts = fresh_hosts(client, reason);
  }
  if (again) r.hosts &= client.loss->hosts;
  bool replica = r.hosts != pool::kPrimary;
  auto& count = client.pool->routes[static_cast<std::size_t>(reason)];
  ++(replica ? count.to_replica : count.to_primary);
  if (client.pool->entry->query_routing == config::QueryRouting::Shadow) r.hosts = pool::kPrimary;
  return true;
}

// SET howdah.route = primary, alone and outside of a transaction. No server is asked: to PostgreSQL
// `primary` without quotes is a syntax error. Gives the bytes of the request; 0: it is another one.
std::size_t WorkerImpl::set_route(Client& client, std::string_view bytes) {
  wire::Header header{};
  if (bytes.empty() || bytes[0] != fe::kQuery || bytes.size() > 256 ||
      wire::read_header(bytes, UINT32_MAX, header) != wire::HeaderState::Ok ||
      bytes.size() - wire::kHeaderSize < header.body || client.server) {
    return 0;
  }
  wire::Cursor cursor(bytes.substr(wire::kHeaderSize, header.body));
  std::string_view text = cursor.cstring();
  if (!cursor.ok() || text.find("howdah.route") == text.npos) return 0;
  const route::Known& known = classifier_.classify(text, client.route->scope, now());
  if (known.shape->kind != Kind::SetRoute) return 0;
  client.route->set_wish = known.shape->route;
  bool reset = base::iequal(base::trim(text).substr(0, 5), "RESET");
  wire::Message(client.session.out(), wire::be::kCommandComplete).cstring(reset ? "RESET" : "SET");
  wire::append_ready_for_query(client.session.out(), wire::TxStatus::Idle);
  client.session.answered();
  flush_client(client);
  return wire::kHeaderSize + header.body;
}

// What the ledger knows of the entry's hosts, as of now.
const pool::HostSet* WorkerImpl::hosts_of(PoolView& pool) {
  std::uint64_t version = shared_.hosts_version.load(std::memory_order_acquire);
  if (!pool.hosts || pool.hosts_version != version) {
    pool.hosts_version = version;
    pool.hosts = shared_.ledger.info(pool.id).hosts;
  }
  return pool.hosts.get();
}

pool::HostMask WorkerImpl::readable_hosts(PoolView& pool) {
  pool::HostMask mask = 0;
  const pool::HostSet* hosts = hosts_of(pool);
  for (std::size_t i = 0; hosts && i < std::min<std::size_t>(hosts->size(), 64); ++i)
    if ((*hosts)[i].weight != 0 && !(*hosts)[i].primary) mask |= pool::HostMask{1} << i;
  return mask;
}

// A connection to the server `which`, of which `signs` tell.
WorkerImpl::Freshness WorkerImpl::freshness(const Client& client, const Signs& signs,
                                            route::Identity which) const {
  const Routing& r = *client.route;
  if (!signs.measured(which) || signs.replayed_as_of == TimePoint{}) return Freshness::Unknown;
  if (r.wrote_at != TimePoint{} && !signs.shows(r.wrote_at, r.writer, which))
    return Freshness::LacksWrite;
  if (r.answered_at != TimePoint{} && which != r.reader &&
      !signs.shows(r.answered_at, r.reads_of, which))
    return Freshness::LacksRead;
  return Freshness::Fresh;
}

// The standbys that a read of this client may go to; none: kPrimary.
pool::HostMask WorkerImpl::fresh_hosts(Client& client, Reason& reason) {
  using config::ReadYourWrites;
  Routing& r = *client.route;
  pool::HostMask usable = readable_hosts(*client.pool), mask = 0;
  ReadYourWrites promise = client.pool->entry->read_your_writes;
  if (usable == 0) {
    reason = Reason::NoReplica;
    return pool::kPrimary;
  }
  if (promise == ReadYourWrites::Off) return usable;
  if (promise == ReadYourWrites::Session) {
    if (!r.wrote && r.doubt.empty()) return usable;
    reason = Reason::OwnWrite;
    return pool::kPrimary;
  }
  if (r.unknown_until != TimePoint{} && now() < r.unknown_until) {
    reason = Reason::OwnWrite;
    return pool::kPrimary;
  }
  const pool::HostSet& hosts = *client.pool->hosts;
  bool lacks_write = false, lacks_read = false;
  for (std::size_t i = 0; i < std::min<std::size_t>(hosts.size(), 64); ++i) {
    if ((usable >> i & 1) == 0 || !hosts[i].signs) continue;
    Signs signs = hosts[i].signs->read();
    Freshness fresh = freshness(client, signs, signs.identity);
    if (fresh == Freshness::Fresh) mask |= pool::HostMask{1} << i;
    lacks_write = lacks_write || fresh == Freshness::LacksWrite;
    lacks_read = lacks_read || fresh == Freshness::LacksRead;
  }
  if (lacks_write && now() - r.wrote_at < kWroteNow && shared_.want_fresh)
    shared_.want_fresh(hosts);
  if (mask == 0)
    reason = lacks_write ? Reason::OwnWrite : lacks_read ? Reason::Monotonic : Reason::NoReplica;
  return mask;
}

// `server` has been granted to the client: is it still one that its request may run on?
bool WorkerImpl::may_use(Client& client, Server& server) {
  Routing& r = *client.route;
  const pool::HostSet* hosts = hosts_of(*server.pool);
  const pool::HostPlace* place =
      hosts && server.place < hosts->size() ? &(*hosts)[server.place] : nullptr;
  // A parked connection hears of a promotion with its next answer only: the ledger knows sooner.
  r.on_replica =
      !(place && place->primary) && server.standby && !server.session->stream().promoted();
  server.rescue = false;
  if (!r.on_replica) return true;
  // Never for ever: should the ledger insist, PostgreSQL refuses what it must.
  if (r.hosts == pool::kPrimary) return ++r.refusals > 3;
  if (!place || !server.signs) return false;
  Signs signs = server.signs->read();
  if (r.chosen && server.pool->entry->read_your_writes == config::ReadYourWrites::Causal &&
      freshness(client, signs, server.identity) != Freshness::Fresh) {
    return false;
  }
  const config::Database& entry = *server.pool->entry;
  bool limited = entry.max_replica_lag > 0 || entry.max_replica_lag_time.count() > 0;
  if (limited && r.chosen && !signs.measured(server.identity)) return false;
  r.reads_from = signs.primary;
  server.rescue = r.chosen;
  return true;
}

// --- What it did --------------------------------------------------------------------------------

// A ReadyForQuery came, and nothing is owed.
void WorkerImpl::note_answer(Client& client, Server& server, wire::TxStatus tx) {
  Routing& r = *client.route;
  if (tx != wire::TxStatus::Idle) {
    // A read-only block on the primary can end in a message that goes on to write: not a known
    // read.
    if (!r.read_only_block || !r.on_replica) r.reads = false;
    return;
  }
  TimePoint at = base::monotonic_now();  // not the loop's: that is of before the answer
  // Another primary: what it has read is in what this one shows now.
  if (!r.on_replica && r.answered_at != TimePoint{} && server.identity != 0 &&
      r.reads_of != server.identity) {
    r.answered_at = at;
    r.reads_of = server.identity;
    r.reader = 0;
  }
  if (r.on_replica) {
    r.answered_at = at;
    r.reader = server.identity;
    r.reads_of = r.reads_from;
  } else if (!r.reads) {
    r.wrote = r.wrote || !r.doubted;
    r.wrote_at = at;
    r.writer = server.identity;
    r.unknown_until = {};
  } else if (r.wrote_at != TimePoint{} && r.writer != server.identity) {
    // Another primary: what is left of the write is in what it showed now.
    r.wrote_at = at;
    r.writer = server.identity;
  }
  if (r.discards_all) {
    r.wrote = false;
    r.doubt.clear();
    r.set_wish.reset();
  }
  if ((client.session.stream().touched() & route::kDdl) != 0)
    server.pool->statements->schema_changed();
  r.reads = r.read_only_block = r.discards_all =
      false;  // of what may follow without another choice
}

// Its server was lost in a request.
void WorkerImpl::note_loss(Client& client, TimePoint now) {
  Routing& r = *client.route;
  if (!r.on_replica && !r.reads) r.unknown_until = now + kUnknownLasts;
}

}  // namespace howdah::worker
