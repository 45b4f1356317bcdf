// Servers: their I/O, our own queries, check-in, their end; see worker_impl.h.
//
//   Ready: parked | linked | running one of our queries; lost or discarded -> Ledger::lost
#include <algorithm>
#include <cstring>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using net::IoResult;
using session::Purpose;
using session::ServerSession;
namespace sqlstate = wire::sqlstate;

// --- Input ----------------------------------------------------------------------------------------

void WorkerImpl::server_ready(Server& server, bool readable, bool writable) {
  Turn turn(*this);
  if (server.dead) return;
  if (server.stage == Server::Stage::Connecting) {
    if (!writable && !readable) return;
    if (int error = server.transport->connect_error(); error != 0) {
      connect_error(server, cat("connect failed: ", std::string_view(::strerror(error))));
      return;
    }
    if (!writable) return;
    server.want_write = true;  // what the connect watched
    start_login(server);
    return;
  }
  if (server.session->state() == ServerSession::State::Handshake) server_secured(server);
  if (server.dead) return;
  if (writable) flush_server(server);
  if (readable && !server.dead && server.pauses == 0) read_server(server);
}

void WorkerImpl::read_server(Server& server) {
  IoResult got = server.transport->recv(scratch_);
  switch (got.kind) {
    case IoResult::Kind::Again:
      return;
    case IoResult::Kind::Eof:
    case IoResult::Kind::Failed:
      server_lost(server, "server conn crashed?");
      return;
    case IoResult::Kind::Bytes:
      break;
  }
  std::string_view bytes(scratch_.data(), got.count);
  if (server.in.empty()) {
    std::size_t used = process_server(server, bytes);
    if (!server.dead && used < bytes.size()) server.in.append(bytes.substr(used));
    return;
  }
  server.in.append(bytes);
  std::size_t used = process_server(server, server.in.view());
  if (!server.dead) server.in.consume(used);
}

std::size_t WorkerImpl::process_server(Server& server, std::string_view bytes) {
  std::size_t used = 0;
  while (!server.dead && used < bytes.size()) {
    if (server.session->state() == ServerSession::State::Linked) {
      std::string_view rest = bytes.substr(used);
      std::size_t taken = server.own      ? stream_from_server(server, rest)
                          : server.orphan ? drain_server(server, rest)
                                          : relay_from_server(server, rest);
      used += taken;
      if (taken == 0) break;
      continue;
    }
    auto step = server.session->feed(bytes.substr(used));
    used += step.consumed;
    if (step.want == ServerSession::Want::Bytes) {
      if (!server.session->out().empty()) flush_server(server);
      if (step.consumed == 0) break;
    } else {
      server_want(server, step.want);
      if (step.want == ServerSession::Want::Hash) break;
    }
  }
  return used;
}

void WorkerImpl::server_want(Server& server, ServerSession::Want want) {
  switch (want) {
    case ServerSession::Want::Bytes:
      flush_server(server);
      return;
    case ServerSession::Want::Ready:
      server_logged_in(server);
      return;
    case ServerSession::Want::Done:
      own_query_done(server);
      return;
    case ServerSession::Want::Tls:
      start_server_tls(server);
      return;
    case ServerSession::Want::Close:
      server.tls_refused = server.session->tls_refused();
      server_lost(server, server.session->close_reason().text);
      return;
    case ServerSession::Want::Hash:
      break;
  }
  auth::HashJob job = server.session->hash_job();
  if (auto known = shared_.hashes.find(job)) {
    server_want(server, server.session->hashed(*known).want);
    return;
  }
  auto shared_job = std::make_shared<auth::HashJob>(std::move(job));
  auto result = std::make_shared<auth::Key>();
  reactor_.work([shared_job, result] { *result = shared_job->run(); },
                [this, slot = server.permit.slot(), shared_job, result] {
                  Turn turn(*this);
                  shared_.hashes.store(*shared_job, *result);
                  auto found = servers_.find(slot);
                  if (found == servers_.end() || found->second->dead) return;
                  Server& waiting = *found->second;
                  server_want(waiting, waiting.session->hashed(*result).want);
                  base::wipe(result->data(), result->size());
                  if (waiting.dead || waiting.in.empty()) return;
                  std::size_t used = process_server(waiting, waiting.in.view());
                  if (!waiting.dead) waiting.in.consume(used);
                });
}

// --- Our own queries ------------------------------------------------------------------------------

void WorkerImpl::run_query(Server& server, Purpose purpose, std::string_view sql) {
  server.session->run(purpose, sql);
  server.step_start = now();
  arm(server.deadline, server_due(server));
  flush_server(server);
}

