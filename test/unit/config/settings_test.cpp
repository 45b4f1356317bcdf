// The keys of [pgbouncer] and [howdah]: defaults, forms, warnings, refusals.
#include "config/keys.h"
#include "unit/config/files.h"

using namespace howdah::config;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

namespace {

std::string value(const Config& config, std::string_view key) {
  const auto* row = config.find_row(key);
  REQUIRE(row != nullptr);
  return row->value.value_or("NULL");
}

std::shared_ptr<const Config> with(const std::string& lines) { return good("[howdah]\n" + lines); }

std::string problem(const std::string& line) {
  auto found = bad("[howdah]\n" + line);
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini:2");
  return found[0].text;
}

struct Default {
  const char* key;
  const char* value;  // as SHOW CONFIG prints it
  bool changeable = true;
};

// PgBouncer's defaults (compat 1.2), then ours, in the order of SHOW CONFIG.
constexpr bool kRestart = false;
const Default kDefaults[] = {
    {"admin_users", ""},
    {"application_name_add_host", "0"},
    {"auth_dbname", "NULL"},
    {"auth_file", "NULL"},
    {"auth_hba_file", ""},
    {"auth_ident_file", "NULL"},
    {"auth_ldap_options", "NULL"},
    {"auth_query", nullptr},
    {"auth_type", "md5"},
    {"auth_user", "NULL"},
    {"autodb_idle_timeout", "3600"},
    {"cancel_wait_timeout", "10"},
    {"client_idle_timeout", "0"},
    {"client_login_timeout", "60"},
    {"client_tls13_ciphers", "NULL"},
    {"client_tls_ca_file", ""},
    {"client_tls_cert_file", ""},
    {"client_tls_ciphers", "default"},
    {"client_tls_dheparams", "auto"},
    {"client_tls_ecdhcurve", "auto"},
    {"client_tls_key_file", ""},
    {"client_tls_protocols", "secure"},
    {"client_tls_sslmode", "disable"},
    {"conffile", "NULL"},
    {"default_pool_size", "20"},
    {"disable_pqexec", "0", kRestart},
    {"dns_max_ttl", "15"},
    {"dns_nxdomain_ttl", "15"},
    {"dns_zone_check_period", "0"},
    {"idle_transaction_timeout", "0"},
    {"ignore_startup_parameters", ""},
    {"job_name", "pgbouncer", kRestart},
    {"listen_addr", "", kRestart},
    {"listen_backlog", "128", kRestart},
    {"listen_port", "6432", kRestart},
    {"log_connections", "1"},
    {"log_disconnections", "1"},
    {"log_pooler_errors", "1"},
    {"log_stats", "1"},
    {"logfile", ""},
    {"login_notify_message", ""},
    {"max_client_conn", "100"},
    {"max_db_client_connections", "0"},
    {"max_db_connections", "0"},
    {"max_packet_size", "2147483647"},
    {"max_prepared_statements", "200"},
    {"max_user_client_connections", "0"},
    {"max_user_connections", "0"},
    {"min_pool_size", "0"},
    {"peer_id", "0"},
    {"pidfile", "", kRestart},
    {"pkt_buf", "4096", kRestart},
    {"pool_idle_timeout", "0"},
    {"pool_mode", "session"},
    {"prepare_unnamed", "0"},
    {"query_timeout", "0"},
    {"query_wait_notify", "5"},
    {"query_wait_timeout", "120"},
    {"reserve_pool_size", "0"},
    {"reserve_pool_timeout", "5"},
    {"resolv_conf", "", kRestart},
    {"sbuf_loopcnt", "5"},
    {"scram_iterations", "4096"},
    {"server_check_delay", "30"},
    {"server_check_query", "<empty>"},
    {"server_connect_timeout", "15"},
    {"server_fast_close", "0"},
    {"server_idle_timeout", "600"},
    {"server_lifetime", "3600"},
    {"server_login_retry", "15"},
    {"server_reset_query", "DISCARD ALL"},
    {"server_reset_query_always", "0"},
    {"server_round_robin", "0"},
    {"server_tls13_ciphers", "NULL"},
    {"server_tls_ca_file", ""},
    {"server_tls_cert_file", ""},
    {"server_tls_ciphers", "default"},
    {"server_tls_key_file", ""},
    {"server_tls_protocols", "secure"},
    {"server_tls_sslmode", "prefer"},
    {"so_reuseport", "0", kRestart},
    {"stats_period", "60"},
    {"stats_users", ""},
    {"suspend_timeout", "10"},
    {"syslog", "0"},
    {"syslog_facility", "daemon"},
    {"syslog_ident", "pgbouncer"},
    {"tcp_defer_accept", "1"},
    {"tcp_keepalive", "1"},
    {"tcp_keepcnt", "0"},
    {"tcp_keepidle", "0"},
    {"tcp_keepintvl", "0"},
    {"tcp_socket_buffer", "0"},
    {"tcp_user_timeout", "0"},
    {"track_extra_parameters", "IntervalStyle", kRestart},
    {"transaction_timeout", "0"},
    {"unix_socket_dir", "/tmp", kRestart},
    {"unix_socket_group", "", kRestart},
    {"unix_socket_mode", "511", kRestart},
    {"user", "NULL", kRestart},
    {"verbose", "NULL"},
    {"auth_failure_delay", "0"},
    {"auth_pam_directory", ""},
    {"auth_pam_service", "pgbouncer"},
    {"auth_query_cache_ttl", "30"},
    {"cancel_on_disconnect", "1"},
    {"freshness_interval", "0.01"},
    {"health_check_fall", "3"},
    {"health_check_interval", "1"},
    {"health_check_rise", "2"},
    {"health_check_timeout", "1"},
    {"max_login_conn", "0"},
    {"max_pinned_servers", "-1"},
    {"monitor_dbname", ""},
    {"monitor_password", ""},
    {"monitor_user", ""},
    {"pin_unsafe", "1"},
    {"proxy_protocol_from", ""},
    {"session_state", "track"},
    {"slow_start", "10"},
    {"state_file", "", kRestart},
    {"switchover_command", ""},
    {"switchover_timeout", "60"},
    {"worker_threads", "0", kRestart},
};

}  // namespace

