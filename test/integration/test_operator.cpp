// What an operator does to a running pooler: PAUSE, RESUME, DISABLE, RECONNECT, KILL (compat 3.2).
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(const std::string& wait = "120") {
  primary().create_database("operator");
  return Pooler({.settings = {{"pool_mode", "transaction"},
                              {"default_pool_size", "2"},
                              {"query_wait_timeout", wait}},
                 .databases = {entry("db", primary(), "operator"),
                               entry("other", primary(), "operator")}});
}

void wait_waiting(Pooler& pooler, int count) {
  eventually("clients wait", [&] { return pooler.pool("db", "postgres", "cl_waiting") == count; });
}

}  // namespace

TEST_SUITE_BEGIN("operator" * doctest::skip(on_pgbouncer()));

TEST_CASE("PAUSE waits for the transactions in progress, holds the others, and RESUME lets them on") {
  Pooler pooler = make_pooler();
  Client busy = pooler.connect("db"), idle = pooler.connect("db");
  busy.exec("begin");
  Client admin = pooler.connect("pgbouncer", "admin");
  admin.send("PAUSE");
  eventually("SHOW STATE says paused",
             [&] { return pooler.console("SHOW STATE").at(1, 1) == "yes"; });
  CHECK_FALSE(admin.has_answer());
  idle.send("select 'held'");
  wait_waiting(pooler, 1);
  CHECK(busy.value("select 'goes on'") == "goes on");
  busy.exec("commit");
  CHECK(admin.last().tag() == "PAUSE");
  CHECK(pooler.console("SHOW SERVERS").rows() == 0);
  CHECK_FALSE(idle.has_answer());
  CHECK(pooler.console("RESUME").tag() == "RESUME");
  CHECK(idle.last().at(0, 0) == "held");
  Result again = admin.attempt("RESUME");
  REQUIRE(again.failed());
  CHECK(again.error().message == "pooler is not paused/suspended");
}

TEST_CASE("the clocks of waiters stand still while an operator pauses their pool") {
  Pooler pooler = make_pooler("1");
  Client client = pooler.connect("db");
  CHECK(client.value("select 1") == "1");
  pooler.console("PAUSE db");
  client.send("select 'after the pause'");
  wait_waiting(pooler, 1);
  // Three times the query_wait_timeout, by the pooler's own clock.
  eventually("the pause is long", [&] {
    return std::stoi(pooler.show("POOLS", {{"database", "db"}}).at("maxwait")) >= 3;
  });
  CHECK_FALSE(client.has_answer());
  pooler.console("RESUME db");
  CHECK(client.last().at(0, 0) == "after the pause");
}

TEST_CASE("Ctrl-C of the console that waits in PAUSE resumes; another console's does not") {
  Pooler pooler = make_pooler();
  Client busy = pooler.connect("db");
  busy.exec("begin");
  Client admin = pooler.connect("pgbouncer", "admin"), other = pooler.connect("pgbouncer", "admin");
  admin.send("PAUSE");
  eventually("paused", [&] { return pooler.console("SHOW STATE").at(1, 1) == "yes"; });
  CHECK(other.cancel());
  CHECK(other.value("SHOW VERSION").size() > 0);
  CHECK(pooler.console("SHOW STATE").at(1, 1) == "yes");
  CHECK(admin.cancel());
  eventually("resumed", [&] { return pooler.console("SHOW STATE").at(1, 1) == "no"; });
  busy.exec("commit");
}

TEST_CASE("DISABLE refuses new logins by name and keeps the present clients; ENABLE ends it") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  CHECK(pooler.console("DISABLE db").tag() == "DISABLE");
  eventually("new logins are refused", [&] {
    try {
      pooler.connect("db");
      return false;
    } catch (const SqlError& error) {
      return error.report.message == "database \"db\" is disabled";
    }
  });
  CHECK(client.value("select 1") == "1");
  CHECK(pooler.connect("other").value("select 2") == "2");
  CHECK(pooler.console("ENABLE db").tag() == "ENABLE");
  eventually("logins are accepted again", [&] {
    try {
      return pooler.connect("db").value("select 3") == "3";
    } catch (const SqlError&) {
      return false;
    }
  });
}

TEST_CASE("RECONNECT gives the next transaction a new server and leaves the present one alone") {
  Pooler pooler = make_pooler();
  Client busy = pooler.connect("db"), idle = pooler.connect("db");
  std::string before = idle.value("select pg_backend_pid()");
  busy.exec("begin");
  std::string held = busy.value("select pg_backend_pid()");
  CHECK(pooler.console("RECONNECT db").tag() == "RECONNECT");
  std::string after;
  eventually("another server", [&] {
    after = idle.value("select pg_backend_pid()");
    return after != before && after != held;
  });
  CHECK(busy.value("select pg_backend_pid()") == held);
  busy.exec("commit");
}

TEST_CASE("KILL ends the clients of its database only, until RESUME of that database") {
  Pooler pooler = make_pooler();
  Client victim = pooler.connect("db"), bystander = pooler.connect("other");
  CHECK(victim.value("select 1") == "1");
  CHECK(pooler.console("KILL db").tag() == "KILL");
  CHECK(victim.wait_closed().message == "database removed");
  CHECK(bystander.value("select 1") == "1");
  CHECK(pooler.console("RESUME db").tag() == "RESUME");
  CHECK(pooler.connect("db").value("select 2") == "2");
}

TEST_SUITE_END();