void WorkerImpl::own_query_done(Server& server) {
  ServerSession& session = *server.session;
  bool failed = session.stream().saw_error();
  std::string text = session.stream().error_text();
  switch (session.purpose()) {
    case Purpose::None:
      return;
    case Purpose::Identity:
      return identified(server);
    case Purpose::Connect:
      if (failed) log_server(Level::Warning, server, cat("connect_query failed: ", text));
      first_state(server);
      return;
    case Purpose::Reset:
      server.used = false;
      if (failed || !session.clean()) {
        close_server(server, cat("reset query failed: ", text));
      } else if (server.lookup) {
        put_question(*server.lookup, server);
      } else {
        free_server(server);
      }
      return;
    case Purpose::Rollback:
      if (failed || !session.clean()) {
        close_server(server, cat("rollback failed: ", text));
        return;
      }
      break;
    case Purpose::Harvest:
      harvested(server);
      return;
    case Purpose::Clean:
      cleaned(server);
      return;
    case Purpose::Check:
      if (!session.clean()) {
        server_lost(server, "server_check_query left a transaction open");
        return;
      }
      break;
    case Purpose::SetParameters:
      parameters_set(server);
      return;
    case Purpose::AuthQuery:
    case Purpose::Catalogue:
      return lookup_done(server);
  }
  if (server.lookup) {
    put_question(*server.lookup, server);
    return;
  }
  if (!server.client) {
    free_server(server);
    return;
  }
  Client& client = *server.client;
  prepare(client, server);
  if (client.session.state() == session::ClientSession::State::Linked) resume_client(client);
}

// --- Check-in -------------------------------------------------------------------------------------

// The server has no client any more and owes nothing.
void WorkerImpl::free_server(Server& server) {
  if (server.cancels > 0) {
    server.free_when_canceled = true;
    move(server, ServerList::BeingCanceled);
    return;
  }
  if (server.moved) return close_server(server, "its address leads to another server now");
  if (server.unsure) return close_server(server, "a cancel request may still be on its way to it");
  const auto& settings = config_->settings;
  bool reset = server.used && !settings.server_reset_query.empty() &&
               (server.pool->mode == config::PoolMode::Session ||
                settings.server_reset_query_always);
  if (reset && base::iequal(base::trim(settings.server_reset_query), "DISCARD ALL")) {
    server.state = nullptr;
    server.set_here = 0;
    server.hidden = server.unread = false;
  } else if (reset && server.state) {
    server.unread = true;  // nobody knows what another reset query leaves of it
  }
  // A ReadyForQuery that may still come must not reach the next client: our own query comes first.
  if (reset || server.session->owed().doubtful()) {
    move(server, ServerList::Tested);
    run_query(server, Purpose::Reset, reset ? settings.server_reset_query : "");
  } else if (server.hidden || server.unread) {
    move(server, ServerList::Tested);
    std::string sql(session::kCleanSql);
    if (std::exchange(server.strays, false)) sql += ";DEALLOCATE ALL";
    run_query(server, Purpose::Clean, sql);
  } else {
    checkin(server);
  }
}

void WorkerImpl::checkin(Server& server) {
  took(server, shared_.ledger.checkin(server.permit.slot(), id_, now()));
}

void WorkerImpl::took(Server& server, pool::Checkin answer) {
  if (std::holds_alternative<pool::Park>(answer)) {
    server.idle_since = now();
    move(server, ServerList::Idle);
    arm(server.deadline, server_due(server));
  } else if (auto* to = std::get_if<pool::Give>(&answer)) {
    gives_.emplace_back(server.permit.slot(), *to);
  } else {
    close_server(server, std::get<pool::Discard>(answer).reason);
  }
}

void WorkerImpl::fetch(const FetchServer& message) {
  auto found = servers_.find(message.slot);
  if (found == servers_.end() || found->second->dead) return;  // lost() has put the ticket back
  if (message.to.worker == id_ &&
      !shared_.ledger.adopted(message.slot, message.ticket, id_, now())) {
    checkin(*found->second);  // the promise was void
    return;
  }
  gives_.emplace_back(message.slot, pool::Give{message.slot, message.ticket, message.to});
}

