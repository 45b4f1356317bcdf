// The table of keys (see keys.h). Meanings: man/howdah.ini.5, which a test keeps in step.
#include "config/keys.h"

#include "howdah/base/text.h"

namespace howdah::config {
namespace {

using S = Settings;
using enum Type;
constexpr bool kReload = true, kRestart = false;  // when a change takes effect
constexpr Works kNotYet = Works::NotYet;
constexpr Works kNoEffect = Works::NoEffect;

constexpr const char* kAuthQuery =
    "SELECT rolname, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END "
    "FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin";
constexpr std::string_view kTlsModes = "disable,allow,prefer,require,verify-ca,verify-full";
constexpr std::string_view kAuthTypes = "any,trust,plain,md5,scram-sha-256,cert,hba,ldap,pam";
constexpr std::string_view kFacilities =
    "auth,authpriv,daemon,user,local0,local1,local2,local3,local4,local5,local6,local7";

const Key kKeys[] = {
    {"admin_users", List, "", &S::admin_users},
    {"application_name_add_host", Bool, "0", &S::application_name_add_host},
    {"auth_dbname", Text, nullptr, &S::auth_dbname},
    {"auth_file", Text, nullptr, &S::auth_file},
    {"auth_hba_file", Text, "", &S::auth_hba_file},
    {"auth_ident_file", Text, nullptr, &S::auth_ident_file},
    {"auth_ldap_options", Text, nullptr, &S::auth_ldap_options},
    {"auth_query", Text, kAuthQuery, &S::auth_query},
    {"auth_type",
     Enum,
     "md5",
     &S::auth_type,
     kReload,
     {.words = kAuthTypes}},
    {"auth_user", Text, nullptr, &S::auth_user},
    {"autodb_idle_timeout", Time, "3600", &S::autodb_idle_timeout},
    {"cancel_wait_timeout", Time, "10", &S::cancel_wait_timeout},
    {"client_idle_timeout", Time, "0", &S::client_idle_timeout},
    {"client_login_timeout", Time, "60", &S::client_login_timeout},
    {"client_tls13_ciphers", Text, nullptr},
    {"client_tls_ca_file", File, ""},
    {"client_tls_cert_file", File, ""},
    {"client_tls_ciphers", Text, "default"},
    {"client_tls_dheparams", Enum, "auto", {}, kReload, {.words = "none,auto"}},
    {"client_tls_ecdhcurve", Text, "auto"},
    {"client_tls_key_file", File, ""},
    {"client_tls_protocols", Protocols, "secure"},
    {"client_tls_sslmode", Enum, "disable", {}, kReload, {.words = kTlsModes}},
    {"conffile", Text, nullptr},
    {"default_pool_size", Int, "20", &S::default_pool_size},
    {"disable_pqexec", Bool, "0", &S::disable_pqexec, kRestart},
    {"dns_max_ttl", Time, "15", &S::dns_max_ttl},
    {"dns_nxdomain_ttl", Time, "15", &S::dns_nxdomain_ttl},
    {"dns_zone_check_period", Time, "0", {}, kReload, {.works = kNotYet}},
    {"idle_transaction_timeout", Time, "0", &S::idle_transaction_timeout},
    {"ignore_startup_parameters", List, "", &S::ignore_startup_parameters},
    {"job_name", Text, "pgbouncer", &S::job_name, kRestart},
    {"listen_addr", List, "", &S::listen_addr, kRestart},
    {"listen_backlog", Int, "128", &S::listen_backlog, kRestart},
    {"listen_port", Int, "6432", &S::listen_port, kRestart, {.max = 65535}},
    {"log_connections", Bool, "1", &S::log_connections},
    {"log_disconnections", Bool, "1", &S::log_disconnections},
    {"log_pooler_errors", Bool, "1", &S::log_pooler_errors},
    {"log_stats", Bool, "1", &S::log_stats},
    {"logfile", Text, "", &S::logfile},
    {"login_notify_message", Text, "", &S::login_notify_message},
    {"max_client_conn", Int, "100", &S::max_client_conn},
    {"max_db_client_connections", Int, "0", &S::max_db_client_connections},
    {"max_db_connections", Int, "0", &S::max_db_connections},
    {"max_packet_size",
     Size,
     "2147483647",
     &S::max_packet_size,
     kReload,
     {.min = 1024, .max = 4294967295}},
    {"max_prepared_statements", Int, "200", &S::max_prepared_statements},
    {"max_user_client_connections", Int, "0", &S::max_user_client_connections},
    {"max_user_connections", Int, "0", &S::max_user_connections},
    {"min_pool_size", Int, "0", &S::min_pool_size},
    {"peer_id", Int, "0", &S::peer_id, kReload, {.max = 16383}},
    {"pidfile", Text, "", &S::pidfile, kRestart},
    {"pkt_buf", Size, "4096", {}, kRestart, {.works = kNoEffect}},
    {"pool_idle_timeout", Time, "0", &S::pool_idle_timeout},
    {"pool_mode",
     Enum,
     "session",
     &S::pool_mode,
     kReload,
     {.words = "session,transaction,statement"}},
    {"prepare_unnamed", Bool, "0", &S::prepare_unnamed},
    {"query_timeout", Time, "0", &S::query_timeout},
    {"query_wait_notify", Time, "5", &S::query_wait_notify},
    {"query_wait_timeout", Time, "120", &S::query_wait_timeout},
    {"reserve_pool_size", Int, "0", &S::reserve_pool_size},
    {"reserve_pool_timeout", Time, "5", &S::reserve_pool_timeout},
    {"resolv_conf", Text, "", &S::resolv_conf, kRestart, {.works = kNotYet}},
    {"sbuf_loopcnt", Int, "5", {}, kReload, {.works = kNoEffect}},
    {"scram_iterations", Int, "4096", &S::scram_iterations, kReload, {.min = 1}},
    {"server_check_delay", Time, "30", &S::server_check_delay},
    {"server_check_query", Text, "<empty>", &S::server_check_query},
    {"server_connect_timeout", Time, "15", &S::server_connect_timeout},
    {"server_fast_close", Bool, "0", &S::server_fast_close},
    {"server_idle_timeout", Time, "600", &S::server_idle_timeout},
    {"server_lifetime", Time, "3600", &S::server_lifetime},
    {"server_login_retry", Time, "15", &S::server_login_retry},
    {"server_reset_query", Text, "DISCARD ALL", &S::server_reset_query},
    {"server_reset_query_always", Bool, "0", &S::server_reset_query_always},
    {"server_round_robin", Bool, "0", &S::server_round_robin},
    {"server_tls13_ciphers", Text, nullptr},
    {"server_tls_ca_file", File, ""},
    {"server_tls_cert_file", File, ""},
    {"server_tls_ciphers", Text, "default"},
    {"server_tls_key_file", File, ""},
    {"server_tls_protocols", Protocols, "secure"},
    {"server_tls_sslmode", Enum, "prefer", {}, kReload, {.words = kTlsModes}},
    {"so_reuseport", Bool, "0", &S::so_reuseport, kRestart},
    {"stats_period", Time, "60", &S::stats_period, kReload, {.min = 1}},
    {"stats_users", List, "", &S::stats_users},
    {"suspend_timeout", Time, "10", &S::suspend_timeout},
    {"syslog", Bool, "0", &S::syslog},
    {"syslog_facility", Enum, "daemon", &S::syslog_facility, kReload, {.words = kFacilities}},
    {"syslog_ident", Text, "pgbouncer", &S::syslog_ident},
    {"tcp_defer_accept", Int, "1", &S::tcp_defer_accept},
    {"tcp_keepalive", Bool, "1", &S::tcp_keepalive},
    {"tcp_keepcnt", Int, "0", &S::tcp_keepcnt},
    {"tcp_keepidle", Seconds, "0", &S::tcp_keepidle},
    {"tcp_keepintvl", Seconds, "0", &S::tcp_keepintvl},
    {"tcp_socket_buffer", Size, "0", &S::tcp_socket_buffer},
    {"tcp_user_timeout", Millis, "0", &S::tcp_user_timeout},
    {"track_extra_parameters", List, "IntervalStyle", &S::track_extra_parameters, kRestart},
    {"transaction_timeout", Time, "0", &S::transaction_timeout},
    {"unix_socket_dir", Text, "/tmp", &S::unix_socket_dir, kRestart},
    {"unix_socket_group", Text, "", &S::unix_socket_group, kRestart},
    {"unix_socket_mode", Int, "0777", &S::unix_socket_mode, kRestart, {.max = 07777}},
    {"user", Text, nullptr, &S::user, kRestart},
    {"verbose", Int, nullptr, &S::verbose},
    // Ours.
    {"auth_failure_delay", Time, "0", &S::auth_failure_delay},
    {"auth_pam_directory", Text, "", &S::auth_pam_directory},
    {"auth_pam_service", Text, "pgbouncer", &S::auth_pam_service},
    {"auth_query_cache_ttl", Time, "30", &S::auth_query_cache_ttl},
    {"cancel_on_disconnect", Bool, "1", &S::cancel_on_disconnect},
    {"freshness_interval", Time, "0.01", &S::freshness_interval, kReload},
    {"health_check_fall", Int, "3", &S::health_check_fall, kReload, {.min = 1, .max = 1000}},
    {"health_check_interval", Time, "1", &S::health_check_interval},
    {"health_check_rise", Int, "2", &S::health_check_rise, kReload, {.min = 1, .max = 1000}},
    {"health_check_timeout", Time, "1", &S::health_check_timeout},
    {"max_login_conn", Int, "0", &S::max_login_conn},
    {"max_pinned_servers", Int, "-1", &S::max_pinned_servers, kReload, {.min = -1}},
    {"monitor_dbname", Text, "", &S::monitor_dbname},
    {"monitor_password", Secret, "", &S::monitor_password},
    {"monitor_user", Text, "", &S::monitor_user},
    {"pin_unsafe", Bool, "1", &S::pin_unsafe},
    {"proxy_protocol_from", List, "", &S::proxy_protocol_from},
    {"session_state", Enum, "track", &S::session_state, kReload, {.words = "track,off"}},
    {"slow_start", Time, "10", &S::slow_start},
    {"state_file", Text, "", &S::state_file, kRestart},
    {"switchover_command", Text, "", &S::switchover_command, kReload, {.file_only = true}},
    {"switchover_timeout", Time, "60", &S::switchover_timeout},
    {"worker_threads", Int, "0", &S::worker_threads, kRestart, {.max = 1024}},
};

}  // namespace

std::span<const Key> keys() { return kKeys; }

const Key* find_key(std::string_view name) {
  for (const auto& key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::vector<std::string_view> key_names() {
  std::vector<std::string_view> names;
  for (const auto& key : kKeys) names.push_back(key.name);
  return names;
}

bool has_word(std::string_view words, std::string_view word) {
  for (auto known : base::split(words, ',')) {
    if (known == word) return true;
  }
  return false;
}

std::string warning_of(const Key& key, const SettingRow& row) {
  if (key.more.works == Works::Yes || row.value == row.fallback) return {};
  if (row.value && has_word(key.more.harmless, *row.value)) return {};
  if (key.more.works == Works::NoEffect)
    return base::cat(key.name, " is read but has no effect in howdah; the line can go");
  // An unset key that is set to nothing asks for nothing.
  if (!row.fallback && row.value && row.value->empty()) return {};
  return base::cat(key.name, " is read but not working yet in this version");
}

std::string refusal_of(const Key& key, const SettingRow& row) {
  if (!row.value || !has_word(key.more.refused, *row.value)) return {};
  std::string allowed;
  for (auto word : base::split(key.more.words, ',')) {
    if (has_word(key.more.refused, word)) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += word;
  }
  return base::cat(key.name, " = ", *row.value,
                   " is not working yet in this version, and doing less than it asks for would not "
                   "be safe; use one of: ",
                   allowed);
}

}  // namespace howdah::config
