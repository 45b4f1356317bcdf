// RELOAD and SIGHUP: all of a new configuration or nothing of it, and clients stay connected.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(std::map<std::string, std::string> more = {}) {
  primary().create_database("reloading");
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "2"});
  return Pooler({.settings = more, .databases = {entry("db", primary(), "reloading")}});
}

std::string setting(Pooler& pooler, const std::string& key) {
  return pooler.show("CONFIG", {{"key", key}}).at("value");
}

ErrorReport reload_error(Pooler& pooler) {
  Client console = pooler.connect("pgbouncer", "admin", "password=admin-password");
  Result result = console.attempt("RELOAD");
  REQUIRE(result.failed());
  return result.error();
}

}  // namespace

TEST_CASE("RELOAD takes new settings and keeps clients, in transactions too") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db"), holder = pooler.connect("db"), more = pooler.connect("db");
  client.exec("begin");
  holder.exec("begin");
  more.send("select 3");
  pooler.config().settings["default_pool_size"] = "3";
  pooler.config().settings["query_wait_timeout"] = "99";
  pooler.write_files();
  CHECK(pooler.console("RELOAD").tag() == "RELOAD");
  CHECK(setting(pooler, "default_pool_size") == "3");
  CHECK(setting(pooler, "query_wait_timeout") == "99");
  CHECK(more.last().at(0, 0) == "3");  // the pool has room now
  CHECK(client.value("select 1") == "1");
  CHECK(client.attempt("commit").tag() == "COMMIT");
}

TEST_CASE("a deleted line goes back to its default") {
  Pooler pooler = make_pooler({{"query_wait_timeout", "7"}});
  CHECK(setting(pooler, "query_wait_timeout") == "7");
  pooler.config().settings.erase("query_wait_timeout");
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(setting(pooler, "query_wait_timeout") == "120");
}

TEST_CASE("SIGHUP is RELOAD") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  pooler.config().settings["default_pool_size"] = "9";
  pooler.write_files();
  pooler.process().signal(SIGHUP);
  eventually("the new value", [&] { return setting(pooler, "default_pool_size") == "9"; });
  CHECK(client.value("select 1") == "1");
  CHECK(pooler.logged("got SIGHUP, re-reading config"));
}

TEST_CASE("a bad file changes nothing, and every mistake is in the log with file and line" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  std::string good = read_file(pooler.ini_path());
  std::string bad = "[pgbouncer]\ndefault_pool_size = 17\nno_such_key = 1\npool_mode = sometimes\n" +
                    good.substr(good.find('\n') + 1) + "\n[databases]\nbroken = host\n";
  pooler.write_ini(bad);
  ErrorReport report = reload_error(pooler);
  CHECK(report.code == "F0000");
  CHECK(report.message == "RELOAD failed, see logs for additional details");
  CHECK(setting(pooler, "default_pool_size") == "2");
  CHECK(setting(pooler, "pool_mode") == "transaction");
  CHECK(pooler.logged("howdah.ini:3"));
  CHECK(pooler.logged("no_such_key"));
  CHECK(pooler.logged("howdah.ini:4"));
  long last_line = std::count(bad.begin(), bad.end(), '\n');
  CHECK_MESSAGE(pooler.logged("howdah.ini:" + std::to_string(last_line)), pooler.log());
  CHECK(client.attempt("commit").tag() == "COMMIT");
  CHECK(pooler.connect("db").value("select 1") == "1");
  pooler.process().signal(SIGHUP);
  eventually("SIGHUP fails as well, quietly", [&] {
    std::string log = pooler.log();
    return log.find("howdah.ini:3") != log.rfind("howdah.ini:3");
  });
  CHECK(client.value("select 2") == "2");
  pooler.write_ini(good);
  CHECK(pooler.console("RELOAD").tag() == "RELOAD");
}

