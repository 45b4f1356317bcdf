// A worker's turns, messages, timers and pools; see worker_impl.h.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "howdah/base/text.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::kNever;

namespace {
constexpr Duration kTick = std::chrono::milliseconds(100);
}

void ServerDeleter::operator()(Server* server) const { delete server; }

void Client::on_ready(bool readable, bool writable) {
  worker.client_ready(*this, readable, writable);
}
void Server::on_ready(bool readable, bool writable) {
  worker->server_ready(*this, readable, writable);
}
void CancelJob::on_ready(bool readable, bool writable) {
  worker.cancel_ready(*this, readable, writable);
}

std::unique_ptr<Worker> Worker::make(pool::WorkerId id, net::Reactor& reactor, Shared& shared,
                                     std::shared_ptr<const config::Config> config, bool ticks,
                                     std::shared_ptr<const auth::Access> access) {
  return std::make_unique<WorkerImpl>(id, reactor, shared, std::move(config), ticks,
                                      std::move(access));
}

WorkerImpl::WorkerImpl(pool::WorkerId id, net::Reactor& reactor, Shared& shared,
                       std::shared_ptr<const config::Config> config, bool ticks,
                       std::shared_ptr<const auth::Access> access)
    : id_(id),
      reactor_(reactor),
      shared_(shared),
      config_(std::move(config)),
      access_(std::move(access)),
      mailbox_(reactor.waker()),
      classifier_({}, std::random_device()()) {
  reactor_.set_user(*this);
  read_proxies();
  reactor_.set_dns_ttl(config_->settings.dns_max_ttl, config_->settings.dns_nxdomain_ttl);
  if (ticks) {
    next_tick_ = reactor_.now();
    reactor_.set_timer(next_tick_);
  }
}

WorkerImpl::~WorkerImpl() {
  for (Message& message : logins_) {
    if (auto* client = std::get_if<NewClient>(&message)) ::close(client->fd);
  }
  for (auto& [number, client] : clients_) {
    if (client->pool && client->in_list != ClientList::Count) {
      client->pool->list(client->in_list).remove(*client);
    }
  }
  for (auto& [slot, server] : servers_) {
    if (server->pool && server->in_list != ServerList::Count) {
      server->pool->list(server->in_list).remove(*server);
    }
  }
}

// --- Turns ----------------------------------------------------------------------------------------

void WorkerImpl::on_timer() {
  Turn turn(*this);
  while (base::Deadline* due = deadlines_.pop_due(now())) {
    switch (due->kind) {
      case 0:
        client_deadline(*static_cast<Client*>(due->owner));
        break;
      case 1:
        server_deadline(*static_cast<Server*>(due->owner));
        break;
      case 2:
        end_cancel(*static_cast<CancelJob*>(due->owner));
        break;
      default:
        lookup_deadline(*static_cast<Lookup*>(due->owner));
        break;
    }
  }
  if (next_tick_ <= now()) {
    next_tick_ = now() + kTick;
    shared_.ledger.tick(now(), actions_);
    shared_.users.expire(now(), config_->settings.auth_query_cache_ttl);
  }
}

void WorkerImpl::on_wake() {
  Turn turn(*this);
  std::vector<Message> messages;
  messages.swap(messages_);
  mailbox_.drain(messages);
  for (Message& message : messages) {
    if (!quitting_ && can_wait(message)) {
      logins_.push_back(std::move(message));
      continue;
    }
    handle(message);
    if (!actions_.empty() || !gives_.empty()) end_turn();
  }
  put_off_logins();
  messages.clear();
  messages.swap(messages_);  // keeps the capacity
}

