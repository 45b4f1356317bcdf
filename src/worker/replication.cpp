// Replication clients: each has a server connection of its own, from its login to its end; see
// worker_impl.h.
//
//   login proved -> Ledger::checkout_own -> Open (on this worker) -> login with the client's own
//   StartupMessage -> welcome of that very server -> both streams pass through, until one side ends
//
// No bookkeeping of requests, no time-outs, no reset; the server is never handed on. What the server
// refuses the login with is told to this client and to nobody else.
#include <utility>

#include "howdah/wire/appender.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using session::Passage;
namespace sqlstate = wire::sqlstate;

void WorkerImpl::request_own(Client& client, TimePoint since) {
  pool::Checkout answer =
      shared_.ledger.checkout_own(client.pool->id, {id_, client.id}, since, now(), actions_);
  take_checkout(client, answer);
}

bool WorkerImpl::prepare_own(Server& server, const pool::Open& open) {
  auto found = clients_.find(open.to.client);
  if (found == clients_.end() || found->second->dead || found->second->ticket != open.ticket) {
    return false;
  }
  server.own = true;
  server.replication = found->second->replication;
  server.own_startup = found->second->session.plan().own_startup;
  return true;
}

void WorkerImpl::start_stream(Client& client, Server& server) {
  client.ticket = 0;
  client.server = &server;
  server.client = &client;
  PoolView& pool = *server.pool;
  if (now() > client.wait_since) {
    pool.counters.wait_time += static_cast<std::uint64_t>((now() - client.wait_since).count());
  }
  ++pool.counters.server_assignments;
  server.session->link();
  server.in_query = true;  // a cancel is always passed on: it can hit nobody else
  server.query_start = now();
  deadlines_.disarm(server.deadline);
  finish_welcome(client, *server.welcome);
  if (client.dead) return;
  client.session.link();
  deadlines_.disarm(client.deadline);
  move(client, ClientList::Active);
  move(server, ServerList::Active);
}

std::size_t WorkerImpl::stream_from_client(Client& client, std::string_view bytes) {
  Server& server = *client.server;
  auto taken =
      client.passage.walk(Passage::Side::Client, bytes, config_->settings.max_packet_size);
  if (taken.forward > 0) {
    std::string_view piece = bytes.substr(0, taken.forward);
    send_to_server(server, {&piece, 1});
    if (client.dead || client.closing || client.server != &server) return bytes.size();
  }
  switch (taken.stop) {
    case Passage::Stop::Bytes:
      return taken.forward;
    case Passage::Stop::Terminate:
      close_client(client, "client close request");
      break;
    case Passage::Stop::Violation:
      fail_client(client, sqlstate::kProtocolViolation, "invalid message length");
      break;
  }
  return bytes.size();
}

std::size_t WorkerImpl::stream_from_server(Server& server, std::string_view bytes) {
  Client& client = *server.client;
  auto taken = server.passage.walk(Passage::Side::Server, bytes, UINT32_MAX);
  if (taken.forward > 0) {
    server.pool->counters.sent += taken.forward;
    std::string_view piece = bytes.substr(0, taken.forward);
    send_to_client(client, {&piece, 1});
    if (server.dead || server.client != &client) return bytes.size();
  }
  if (taken.stop == Passage::Stop::Violation) {
    server_lost(server, "broken message from server");
    return bytes.size();
  }
  return taken.forward;
}

// Called with the two already apart.
void WorkerImpl::leave_own(Client& client, Server& server) {
  client.torn = !server.passage.at_boundary();
  base::Buffer& out = server.session->out();
  if (client.passage.at_boundary() && out.empty()) {
    wire::append_terminate(out);
    flush_server(server);
  }
  close_server(server, "client disconnect");
}

}  // namespace howdah::worker
