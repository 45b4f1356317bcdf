// SHOW VERSION, STATE, CONFIG, DATABASES, USERS, PEERS, LISTS: what is configured, and how much of
// it is in use.
#include <algorithm>
#include <cstdio>

#include "admin/pool_view.h"
#include "admin/shows.h"

namespace howdah::admin {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr wire::Column kVersion[] = {{"version", kText}};

void version_rows(const State& state, base::Buffer& to) { Row(to, 1).text(state.version); }

constexpr wire::Column kState[] = {{"key", kText}, {"value", kText}};

void state_rows(const State& state, base::Buffer& to) {
  auto row = [&](const char* key, bool value) { Row(to, 2).text(key).text(value ? "yes" : "no"); };
  row("active", !state.paused && !state.suspended);
  row("paused", state.paused);
  row("suspended", state.suspended);
}

constexpr wire::Column kConfig[] = {
    {"key", kText}, {"value", kText}, {"default", kText}, {"changeable", kText}};

void config_rows(const State& state, base::Buffer& to) {
  for (const config::SettingRow& setting : state.config->rows) {
    Row(to, 4)
        .text(setting.key)
        .text(setting.written ? setting.written : setting.value)
        .text(setting.fallback)
        .text(setting.changeable ? "yes" : "no");
  }
}

constexpr wire::Column kDatabases[] = {{"name", kText},
                                       {"host", kText},
                                       {"port", kInt},
                                       {"database", kText},
                                       {"force_user", kText},
                                       {"pool_size", kInt},
                                       {"min_pool_size", kInt},
                                       {"reserve_pool_size", kInt},
                                       {"server_lifetime", kInt},
                                       {"pool_mode", kText},
                                       {"load_balance_hosts", kText},
                                       {"max_connections", kInt},
                                       {"current_connections", kInt},
                                       {"max_client_connections", kInt},
                                       {"current_client_connections", kInt},
                                       {"paused", kInt},
                                       {"disabled", kInt}};

std::int64_t seconds(base::Duration time) { return time.count() / 1000000; }

std::optional<std::string> host_list(const config::Database& database) {
  if (database.unix_default) return std::nullopt;
  std::string list;
  for (const config::Host& host : database.hosts) {
    if (!list.empty()) list += ',';
    list += host.name;
  }
  return list;
}

void console_database_row(const State& state, base::Buffer& to) {
  std::string name(kConsole);
  std::size_t clients = state.clients ? state.clients->connections_of_database(name) : 0;
  Row(to, std::size(kDatabases))
      .text(name)
      .null()
      .number(state.config->settings.listen_port)
      .text(name)
      .text(name)
      .number(2)
      .number(0)
      .number(0)
      .number(seconds(state.config->settings.server_lifetime))
      .text("statement")
      .null()
      .number(0)
      .number(0)
      .number(0)
      .number(clients)
      .number(0)
      .number(0);
}

void database_row(const State& state, const config::Database& database, base::Buffer& to) {
  const config::Config& config = *state.config;
  std::optional<std::string> mode, balance;
  if (database.pool_mode) mode = config::name(*database.pool_mode);
  if (database.hosts.size() > 1) balance = config::name(database.load_balance_hosts);
  std::size_t servers = state.ledger ? state.ledger->servers_of_database(database.name) : 0;
  std::size_t clients = state.clients ? state.clients->connections_of_database(database.name) : 0;
  Row(to, std::size(kDatabases))
      .text(database.name)
      .text(host_list(database))
      .number(database.hosts.empty() ? 5432 : int{database.hosts.front().port})
      .text(database.dbname)
      .text(database.user)
      .number(database.pool_size.value_or(config.settings.default_pool_size))
      .number(config.min_pool_size(database))
      .number(database.reserve_pool_size.value_or(config.settings.reserve_pool_size))
      .number(seconds(config.server_lifetime(database)))
      .text(mode)
      .text(balance)
      .number(config.max_db_connections(database))
      .number(servers)
      .number(config.max_db_client_connections(database))
      .number(clients)
      .number(int{contains(state.paused_databases, database.name)})
      .number(int{contains(state.disabled_databases, database.name)});
}

void database_rows(const State& state, base::Buffer& to) {
  for (const std::string& name : database_names(state)) {
    if (name == kConsole) {
      console_database_row(state, to);
    } else if (auto database = state.config->find_database(name)) {
      database_row(state, *database, to);
    }
  }
}

constexpr wire::Column kUsers[] = {{"name", kText},
                                   {"pool_size", kText},
                                   {"reserve_pool_size", kText},
                                   {"pool_mode", kText},
                                   {"max_user_connections", kInt},
                                   {"current_connections", kInt},
                                   {"max_user_client_connections", kInt},
                                   {"current_client_connections", kInt}};

// A text column there, too: a number padded with blanks, or nothing.
std::string padded(const std::optional<int>& number) {
  if (!number) return "";
  char text[16];
  std::snprintf(text, sizeof text, "%9d", *number);
  return text;
}

void user_rows(const State& state, base::Buffer& to) {
  const config::User plain;
  for (const std::string& name : user_names(state)) {
    const config::User* found = state.config->find_user(name);
    const config::User& user = found ? *found : plain;
    std::optional<std::string> mode;
    if (user.pool_mode) mode = config::name(*user.pool_mode);
    std::size_t servers = state.ledger ? state.ledger->servers_of_user(name) : 0;
    std::size_t clients = state.clients ? state.clients->connections_of_user(name) : 0;
    Row(to, std::size(kUsers))
        .text(name)
        .text(padded(user.pool_size))
        .text(padded(user.reserve_pool_size))
        .text(mode)
        .number(state.config->max_user_connections(name))
        .number(servers)
        .number(state.config->max_user_client_connections(name))
        .number(clients);
  }
}

constexpr wire::Column kPeers[] = {
    {"peer_id", kInt}, {"host", kText}, {"port", kInt}, {"pool_size", kInt}};

void peer_rows(const State& state, base::Buffer& to) {
  for (const auto& [id, peer] : state.config->peers) {
    Row(to, 4)
        .number(id)
        .text(peer.host)
        .number(int{peer.port})
        .number(peer.pool_size.value_or(state.config->settings.default_pool_size));
  }
}

constexpr wire::Column kPeerPools[] = {{"peer_id", kInt},
                                       {"cl_active_cancel_req", kInt},
                                       {"cl_waiting_cancel_req", kInt},
                                       {"sv_active_cancel", kInt},
                                       {"sv_login", kInt}};

// Peers that requests may be passed on to: not ourselves.
std::vector<int> other_peers(const State& state) {
  std::vector<int> ids;
  for (const auto& [id, peer] : state.config->peers) {
    if (id != state.config->settings.peer_id) ids.push_back(id);
  }
  return ids;
}

void peer_pool_rows(const State& state, base::Buffer& to) {
  for (int id : other_peers(state)) {
    PeerPool sum;
    for (const WorkerReport& worker : state.workers) {
      auto found = worker.peers.find(id);
      if (found == worker.peers.end()) continue;
      sum.cl_active_cancel_req += found->second.cl_active_cancel_req;
      sum.cl_waiting_cancel_req += found->second.cl_waiting_cancel_req;
      sum.sv_active_cancel += found->second.sv_active_cancel;
      sum.sv_login += found->second.sv_login;
    }
    Row(to, std::size(kPeerPools))
        .number(id)
        .number(sum.cl_active_cancel_req)
        .number(sum.cl_waiting_cancel_req)
        .number(sum.sv_active_cancel)
        .number(sum.sv_login);
  }
}

constexpr wire::Column kLists[] = {{"list", kText}, {"items", kInt}};

void list_rows(const State& state, base::Buffer& to) {
  std::uint64_t login_clients = 0, dns_names = 0, dns_queries = 0, clients = 0, servers = 0;
  for (const WorkerReport& worker : state.workers) {
    login_clients += worker.login_clients;
    dns_names += worker.dns_names;
    dns_queries += worker.dns_pending;
  }
  auto pools = merge_pools(state);
  for (const auto& [key, pool] : pools) {
    clients +=
        pool.cl_active + pool.cl_waiting + pool.cl_active_cancel_req + pool.cl_waiting_cancel_req;
  }
  if (state.ledger) servers = state.ledger->servers();
  auto row = [&](const char* list, std::uint64_t items) { Row(to, 2).text(list).number(items); };
  row("databases", database_names(state).size());
  row("users", user_names(state).size());
  row("peers", state.config->peers.size());
  row("pools", pools.size());
  row("peer_pools", other_peers(state).size());
  row("free_clients", 0);  // closed connections keep no memory here
  row("used_clients", clients + login_clients);
  row("login_clients", login_clients);
  row("free_servers", 0);
  row("used_servers", servers);
  row("dns_names", dns_names);
  row("dns_zones", 0);
  row("dns_queries", dns_queries);
  row("dns_pending", 0);
}

constexpr Show kShows[] = {
    {"VERSION", Rights::Stats, ShowKind::Rows, kVersion, version_rows},
    {"STATE", Rights::Stats, ShowKind::Rows, kState, state_rows},
    {"CONFIG", Rights::Stats, ShowKind::Rows, kConfig, config_rows},
    {"DATABASES", Rights::Stats, ShowKind::Rows, kDatabases, database_rows},
    {"USERS", Rights::Stats, ShowKind::SocketRows, kUsers, user_rows},
    {"PEERS", Rights::Stats, ShowKind::Rows, kPeers, peer_rows},
    {"PEER_POOLS", Rights::Stats, ShowKind::Rows, kPeerPools, peer_pool_rows},
    {"LISTS", Rights::Stats, ShowKind::Rows, kLists, list_rows},
};

}  // namespace

std::span<const Show> config_shows() { return kShows; }

}  // namespace howdah::admin