void WorkerImpl::end_turn() {
  while (!actions_.empty() || !gives_.empty()) {
    if (!actions_.empty()) {
      pool::Actions actions;
      actions.swap(actions_);
      for (pool::Action& action : actions) run_action(action);
      continue;
    }
    auto gives = std::exchange(gives_, {});
    for (auto& [slot, to] : gives) {
      auto found = servers_.find(slot);
      if (found == servers_.end() || found->second->dead) {
        // lost() has put the ticket back in line if the server was for another worker. One for here
        // had its ticket already, and died within this turn.
        if (to.to.worker == id_) ask_again(to.ticket, to.to.client);
        continue;
      }
      Server& server = *found->second;
      if (to.to.worker != id_) {
        if (server.in_list != ServerList::Count) {
          server.pool->list(server.in_list).remove(server);
          server.in_list = ServerList::Count;
        }
        deadlines_.disarm(server.deadline);
        server.transport->detach();
        server.pool = nullptr;
        server.worker = nullptr;
        ServerPtr moved = std::move(found->second);
        servers_.erase(found);
        shared_.workers[to.to.worker]->post(AdoptServer{std::move(moved), slot, to.ticket, to.to});
        continue;
      }
      if (Lookup* lookup = waiting_lookup(to.to.client, to.ticket)) {
        assign(*lookup, server);
        continue;
      }
      auto client = clients_.find(to.to.client);
      if (client == clients_.end() || client->second->dead ||
          client->second->ticket != to.ticket) {
        checkin(server);  // it left between the decision and now
      } else {
        assign(*client->second, server);
        resume_client(*client->second);
      }
    }
  }
  for (std::uint64_t number : std::exchange(dead_clients_, {})) clients_.erase(number);
  for (pool::SlotId slot : std::exchange(dead_servers_, {})) servers_.erase(slot);
  for (std::uint64_t number : std::exchange(dead_cancels_, {})) cancels_.erase(number);
  for (std::uint64_t number : std::exchange(dead_lookups_, {})) lookups_.erase(number);
  reactor_.set_timer(std::min(deadlines_.next(), next_tick_));
  if (quitting_ && quit_done_ && clients_.empty() && servers_.empty() && cancels_.empty()) {
    std::exchange(quit_done_, {})();
  }
}

void WorkerImpl::ask_again(pool::TicketId ticket, std::uint64_t number) {
  if (Lookup* lookup = waiting_lookup(number, ticket)) {
    lookup->ticket = 0;
    lookup_lost(*lookup);
    return;
  }
  auto found = clients_.find(number);
  if (found == clients_.end() || found->second->dead || found->second->ticket != ticket) return;
  Client& client = *found->second;
  client.ticket = 0;
  if (client.replication != session::Replication::None) {
    request_own(client, client.wait_since);
    return;
  }
  pool::Checkout answer = shared_.ledger.retry(client.pool->id, {id_, client.id},
                                               client.wait_since, now(), actions_,
                                               hosts_for(client));
  take_checkout(client, answer);
  if (!client.dead) resume_client(client);
}

void WorkerImpl::run_action(pool::Action& action) {
  if (auto* open = std::get_if<pool::Open>(&action)) {
    if (open->ticket == 0 || open->to.worker == id_) {
      open_server(std::move(*open));
    } else {
      shared_.workers[open->to.worker]->post(OpenServer{std::move(*open)});
    }
  } else if (auto* to = std::get_if<pool::Give>(&action)) {
    gives_.emplace_back(to->slot, *to);
  } else if (auto* send = std::get_if<pool::Send>(&action)) {
    FetchServer wanted{send->slot, send->ticket, send->to};
    if (send->home != id_) {
      shared_.workers[send->home]->post(wanted);
    } else {
      fetch(wanted);
    }
  } else if (auto* close = std::get_if<pool::Close>(&action)) {
    if (close->home != id_) {
      shared_.workers[close->home]->post(CloseServer{close->slot, close->reason});
    } else {
      auto found = servers_.find(close->slot);
      if (found != servers_.end()) {
        Server& server = *found->second;
        server.own ? server_lost(server, close->reason) : close_server(server, close->reason);
      }
    }
  } else if (auto* fail = std::get_if<pool::Fail>(&action)) {
    if (fail->to.worker != id_) {
      shared_.workers[fail->to.worker]->post(
          FailClient{fail->ticket, fail->to.client, std::move(fail->error)});
    } else {
      fail_ticket(fail->ticket, fail->to.client, fail->error);
    }
  } else if (auto* forget = std::get_if<pool::Forget>(&action)) {
    shared_.pool_statements.forget(forget->pool);
    shared_.retries.forget(forget->pool);
    for (auto* worker : shared_.workers) worker->post(ForgetPool{forget->pool});
    shared_.welcomes.forget(forget->pool);
    shared_.accepted.forget(forget->pool);
  }
}

