// The pump: a client gets a server, bytes run both ways, the server goes back; see worker_impl.h.
//
//   request_server -> checkout -> Granted ------------------------------> assign
//                              -> Fetch  -> (other worker) AdoptServer -> assign
//                              -> Queued -> ... gives_ ----------------> assign
//   assign -> [check query] -> [SET of differing parameters] -> link -> relay ... settled -> release
#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/session/local_answer.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using net::IoResult;
using session::ClientSession;
using session::ClientStream;
using session::ServerStream;
namespace sqlstate = wire::sqlstate;

namespace {
std::uint64_t micros(TimePoint from, TimePoint to) {
  return to > from ? static_cast<std::uint64_t>((to - from).count()) : 0;
}
}  // namespace

// An idle client asks for something: of a server, unless the answer is known here. Gives the bytes that
// were dealt with.
std::size_t WorkerImpl::begin_request(Client& client, std::string_view bytes) {
  if (client.loss && client.loss->failed) {
    if (auto used = answer_failed(client, bytes)) return *used;
  }
  session::LocalRequest local;
  facts_.set_readable(readable(client));
  const auto& settings = config_->settings;
  if (follows(*client.pool) && settings.max_prepared_statements > 0) {
    local = session::find_local(bytes, settings.max_packet_size, client.statements,
                                shared_.statements, *client.pool->statements, facts_, reading(client));
  }
  client.wait_since = client.request_at = now();
  if (local.size == 0 || local.has_parse) {
    if (routed_by_query(client)) {
      look_at_scope(client);
      if (std::size_t used = set_route(client, bytes)) return used;
    }
    if (routed_by_query(client) && !choose_hosts(client, bytes)) {
      client.session.answered();
      client.route->not_yet = true;
      return 0;
    }
    request_server(client);
    if (client.route && client.route->ask_catalogue) {
      client.route->ask_catalogue = false;
      ask_catalogue(*client.pool, client.route->scope);
    }
    // A server was free, or the client is gone.
    if (local.size == 0 || client.dead || client.closing || client.ticket == 0) return 0;
    cancel_wait(client);
    move(client, ClientList::Idle);
  }
  session::answer_locally(bytes.substr(0, local.size), client.statements, shared_.statements,
                          facts_, reading(client), client.session.out());
  client.session.answered();
  flush_client(client);
  return local.size;
}

void WorkerImpl::request_server(Client& client) {
  if (client.server) {  // it is being asked what the last transaction left, see state.cpp
    move(client, ClientList::Waiting);
    arm(client.deadline, client_due(client));
    return;
  }
  client.notified = false;
  pool::Checkout answer =
      shared_.ledger.checkout(client.pool->id, {id_, client.id}, now(), actions_, hosts_for(client));
  take_checkout(client, answer);
}

void WorkerImpl::take_checkout(Client& client, pool::Checkout& answer) {
  if (auto* granted = std::get_if<pool::Granted>(&answer)) {
    auto found = servers_.find(granted->slot);
    if (found == servers_.end() || found->second->dead) {
      // The ledger and we disagree, which must not happen: this client waits no longer than that.
      fail_client(client, sqlstate::kInternalError, "pool ledger out of step");
      return;
    }
    assign(client, *found->second);
  } else if (auto* fetch = std::get_if<pool::Fetch>(&answer)) {
    client.ticket = fetch->ticket;
    shared_.workers[fetch->home]->post(FetchServer{fetch->slot, fetch->ticket, {id_, client.id}});
  } else if (auto* queued = std::get_if<pool::Queued>(&answer)) {
    client.ticket = queued->ticket;
  } else {
    const base::Error& error = std::get<pool::Refused>(answer).error;
    fail_client(client, error.code, error.text);
    return;
  }
  if (client.ticket) {
    if (client.session.logged_in()) move(client, ClientList::Waiting);
    arm(client.deadline, client_due(client));
  }
}

void WorkerImpl::cancel_wait(Client& client) {
  shared_.ledger.cancel(std::exchange(client.ticket, 0));
}

