// One immutable configuration: everything the ini file, its includes and the userlist say.
// Built whole by load() (see loader.h), then shared as shared_ptr<const Config>; a reload builds
// another one. Names and defaults: compat section 1.2 to 1.5. Thread: immutable, any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/secret.h"
#include "howdah/base/time.h"

namespace howdah::config {

using base::Duration;

enum class PoolMode { Session, Transaction, Statement };
enum class AuthType { Any, Trust, Plain, Md5, ScramSha256, Cert, Hba, Ldap, Pam };
enum class LoadBalance { RoundRobin, Disable, Random, LeastConnections };
// libpq's words: which hosts of the list an entry may use.
enum class TargetAttrs { Any, ReadWrite, ReadOnly, Primary, Standby, PreferStandby };
// Does the pooler choose, statement by statement? Shadow: it counts what it would, and sends all to
// the primary.
enum class QueryRouting { Off, Split, Shadow };
enum class ReadYourWrites { Causal, Session, Off };
enum class TlsMode { Disable, Allow, Prefer, Require, VerifyCa, VerifyFull };
enum class TlsNegotiation { Postgres, Direct };

std::string_view name(PoolMode mode);   // "session", ...
std::string_view name(AuthType type);   // "scram-sha-256", ...
std::string_view name(LoadBalance mode);
std::string_view name(TargetAttrs attrs);
std::string_view name(QueryRouting routing);
std::string_view name(ReadYourWrites promise);
std::string_view name(TlsMode mode);    // "verify-full", ...

// The client_tls_* or server_tls_* keys; texts as they stand in the file.
struct Tls {
  TlsMode mode = TlsMode::Disable;
  TlsNegotiation negotiation = TlsNegotiation::Postgres;  // to servers
  std::string ca_file, cert_file, key_file, ciphers, tls13_ciphers, protocols;
  std::string dheparams, ecdhcurve;  // with clients
  bool on() const { return mode != TlsMode::Disable; }
  bool required() const { return mode >= TlsMode::Require; }
  auto operator<=>(const Tls&) const = default;
};

struct Host {
  std::string name;  // host name, address, "/dir" or "@abstract"; never empty once loaded
  std::uint16_t port = 5432;
  bool operator==(const Host&) const = default;
};

// A line of [databases]. Unset optionals mean "inherit"; ask Config for the effective value.
struct Database {
  std::string name;      // the entry's name, as clients ask for it
  std::string dbname;    // on the server; empty in `*` when it is the name asked for
  std::vector<Host> hosts;  // at least one; unix_socket_dir when the line has none
  bool unix_default = false;  // the line has no host=
  std::optional<std::string> user;  // forced user
  std::optional<base::Secret> password;
  std::string password_file;  // instead of password; read by whoever opens servers
  std::string auth_user, auth_query, auth_dbname;
  std::optional<int> pool_size, min_pool_size, reserve_pool_size;
  std::optional<int> max_db_connections, max_db_client_connections;
  std::optional<PoolMode> pool_mode;
  std::optional<bool> tracks_state;  // session_state = track
  std::optional<Duration> server_lifetime, query_wait_timeout;
  LoadBalance load_balance_hosts = LoadBalance::RoundRobin;
  TargetAttrs target_session_attrs = TargetAttrs::Any;
  QueryRouting query_routing = QueryRouting::Off;
  ReadYourWrites read_your_writes = ReadYourWrites::Causal;  // of Split
  std::int64_t max_replica_lag = 0;  // bytes of WAL; 0 = no limit
  Duration max_replica_lag_time{};   // 0 = no limit
  // Its hosts are watched, and chosen by what they are; else as PgBouncer does.
  bool routed() const { return target_session_attrs != TargetAttrs::Any || by_query(); }
  bool by_query() const { return query_routing != QueryRouting::Off; }
  std::string connect_query;
  // client_encoding, datestyle, timezone, application_name for the server's StartupMessage.
  std::vector<std::pair<std::string, std::string>> startup_parameters;
  // server_tls_* of the line, in order (key, value), and what they make of the global ones.
  std::vector<std::pair<std::string, std::string>> tls_keys;
  Tls tls;
  bool automatic = false;  // made from the `*` line
  std::string source;      // "howdah.ini:12", for messages
  // True when servers of `other` cannot be used for this entry any more (compat 1.3, RELOAD).
  bool needs_reconnect(const Database& other) const;
};

// A line of [users].
struct User {
  std::string name;
  std::optional<PoolMode> pool_mode;
  std::optional<int> pool_size, reserve_pool_size;
  std::optional<int> max_user_connections, max_user_client_connections;
  std::optional<Duration> query_timeout, query_wait_timeout, idle_transaction_timeout,
      transaction_timeout, client_idle_timeout;
};

struct Peer {
  int id = 0;
  std::string host;
  std::uint16_t port = 6432;
  std::optional<int> pool_size;
};

// [pgbouncer] / [howdah]. Sizes in bytes, times in µs, 0 = off as the manual says.
struct Settings {
  std::vector<std::string> admin_users, stats_users;
  bool application_name_add_host = false;
  std::string auth_dbname, auth_file, auth_hba_file, auth_ident_file, auth_ldap_options;
  std::string auth_query, auth_user;
  Duration auth_query_cache_ttl{}, auth_failure_delay{};  // ours
  int max_login_conn = 0;                                 // ours; 0 = no limit
  std::vector<std::string> proxy_protocol_from;           // ours; addresses and ranges of them
  std::string auth_pam_service, auth_pam_directory;       // ours
  AuthType auth_type = AuthType::Md5;
  Duration autodb_idle_timeout{}, cancel_wait_timeout{}, client_idle_timeout{},
      client_login_timeout{};
  int default_pool_size = 20;
  bool disable_pqexec = false;
  Duration dns_max_ttl{}, dns_nxdomain_ttl{}, idle_transaction_timeout{};
  std::vector<std::string> ignore_startup_parameters;
  std::string job_name;
  std::vector<std::string> listen_addr;
  int listen_backlog = 128;
  int listen_port = 6432;
  bool log_connections = true, log_disconnections = true, log_pooler_errors = true,
       log_stats = true;
  std::string logfile, login_notify_message, pidfile, resolv_conf, user;
  int max_client_conn = 100, max_db_client_connections = 0, max_db_connections = 0,
      max_user_client_connections = 0, max_user_connections = 0;
  std::uint32_t max_packet_size = 2147483647;
  int max_prepared_statements = 200;
  bool prepare_unnamed = false;
  int min_pool_size = 0;
  Duration pool_idle_timeout{};
  PoolMode pool_mode = PoolMode::Session;
  Duration query_timeout{}, query_wait_notify{}, query_wait_timeout{};
  int reserve_pool_size = 0;
  Duration reserve_pool_timeout{};
  int scram_iterations = 4096;
  Duration server_check_delay{};
  std::string server_check_query;   // "<empty>" = empty query; "" = no check
  Duration server_connect_timeout{};
  bool server_fast_close = false;
  Duration server_idle_timeout{}, server_lifetime{}, server_login_retry{};
  std::string server_reset_query;
  bool server_reset_query_always = false, server_round_robin = false, so_reuseport = false;
  Duration stats_period{}, suspend_timeout{};
  bool syslog = false;
  std::string syslog_facility, syslog_ident;
  int tcp_defer_accept = 1;
  bool tcp_keepalive = true;
  int tcp_keepcnt = 0, tcp_keepidle = 0, tcp_keepintvl = 0, tcp_socket_buffer = 0,
      tcp_user_timeout = 0;
  std::vector<std::string> track_extra_parameters;
  Duration transaction_timeout{};
  std::string unix_socket_dir, unix_socket_group;
  std::uint32_t unix_socket_mode = 0777;
  Tls client_tls, server_tls;
  int verbose = 0;
  int peer_id = 0;
  // Ours.
  bool cancel_on_disconnect = true;
  Duration health_check_interval{}, health_check_timeout{}, slow_start{}, freshness_interval{};
  int health_check_fall = 3, health_check_rise = 2;
  std::string monitor_user, monitor_password, monitor_dbname, state_file, switchover_command;
  Duration switchover_timeout{};
  int max_pinned_servers = -1;  // a pool; -1 = all but one
  bool pin_unsafe = true;
  std::string session_state;  // "track" or "off"
  int worker_threads = 0;     // 0 = automatic
};

// One row of SHOW CONFIG, in its order: PgBouncer's keys, then ours.
struct SettingRow {
  std::string key;
  std::optional<std::string> value, fallback;
  bool changeable;
  std::optional<std::string> written = {};  // with %env(NAME): what SHOW CONFIG prints
};

struct Config {
  Settings settings;
  std::vector<SettingRow> rows;
  std::map<std::string, std::shared_ptr<const Database>, std::less<>> databases;
  std::shared_ptr<const Database> wildcard;  // the `*` line; null = none
  std::map<std::string, User, std::less<>> users;
  std::map<int, Peer> peers;
  // userlist.txt: name to secret as written there ("" = user without password login).
  std::map<std::string, base::Secret, std::less<>> userlist;
  std::string file;                   // the ini's path
  std::vector<std::string> warnings;  // each once: keys that do nothing yet, and the like