void WorkerImpl::fail_ticket(pool::TicketId ticket, std::uint64_t number,
                             const base::Error& error) {
  if (Lookup* lookup = waiting_lookup(number, ticket)) {
    lookup->ticket = 0;
    lookup_refused(*lookup, error);
    return;
  }
  auto found = clients_.find(number);
  if (found == clients_.end() || found->second->dead || found->second->ticket != ticket) return;
  found->second->ticket = 0;
  fail_client(*found->second, error.code, error.text);
}

// --- Pools and configuration --------------------------------------------------------------------

PoolView& WorkerImpl::view(pool::PoolId id) {
  auto found = pools_.find(id);
  if (found != pools_.end()) return *found->second;
  pool::PoolInfo info = shared_.ledger.info(id);
  auto made = std::make_unique<PoolView>();
  made->id = id;
  made->entry = std::move(info.database);
  made->user = std::move(info.user);
  made->welcome = shared_.welcomes.find(id);
  made->statements = shared_.pool_statements.of(id);
  if (gate_->all_paused || gate_->paused.contains(made->entry->name)) made->paused_since = now();
  refresh(*made);
  return *pools_.emplace(id, std::move(made)).first->second;
}

void WorkerImpl::refresh(PoolView& pool) {
  pool.mode = config_->pool_mode(*pool.entry, pool.user);
  bool followed = std::exchange(pool.follows, config_->tracks_state(*pool.entry, pool.user));
  pool.max_pinned = config_->max_pinned_servers(*pool.entry, pool.user);
  if (pool.follows && !followed) {
    pool.list(ServerList::Active).each([](Server& server) { server.unread = true; });
  }
  pool.query_timeout = config_->query_timeout(pool.user);
  pool.idle_transaction_timeout = config_->idle_transaction_timeout(pool.user);
  pool.transaction_timeout = config_->transaction_timeout(pool.user);
}

void WorkerImpl::apply_config(std::shared_ptr<const config::Config> config) {
  config_ = std::move(config);
  read_proxies();
  drop_removed_peers();
  reactor_.set_dns_ttl(config_->settings.dns_max_ttl, config_->settings.dns_nxdomain_ttl);
  for (auto& [id, pool] : pools_) {
    auto entry = config_->find_database(pool->entry->name);
    pool->removed = !entry;
    if (!entry) continue;
    if (entry->needs_reconnect(*pool->entry)) {
      pool->welcome.reset();
      shared_.welcomes.forget(id);
    }
    pool->entry = std::move(entry);
    refresh(*pool);
  }
  for (auto& [number, client] : clients_) {
    if (client->dead || !client->pool) continue;
    if (client->pool->removed) {
      fail_client(*client, wire::sqlstate::kAdminShutdown, "database removed");
      continue;
    }
    client->entry = client->pool->entry;
    client->wait_timeout = config_->query_wait_timeout(*client->entry, client->user());
    client->idle_timeout = config_->client_idle_timeout(client->user());
    arm(client->deadline, client_due(*client));
  }
  for (auto& [slot, server] : servers_) {
    if (!server->dead) arm(server->deadline, server_due(*server));
  }
}

void WorkerImpl::move(Client& client, ClientList to) {
  if (!client.pool) return;
  if (client.in_list == to) return;
  if (client.in_list != ClientList::Count) client.pool->list(client.in_list).remove(client);
  client.in_list = to;
  if (to != ClientList::Count) client.pool->list(to).push_back(client);
}

void WorkerImpl::move(Server& server, ServerList to) {
  if (server.in_list == to) return;
  if (server.in_list != ServerList::Count) server.pool->list(server.in_list).remove(server);
  server.in_list = to;
  if (to != ServerList::Count) server.pool->list(to).push_back(server);
}

// --- Timers -----------------------------------------------------------------------------------------

namespace {
// It keeps its server but asks nothing of it.
bool idles_pinned(const Client& client) {
  return client.state && client.state->pins != 0 && client.server && !client.server->in_xact &&
         client.session.state() == session::ClientSession::State::Linked;
}
}  // namespace