TEST_CASE("SHOW CONFIG has exactly these keys in this order, with these defaults") {
  auto config = with("");
  REQUIRE(config->rows.size() == std::size(kDefaults));
  for (std::size_t i = 0; i < std::size(kDefaults); ++i) {
    const auto& row = config->rows[i];
    INFO(row.key);
    CHECK(row.key == kDefaults[i].key);
    CHECK(row.changeable == kDefaults[i].changeable);
    if (kDefaults[i].value) CHECK(row.fallback.value_or("NULL") == kDefaults[i].value);
    if (row.key == "conffile") {
      CHECK(row.value == "main.ini");
    } else if (row.key == "verbose") {
      CHECK(row.value == "0");
    } else {
      CHECK(row.value == row.fallback);
    }
  }
  CHECK(config->warnings.empty());
}

TEST_CASE("the default auth_query honours expiry and login rights, with qualified names") {
  auto query = with("")->settings.auth_query;
  for (auto part : {"rolvaliduntil", "rolcanlogin", "pg_catalog.pg_authid", "$1"})
    CHECK_MESSAGE(has(query, part), part);
}

TEST_CASE("defaults reach the settings") {
  auto settings = with("")->settings;
  CHECK(settings.auth_type == AuthType::Md5);
  CHECK(settings.pool_mode == PoolMode::Session);
  CHECK(settings.autodb_idle_timeout == 1h);
  CHECK(settings.cancel_wait_timeout == 10s);
  CHECK(settings.client_login_timeout == 60s);
  CHECK(settings.dns_max_ttl == 15s);
  CHECK(settings.dns_nxdomain_ttl == 15s);
  CHECK(settings.query_wait_notify == 5s);
  CHECK(settings.query_wait_timeout == 120s);
  CHECK(settings.reserve_pool_timeout == 5s);
  CHECK(settings.server_check_delay == 30s);
  CHECK(settings.server_connect_timeout == 15s);
  CHECK(settings.server_idle_timeout == 600s);
  CHECK(settings.server_lifetime == 1h);
  CHECK(settings.server_login_retry == 15s);
  CHECK(settings.stats_period == 60s);
  CHECK(settings.suspend_timeout == 10s);
  CHECK(settings.server_check_query == "<empty>");
  CHECK(settings.server_reset_query == "DISCARD ALL");
  CHECK(settings.syslog_facility == "daemon");
  CHECK(settings.job_name == "pgbouncer");
  CHECK(settings.track_extra_parameters == Words{"IntervalStyle"});
  CHECK(settings.unix_socket_dir == "/tmp");
  CHECK(settings.unix_socket_mode == 0777);
  CHECK(settings.log_stats);
}

