// Look-ups and effective values of a Config, and the names of its enums.
#include "howdah/config/config.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace howdah::config {
namespace {

constexpr std::size_t kMaxDatabaseName = 63;

// user > global, for times of which 0 in [users] means "inherit" (then they are unset).
Duration user_time(const Config& config, std::string_view user,
                   std::optional<Duration> User::*field, Duration global) {
  const User* entry = config.find_user(user);
  return entry && entry->*field ? *(entry->*field) : global;
}

int user_number(const Config& config, std::string_view user, std::optional<int> User::*field,
                int global) {
  const User* entry = config.find_user(user);
  return entry && entry->*field ? *(entry->*field) : global;
}

}  // namespace

std::string_view name(PoolMode mode) {
  switch (mode) {
    case PoolMode::Session:
      return "session";
    case PoolMode::Transaction:
      return "transaction";
    case PoolMode::Statement:
      return "statement";
  }
  return "";
}

std::string_view name(AuthType type) {
  switch (type) {
    case AuthType::Any:
      return "any";
    case AuthType::Trust:
      return "trust";
    case AuthType::Plain:
      return "plain";
    case AuthType::Md5:
      return "md5";
    case AuthType::ScramSha256:
      return "scram-sha-256";
    case AuthType::Cert:
      return "cert";
    case AuthType::Hba:
      return "hba";
    case AuthType::Ldap:
      return "ldap";
    case AuthType::Pam:
      return "pam";
  }
  return "";
}

std::string_view name(LoadBalance mode) {
  switch (mode) {
    case LoadBalance::RoundRobin:
      return "round-robin";
    case LoadBalance::Disable:
      return "disable";
    case LoadBalance::Random:
      return "random";
    case LoadBalance::LeastConnections:
      return "least-connections";
  }
  return "";
}

std::string_view name(TargetAttrs attrs) {
  switch (attrs) {
    case TargetAttrs::Any:
      return "any";
    case TargetAttrs::ReadWrite:
      return "read-write";
    case TargetAttrs::ReadOnly:
      return "read-only";
    case TargetAttrs::Primary:
      return "primary";
    case TargetAttrs::Standby:
      return "standby";
    case TargetAttrs::PreferStandby:
      return "prefer-standby";
  }
  return "";
}

std::string_view name(QueryRouting routing) {
  switch (routing) {
    case QueryRouting::Off:
      return "off";
    case QueryRouting::Split:
      return "split";
    case QueryRouting::Shadow:
      return "shadow";
  }
  return "";
}

std::string_view name(ReadYourWrites promise) {
  switch (promise) {
    case ReadYourWrites::Causal:
      return "causal";
    case ReadYourWrites::Session:
      return "session";
    case ReadYourWrites::Off:
      return "off";
  }
  return "";
}

std::string_view name(TlsMode mode) {
  switch (mode) {
    case TlsMode::Disable:
      return "disable";
    case TlsMode::Allow:
      return "allow";
    case TlsMode::Prefer:
      return "prefer";
    case TlsMode::Require:
      return "require";
    case TlsMode::VerifyCa:
      return "verify-ca";
    case TlsMode::VerifyFull:
      return "verify-full";
  }
  return "";
}

bool Database::needs_reconnect(const Database& other) const {
  auto key = [](const Database& db) {
    return std::tie(db.dbname, db.hosts, db.user, db.connect_query, db.auth_dbname, db.auth_query,
                    db.load_balance_hosts, db.target_session_attrs, db.query_routing, db.tls);
  };
  return key(*this) != key(other);
}

std::shared_ptr<const Database> Config::find_database(std::string_view wanted) const {
  if (auto found = databases.find(wanted); found != databases.end()) return found->second;
  bool reserved = wanted == "pgbouncer" || wanted == "howdah";
  if (!wildcard || wanted.empty() || wanted.size() > kMaxDatabaseName || reserved) return nullptr;
  auto made = std::make_shared<Database>(*wildcard);
  made->name = wanted;
  made->automatic = true;
  if (made->dbname.empty()) made->dbname = wanted;
  return made;
}

const User* Config::find_user(std::string_view wanted) const {
  auto found = users.find(wanted);
  return found == users.end() ? nullptr : &found->second;
}

const SettingRow* Config::find_row(std::string_view key) const {
  for (const auto& row : rows) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

PoolMode Config::pool_mode(const Database& db, std::string_view pool_user) const {
  const User* user = find_user(pool_user);
  if (user && user->pool_mode) return *user->pool_mode;
  return db.pool_mode.value_or(settings.pool_mode);
}

bool Config::tracks_state(const Database& db, std::string_view pool_user) const {
  return db.tracks_state.value_or(settings.session_state == "track") &&
         pool_mode(db, pool_user) != PoolMode::Session;
}

int Config::max_pinned_servers(const Database& db, std::string_view pool_user) const {
  if (settings.max_pinned_servers >= 0) return settings.max_pinned_servers;
  int size = pool_size(db, pool_user);
  if (size == 0) return std::numeric_limits<int>::max();
  return std::max(1, size - 1);
}

int Config::pool_size(const Database& db, std::string_view pool_user) const {
  return user_number(*this, pool_user, &User::pool_size,
                     db.pool_size.value_or(settings.default_pool_size));
}

int Config::min_pool_size(const Database& db) const {
  return db.min_pool_size.value_or(settings.min_pool_size);
}

int Config::reserve_pool_size(const Database& db, std::string_view pool_user) const {
  return user_number(*this, pool_user, &User::reserve_pool_size,
                     db.reserve_pool_size.value_or(settings.reserve_pool_size));
}

int Config::max_db_connections(const Database& db) const {
  return db.max_db_connections.value_or(settings.max_db_connections);
}

int Config::max_db_client_connections(const Database& db) const {
  return db.max_db_client_connections.value_or(settings.max_db_client_connections);
}

int Config::max_user_connections(std::string_view pool_user) const {
  return user_number(*this, pool_user, &User::max_user_connections, settings.max_user_connections);
}

int Config::max_user_client_connections(std::string_view login_user) const {
  return user_number(*this, login_user, &User::max_user_client_connections,
                     settings.max_user_client_connections);
}

Duration Config::server_lifetime(const Database& db) const {
  return db.server_lifetime.value_or(settings.server_lifetime);
}

Duration Config::query_wait_timeout(const Database& db, std::string_view login_user) const {
  return user_time(*this, login_user, &User::query_wait_timeout,
                   db.query_wait_timeout.value_or(settings.query_wait_timeout));
}

Duration Config::query_timeout(std::string_view pool_user) const {
  return user_time(*this, pool_user, &User::query_timeout, settings.query_timeout);
}

Duration Config::idle_transaction_timeout(std::string_view pool_user) const {
  return user_time(*this, pool_user, &User::idle_transaction_timeout,
                   settings.idle_transaction_timeout);
}

Duration Config::transaction_timeout(std::string_view pool_user) const {
  return user_time(*this, pool_user, &User::transaction_timeout, settings.transaction_timeout);
}

Duration Config::client_idle_timeout(std::string_view login_user) const {
  return user_time(*this, login_user, &User::client_idle_timeout, settings.client_idle_timeout);
}

}  // namespace howdah::config