void WorkerImpl::client_deadline(Client& client) {
  if (client.dead) return;
  const auto& settings = config_->settings;
  TimePoint at = now();
  if (client.closing) {  // it does not take its last words
    close_client(client, "");
    return;
  }
  if (client.delayed_no && client.delayed_no->at <= at) {
    auto no = std::move(client.delayed_no);
    after_login_step(client, client.session.checked(std::move(no->why)));
    return;
  }
  if (client.delayed) {
    if (client.refuse_at > at) {
      arm(client.deadline, client.refuse_at);
      return;
    }
    client.delayed = false;
    fail_client(client, "", std::string(client.session.close_reason()));
    return;
  }
  if (!client.session.logged_in()) {
    if (settings.client_login_timeout.count() > 0 &&
        client.connected + settings.client_login_timeout <= at) {
      bool down = client.session.state() == session::ClientSession::State::Welcome;
      fail_client(client, wire::sqlstate::kCannotConnectNow,
                  down ? "client_login_timeout (server down)" : "client_login_timeout");
      return;
    }
  }
  // A login may wait for a server, too.
  if (client.pool && client.pool->paused_since == TimePoint{} &&
      (client.session.state() == session::ClientSession::State::Waiting || client.ticket != 0)) {
    if (base::deadline_after(client.wait_since, client.wait_timeout) <= at) {
      fail_client(
          client, wire::sqlstate::kQueryCanceled, "query_wait_timeout",
          cat("No server of pool ", client.database(), "/", client.pool->user,
              " became free within ",
              std::chrono::duration_cast<std::chrono::milliseconds>(client.wait_timeout).count(),
              " ms."),
          "Look at SHOW POOLS; raise pool_size, or find what holds its servers.");
      return;
    }
    if (base::deadline_after(client.request_at, settings.query_timeout) <= at) {
      fail_client(client, wire::sqlstate::kQueryCanceled, "query_timeout");
      return;
    }
    if (!client.notified && client.session.logged_in() &&
        base::deadline_after(client.wait_since, settings.query_wait_notify) <= at) {
      client.notified = true;
      wire::append_notice(
          client.session.out(),
          {"NOTICE", "00000",
           "No server connection available in postgres backend, client being queued"});
      flush_client(client);
      if (client.dead) return;
    }
  } else if (client.session.state() == session::ClientSession::State::Idle ||
             idles_pinned(client)) {
    if (base::deadline_after(client.last_activity, client.idle_timeout) <= at) {
      fail_client(client, wire::sqlstate::kIdleSessionTimeout, "client_idle_timeout");
      return;
    }
  }
  arm(client.deadline, client_due(client));
}

TimePoint WorkerImpl::client_due(const Client& client) const {
  const auto& settings = config_->settings;
  using State = session::ClientSession::State;
  TimePoint login = client.session.logged_in()
                        ? kNever
                        : base::deadline_after(client.connected, settings.client_login_timeout);
  if (client.delayed_no) login = std::min(login, client.delayed_no->at);
  if (client.pool && (client.session.state() == State::Waiting || client.ticket != 0)) {
    if (client.pool->paused_since != TimePoint{}) return login;  // see on(NewGate&)
    TimePoint due = std::min(base::deadline_after(client.wait_since, client.wait_timeout),
                             base::deadline_after(client.request_at, settings.query_timeout));
    due = std::min(due, login);
    if (!client.notified && client.session.logged_in()) {
      due = std::min(due, base::deadline_after(client.wait_since, settings.query_wait_notify));
    }
    return due;
  }
  bool idle = client.session.state() == State::Idle || idles_pinned(client);
  if (idle && client.pool) {
    return base::deadline_after(client.last_activity, client.idle_timeout);
  }
  return login;
}

// --- Log --------------------------------------------------------------------------------------------

namespace {
std::string pointer(const void* address) {
  char text[24];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}
}  // namespace

void WorkerImpl::log_client(base::Level level, const Client& client, std::string_view text) {
  if (!shared_.log.enabled(level)) return;
  shared_.log.write(level, cat("C-", pointer(&client), ": ",
                               client.database().empty() ? "(nodb)" : client.database(), "/",
                               client.user().empty() ? "(nouser)" : client.user(), "@",
                               client.peer().text(), " ", text));
}

void WorkerImpl::log_server(base::Level level, const Server& server, std::string_view text) {
  if (!shared_.log.enabled(level)) return;
  std::string place = server.transport
                          ? server.transport->peer().text()
                          : cat(server.host.name, ":", server.host.port);
  shared_.log.write(level, cat("S-", pointer(&server), ": ",
                               server.pool ? server.pool->entry->name : std::string("(nodb)"), "/",
                               server.pool ? server.pool->user : std::string("(nouser)"), "@",
                               place, " ", text));
}

}  // namespace howdah::worker
