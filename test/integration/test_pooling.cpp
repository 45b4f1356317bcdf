// Pool modes: when a client gets a server, when it gives it back, and in what state.
#include <doctest/doctest.h>

#include <set>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr const char* kPid = "select pg_backend_pid()";

// A pooler with one entry "db" on a database of its own for this file.
Pooler make_pooler(std::map<std::string, std::string> settings, const std::string& more = "") {
  primary().create_database("pooling");
  return Pooler({.settings = std::move(settings),
                 .databases = {entry("db", primary(), "pooling", more)}});
}

void wait_queued(Pooler& pooler, int count, const std::string& user = "postgres") {
  eventually("clients wait for a server",
             [&] { return pooler.pool("db", user, "cl_waiting") == count; });
}

}  // namespace

TEST_CASE("session mode: a client keeps its server until it leaves") {
  Pooler pooler = make_pooler({{"pool_mode", "session"}, {"default_pool_size", "1"}});
  Client first = pooler.connect("db"), second = pooler.connect("db");
  std::string pid = first.value(kPid);
  first.exec("create temp table mine (a int)");
  second.send(kPid);
  wait_queued(pooler, 1);
  CHECK(first.value("select count(*) from mine") == "0");
  first.close();
  CHECK(second.last().at(0, 0) == pid);
}

TEST_CASE("session mode: a server is reset before the next client gets it") {
  Pooler pooler = make_pooler({{"pool_mode", "session"}, {"default_pool_size", "1"}});
  {
    Client first = pooler.connect("db");
    first.exec("set work_mem = '77MB'");
    first.exec("create temp table mine (a int)");
  }
  Client second = pooler.connect("db");
  CHECK(second.value("show work_mem") == "4MB");
  CHECK(second.attempt("select * from mine").error().code == "42P01");
}

TEST_CASE("session mode: server_reset_query may be another one, or none") {
  primary().create_database("pooling");
  primary().sql("drop table if exists resets; create table resets (at timestamptz default now())",
                "pooling");
  Pooler pooler = make_pooler({{"pool_mode", "session"},
                               {"default_pool_size", "1"},
                               {"server_reset_query", "insert into resets default values"}});
  pooler.connect("db").exec("set work_mem = '77MB'");
  CHECK(pooler.connect("db").value("show work_mem") == "77MB");
  eventually("both resets ran", [] {
    return primary().sql("select count(*) from resets", "pooling").at(0, 0) == "2";
  });
  Pooler none = make_pooler(
      {{"pool_mode", "session"}, {"default_pool_size", "1"}, {"server_reset_query", ""}});
  none.connect("db").exec("set work_mem = '77MB'");
  CHECK(none.connect("db").value("show work_mem") == "77MB");
}

TEST_CASE("transaction mode: clients share one server between their transactions") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"}, {"default_pool_size", "1"}});
  Client first = pooler.connect("db"), second = pooler.connect("db");
  std::string pid = first.value(kPid);
  CHECK(second.value(kPid) == pid);
  first.exec("begin");
  CHECK(first.value(kPid) == pid);
  second.send(kPid);
  wait_queued(pooler, 1);
  CHECK(!second.has_answer());
  first.exec("select 1");
  CHECK(!second.has_answer());
  first.exec("commit");
  CHECK(second.last().at(0, 0) == pid);
  CHECK(primary().backends("pooling") == 1);
}

TEST_CASE("transaction mode: a failed transaction holds the server until it is rolled back") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"}, {"default_pool_size", "1"}});
  Client first = pooler.connect("db"), second = pooler.connect("db");
  first.exec("begin");
  CHECK(first.attempt("select 1/0").error().code == "22012");
  second.send("select 2");
  wait_queued(pooler, 1);
  CHECK(first.attempt("select 1").error().code == "25P02");
  first.exec("rollback");
  CHECK(second.last().at(0, 0) == "2");
}

TEST_CASE("transaction mode: the reset query runs only when it is asked for always") {
  // What is set would follow its client otherwise.
  std::map<std::string, std::string> settings{{"pool_mode", "transaction"}, {"default_pool_size", "1"}};
  if (!on_pgbouncer()) settings["session_state"] = "off";
  Pooler never = make_pooler(settings);
  Client client = never.connect("db");
  client.exec("set work_mem = '77MB'");
  CHECK(client.value("show work_mem") == "77MB");
  settings["server_reset_query_always"] = "1";
  Pooler always = make_pooler(settings);
  Client other = always.connect("db");
  other.exec("set work_mem = '77MB'");
  CHECK(other.value("show work_mem") == "4MB");
}