TEST_CASE("every key takes its own default as a value, and stays at it") {
  for (const auto& entry : kDefaults) {
    auto defaults = with("");
    const auto* row = defaults->find_row(entry.key);
    if (!row->fallback) continue;
    auto config = with(row->key + " = " + *row->fallback);
    CHECK_MESSAGE(value(*config, entry.key) == *row->fallback, entry.key);
    CHECK_MESSAGE(config->warnings.empty(), entry.key);
  }
}

TEST_CASE("values are read by their type and printed in one form") {
  auto config = with(
      "listen_port = 0x1900\nunix_socket_mode = 0700\nquery_timeout = 1.5min\n"
      "client_idle_timeout = 0.5\nmax_packet_size = 16MB\ntcp_keepidle = 2min\n"
      "tcp_user_timeout = 3s\nlog_stats = 0\npool_mode = TRANSACTION\n"
      "auth_type = SCRAM-SHA-256\nadmin_users = a, b\nsyslog_facility = Local3\n");
  const auto& settings = config->settings;
  CHECK(settings.listen_port == 6400);
  CHECK(value(*config, "listen_port") == "6400");
  CHECK(settings.unix_socket_mode == 0700);
  CHECK(value(*config, "unix_socket_mode") == "448");
  CHECK(settings.query_timeout == 90s);
  CHECK(value(*config, "query_timeout") == "90");
  CHECK(settings.client_idle_timeout == 500ms);
  CHECK(value(*config, "client_idle_timeout") == "0.5");
  CHECK(settings.max_packet_size == 16u << 20);
  CHECK(value(*config, "max_packet_size") == "16777216");
  CHECK(settings.tcp_keepidle == 120);
  CHECK(settings.tcp_user_timeout == 3000);
  CHECK(value(*config, "tcp_user_timeout") == "3000");
  CHECK_FALSE(settings.log_stats);
  CHECK(settings.pool_mode == PoolMode::Transaction);
  CHECK(value(*config, "pool_mode") == "transaction");
  CHECK(settings.auth_type == AuthType::ScramSha256);
  CHECK(value(*config, "auth_type") == "scram-sha-256");
  CHECK(settings.admin_users == Words{"a", "b"});
  CHECK(value(*config, "admin_users") == "a, b");
  CHECK(settings.syslog_facility == "local3");
}

TEST_CASE("every enum word of the table is understood as itself") {
  for (auto type : {"any", "trust", "plain", "md5", "scram-sha-256"}) {
    auto config = with(std::string("auth_type = ") + type);
    CHECK(name(config->settings.auth_type) == type);
  }
  for (auto mode : {"session", "transaction", "statement"})
    CHECK(name(with(std::string("pool_mode = ") + mode)->settings.pool_mode) == mode);
}

TEST_CASE("a wrong value names the key, repeats the value and says what is right") {
  CHECK(has(problem("listen_port = abc"), "listen_port = 'abc'"));
  CHECK(has(problem("listen_port = 70000"), "from 0 to 65535"));
  CHECK(has(problem("default_pool_size = -1"), "from 0 to"));
  CHECK(has(problem("default_pool_size = 99999999999"), "from 0 to"));
  CHECK(has(problem("log_stats = on"), "1 or 0"));
  CHECK(has(problem("log_stats = 2"), "from 0 to 1"));
  CHECK(has(problem("query_timeout = -1"), "seconds"));
  CHECK(has(problem("query_timeout = 5 minutes"), "min"));
  CHECK(has(problem("stats_period = 0"), "at least 1"));
  CHECK(has(problem("max_packet_size = 1 MiB"), "MB"));
  CHECK(has(problem("tcp_keepidle = 0.5"), "whole seconds"));
  CHECK(has(problem("tcp_user_timeout = 1us"), "whole milliseconds"));
  CHECK(has(problem("pool_mode = sessions"), "session, transaction, statement"));
  CHECK(has(problem("scram_iterations = 0"), "from 1"));
  CHECK(has(problem("unix_socket_mode = 010000"), "from 0 to 4095"));
  CHECK(has(problem("listen_port ="), "delete the line"));
  CHECK(has(problem("client_tls_dheparams = legacy"), "none, auto"));
  CHECK(has(problem("client_tls_protocols = tlsv1.4"), "tlsv1.3"));
  CHECK(has(problem("auth_dbname = pgbouncer"), "console"));
  CHECK(has(problem("auth_dbname = howdah"), "console"));
  CHECK(has(problem("unix_socket_dir = /" + std::string(120, 'd')), "107 bytes"));
}

