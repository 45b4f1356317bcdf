// Servers on their way in: connect, login, connect_query; see worker_impl.h.
//
//   Open -> Resolving -> Connecting -> [TLS] Login -> [connect_query] -> Ready (opened)
#include <algorithm>
#include <cstring>
#include <utility>

#include "howdah/base/text.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using session::Purpose;
using session::ServerSession;

void WorkerImpl::open_server(pool::Open open) {
  pool::SlotId slot = open.permit.slot();
  ServerPtr made(new Server);
  Server& server = *made;
  server.worker = this;
  server.id = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  if (open.ticket && !prepare_own(server, open)) {
    shared_.ledger.lost(std::move(open.permit), now(), actions_);
    return;
  }
  server.permit = std::move(open.permit);
  server.pool_id = open.pool;
  server.pool = &view(open.pool);
  // Our configuration may be a message behind the ledger's: this server has to be of the latter.
  pool::PoolInfo info = shared_.ledger.info(open.pool);
  server.entry = info.database;
  const auto& hosts = server.entry->hosts;
  if (info.hosts && open.host < info.hosts->size()) {
    const pool::HostPlace& place = (*info.hosts)[open.host];
    server.host = place.host;
    server.address = place.address;
    server.signs = place.signs;
    server.place = open.host;
    server.routed = true;
  } else {
    server.host = hosts[open.host % hosts.size()];
  }
  server.created = server.step_start = now();
  server.deadline.owner = &server;
  server.deadline.kind = 1;
  servers_.emplace(slot, std::move(made));
  move(server, ServerList::Login);
  bool local = server.host.name.starts_with('/') || server.host.name.starts_with('@');
  if (!local) server.tls = shared_.tls.get()->to_server(server.entry->tls);
  const config::Database& entry = *server.entry;
  if (!entry.password_file.empty() && entry.user && *entry.user == server.pool->user) {
    PasswordFiles::Current now_there = shared_.passwords.read(entry.password_file);
    if (!now_there.problem.empty()) {
      log_server(Level::Warning, server,
                 cat("password_file ", entry.password_file, ": ", now_there.problem,
                     now_there.secret.empty() ? "" : "; its last good password is used"));
    }
    server.file_password = std::move(now_there.secret);
    server.password_version = now_there.version;
  }
  server.session = std::make_unique<ServerSession>(server_login(server), shared_.names);
  server.file_password.clear();
  if (open.reserve) log_server(Level::Warning, server, "taking connection from reserve_pool");
  arm(server.deadline, server_due(server));
  const std::string& where = server.address.empty() ? server.host.name : server.address;
  reactor_.resolve(where, server.host.port, [this, slot](net::Resolved resolved) {
    Turn turn(*this);
    auto found = servers_.find(slot);
    if (found == servers_.end() || found->second->dead) return;
    Server& waiting = *found->second;
    if (resolved.addresses.empty()) {
      connect_error(waiting, cat("server DNS lookup failed: ", resolved.error));
      return;
    }
    waiting.addresses = std::move(resolved.addresses);
    std::reverse(waiting.addresses.begin(), waiting.addresses.end());
    connect_server(waiting);
  });
}

void WorkerImpl::connect_server(Server& server) {
  const auto& settings = config_->settings;
  net::TcpOptions options{settings.tcp_keepalive,     settings.tcp_keepcnt,
                          settings.tcp_keepidle,      settings.tcp_keepintvl,
                          settings.tcp_socket_buffer, settings.tcp_user_timeout};
  net::Address address = std::move(server.addresses.back());
  server.addresses.pop_back();
  server.stage = Server::Stage::Connecting;
  server.transport = reactor_.connect(address, options, server);
}

session::ServerSession::Login WorkerImpl::server_login(const Server& server) const {
  const PoolView& pool = *server.pool;
  const config::Database& entry = *server.entry;
  ServerSession::Login login;
  login.startup = {{"user", pool.user}, {"database", entry.dbname}};
  for (const auto& parameter : entry.startup_parameters) login.startup.push_back(parameter);
  for (const auto& parameter : server.own_startup) login.startup.push_back(parameter);
  if (server.tls) {
    using Tls = ServerSession::Tls;
    bool direct = entry.tls.negotiation == config::TlsNegotiation::Direct;
    login.tls = direct ? Tls::Direct : entry.tls.required() ? Tls::Demand : Tls::Ask;
  }
  login.credentials.user = pool.user;
  bool forced = entry.user && *entry.user == pool.user;  // else it is the auth_user's pool, or a login's
  if (forced && !server.file_password.empty()) {
    login.credentials.secret = auth::classify(server.file_password.view());
    return login;
  }
  if (forced && entry.password) {
    login.credentials.secret = auth::classify(entry.password->view());
    return login;
  }
  auto secret = config_->userlist.find(pool.user);
  if (secret != config_->userlist.end()) {
    login.credentials.secret = auth::classify(secret->second.view());
  }
  if (login.credentials.secret.kind == auth::StoredSecret::Kind::Plain || forced) return login;
  CredentialStore::Entry learned = shared_.credentials.find(entry.name, pool.user);
  if (!learned.password.empty()) {
    login.credentials.secret = {};
    login.credentials.secret.kind = auth::StoredSecret::Kind::Plain;
    login.credentials.secret.text = learned.password;
  } else {
    if (secret == config_->userlist.end() && !learned.stored.empty()) {
      login.credentials.secret = auth::classify(learned.stored.view());
    }
    login.credentials.keys = learned.keys;
  }
  return login;
}