// `server` is Active in the ledger and holds no client.
void WorkerImpl::assign(Client& client, Server& server) {
  client.ticket = 0;
  if (server.own) {
    start_stream(client, server);
    return;
  }
  if (client.session.state() == ClientSession::State::Welcome) {
    // This worker may not know the pool's welcome: another one opened the server, or it was
    // forgotten while the server was on its way. The server still knows its own.
    if (!server.pool->welcome) server.pool->welcome = shared_.welcomes.find(server.pool_id);
    auto welcome = server.pool->welcome ? server.pool->welcome : server.welcome;
    if (!settle_login(client, *welcome)) {
      client.server = &server;
      server.client = &client;
      server.idle_since = {};
      prepare(client, server);  // tries its start-up values
      return;
    }
    finish_welcome(client, *welcome);
    checkin(server);
    return;
  }
  if (routed_by_query(client) && !may_use(client, server)) {
    client.route->hosts = pool::kPrimary;
    checkin(server);
    pool::Checkout answer = shared_.ledger.retry(client.pool->id, {id_, client.id},
                                                 client.wait_since, now(), actions_, pool::kPrimary);
    take_checkout(client, answer);
    return;
  }
  PoolView& pool = *server.pool;
  pool.counters.wait_time += micros(client.wait_since, now());
  client.server = &server;
  server.client = &client;
  const auto& settings = config_->settings;
  bool parked = server.idle_since != TimePoint{};
  bool stale = parked && now() - server.idle_since >= settings.server_check_delay;
  server.idle_since = {};
  if (stale && !settings.server_check_query.empty()) {
    move(server, ServerList::Tested);
    run_query(server, session::Purpose::Check,
              settings.server_check_query == "<empty>" ? "" : settings.server_check_query);
  } else {
    prepare(client, server);
  }
}

// Links the pair, or first makes the client's parameters and state so on the server.
void WorkerImpl::prepare(Client& client, Server& server) {
  const session::Parameters& wanted = client.session.parameters();
  const session::StateRef& state = wanted_state(client);
  if (server.state != state || !server.session->parameters().satisfies(wanted)) {
    std::string sql = server.session->parameters().changes_to(wanted, *shared_.names) +
                      session::switch_sql(server.state.get(), state.get());
    server.next_state = state;
    server.next_set_here = server.set_here;
    for (std::size_t i = 0; i < std::min<std::size_t>(shared_.names->size(), 64); ++i) {
      const std::string* there = server.session->parameters().get(i);
      if (wanted.get(i) && !(there && *there == *wanted.get(i))) {
        server.next_set_here |= std::uint64_t{1} << i;
      }
    }
    if (!sql.empty()) {
      move(server, ServerList::Active);
      server.used = true;
      if (pinned(client)) {  // what it is notified of meanwhile is not to be lost
        server.session->run_for_rows(session::Purpose::SetParameters, sql);
        server.step_start = now();
        arm(server.deadline, server_due(server));
        flush_server(server);
      } else {
        run_query(server, session::Purpose::SetParameters, sql);
      }
      return;
    }
    server.state = state;  // the same by another pointer
  }
  made_ready(client, server);
}

void WorkerImpl::link(Client& client, Server& server) {
  // A pinned client goes on with its server though it asks for nothing yet.
  bool asks = client.session.state() == ClientSession::State::Waiting;
  client.session.link();
  client.session.stream().relink();
  server.session->link();
  server.session->batch().set_wishes(outlives(client, server), server.rescue);
  server.used = true;
  move(client, ClientList::Active);
  move(server, ServerList::Active);
  if (asks) {
    ++server.pool->counters.server_assignments;
    server.query_start = server.xact_start = client.request_at;
    server.in_query = server.in_xact = true;
  } else {
    arm(client.deadline, client_due(client));
  }
  arm(server.deadline, server_due(server));
}

// Named statements and session state follow their clients where servers change hands.
bool WorkerImpl::follows(const PoolView& pool) const {
  return pool.mode != config::PoolMode::Session;
}

session::ServerStream::Sides WorkerImpl::sides(Client& client, Server& server) {
  session::ServerSession& session = *server.session;
  bool follow = follows(*server.pool);
  return {session.names(),
          session.parameters(),
          &client.session.parameters(),
          session.owed(),
          &session.statements(),
          follow ? &client.statements : nullptr,
          follow ? server.pool->statements.get() : nullptr,
          &to_client_,
          follow ? &session.batch() : nullptr,
          outlives(client, server)};
}

// Client encodings with ASCII bytes inside a character, and backslashes that escape, hide what a text says.
route::Readable WorkerImpl::readable(Client& client) const {
  const session::Parameters& values = client.session.parameters();
  const std::string* encoding = values.get(session::TrackedNames::kClientEncoding);
  const std::string* strings = values.get(session::TrackedNames::kStandardStrings);
  return route::readable(encoding ? *encoding : "UTF8", strings ? *strings : "on");
}

