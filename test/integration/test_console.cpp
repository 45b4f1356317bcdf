// The console as scrapers, exporters and people use it: columns in their order, numbers that are
// true, texts and codes of errors.
#include <doctest/doctest.h>

#include <set>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

using Names = std::vector<std::string>;

Pooler make_pooler() {
  primary().create_database("console");
  return Pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "7"}},
                 .databases = {entry("db", primary(), "console", "pool_size=3")}});
}

void check_columns(Pooler& pooler, const std::string& what, const Names& wanted) {
  CAPTURE(what);
  Names names = pooler.console("SHOW " + what).column_names();
  REQUIRE(names.size() >= wanted.size());
  // Ours may come after them.
  CHECK(Names(names.begin(), names.begin() + static_cast<long>(wanted.size())) == wanted);
}

long number(Pooler& pooler, const std::string& column) {
  return std::stol(pooler.show("STATS", {{"database", "db"}}).at(column));
}

const Names kSockets{"type",        "user",         "database",  "replication",  "state",
                     "addr",        "port",         "local_addr", "local_port",  "connect_time",
                     "request_time", "wait",        "wait_us",   "close_needed", "ptr",
                     "link",        "remote_pid",   "tls",       "application_name",
                     "prepared_statements", "id"};

}  // namespace

TEST_SUITE_BEGIN("console" * doctest::skip(on_pgbouncer()));

TEST_CASE("columns of every SHOW are PgBouncer's, in its order") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  check_columns(pooler, "VERSION", {"version"});
  check_columns(pooler, "STATE", {"key", "value"});
  check_columns(pooler, "CONFIG", {"key", "value", "default", "changeable"});
  check_columns(pooler, "LISTS", {"list", "items"});
  check_columns(pooler, "DATABASES",
                {"name", "host", "port", "database", "force_user", "pool_size", "min_pool_size",
                 "reserve_pool_size", "server_lifetime", "pool_mode", "load_balance_hosts",
                 "max_connections", "current_connections", "max_client_connections",
                 "current_client_connections", "paused", "disabled"});
  check_columns(pooler, "USERS",
                {"name", "pool_size", "reserve_pool_size", "pool_mode", "max_user_connections",
                 "current_connections", "max_user_client_connections",
                 "current_client_connections"});
  check_columns(pooler, "POOLS",
                {"database", "user", "cl_active", "cl_waiting", "cl_active_cancel_req",
                 "cl_waiting_cancel_req", "sv_active", "sv_active_cancel", "sv_being_canceled",
                 "sv_idle", "sv_used", "sv_tested", "sv_login", "maxwait", "maxwait_us", "pool_mode",
                 "load_balance_hosts", "sv_pinned"});
  Names clients = kSockets;
  clients.push_back("pinned");
  check_columns(pooler, "CLIENTS", clients);
  check_columns(pooler, "SERVERS", kSockets);
  Names stats{"database"};
  Names counters{"server_assignment_count", "xact_count", "query_count"};
  for (const auto& name : counters) stats.push_back("total_" + name);
  for (const char* name :
       {"total_received", "total_sent", "total_xact_time", "total_query_time", "total_wait_time",
        "total_client_parse_count", "total_server_parse_count", "total_bind_count",
        "total_client_login_count"}) {
    stats.push_back(name);
  }
  for (const auto& name : counters) stats.push_back("avg_" + name);
  for (const char* name :
       {"avg_recv", "avg_sent", "avg_xact_time", "avg_query_time", "avg_wait_time",
        "avg_client_parse_count", "avg_server_parse_count", "avg_bind_count",
        "avg_client_login_count"}) {
    stats.push_back(name);
  }
  check_columns(pooler, "STATS", stats);
  check_columns(pooler, "STATS_TOTALS",
                {"database", "server_assignment_count", "xact_count", "query_count",
                 "bytes_received", "bytes_sent", "xact_time", "query_time", "wait_time",
                 "client_parse_count", "server_parse_count", "bind_count", "client_login_count"});
  check_columns(pooler, "STATS_AVERAGES",
                {"database", "server_assignment_count", "xact_count", "query_count",
                 "bytes_received", "bytes_sent", "xact_time", "query_time", "wait_time",
                 "avg_client_parse_count", "avg_server_parse_count", "avg_bind_count",
                 "avg_client_login_count"});
  check_columns(pooler, "TOTALS", {"name", "value"});
}

