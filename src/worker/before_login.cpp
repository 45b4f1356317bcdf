// What comes before a client has proved itself; see worker_impl.h.
//
//   [PROXY header] -> start-up packet -> gate (max_login_conn) -> look_up -> exchange ->
//   begin_welcome
//                                                                              wrong ->
//                                                                              delay_refusal
#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/wire/error.h"
#include "howdah/wire/proxy.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
namespace sqlstate = wire::sqlstate;

// --- PROXY protocol
// -----------------------------------------------------------------------------------

void WorkerImpl::read_proxies() {
  proxies_.clear();
  for (const std::string& text : config_->settings.proxy_protocol_from) {
    if (auto range = base::IpRange::parse(text)) proxies_.push_back(*range);
  }
}

bool WorkerImpl::from_proxy(const net::Address& peer) const {
  if (proxies_.empty() || peer.family == net::Address::Family::Unix) return false;
  auto ip = base::Ip::parse(peer.host);
  if (!ip) return false;
  for (const base::IpRange& range : proxies_) {
    if (range.contains(*ip)) return true;
  }
  return false;
}

std::size_t WorkerImpl::take_proxy_header(Client& client, std::string_view bytes) {
  auto read = wire::read_proxy_header(bytes);
  if (std::holds_alternative<wire::NeedMore>(read.header)) return 0;
  if (auto* bad = std::get_if<wire::ProxyMalformed>(&read.header)) {
    log_client(Level::Warning, client, cat("no valid PROXY header: ", bad->why));
    close_client(client, "");
    return bytes.size();
  }
  client.proxy_header = false;
  auto& source = std::get<wire::ProxySource>(read.header);
  if (source.known) {
    client.behind_proxy = std::make_unique<net::Address>(
        net::Address{source.v6 ? net::Address::Family::Inet6 : net::Address::Family::Inet,
                     std::move(source.host), source.port});
  }
  return read.consumed;
}

// --- max_login_conn, max_user_client_connections
// -----------------------------------------------------------------------------------

void WorkerImpl::enter_gate(Client& client) {
  auto limit = static_cast<std::size_t>(std::max(config_->settings.max_login_conn, 0));
  client.at_gate = true;
  if (shared_.logins.enter({id_, client.id}, limit)) look_up(client);
}

void WorkerImpl::leave_gate(Client& client) {
  if (!std::exchange(client.at_gate, false)) return;
  auto limit = static_cast<std::size_t>(std::max(config_->settings.max_login_conn, 0));
  for (pool::Waiter next : shared_.logins.leave({id_, client.id}, limit)) {
    shared_.workers[next.worker]->post(LoginTurn{next.client});
  }
}

void WorkerImpl::on(LoginTurn& message) {
  auto found = clients_.find(message.client);
  // One that left meanwhile has given back its place itself.
  if (found == clients_.end() || found->second->dead || !found->second->at_gate) return;
  look_up(*found->second);
  if (!found->second->dead) resume_client(*found->second);
}

bool WorkerImpl::take_user_place(Client& client, bool exempt) {
  auto limit = config_->max_user_client_connections(client.user());
  client.user_place = {};
  client.user_place = shared_.clients.user(client.user(), static_cast<std::size_t>(limit), exempt);
  if (client.user_place) return true;
  fail_client(client, sqlstate::kTooManyConnections,
              "client connections exceeded (max_user_client_connections)");
  return false;
}

// --- auth_failure_delay
// ---------------------------------------------------------------------------------

// True: the refusal goes out later, by the deadline. The client holds nothing but its connection.
bool WorkerImpl::delay_refusal(Client& client) {
  auto ip = base::Ip::parse(client.peer().host);
  if (!ip || client.peer().family == net::Address::Family::Unix) return false;
  Duration delay = shared_.failures.failed(*ip, now(), config_->settings.auth_failure_delay);
  if (delay.count() <= 0) return false;
  leave_gate(client);
  client.delayed = true;
  client.refuse_at = now() + delay;
  pause(client, kRefusalDelayed);
  deadlines_.disarm(client.deadline);
  arm(client.deadline, client.refuse_at);
  return true;
}

}  // namespace howdah::worker