void WorkerImpl::adopt(AdoptServer& message) {
  Server& server = *message.server;
  server.worker = this;
  server.pool = &view(server.pool_id);
  servers_.emplace(message.slot, std::move(message.server));
  server.transport->attach(reactor_, server);
  server.pauses = 0;
  server.want_write = false;
  move(server, ServerList::Active);
  bool wanted = shared_.ledger.adopted(message.slot, message.ticket, id_, now());
  if (quitting_) {
    close_server(server, "shutdown");
    return;
  }
  if (Lookup* lookup = wanted ? waiting_lookup(message.to.client, message.ticket) : nullptr) {
    assign(*lookup, server);
    return;
  }
  auto client = clients_.find(message.to.client);
  if (!wanted || client == clients_.end() || client->second->dead ||
      client->second->ticket != message.ticket) {
    checkin(server);
    return;
  }
  assign(*client->second, server);
  resume_client(*client->second);
}

// --- Output ---------------------------------------------------------------------------------------

void WorkerImpl::flush_server(Server& server) {
  base::Buffer& out = server.session->out();
  if (!out.empty()) {
    std::string_view piece = out.view();
    IoResult sent = server.transport->send({&piece, 1});
    if (sent.kind == IoResult::Kind::Bytes) out.consume(sent.count);
    // A failed send is not the end: the reading side will see that, after the server's last words.
    if (sent.kind == IoResult::Kind::Failed || sent.kind == IoResult::Kind::Eof) out.clear();
  }
  if (server.want_write == out.empty()) {
    server.want_write = !out.empty();
    update_watch(server);
  }
  if (out.size() < kLow && server.client) resume(*server.client, kPeerFull);
}

void WorkerImpl::pause(Server& server, Pause reason) {
  bool was = server.pauses != 0;
  server.pauses |= reason;
  if (!was) update_watch(server);
}

void WorkerImpl::resume(Server& server, Pause reason) {
  if ((server.pauses & reason) == 0) return;
  server.pauses &= static_cast<std::uint8_t>(~reason);
  if (server.pauses == 0) update_watch(server);
}

void WorkerImpl::update_watch(Server& server) {
  server.transport->watch(server.pauses == 0, server.want_write);
}

// --- The end of a server ----------------------------------------------------------------------------

TimePoint WorkerImpl::server_due(const Server& server) const {
  const auto& settings = config_->settings;
  if (server.stage != Server::Stage::Ready) {
    return base::deadline_after(server.step_start, settings.server_connect_timeout);
  }
  switch (server.session->state()) {
    case ServerSession::State::Internal:
      return base::deadline_after(server.step_start, settings.server_connect_timeout);
    case ServerSession::State::Linked: {
      if (server.own) return base::kNever;
      if (server.orphan) return std::min(server.reclaim_until, server.cancel_again);
      const PoolView& pool = *server.pool;
      TimePoint due = base::kNever;
      if (server.in_query) {
        due = base::deadline_after(server.query_start, pool.query_timeout);
      } else if (server.session->stream().tx() != wire::TxStatus::Idle) {
        due = base::deadline_after(server.last_packet, pool.idle_transaction_timeout);
      }
      if (server.in_xact) {
        due = std::min(due, base::deadline_after(server.xact_start, pool.transaction_timeout));
      }
      return due;
    }
    default:
      break;
  }
  if (server.in_list == ServerList::Idle) {
    return base::deadline_after(server.idle_since, settings.server_idle_timeout);
  }
  return base::kNever;
}

void WorkerImpl::server_deadline(Server& server) {
  if (server.dead) return;
  TimePoint due = server_due(server);
  if (due > now()) {
    arm(server.deadline, due);
    return;
  }
  if (server.stage != Server::Stage::Ready) {
    connect_error(server, "connect timeout");
    return;
  }
  if (server.session->state() == ServerSession::State::Internal) {
    server_lost(server, "the server did not answer a query of the pooler in time");
    return;
  }
  if (server.orphan) return reclaim_due(server);
  if (server.session->state() == ServerSession::State::Linked) {
    Client& client = *server.client;
    if (server.session->stream().saw_fatal()) {
      server_lost(server, "server conn crashed?");
      return;
    }
    const PoolView& pool = *server.pool;
    std::string_view text, code = sqlstate::kQueryCanceled;
    if (server.in_query && base::deadline_after(server.query_start, pool.query_timeout) <= now()) {
      text = "query timeout";
    } else if (!server.in_query && base::deadline_after(server.last_packet,
                                                        pool.idle_transaction_timeout) <= now()) {
      text = "idle transaction timeout";
      code = sqlstate::kIdleInTransactionTimeout;
    } else {
      text = "transaction timeout";
      code = sqlstate::kTransactionTimeout;
    }
    client.torn = !server.session->stream().at_boundary();
    client.server = nullptr;
    server.client = nullptr;
    close_server(server, text);
    fail_client(client, code, text);
    return;
  }
  if (shared_.ledger.retire(server.permit.slot(), now())) {
    close_server(server, "server idle timeout");
  } else {  // kept by min_pool_size, or promised to somebody
    server.idle_since = now();
    arm(server.deadline, server_due(server));
  }
}