TEST_CASE("SHOW VERSION, HELP, STATE") {
  Pooler pooler = make_pooler();
  CHECK(pooler.console("show version;").at(0, 0).starts_with("PgBouncer 1."));
  Result state = pooler.console("SHOW STATE");
  REQUIRE(state.rows() == 3);
  for (auto [row, name, value] : {std::tuple{0, "active", "yes"}, std::tuple{1, "paused", "no"},
                                  std::tuple{2, "suspended", "no"}}) {
    CHECK(state.at(row, 0) == name);
    CHECK(state.at(row, 1) == value);
  }
  Client console = pooler.connect("pgbouncer", "admin");
  Result help = console.exec("show help");
  CHECK(help.tag() == "SHOW");
  auto notices = console.notices();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].message == "Console usage");
  CHECK(notices[0].code == "00000");
  CHECK(notices[0].detail.find("SHOW") != std::string::npos);
}

TEST_CASE("the console answers to both of its names") {
  Pooler pooler = make_pooler();
  CHECK(pooler.connect("pgbouncer", "admin").exec("SHOW VERSION").rows() == 1);
  CHECK(pooler.connect("howdah", "admin").exec("SHOW VERSION").rows() == 1);
}

TEST_CASE("SHOW CONFIG tells values, defaults and what can be changed") {
  Pooler pooler = make_pooler();
  auto row = pooler.show("CONFIG", {{"key", "default_pool_size"}});
  CHECK(row.at("value") == "7");
  CHECK(row.at("default") == "20");
  CHECK(row.at("changeable") == "yes");
  CHECK(pooler.show("CONFIG", {{"key", "listen_port"}}).at("changeable") == "no");
  CHECK(pooler.show("CONFIG", {{"key", "unix_socket_mode"}}).at("value") == "511");
  CHECK(pooler.show("CONFIG", {{"key", "query_wait_timeout"}}).at("value") == "120");
  CHECK(pooler.show("CONFIG", {{"key", "pool_mode"}}).at("value") == "transaction");
  for (const char* key : {"auth_type", "max_client_conn", "server_reset_query", "server_lifetime",
                          "worker_threads", "so_reuseport", "dns_max_ttl", "peer_id"}) {
    CHECK_NOTHROW(pooler.show("CONFIG", {{"key", key}}));
  }
}

TEST_CASE("SHOW DATABASES tells effective numbers and current ones") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  auto row = pooler.show("DATABASES", {{"name", "db"}});
  CHECK(row.at("host") == "127.0.0.1");
  CHECK(row.at("port") == std::to_string(primary().port()));
  CHECK(row.at("database") == "console");
  CHECK(row.at("pool_size") == "3");
  CHECK(row.at("current_connections") == "1");
  CHECK(row.at("current_client_connections") == "1");
  CHECK(row.at("paused") == "0");
  CHECK(row.at("disabled") == "0");
  CHECK(pooler.show("DATABASES", {{"name", "pgbouncer"}}).at("database") == "pgbouncer");
}

TEST_CASE("SHOW POOLS counts clients and servers by what they do") {
  Pooler pooler = make_pooler();
  std::vector<Client> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(pooler.connect("db"));
  auto counts = [&] {
    auto row = pooler.show("POOLS", {{"database", "db"}});
    return row.at("cl_active") + " " + row.at("cl_waiting") + " " + row.at("sv_active") + " " +
           row.at("sv_idle");
  };
  eventually("all idle", [&] { return counts() == "6 0 0 1"; });
  for (int i = 0; i < 3; ++i) clients[i].exec("begin");
  CHECK(counts() == "6 0 3 0");
  clients[3].send("select 1");
  eventually("one waits", [&] { return counts() == "5 1 3 0"; });
  std::this_thread::sleep_for(Millis{1100});
  CHECK(std::stoi(pooler.show("POOLS", {{"database", "db"}}).at("maxwait")) >= 1);
  clients[0].exec("commit");
  clients[3].last();
  eventually("the wait is over", [&] { return counts() == "6 0 2 1"; });
  CHECK(pooler.show("POOLS", {{"database", "db"}}).at("maxwait") == "0");
  CHECK(pooler.show("POOLS", {{"database", "db"}}).at("pool_mode") == "transaction");
  CHECK(pooler.show("POOLS", {{"database", "pgbouncer"}}).at("pool_mode") == "statement");
}