TEST_CASE("statement mode: statements share a server, a transaction block is refused") {
  Pooler pooler = make_pooler({{"pool_mode", "statement"}, {"default_pool_size", "1"}});
  Client first = pooler.connect("db"), second = pooler.connect("db");
  CHECK(first.value(kPid) == second.value(kPid));
  std::string pid = second.value(kPid);
  Result result = first.attempt("begin");
  REQUIRE(result.failed());
  CHECK(result.error().severity == "FATAL");
  CHECK(result.error().message == "transaction blocks not allowed in statement pooling mode");
  CHECK(first.lost());
  CHECK(second.value(kPid) == pid);  // the transaction was rolled back, the server kept
}

TEST_CASE("a pool mode of the entry and of the user goes before the global one") {
  primary().create_database("pooling");
  primary().create_role("sessions");
  Pooler pooler({.settings = {{"pool_mode", "statement"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "pooling", "pool_mode=transaction")},
                 .users = {"sessions = pool_mode=session"},
                 .userlist = {{"sessions", ""}}});
  Client transactions = pooler.connect("db"), other = pooler.connect("db");
  transactions.exec("begin");
  other.send("select 1");
  wait_queued(pooler, 1);
  transactions.exec("commit");
  other.last();
  Client session = pooler.connect("db", "sessions"), second = pooler.connect("db", "sessions");
  session.exec("select 1");
  second.send("select 1");
  wait_queued(pooler, 1, "sessions");
  session.close();
  second.last();
  CHECK(pooler.show("POOLS", {{"user", "sessions"}}).at("pool_mode") == "session");
  CHECK(pooler.show("POOLS", {{"user", "postgres"}}).at("pool_mode") == "transaction");
}

TEST_CASE("each entry and user has a pool of its own; a forced user has one for all") {
  primary().create_database("pooling");
  primary().create_role("one");
  primary().create_role("two");
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "pooling"),
                               entry("forced", primary(), "pooling", "user=two")},
                 .userlist = {{"one", ""}, {"two", ""}}});
  Client one = pooler.connect("db", "one"), two = pooler.connect("db", "two");
  CHECK(one.value(kPid) != two.value(kPid));
  CHECK(one.value("select current_user") == "one");
  Client forced_one = pooler.connect("forced", "one"), forced_two = pooler.connect("forced", "two");
  CHECK(forced_one.value("select current_user") == "two");
  CHECK(forced_one.value(kPid) == forced_two.value(kPid));
  CHECK(pooler.pool("forced", "two", "sv_idle") == 1);
}

TEST_CASE("connect_query runs before first use; its errors are ignored") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"}},
                              "connect_query='set work_mem = ''55MB'''");
  CHECK(pooler.connect("db").value("show work_mem") == "55MB");
  Pooler broken = make_pooler({{"pool_mode", "transaction"}}, "connect_query='select 1/0'");
  CHECK(broken.connect("db").value("select 1") == "1");
}

TEST_CASE("an idle server is checked before use when it idled longer than server_check_delay") {
  primary().create_database("pooling");
  primary().sql("drop sequence if exists checks; create sequence checks", "pooling");
  Pooler pooler = make_pooler({{"pool_mode", "transaction"},
                               {"default_pool_size", "1"},
                               {"server_check_delay", "0.2"},
                               {"server_check_query", "select nextval('checks')"}});
  Client client = pooler.connect("db");
  std::string pid = client.value(kPid);
  eventually("the check query ran", [&] {
    std::this_thread::sleep_for(Millis{700});  // idle for longer than the delay
    CHECK(client.value(kPid) == pid);
    return client.value("select is_called from checks") == "t";
  });
}

TEST_CASE("a check query that fails in SQL does not disqualify the server") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"},
                               {"default_pool_size", "1"},
                               {"server_check_delay", "0"},
                               {"server_check_query", "select 1/0"}});
  Client client = pooler.connect("db");
  std::string pid = client.value(kPid);
  for (int i = 0; i < 5; ++i) CHECK(client.value(kPid) == pid);
}

