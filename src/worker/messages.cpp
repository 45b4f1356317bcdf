// What a worker does with each message; see messages.h of the public headers and worker_impl.h.
#include <algorithm>
#include <utility>
#include <variant>

#include "worker/worker_impl.h"

namespace howdah::worker {

void WorkerImpl::handle(Message& message) {
  std::visit([this](auto& one) { on(one); }, message);
}

void WorkerImpl::on(FetchServer& message) { fetch(message); }
void WorkerImpl::on(NewClient& message) { accept(message); }

void WorkerImpl::on(OpenServer& message) {
  if (!quitting_) open_server(std::move(message.open));
}

void WorkerImpl::on(AdoptServer& message) { adopt(message); }
void WorkerImpl::on(CancelQuery& message) { cancel_query(message); }

void WorkerImpl::on(CloseServer& message) {
  auto found = servers_.find(message.slot);
  if (found == servers_.end()) return;
  if (found->second->own) {
    server_lost(*found->second, message.reason);
  } else if (!found->second->client) {
    close_server(*found->second, message.reason);
  }
}

void WorkerImpl::on(FailClient& message) {
  fail_ticket(message.ticket, message.client, message.error);
}

void WorkerImpl::on(ForgetPool& message) { pools_.erase(message.pool); }

void WorkerImpl::on(PeerCancel& message) {
  if (quitting_) {
    shared_.workers[message.from.worker]->post(CancelDone{message.from.client});
  } else {
    start_peer_cancel(std::move(message));
  }
}

void WorkerImpl::on(CancelDone& message) {
  auto found = clients_.find(message.client);
  if (found != clients_.end()) close_client(*found->second, "");
}

void WorkerImpl::on(NewConfig& message) {
  access_ = std::move(message.access);
  apply_config(std::move(message.config));
}
void WorkerImpl::on(NewGate& message) {
  gate_ = std::move(message.gate);
  for (auto& [id, pool] : pools_) {
    bool paused = gate_->all_paused || gate_->paused.contains(pool->entry->name);
    if (paused == (pool->paused_since != TimePoint{})) continue;
    if (paused) {
      pool->paused_since = now();
      continue;
    }
    // The time of the pause does not count for those who waited through it.
    TimePoint since = std::exchange(pool->paused_since, TimePoint{});
    pool->list(ClientList::Waiting).each([&](Client& client) {
      Duration stood = now() - std::max(since, client.wait_since);
      client.wait_since += stood;
      client.request_at += stood;
      arm(client.deadline, client_due(client));
    });
  }
}

void WorkerImpl::on(Perform& message) {
  for (pool::Action& action : message.actions) actions_.push_back(std::move(action));
}

void WorkerImpl::on(Gather& message) {
  shared_.supervisor.post(Report{message.token, id_, report(message.rows, message.explain)});
}

void WorkerImpl::on(ConsoleAnswer& message) {
  auto found = clients_.find(message.client);
  if (found == clients_.end() || found->second->dead || found->second->closing) return;
  Client& client = *found->second;
  client.session.answered();
  std::string_view answer = message.bytes.view();
  send_to_client(client, {&answer, 1});
  if (!client.dead) resume_client(client);
}

void WorkerImpl::on(KillClients& message) {
  for (auto& [number, client] : clients_) {
    bool match = message.id ? number == message.id
                            : !message.database.empty() && client->database() == message.database;
    if (match && !client->dead) fail_client(*client, message.error.code, message.error.text);
  }
}

// Nobody waits for a host that does not answer: not those it works for, not those who log in.
void WorkerImpl::on(HostEjected& message) {
  if (message.suspect) return host_suspect(message);
  for (auto& [slot, server] : servers_) {
    if (server->dead || !server->routed || server->host != message.host ||
        server->address != message.address)
      continue;
    if (server->stage == Server::Stage::Ready && server->in_list == ServerList::Idle) continue;
    server_lost(*server, "the host does not answer");
  }
}

// Those that know to be another server get no new work: nobody watches that one any more.
void WorkerImpl::on(HostMoved& message) {
  for (auto& [slot, server] : servers_) {
    if (server->dead || server->identity == 0 || server->identity == message.identity ||
        server->host != message.host || server->address != message.address ||
        server->stage != Server::Stage::Ready)
      continue;
    server->moved = true;
    if (server->in_list == ServerList::Idle)
      close_server(*server, "its address leads to another server now");
  }
}

void WorkerImpl::on(ForgetWelcome& message) {
  for (auto& [number, pool] : pools_) {
    if (!message.database.empty() && pool->entry->name != message.database) continue;
    pool->welcome.reset();
    shared_.welcomes.forget(pool->id);
  }
}

void WorkerImpl::on(Quit&) {
  quitting_ = true;
  next_tick_ = base::kNever;
  for (auto& [number, client] : clients_) {
    if (client->dead) continue;
    flush_client(*client);
    if (!client->dead) close_client(*client, "shutdown");
  }
  for (auto& [slot, server] : servers_) {
    if (!server->dead) close_server(*server, "shutdown");
  }
  for (auto& [number, job] : cancels_) {
    if (!job->dead) end_cancel(*job);
  }
  for (Message& message : std::exchange(logins_, {})) handle(message);  // nobody is let in any more
  lookups_.clear();  // their servers are closed
  actions_.clear();  // nobody is left to wait; unused permits go back by themselves
  gives_.clear();
}

}  // namespace howdah::worker