TEST_CASE("SHOW CLIENTS and SHOW SERVERS link partners and have ids of their own") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db", "postgres", "application_name=linked");
  Client idle = pooler.connect("db", "postgres", "application_name=idle");
  client.exec("begin");
  auto row = pooler.show("CLIENTS", {{"application_name", "linked"}});
  CHECK(row.at("type") == "C");
  CHECK(row.at("state") == "active");
  CHECK(row.at("user") == "postgres");
  CHECK(row.at("database") == "db");
  auto server = pooler.show("SERVERS", {{"state", "active"}});
  CHECK(server.at("type") == "S");
  CHECK(server.at("ptr") == row.at("link"));
  CHECK(server.at("link") == row.at("ptr"));
  CHECK(server.at("application_name") == "linked");
  CHECK(server.at("remote_pid") == client.value("select pg_backend_pid()"));
  CHECK(server.at("port") == std::to_string(primary().port()));
  CHECK(pooler.show("CLIENTS", {{"application_name", "idle"}}).at("link") == "");
  std::set<std::string> ids;
  for (const char* what : {"SHOW CLIENTS", "SHOW SERVERS"}) {
    Result rows = pooler.console(what);
    for (int i = 0; i < rows.rows(); ++i) CHECK(ids.insert(rows.at(i, "id")).second);
  }
}

TEST_CASE("SHOW STATS counts queries, transactions and bytes as they happen") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("select 1");
  long queries = number(pooler, "total_query_count"), xacts = number(pooler, "total_xact_count"),
       assignments = number(pooler, "total_server_assignment_count"),
       sent = number(pooler, "total_sent"), received = number(pooler, "total_received");
  for (int i = 0; i < 5; ++i) client.exec("select 1");
  client.exec("begin");
  client.exec("select pg_sleep(0.2)");
  client.exec("commit");
  eventually("8 queries in 6 transactions", [&] {
    return number(pooler, "total_query_count") - queries == 8 &&
           number(pooler, "total_xact_count") - xacts == 6;
  });
  CHECK(number(pooler, "total_server_assignment_count") - assignments == 6);
  CHECK(number(pooler, "total_received") - received > 8 * 10);
  CHECK(number(pooler, "total_sent") - sent > 8 * 15);
  CHECK(number(pooler, "total_query_time") > 190000);
  CHECK(number(pooler, "total_xact_time") > 190000);
  auto totals = pooler.show("STATS_TOTALS", {{"database", "db"}});
  CHECK(std::stol(totals.at("query_count")) == number(pooler, "total_query_count"));
  CHECK_NOTHROW(pooler.show("TOTALS", {{"name", "total_query_count"}}));
}

TEST_CASE("SHOW LISTS and SHOW USERS") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("select 1");
  CHECK(pooler.console("SHOW LISTS").at(0, 0) == "databases");
  auto items = [&](const std::string& list) {
    return std::stoi(pooler.show("LISTS", {{"list", list}}).at("items"));
  };
  CHECK(items("databases") == 2);
  CHECK(items("pools") == 2);
  CHECK(items("used_clients") == 2);
  CHECK(items("free_servers") + items("used_servers") == 1);
  for (const char* list : {"users", "peers", "peer_pools", "free_clients", "login_clients",
                           "dns_names", "dns_zones", "dns_queries", "dns_pending"}) {
    CHECK_NOTHROW(items(list));
  }
  CHECK(pooler.show("USERS", {{"name", "postgres"}}).at("current_client_connections") == "1");
  refused(pooler.conninfo("db", "stranger"));
  CHECK_THROWS(pooler.show("USERS", {{"name", "stranger"}}));
}

TEST_CASE("commands are case-insensitive, SELECT is SHOW, and mistakes are told as errors") {
  Pooler pooler = make_pooler();
  Client console = pooler.connect("pgbouncer", "admin");
  CHECK(console.exec("sHoW vErSiOn ;").rows() == 1);
  CHECK(console.exec("select version").at(0, 0) == console.exec("show version").at(0, 0));
  for (std::string wrong : {"SHOW NOTHING", "DROP TABLE x", "SHOW VERSION; SHOW VERSION", "SET",
                            "-- SHOW VERSION"}) {
    CAPTURE(wrong);
    Result result = console.attempt(wrong);
    REQUIRE(result.failed());
    CHECK(result.error().severity == "ERROR");
    CHECK(result.error().code == "08P01");
    CHECK(result.error().message ==
          "invalid command '" + wrong + "', use SHOW HELP;");
  }
  CHECK(console.exec("SHOW VERSION").rows() == 1);  // the connection stayed
}