TEST_CASE("a check query that hangs costs the server, not the client" *
          doctest::skip(on_pgbouncer())) {
  // A host that accepts and goes silent is played by a locked table.
  primary().create_database("pooling");
  primary().sql("drop table if exists locked; create table locked (a int)", "pooling");
  Pooler pooler = make_pooler({{"pool_mode", "transaction"},
                               {"default_pool_size", "2"},
                               {"server_check_delay", "0"},
                               {"server_connect_timeout", "1"},
                               {"server_check_query", "select count(*) from locked"}});
  Client client = pooler.connect("db");
  std::string pid = client.value(kPid);
  Client locker = primary().connect("pooling");
  locker.exec("begin; lock table locked");
  CHECK(client.value(kPid) != pid);
}

TEST_CASE("servers older than server_lifetime are replaced, but never while in use") {
  Pooler pooler = make_pooler(
      {{"pool_mode", "transaction"}, {"default_pool_size", "1"}, {"server_lifetime", "1"}});
  Client client = pooler.connect("db");
  client.exec("begin");
  std::string pid = client.value(kPid);
  auto end = Clock::now() + Millis{2500};
  bool same = true;
  while (Clock::now() < end) same = same && client.value(kPid) == pid;
  CHECK(same);
  client.exec("commit");
  CHECK(client.value(kPid) != pid);
  CHECK(pooler.logged("server lifetime over"));
}

TEST_CASE("server_lifetime 0 uses a server once") {
  Pooler pooler = make_pooler(
      {{"pool_mode", "transaction"}, {"default_pool_size", "1"}, {"server_lifetime", "0"}});
  Client client = pooler.connect("db");
  std::set<std::string> pids;
  for (int i = 0; i < 4; ++i) pids.insert(client.value(kPid));
  CHECK(pids.size() == 4);
}

TEST_CASE("idle servers are closed after server_idle_timeout, but not below min_pool_size") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"},
                               {"default_pool_size", "4"},
                               {"server_idle_timeout", "1"}},
                              "min_pool_size=1");
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(pooler.connect("db"));
  for (auto& client : clients) client.exec("begin");
  CHECK(primary().backends("pooling") == 4);
  for (auto& client : clients) client.exec("commit");
  eventually("one server is left", [] { return primary().backends("pooling") == 1; });
  std::this_thread::sleep_for(Millis{1500});  // longer than the time-out again
  CHECK(primary().backends("pooling") == 1);
  CHECK(pooler.logged("server idle timeout"));
}

TEST_CASE("servers are used last in first out, or in turn with server_round_robin") {
  for (bool round_robin : {false, true}) {
    Pooler pooler = make_pooler({{"pool_mode", "transaction"},
                                 {"default_pool_size", "3"},
                                 {"server_round_robin", round_robin ? "1" : "0"}});
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(pooler.connect("db"));
    for (auto& client : clients) client.exec("begin");
    for (auto& client : clients) client.exec("commit");
    std::set<std::string> pids;
    for (int i = 0; i < 9; ++i) pids.insert(clients[0].value(kPid));
    CHECK(pids.size() == (round_robin ? 3 : 1));
  }
}

TEST_CASE("a client that leaves in a transaction takes its server with it: cancel_on_disconnect = 0") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"},
                               {"default_pool_size", "1"},
                               {"cancel_on_disconnect", "0"}});
  primary().sql("drop table if exists left_behind; create table left_behind (a int)", "pooling");
  std::string pid;
  {
    Client client = pooler.connect("db");
    client.exec("begin; insert into left_behind values (1)");
    pid = client.value(kPid);
  }
  Client next = pooler.connect("db");
  CHECK(next.value(kPid) != pid);
  CHECK(next.value("select count(*) from left_behind") == "0");
}

TEST_CASE("the first login of a pool shows the server's parameters; later ones need no server") {
  Pooler pooler = make_pooler({{"pool_mode", "transaction"}, {"default_pool_size", "1"}});
  Client first = pooler.connect("db");
  CHECK(first.parameter("server_version").starts_with("15"));
  first.exec("begin");  // holds the only server
  Client second = pooler.connect("db");
  CHECK(second.parameter("server_version") == first.parameter("server_version"));
  CHECK(second.parameter("server_encoding") == "UTF8");
  CHECK(second.parameter("integer_datetimes") == "on");
}

TEST_CASE("the * entry stands for any database") {
  primary().create_database("pooling");
  Pooler pooler({.settings = {{"pool_mode", "transaction"}},
                 .databases = {"* = host=127.0.0.1 port=" + std::to_string(primary().port())}});
  CHECK(pooler.connect("pooling").value("select current_database()") == "pooling");
  CHECK(pooler.connect("postgres").value("select current_database()") == "postgres");
  CHECK(refused(pooler.conninfo("nowhere", "postgres")).code == pooler_code("3D000"));
}