TEST_CASE("a message cuts a long value and shows no control characters") {
  auto text = problem("listen_port = \x01\x02" + std::string(5000, 'x'));
  CHECK(text.size() < 300);
  CHECK(has(text, "'??xxx"));
}

TEST_CASE("TLS protocols are versions with commas or colons, and ! takes one away") {
  for (auto list :
       {"secure", "all", "tlsv1", "tlsv1.2,tlsv1.3", "all:!tlsv1.0", "TLSv1.2 , tlsv1.3"})
    with(std::string("server_tls_protocols = ") + list);
}

TEST_CASE("an unknown key names the keys nearest to it") {
  CHECK(has(problem("listen_prot = 1"), "did you mean listen_port"));
  CHECK(has(problem("Listen_Port = 1"), "listen_port"));
  CHECK(has(problem("query_routing = 1"), "unknown key 'query_routing'"));
  CHECK(has(problem("service_name = x"), "unknown key"));
}

TEST_CASE("a key whose feature is not there yet warns once, with the line it was set at") {
  for (auto line : {"dns_zone_check_period = 5",
                    "resolv_conf = x",
                    "pkt_buf = 8192",
                    "sbuf_loopcnt = 0"}) {
    std::string key(line, std::string_view(line).find(' '));
    auto config = with(std::string(line) + "\n" + line);
    INFO(line);
    REQUIRE(config->warnings.size() == 1);
    CHECK(has(config->warnings[0], "main.ini:3: " + key + " "));
  }
}

TEST_CASE("what changes nothing does not warn") {
  for (auto line : {"max_prepared_statements = 0", "max_prepared_statements = 100",
                    "server_tls_sslmode = disable", "server_tls_sslmode = require",
                    "server_tls13_ciphers = x", "client_tls_ca_file = x", "auth_user =",
                    "disable_pqexec = 1", "so_reuseport = 1", "application_name_add_host = 1",
                    "login_notify_message = hi", "query_timeout = 1", "worker_threads = 4"})
    CHECK_MESSAGE(with(line)->warnings.empty(), line);
}

TEST_CASE("SHOW CONFIG does not show the password in auth_ldap_options") {
  auto shown = [](const std::string& value) {
    auto config = with("auth_ldap_options = " + value);
    CHECK(config->settings.auth_ldap_options == value);
    return *config->find_row("auth_ldap_options")->value;
  };
  CHECK(shown("ldapserver=h ldapbindpasswd=secret ldapport=1") ==
        "ldapserver=h ldapbindpasswd=*** ldapport=1");
  CHECK(shown("ldapbindpasswd=\"se \"\"cret\" ldapport=1") == "ldapbindpasswd=*** ldapport=1");
  CHECK(shown("ldapserver=h ldapbindpasswd=secret") == "ldapserver=h ldapbindpasswd=***");
  CHECK(shown("ldapserver=h") == "ldapserver=h");
}

TEST_CASE("TLS files must be readable when TLS of their side is on, and only then") {
  CHECK(has(problem("server_tls_ca_file = /nonexistent/ca.pem"), "cannot be read"));
  with("client_tls_key_file = /nonexistent/key.pem\n");
  auto found = bad(
      "[howdah]\nclient_tls_sslmode = allow\nclient_tls_key_file = /nonexistent/k\n"
      "client_tls_cert_file = /dev/null\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini:3");
  with("server_tls_ca_file = /dev/null\n");
}