TEST_CASE("drivers may ask and set what they always do") {
  Pooler pooler = make_pooler();
  Client console = pooler.connect("pgbouncer", "stats");
  CHECK(console.value("SHOW client_encoding").starts_with("UTF"));
  CHECK(console.value("SHOW datestyle") == "ISO");
  CHECK(console.value("SHOW timezone") == "GMT");
  CHECK(console.value("SHOW standard_conforming_strings") == "on");
  CHECK(console.exec("SET client_encoding = 'UTF8'").tag() == "SET");
  CHECK(console.notices().at(0).message == "SET ignored");
  CHECK(console.parameter("server_version").find("/bouncer") != std::string::npos);
}

TEST_CASE("stats users may look, not touch; others are not let in") {
  Pooler pooler = make_pooler();
  Client stats = pooler.connect("pgbouncer", "stats");
  CHECK(stats.exec("SHOW POOLS").rows() >= 1);
  for (const char* command : {"RELOAD", "SHUTDOWN", "SET default_pool_size = 5", "KILL db",
                              "KILL_CLIENT 1", "PAUSE", "RESUME", "DISABLE db", "RECONNECT"}) {
    CAPTURE(command);
    Result result = stats.attempt(command);
    REQUIRE(result.failed());
    CHECK(result.error().message == "admin access needed");
  }
  CHECK(pooler.console("SHOW VERSION").rows() == 1);
  ErrorReport report = refused(pooler.conninfo("pgbouncer", "postgres"));
  CHECK(report.message == "not allowed");
}

TEST_CASE("the console speaks the simple protocol only") {
  Pooler pooler = make_pooler();
  RawClient console = pooler.raw("pgbouncer", "admin");
  console.send(msg::parse("", "SHOW VERSION") + msg::sync());
  ErrorReport report = console.until_closed();
  CHECK(report.message == "extended query protocol not supported by admin console");
  CHECK(pooler.console("SHOW VERSION").rows() == 1);
}

TEST_CASE("SHOW asks every worker: many clients, many connections of the console at once") {
  Pooler pooler = make_pooler();
  std::vector<Client> clients, consoles;
  for (int i = 0; i < 40; ++i) clients.push_back(pooler.connect("db"));
  for (int i = 0; i < 10; ++i) consoles.push_back(pooler.connect("pgbouncer", "admin"));
  for (auto& console : consoles) console.send("SHOW CLIENTS");
  for (auto& console : consoles) CHECK(console.last().rows() >= 50);
  CHECK(pooler.pool("db", "postgres", "cl_active") == 40);
}

TEST_CASE("SHUTDOWN ends the process at once, with exit code 0") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  Client console = pooler.connect("pgbouncer", "admin");
  console.send("SHUTDOWN");
  CHECK(pooler.wait_exit() == 0);
}

TEST_CASE("psql itself can use the console") {
  Pooler pooler = make_pooler();
  Output output = run({"psql", "-X", "-h", "127.0.0.1", "-p", std::to_string(pooler.port()), "-U",
                       "admin", "pgbouncer", "-c", "show pools", "-c", "show help"});
  CHECK(output.status == 0);
  CHECK_MESSAGE(output.text.find("maxwait_us") != std::string::npos, output.text);
}

TEST_SUITE_END();

TEST_CASE("KILL_CLIENT ends that client, and says so when there is none" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  RawClient victim = pooler.raw("db");
  std::string id = pooler.show("CLIENTS", {{"database", "db"}}).at("id");
  Client admin = pooler.connect("pgbouncer", "admin");
  Result unknown = admin.attempt("KILL_CLIENT 987654321");
  REQUIRE(unknown.failed());
  CHECK(unknown.error().message == "client not found");
  CHECK(admin.exec("KILL_CLIENT " + id).tag() == "KILL_CLIENT");
  CHECK(victim.until_closed().code == "57P01");
  CHECK(admin.attempt("KILL_CLIENT " + id).error().message == "client not found");
}