// The login was refused; perhaps the password was changed between the look at its file and now.
bool WorkerImpl::password_rotated(Server& server) {
  if (server.password_version == 0) return false;
  auto again = shared_.passwords.read(server.entry->password_file, true);
  return again.problem.empty() && again.version != server.password_version;
}

void WorkerImpl::start_login(Server& server) {
  server.stage = Server::Stage::Login;
  if (server.session->start() == ServerSession::Want::Tls) {
    start_server_tls(server);
  } else {
    flush_server(server);
  }
}

// The monitor may be a moment behind, or not able to log in. PostgreSQL before 14 does not say.
bool WorkerImpl::fits_role(Server& server) const {
  using config::TargetAttrs;
  bool known = false, standby = false;
  for (const auto& [name, value] : server.session->reported()) {
    if (name != "in_hot_standby") continue;
    known = true;
    standby = value == "on";
  }
  server.standby = known && standby;
  if (!known) return true;
  if (shared_.host_role) shared_.host_role(server.host, server.address, standby);
  if (server.entry->by_query()) {  // what it was opened for, as far as that still holds
    auto hosts = shared_.ledger.info(server.pool_id).hosts;
    return !hosts || server.place >= hosts->size() || (*hosts)[server.place].primary != standby;
  }
  switch (server.entry->target_session_attrs) {
    case TargetAttrs::Primary:
    case TargetAttrs::ReadWrite:
      return !standby;
    case TargetAttrs::Standby:
      return standby;
    case TargetAttrs::Any:
    case TargetAttrs::ReadOnly:
    case TargetAttrs::PreferStandby:
      break;
  }
  return true;
}

void WorkerImpl::server_logged_in(Server& server) {
  if (config_->settings.log_connections) {
    net::Address local = server.transport->local();
    log_server(Level::Log, server,
               local.family == net::Address::Family::Unix
                   ? std::string("new connection to server")
                   : cat("new connection to server (from ", local.text(), ")"));
  }
  server.stage = Server::Stage::Setup;
  if (server.routed && !fits_role(server)) {
    server.misfit = true;
    server_lost(server, "the server is not in the role that target_session_attrs asks for");
    return;
  }
  const config::Database& entry = *server.entry;
  bool limited = entry.max_replica_lag > 0 || entry.max_replica_lag_time.count() > 0;
  if (server.signs && !server.own && (limited || entry.query_routing == config::QueryRouting::Split)) {
    server.session->run_for_rows(Purpose::Identity, route::kIdentityQuestion);
    server.step_start = now();
    arm(server.deadline, server_due(server));
    flush_server(server);
  } else {
    set_up(server);
  }
}

// Which server the address led to this time.
void WorkerImpl::identified(Server& server) {
  auto rows = server.session->take_rows();
  if (!server.session->stream().saw_error() && rows && rows->rows().size() == 1 &&
      rows->rows()[0].size() == 1 && rows->rows()[0][0])
    server.identity = route::identity_of(*rows->rows()[0][0]);
  if (!measured(server) && server.identity != 0 && shared_.host_identity)
    shared_.host_identity(server.host, server.address, server.identity);
  if (!lag_is_known(server)) {
    server.misfit = true;
    server_lost(server, "the address led to another server than the one whose lag is known");
    return;
  }
  set_up(server);
}

bool WorkerImpl::measured(const Server& server) const {
  return server.signs && server.signs->read().measured(server.identity);
}

// Of what it was asked for: an entry with a lag limit reads only where somebody measures.
bool WorkerImpl::lag_is_known(const Server& server) const {
  const config::Database& entry = *server.entry;
  if (entry.by_query() || (entry.max_replica_lag <= 0 && entry.max_replica_lag_time.count() <= 0))
    return true;
  for (const auto& [name, value] : server.session->reported())
    if (name == "in_hot_standby" && value != "on") return true;
  return measured(server);
}

void WorkerImpl::set_up(Server& server) {
  if (!server.entry->connect_query.empty() && !server.own) {
    run_query(server, Purpose::Connect, server.entry->connect_query);
  } else {
    server_usable(server);
  }
}

void WorkerImpl::server_usable(Server& server) {
  auto reported = server.session->take_reported();
  for (auto& [name, value] : reported) {  // what connect_query changed counts as the default
    auto index = shared_.names->find(name);
    if (const std::string* now_set = index ? server.session->parameters().get(*index) : nullptr) {
      value = *now_set;
    }
  }
  server.stage = Server::Stage::Ready;
  // Whoever chooses for its clients is writable to them.
  if (server.entry->by_query())
    for (auto& [name, value] : reported)
      if (name == "in_hot_standby") value = "off";
  server.welcome = std::make_shared<const Welcome>(std::move(reported));
  if (!server.own) {
    server.welcome = server.pool->welcome = shared_.welcomes.keep(server.pool->id, server.welcome);
  }
  move(server, ServerList::Active);
  took(server, shared_.ledger.opened(server.permit, id_, now(), actions_));
}

void WorkerImpl::connect_error(Server& server, std::string_view reason) {
  if (!server.addresses.empty() && server.stage == Server::Stage::Connecting) {
    log_server(Level::Warning, server, cat(reason, "; trying its next address"));
    server.step_start = now();  // each address has the whole time
    connect_server(server);
    arm(server.deadline, server_due(server));
    return;
  }
  server_lost(server, reason);
}

}  // namespace howdah::worker