TEST_CASE("TLS with clients needs a certificate and a key") {
  for (auto lines : {"", "client_tls_cert_file = /dev/null\n", "client_tls_key_file = /dev/null\n"})
    CHECK(has(problem(std::string("client_tls_sslmode = prefer\n") + lines),
              "client_tls_sslmode = prefer needs client_tls_cert_file and client_tls_key_file"));
  auto config = with(
      "client_tls_sslmode = verify-ca\nclient_tls_cert_file = /dev/null\n"
      "client_tls_key_file = /dev/null\nclient_tls13_ciphers = x\nclient_tls_dheparams = none\n");
  const Tls& tls = config->settings.client_tls;
  CHECK(tls.mode == TlsMode::VerifyCa);
  CHECK(tls.on());
  CHECK(tls.required());
  CHECK(tls.cert_file == "/dev/null");
  CHECK(tls.tls13_ciphers == "x");
  CHECK(tls.dheparams == "none");
  CHECK(tls.ciphers == "default");
  CHECK_FALSE(with("")->settings.client_tls.on());
  CHECK_FALSE(with("")->settings.server_tls.required());
}

TEST_CASE("an entry's TLS keys stand over the global ones, also after a SET") {
  auto config = good(
      "[howdah]\nserver_tls_sslmode = require\nserver_tls_protocols = tlsv1.2\n[databases]\n"
      "a = host=x\n"
      "b = host=x server_tls_sslmode=Disable server_tls_ca_file=/b.crt\n"
      "* = host=x server_tls_negotiation=direct server_tls_protocols=tlsv1.3,!tlsv1.2\n");
  auto tls = [](const Config& from, const char* name) { return from.find_database(name)->tls; };
  CHECK(tls(*config, "a") == config->settings.server_tls);
  CHECK(tls(*config, "a").required());
  CHECK_FALSE(tls(*config, "b").on());
  CHECK(tls(*config, "b").ca_file == "/b.crt");
  CHECK(tls(*config, "b").protocols == "tlsv1.2");
  CHECK(tls(*config, "other").negotiation == TlsNegotiation::Direct);
  CHECK(tls(*config, "other").protocols == "tlsv1.3,!tlsv1.2");
  auto changed = with_setting(*config, "server_tls_sslmode", "verify-full");
  REQUIRE(changed);
  CHECK(tls(**changed, "a").mode == TlsMode::VerifyFull);
  CHECK(tls(**changed, "a").protocols == "tlsv1.2");
  CHECK_FALSE(tls(**changed, "b").on());
  CHECK(config->databases.at("a")->needs_reconnect(*(*changed)->databases.at("a")));
  CHECK_FALSE(config->databases.at("b")->needs_reconnect(*(*changed)->databases.at("b")));
  CHECK(diff(*config, **changed).wildcard_reconnect);
  CHECK(has(with_setting(*config, "server_tls_sslmode", "prefer").error().text, "direct"));
}

TEST_CASE("an entry's TLS keys are judged as the global ones") {
  auto line = [](const std::string& keys) {
    auto found = bad("[howdah]\n[databases]\na = host=x " + keys + "\n");
    REQUIRE(found.size() == 1);
    CHECK(found[0].where == "main.ini:3");
    return found[0].text;
  };
  CHECK(has(line("server_tls_sslmode=maybe"), "verify-full"));
  CHECK(has(line("server_tls_protocols=ssl3"), "tlsv1.3"));
  CHECK(has(line("server_tls_negotiation=never"), "must be postgres or direct"));
  CHECK(has(line("server_tls_negotiation=direct"), "cannot fall back to plain text"));
}

TEST_CASE("overrides come last and name themselves in problems") {
  auto loaded =
      load_files("[howdah]\nlisten_port = 1\n", {}, {{"listen_port", "2"}, {"verbose", "1"}});
  REQUIRE(loaded.config);
  CHECK(loaded.config->settings.listen_port == 2);
  CHECK(loaded.config->settings.verbose == 1);
  loaded = load_files("[howdah]\n", {}, {{"listen_port", "x"}, {"nonsense", "1"}});
  REQUIRE(loaded.problems.size() == 2);
  CHECK(loaded.problems[0].where == "command line");
}

TEST_CASE("conffile names the file that the next reload reads") {
  CHECK(with("")->file == "main.ini");
  CHECK(with("conffile = /etc/other.ini")->file == "/etc/other.ini");
}