// `again`: a batch whose first answer nobody was told.
std::size_t WorkerImpl::relay_from_client(Client& client, std::string_view bytes, bool again) {
  Server& server = *client.server;
  session::ServerSession& session = *server.session;
  session::Owed& owed = session.owed();
  const auto& settings = config_->settings;
  ClientStream& stream = client.session.stream();
  to_server_.clear();
  to_client_.clear();
  ClientStream::Taken taken;
  if (follows(*server.pool)) {
    facts_.set_readable(readable(client));
    session::Following f{owed,
                         client.statements,
                         client.id,
                         session.statements(),
                         shared_.statements,
                         *server.pool->statements,
                         facts_,
                         static_cast<std::size_t>(settings.max_prepared_statements),
                         server.pool->follows,
                         settings.prepare_unnamed,
                         session.stream().tx(),
                         reading(client),
                         to_server_,
                         to_client_,
                         again ? nullptr : &session.batch(),
                         outlives(client, server)};
    f.one_batch = routed_by_query(client) && (client.route->reads || client.route->on_replica);
    taken = stream.follow(bytes, settings.max_packet_size, f);
    session.stream().emit_made(sides(client, server));
  } else {
    taken = stream.forward(bytes, settings.max_packet_size, owed);
    to_server_.view(bytes.substr(0, taken.forward));
  }
  if (!to_server_.empty() && !server.in_query && !owed.nothing()) {
    server.in_query = true;
    server.query_start = client.request_at = now();
    if (!server.in_xact) {
      server.in_xact = true;
      server.xact_start = server.query_start;
    }
    arm(server.deadline, server_due(server));
  }
  if (!to_server_.empty()) send_to_server(server, to_server_.all());
  if (!to_client_.empty()) send_to_client(client, to_client_.all());
  if (client.dead || client.closing || client.server != &server) return bytes.size();
  switch (taken.stop) {
    case ClientStream::Stop::Terminate:
      close_client(client, "client close request");
      return bytes.size();
    case ClientStream::Stop::Violation:
      fail_client(client, sqlstate::kProtocolViolation, stream.error());
      return bytes.size();
    case ClientStream::Stop::Bytes:
    case ClientStream::Stop::Stall:
      break;
  }
  // A message that is held until it is whole is a request already.
  if (owed.nothing() && stream.needs() == 0 && releasable(client, server)) release(client, server);
  return taken.forward;
}

std::size_t WorkerImpl::relay_from_server(Server& server, std::string_view bytes) {
  Client& client = *server.client;
  session::ServerSession& session = *server.session;
  to_client_.clear();
  auto taken = session.stream().forward(bytes, sides(client, server));
  if (taken.event == ServerStream::Event::Violation) {
    log_server(Level::Warning, server,
               cat("out of step: ", session.stream().error(),
                   "; the last messages, the server's behind '<': ", session.owed().flight()));
    server_lost(server, session.stream().error());
    return bytes.size();
  }
  if (taken.forward > 0) {
    server.pool->counters.sent += to_client_.size();
    server.last_packet = now();
    bool refused = taken.event == ServerStream::Event::Settled &&
                   server.pool->mode == config::PoolMode::Statement &&
                   session.stream().tx() != wire::TxStatus::Idle;
    // The ReadyForQuery of a transaction block in statement mode gives way to the error.
    if (refused) to_client_.drop_tail(wire::kHeaderSize + 1);
    if (!to_client_.empty()) send_to_client(client, to_client_.all());
    if (server.dead || server.client != &client) return taken.forward;
  }
  if (taken.event == ServerStream::Event::Settled) {
    settled(server);
  } else if (taken.event == ServerStream::Event::Again) {
    bool here = session.batch().why() == session::Batch::Why::Plan;
    here ? run_again(client, server) : refused_here(client, server);
  } else if (taken.event == ServerStream::Event::Fatal) {
    server_lost(server, "the server ended the connection");
  } else if (client.session.stream().stalled() &&
             (session.owed().quiet() || session.owed().reading_copy())) {
    client.session.stream().resume();
    resume_client(client);
  }
  return taken.forward;
}

// The batch met an outdated plan, and nothing of its answer was told: its statements are parsed
// anew.
void WorkerImpl::run_again(Client& client, Server& server) {
  ClientStream& stream = client.session.stream();
  std::string bytes = server.session->batch().take(client.statements);
  ClientStream::Waits waits = stream.waits();
  stream.resume();
  std::size_t done = relay_from_client(client, bytes, true);
  if (client.dead || client.closing || client.server != &server) return;
  if (done < bytes.size()) {  // it went through whole before
    fail_client(client, sqlstate::kInternalError, "a batch could not be run again");
    return;
  }
  stream.wait(waits);
}