// The connection is gone or unusable: the waiting or linked client learns of it, the ledger too.
void WorkerImpl::server_lost(Server& server, std::string_view reason) {
  if (server.dead) return;
  std::string why(reason);
  const ServerSession& session = *server.session;
  if (server.routed && !server.misfit && shared_.host_fault) shared_.host_fault(server.host, server.address);
  if (server.stage != Server::Stage::Ready) {
    bool refused = session.login_refused();
    base::Error error = refused ? session.close_reason()
                                : base::Error{std::string(sqlstate::kConnectionFailure), why};
    log_server(Level::Warning, server,
               refused ? cat("server login failed: FATAL ", error.text) : why);
    bool transient = (!refused && !server.tls_refused) || error.code == sqlstate::kCannotConnectNow ||
                     error.code == sqlstate::kTooManyConnections ||
                     (error.code == sqlstate::kInvalidPassword && password_rotated(server));
    pool::Permit permit = std::move(server.permit);
    pool::SlotId slot = permit.slot();
    server.dead = true;
    deadlines_.disarm(server.deadline);
    move(server, ServerList::Count);
    server.transport.reset();
    dead_servers_.push_back(slot);
    if (transient && !(server.own && refused)) {
      shared_.ledger.connect_failed(std::move(permit), now(), actions_);
    } else {
      shared_.ledger.login_failed(std::move(permit), error, now(), actions_);
    }
    return;
  }
  Client* client = std::exchange(server.client, nullptr);
  bool linked = session.state() == ServerSession::State::Linked;
  bool kept = client && keeps_server(*client);
  bool told = session.stream().saw_fatal();
  bool torn = linked && !session.stream().at_boundary();
  if (server.own) {
    // A walsender says CommandComplete, or an error, and goes.
    char last = server.passage.last();
    torn = !server.passage.at_boundary();
    told = !torn && (last == wire::be::kCommandComplete || last == wire::be::kErrorResponse);
  }
  close_server(server, told && !server.own ? cat(why, " (", session.stream().error_text(), ")") : why);
  if (!client) return;
  client->server = nullptr;
  client->torn = torn;
  if (linked && !kept && !torn && outlives(*client, server)) return lost_under(*client, server, why);
  if (!linked && !kept) {
    // Nothing of this client's was sent: it goes back to where it stood in the queue.
    pool::Checkout answer = shared_.ledger.retry(client->pool->id, {id_, client->id},
                                                 client->wait_since, now(), actions_,
                                                 hosts_for(*client));
    take_checkout(*client, answer);
    if (!client->dead) resume_client(*client);
    return;
  }
  if (linked && told) {  // it has the server's own FATAL
    client->closing = true;
    deadlines_.disarm(client->deadline);  // an earlier one would cut its last words short
    arm(client->deadline, now() + std::chrono::seconds(10));
    flush_client(*client);
  } else {
    fail_client(*client, sqlstate::kConnectionFailure, why);
  }
}

void WorkerImpl::close_server(Server& server, std::string_view reason) {
  if (server.dead) return;
  if (config_->settings.log_disconnections) {
    auto age = std::chrono::duration_cast<std::chrono::seconds>(now() - server.created);
    log_server(Level::Log, server, cat("closing because: ", reason, " (age=", age.count(), "s)"));
  }
  if (server.client) std::exchange(server.client, nullptr)->server = nullptr;
  // Not behind a part of a client's message: PostgreSQL would take it for the rest, and run that.
  if (server.transport && !server.own && server.session->out().empty() &&
      server.session->clean()) {
    base::Buffer goodbye;
    wire::append_terminate(goodbye);
    std::string_view piece = goodbye.view();
    (void)server.transport->send({&piece, 1});
  }
  server.dead = true;
  deadlines_.disarm(server.deadline);
  move(server, ServerList::Count);
  server.transport.reset();
  dead_servers_.push_back(server.permit.slot());
  shared_.ledger.lost(std::move(server.permit), now(), actions_);
  if (server.lookup) lookup_lost(*std::exchange(server.lookup, nullptr));
}

}  // namespace howdah::worker