TEST_CASE("a missing file changes nothing" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  REQUIRE(::unlink(pooler.ini_path().c_str()) == 0);
  reload_error(pooler);
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("a new entry can be used at once; a removed one loses its clients, others stay") {
  Pooler pooler = make_pooler();
  Client doomed = pooler.connect("db");
  doomed.exec("select 1");
  pooler.config().databases = {entry("new", primary(), "reloading")};
  pooler.write_files();
  pooler.console("RELOAD");
  Client fresh = pooler.connect("new");
  CHECK(fresh.value("select 1") == "1");
  ErrorReport report = doomed.wait_closed();
  CHECK(report.message == "database removed");
  CHECK(report.severity == "FATAL");
  CHECK(refused(pooler.conninfo("db", "postgres")).message == "no such database: db");
  CHECK(fresh.value("select 2") == "2");
}

TEST_CASE("an entry that points elsewhere moves when its transactions end") {
  primary().create_database("elsewhere");
  Pooler pooler = make_pooler();
  Client busy = pooler.connect("db"), idle = pooler.connect("db");
  busy.exec("begin");
  pooler.config().databases = {entry("db", primary(), "elsewhere")};
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(busy.value("select current_database()") == "reloading");
  CHECK(idle.value("select current_database()") == "elsewhere");
  busy.exec("commit");
  CHECK(busy.value("select current_database()") == "elsewhere");
  eventually("the old servers are gone", [] { return primary().backends("reloading") == 0; });
}

TEST_CASE("a smaller pool closes what is too many") {
  Pooler pooler = make_pooler({{"default_pool_size", "4"}});
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(pooler.connect("db"));
  for (auto& client : clients) client.exec("begin");
  for (auto& client : clients) client.exec("commit");
  CHECK(primary().backends("reloading") == 4);
  pooler.config().settings["default_pool_size"] = "1";
  pooler.write_files();
  pooler.console("RELOAD");
  eventually("one server", [] { return primary().backends("reloading") == 1; });
}

TEST_CASE("userlist.txt is read again: new users come, removed ones and old passwords do not") {
  primary().create_role("coming");
  primary().create_role("going");
  Pooler pooler({.settings = {{"auth_type", "md5"}},
                 .databases = {entry("db", primary(), "postgres")},
                 .userlist = {{"admin", "admin-password"}, {"going", "old"}, {"postgres", "p"}}});
  Client connected = pooler.connect("db", "going", "password=old");
  pooler.config().userlist = {{"admin", "admin-password"}, {"coming", "new"}, {"postgres", "q"}};
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(pooler.connect("db", "coming", "password=new").value("select 1") == "1");
  CHECK_THROWS(pooler.connect("db", "going", "password=old"));
  CHECK_THROWS(pooler.connect("db", "postgres", "password=p"));
  CHECK(pooler.connect("db", "postgres", "password=q").value("select 1") == "1");
  CHECK(connected.value("select 1") == "1");
}

TEST_CASE("a user that is removed is unknown to trust, too" * doctest::skip(on_pgbouncer())) {
  primary().create_role("going");
  Pooler pooler({.databases = {entry("db", primary(), "postgres")}, .userlist = {{"going", ""}}});
  pooler.connect("db", "going").exec("select 1");
  pooler.config().userlist.clear();
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(refused(pooler.conninfo("db", "going")).message == "\"trust\" authentication failed");
}

TEST_CASE("the pool mode may change while clients are connected" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"default_pool_size", "1"}, {"pool_mode", "session"}});
  Client one = pooler.connect("db");
  one.exec("select 1");
  pooler.config().settings["pool_mode"] = "transaction";
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(pooler.show("POOLS", {{"database", "db"}}).at("pool_mode") == "transaction");
  Client two = pooler.connect("db");
  two.send("select 2");
  one.exec("select 1");  // from here on it gives its server back
  CHECK(two.last().at(0, 0) == "2");
}

TEST_CASE("reloads under load lose no query") {
  Pooler pooler = make_pooler({{"default_pool_size", "3"}});
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(pooler.connect("db"));
  int rounds = full_run() ? 100 : 15;
  for (int round = 0; round < rounds; ++round) {
    for (auto& client : clients) client.send("select pg_sleep(0.005)");
    pooler.config().settings["default_pool_size"] = std::to_string(1 + round % 5);
    pooler.write_files();
    CHECK(pooler.console("RELOAD").tag() == "RELOAD");
    for (auto& client : clients) CHECK(!client.last().failed());
  }
}

TEST_CASE("SET changes a setting until the next RELOAD; a wrong one fails") {
  Pooler pooler = make_pooler();
  CHECK(pooler.console("SET default_pool_size = 11").tag() == "SET default_pool_size=11");
  CHECK(setting(pooler, "default_pool_size") == "11");
  Client console = pooler.connect("pgbouncer", "admin");
  CHECK(console.attempt("SET no_such_thing = 1").failed());
  CHECK(console.attempt("SET pool_mode = sometimes").failed());
  CHECK(setting(pooler, "default_pool_size") == "11");
  pooler.console("RELOAD");
  CHECK(setting(pooler, "default_pool_size") == "2");
}