void WorkerImpl::send_to_server(Server& server, std::span<const std::string_view> pieces) {
  base::Buffer& out = server.session->out();
  std::size_t sent = 0;
  if (out.empty()) {
    IoResult result = server.transport->send(pieces);
    if (result.kind == IoResult::Kind::Failed || result.kind == IoResult::Kind::Eof) {
      // What it said before it went is still to be read: the reading side will see the end.
      return;
    }
    if (result.kind == IoResult::Kind::Bytes) sent = result.count;
  }
  append_rest(out, pieces, sent);
  if (out.empty()) return;
  if (!server.want_write) {
    server.want_write = true;
    update_watch(server);
  }
  if (out.size() > kHigh && server.client) pause(*server.client, kPeerFull);
}

void WorkerImpl::send_to_client(Client& client, std::span<const std::string_view> pieces) {
  base::Buffer& out = client.session.out();
  std::size_t sent = 0;
  if (out.empty()) {
    IoResult result = client.transport->send(pieces);
    if (result.kind == IoResult::Kind::Failed || result.kind == IoResult::Kind::Eof) {
      close_client(client, "client connection lost");
      return;
    }
    if (result.kind == IoResult::Kind::Bytes) sent = result.count;
  }
  append_rest(out, pieces, sent);
  if (out.empty()) return;
  if (!client.want_write) {
    client.want_write = true;
    update_watch(client);
  }
  if (out.size() > kHigh && client.server) pause(*client.server, kPeerFull);
}

// What a send has not taken.
void WorkerImpl::append_rest(base::Buffer& out, std::span<const std::string_view> pieces,
                             std::size_t sent) {
  for (std::string_view piece : pieces) {
    std::size_t part = std::min(sent, piece.size());
    sent -= part;
    if (part < piece.size()) out.append(piece.substr(part));
  }
}

// A ReadyForQuery came and the server owes nothing.
void WorkerImpl::settled(Server& server) {
  if (routed_by_query(*server.client))
    note_answer(*server.client, server, server.session->stream().tx());
  metrics::Counters& counters = server.pool->counters;
  wire::TxStatus tx = server.session->stream().tx();
  TimePoint at = now();
  if (server.client->loss) server.client->loss->moved = false;
  if (server.in_query) {
    server.in_query = false;
    if (server.routed) server.pool->recent.add(at);
    ++counters.queries;
    counters.query_time += micros(server.query_start, at);
  }
  if (tx == wire::TxStatus::Idle && server.in_xact) {
    server.in_xact = false;
    ++counters.transactions;
    counters.transaction_time += micros(server.xact_start, at);
  }
  Client& client = *server.client;
  if (tx != wire::TxStatus::Idle && server.pool->mode == config::PoolMode::Statement) {
    fail_client(client, sqlstate::kFeatureNotSupported,
                "transaction blocks not allowed in statement pooling mode");
    return;
  }
  bool stalled = client.session.stream().stalled();
  client.session.stream().resume();
  if (releasable(client, server)) {
    release(client, server);
  } else {
    arm(server.deadline, server_due(server));
  }
  if (stalled && !client.dead) resume_client(client);
}

bool WorkerImpl::releasable(Client& client, Server& server) const {
  return server.pool->mode != config::PoolMode::Session && server.session->clean() &&
         client.session.stream().at_boundary() && server.session->out().empty();
}

// The transaction is over: the client keeps its connection, the server goes to the next.
void WorkerImpl::release(Client& client, Server& server) {
  if (server.pool->follows && after_transaction(client, server)) return;
  client.server = nullptr;
  server.client = nullptr;
  client.session.unlink();
  server.session->unlink();
  move(client, ClientList::Idle);
  if (client.idle_timeout.count() > 0) arm(client.deadline, client_due(client));
  resume(client, kPeerFull);
  resume(server, kPeerFull);
  free_server(server);
}

void WorkerImpl::leave_server(Client& client) {
  Server& server = *std::exchange(client.server, nullptr);
  server.client = nullptr;
  if (server.dead) return;
  resume(server, kPeerFull);
  if (server.own) {
    leave_own(client, server);
    return;
  }
  leaves_behind(client, server);
  if (server.session->state() != session::ServerSession::State::Linked) return;  // see own_query_done
  client.torn = !server.session->stream().at_boundary();
  bool clean = server.session->clean() && client.session.stream().at_boundary() &&
               server.session->out().empty();
  bool in_query = server.in_query;
  if (!clean && reclaim(server, client.session.stream().at_boundary())) return;
  server.session->unlink();
  server.in_query = server.in_xact = false;
  if (clean) {
    free_server(server);
  } else {
    close_server(server, in_query ? "client disconnected with query in progress"
                                  : "client disconnect while server was not ready");
  }
}

}  // namespace howdah::worker