  // The entry of that name, else one made from `*`, else null. Names over 63 bytes: null.
  std::shared_ptr<const Database> find_database(std::string_view name) const;
  const User* find_user(std::string_view name) const;
  const SettingRow* find_row(std::string_view key) const;

  // Effective values: user > database > global; `pool_user` is the forced user if set.
  PoolMode pool_mode(const Database& db, std::string_view pool_user) const;
  // What is set in a session follows its client: session_state, in transaction and statement mode.
  bool tracks_state(const Database& db, std::string_view pool_user) const;
  // How many servers of a pool may be pinned to their clients; 0: none.
  int max_pinned_servers(const Database& db, std::string_view pool_user) const;
  int pool_size(const Database& db, std::string_view pool_user) const;  // 0 = unlimited
  int min_pool_size(const Database& db) const;
  int reserve_pool_size(const Database& db, std::string_view pool_user) const;
  int max_db_connections(const Database& db) const;
  int max_db_client_connections(const Database& db) const;
  int max_user_connections(std::string_view pool_user) const;
  int max_user_client_connections(std::string_view login_user) const;
  Duration server_lifetime(const Database& db) const;
  Duration query_wait_timeout(const Database& db, std::string_view login_user) const;
  Duration query_timeout(std::string_view pool_user) const;
  Duration idle_transaction_timeout(std::string_view pool_user) const;
  Duration transaction_timeout(std::string_view pool_user) const;
  Duration client_idle_timeout(std::string_view login_user) const;
};

}  // namespace howdah::config
