// Rows for SHOW; see worker_impl.h. Made only when the console asks.
#include <chrono>
#include <cstdint>

#include "worker/worker_impl.h"

namespace howdah::worker {

using session::ClientSession;
using session::ServerSession;

namespace {

// CLOCK_MONOTONIC to CLOCK_REALTIME, in µs.
std::int64_t wall(TimePoint at, TimePoint now) {
  if (at == TimePoint{}) return 0;
  auto today = std::chrono::duration_cast<Duration>(
      std::chrono::system_clock::now().time_since_epoch());
  return (today - (now - at)).count();
}

void fill_addresses(admin::SocketRow& row, const net::Transport* transport,
                    const net::Address& peer) {
  if (!transport) return;
  auto show = [](const net::Address& address) {
    return address.family == net::Address::Family::Unix ? std::string("unix") : address.host;
  };
  row.addr = show(peer);
  row.port = peer.port;
  net::Address local = transport->local();
  row.local_addr = show(local);
  row.local_port = local.port;
  row.tls = transport->tls().text;
}

const char* word(session::Replication kind) {
  switch (kind) {
    case session::Replication::None:
      return "none";
    case session::Replication::Logical:
      return "logical";
    case session::Replication::Physical:
      return "physical";
  }
  return "none";
}

std::uint64_t pointer(const void* address) { return reinterpret_cast<std::uint64_t>(address); }

}  // namespace

admin::SocketRow WorkerImpl::row(const Client& client) const {
  TimePoint at = reactor_.now();
  admin::SocketRow row;
  row.type = 'C';
  row.user = client.user();
  row.database = client.database();
  row.prepared_statements = static_cast<std::int64_t>(client.statements.size());
  const char* state = "idle";
  bool waits = client.session.state() == ClientSession::State::Waiting;
  if (client.cancel_request) {
    state = "active_cancel_req";
  } else if (client.session.state() == ClientSession::State::Linked ||
             client.session.console()) {
    state = "active";
  } else if (waits) {
    state = "waiting";
  }
  row.state = state;
  fill_addresses(row, client.transport.get(), client.peer());
  row.connect_time = wall(client.connected, at);
  row.request_time = wall(client.request_at, at);
  if (waits && client.pool) row.wait_us = (at - client.wait_since).count();
  row.ptr = pointer(&client);
  row.link = client.server ? pointer(client.server) : 0;
  row.remote_pid = client.credentials().pid;
  if (client.pool) {
    auto index = shared_.names->find("application_name");
    const std::string* name =
        const_cast<Client&>(client).session.parameters().get(index ? *index : 0);
    if (index && name) row.application_name = *name;
    row.pool = client.pool->id;
  }
  if (pinned(client)) row.pinned = session::pin_text(client.state->pins);
  row.id = client.id;
  row.replication = word(client.replication);
  row.receive_buffered = client.in.size();
  row.send_buffered = const_cast<Client&>(client).session.out().size();
  return row;
}

admin::SocketRow WorkerImpl::row(const Server& server) const {
  TimePoint at = reactor_.now();
  admin::SocketRow row;
  row.type = 'S';
  row.user = server.pool->user;
  row.database = server.pool->entry->name;
  if (server.session) {
    row.prepared_statements = static_cast<std::int64_t>(server.session->statements().size());
  }
  switch (server.in_list) {
    case ServerList::Login:
    case ServerList::Count:
      row.state = "new";
      break;
    case ServerList::Idle:
      row.state = at - server.idle_since >= config_->settings.server_check_delay ? "used" : "idle";
      break;
    case ServerList::Active:
      row.state = server.cancels > 0 ? "active_cancel" : "active";
      break;
    case ServerList::Tested:
      row.state = "tested";
      break;
    case ServerList::BeingCanceled:
      row.state = "being_canceled";
      break;
  }
  if (server.transport) fill_addresses(row, server.transport.get(), server.transport->peer());
  row.connect_time = wall(server.created, at);
  row.request_time = wall(server.query_start, at);
  row.ptr = pointer(&server);
  row.link = server.client ? pointer(server.client) : 0;
  const std::string& key = server.session->cancel_key();
  if (key.size() >= 4) row.remote_pid = wire::read_u32(key.data());
  row.id = server.id;
  row.replication = word(server.replication);
  row.receive_buffered = server.in.size();
  row.send_buffered = server.session->out().size();
  if (auto index = shared_.names->find("application_name")) {
    if (const std::string* name = server.session->parameters().get(*index)) {
      row.application_name = *name;
    }
  }
  row.pool = server.pool_id;
  return row;
}

admin::WorkerReport WorkerImpl::report(bool rows, const std::string& explain) {
  admin::WorkerReport report;
  TimePoint at = now();
  for (auto& [id, pool] : pools_) {
    admin::WorkerPool& out = report.pools[id];
    out.database = pool->entry->name;
    out.user = pool->user;
    out.counters = pool->counters;
    out.cl_active = pool->list(ClientList::Active).size() + pool->list(ClientList::Idle).size();
    out.cl_waiting = pool->list(ClientList::Waiting).size();
    pool->list(ServerList::Active).each([&](Server& server) {
      ++(server.cancels > 0 ? out.sv_active_cancel : out.sv_active);
    });
    pool->list(ServerList::Idle).each([&](Server& server) {
      ++(at - server.idle_since >= config_->settings.server_check_delay ? out.sv_used
                                                                        : out.sv_idle);
    });
    out.sv_pinned = pool->pinned;
    if (pool->entry->by_query()) {
      for (std::size_t i = 0; i < pool->routes.size(); ++i) {
        const RouteCounts& count = pool->routes[i];
        if (count.to_primary != 0 || count.to_replica != 0)
          out.routes.push_back({pool->entry->name, static_cast<route::Reason>(i), count.to_primary,
                                count.to_replica});
      }
      if (!explain.empty()) out.explained = explained(*pool, explain);
    }
    out.sv_tested = pool->list(ServerList::Tested).size();
    out.sv_being_canceled = pool->list(ServerList::BeingCanceled).size();
    out.sv_login = pool->list(ServerList::Login).size();
    if (Client* oldest = pool->list(ClientList::Waiting).front()) {
      out.max_wait_us = (at - oldest->wait_since).count();
    }
  }
  for (auto& [id, queue] : peers_) {
    report.peers[id].cl_active_cancel_req = queue.jobs;
    report.peers[id].cl_waiting_cancel_req = queue.waiting.size();
  }
  for (auto& [number, job] : cancels_) {
    if (job->peer == 0 || job->dead) continue;
    admin::PeerPool& out = report.peers[job->peer];
    ++(job->stage == CancelJob::Stage::Sent ? out.sv_active_cancel : out.sv_login);
  }
  // Console clients are clients of a pool that the ledger does not know.
  admin::WorkerPool& console = report.pools[UINT32_MAX];
  console.database = console.user = "pgbouncer";
  for (auto& [number, client] : clients_) {
    if (client->dead) continue;
    if (client->session.console() && client->session.logged_in()) ++console.cl_active;
    if (!client->session.logged_in()) ++report.login_clients;
    if (rows && (client->session.logged_in() || client->cancel_request)) {
      report.clients.push_back(row(*client));
    }
  }
  if (rows) {
    for (auto& [slot, server] : servers_) {
      if (!server->dead) report.servers.push_back(row(*server));
    }
  }
  return report;
}

}  // namespace howdah::worker
