// Limits on servers and clients: never passed, first come first served, exact texts.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

using Settings = std::map<std::string, std::string>;

Settings transaction(Settings more) {
  more.insert({"pool_mode", "transaction"});
  return more;
}

Pooler make_pooler(Settings settings, const std::string& more = "") {
  primary().create_database("limits");
  return Pooler(
      {.settings = transaction(settings), .databases = {entry("db", primary(), "limits", more)}});
}

std::vector<Client> clients_of(Pooler& pooler, int count, const std::string& database = "db",
                               const std::string& user = "postgres") {
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) clients.push_back(pooler.connect(database, user));
  return clients;
}

int most_backends_while(std::vector<Client>& clients, const std::string& database) {
  int most = 0;
  for (auto& client : clients) client.send("select pg_sleep(0.2)");
  for (bool busy = true; busy;) {
    most = std::max(most, primary().backends(database));
    busy = false;
    for (auto& client : clients) busy = busy || !client.has_answer();
  }
  for (auto& client : clients) CHECK(client.last().status() == PGRES_TUPLES_OK);
  return most;
}

}  // namespace

TEST_CASE("a pool never has more servers than pool_size, and gets that many") {
  Pooler pooler = make_pooler({{"default_pool_size", "3"}});
  auto clients = clients_of(pooler, 10);
  CHECK(most_backends_while(clients, "limits") == 3);
}

TEST_CASE("pool_size of the entry and of the user go before default_pool_size" *
          doctest::skip(on_pgbouncer())) {
  primary().create_database("limits");
  primary().create_role("roomy");
  Pooler pooler({.settings = transaction({{"default_pool_size", "1"}}),
                 .databases = {entry("db", primary(), "limits", "pool_size=2")},
                 .users = {"roomy = pool_size=4"},
                 .userlist = {{"roomy", ""}}});
  auto plain = clients_of(pooler, 8);
  CHECK(most_backends_while(plain, "limits") == 2);
  plain.clear();
  primary().drop_backends("limits");
  eventually("they are gone", [] { return primary().backends("limits") == 0; });
  auto roomy = clients_of(pooler, 8, "db", "roomy");
  CHECK(most_backends_while(roomy, "limits") == 4);
}

TEST_CASE("pool_size 0 has no limit" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"default_pool_size", "0"}});
  auto clients = clients_of(pooler, 30);
  for (auto& client : clients) client.exec("begin");
  CHECK(primary().backends("limits") == 30);
}

TEST_CASE("min_pool_size servers are kept once somebody uses the pool") {
  Pooler pooler = make_pooler({{"default_pool_size", "10"}}, "min_pool_size=4");
  eventually("nobody there, no servers", [] { return primary().backends("limits") == 0; });
  Client client = pooler.connect("db");
  eventually("four servers", [] { return primary().backends("limits") == 4; });
  primary().drop_backends("limits");
  eventually("four servers again", [&] { return pooler.pool("db", "postgres", "sv_idle") == 4; });
}

TEST_CASE("min_pool_size of an entry with a forced user needs no client" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"default_pool_size", "10"}}, "min_pool_size=3 user=postgres");
  eventually("three servers", [] { return primary().backends("limits") == 3; });
}

TEST_CASE("the reserve is used after reserve_pool_timeout, and no more than reserve_pool_size") {
  Pooler pooler = make_pooler(
      {{"default_pool_size", "1"}, {"reserve_pool_size", "1"}, {"reserve_pool_timeout", "1"}});
  auto clients = clients_of(pooler, 3);
  clients[0].exec("begin");
  auto start = Clock::now();
  clients[1].exec("begin");  // waits for the reserve
  CHECK(Clock::now() - start > Millis{900});
  CHECK(pooler.logged("taking connection from reserve_pool"));
  clients[2].send("select 1");
  std::this_thread::sleep_for(Millis{2000});  // twice the time-out
  CHECK(!clients[2].has_answer());
  CHECK(primary().backends("limits") == 2);
  clients[0].exec("commit");
  CHECK(clients[2].last().at(0, 0) == "1");
}

TEST_CASE("max_client_conn admits exactly that many, console included, and says so to the next") {
  Pooler pooler = make_pooler({{"max_client_conn", "4"}});
  pooler.console("SHOW VERSION");  // one of the four
  auto clients = clients_of(pooler, 3);
  ErrorReport report = refused(pooler.conninfo("db", "postgres"));
  CHECK(report.message == "no more connections allowed (max_client_conn)");
  CHECK(report.code == pooler_code("53300"));
  CHECK(report.severity == "FATAL");
  // An admin still gets in on the console.
  CHECK_NOTHROW(pooler.connect("pgbouncer", "admin").exec("SHOW VERSION"));
  clients.pop_back();
  eventually("there is room again", [&] {
    try {
      return pooler.connect("db").value("select 1") == "1";
    } catch (const SqlError&) {
      return false;
    }
  });
}

TEST_CASE("client limits of an entry and of a user" * doctest::skip(on_pgbouncer())) {
  primary().create_database("limits");
  primary().create_role("few");
  Pooler pooler({.settings = transaction({}),
                 .databases = {entry("db", primary(), "limits", "max_db_client_connections=2"),
                               entry("other", primary(), "limits")},
                 .users = {"few = max_user_client_connections=1"},
                 .userlist = {{"few", ""}}});
  auto clients = clients_of(pooler, 2);
  ErrorReport report = refused(pooler.conninfo("db", "postgres"));
  CHECK(report.message == "client connections exceeded (max_db_client_connections)");
  CHECK(report.code == "53300");
  Client one = pooler.connect("other", "few");
  report = refused(pooler.conninfo("other", "few"));
  CHECK(report.message == "client connections exceeded (max_user_client_connections)");
  CHECK(report.code == "53300");
  CHECK_NOTHROW(pooler.connect("other"));
  one.close();
  eventually("the user may come again", [&] {
    try {
      return pooler.connect("other", "few").value("select 1") == "1";
    } catch (const SqlError&) {
      return false;
    }
  });
}

TEST_CASE("global client limits count per entry and per user" * doctest::skip(on_pgbouncer())) {
  primary().create_database("limits");
  primary().create_role("few");
  Pooler pooler({.settings = transaction({{"max_db_client_connections", "3"},
                                          {"max_user_client_connections", "2"}}),
                 .databases = {entry("db", primary(), "limits")},
                 .userlist = {{"few", ""}}});
  auto clients = clients_of(pooler, 2);
  CHECK(refused(pooler.conninfo("db", "postgres")).message ==
        "client connections exceeded (max_user_client_connections)");
  Client third = pooler.connect("db", "few");
  CHECK(refused(pooler.conninfo("db", "few")).message ==
        "client connections exceeded (max_db_client_connections)");
}

TEST_CASE("max_db_connections bounds an entry over its pools, and idle servers make room") {
  primary().create_role("one");
  primary().create_role("two");
  primary().create_database("limits");
  eventually("what other tests had is gone", [] { return primary().backends("limits") == 0; });
  Pooler pooler({.settings = transaction({{"default_pool_size", "5"}}),
                 .databases = {entry("db", primary(), "limits", "max_db_connections=2")},
                 .userlist = {{"one", ""}, {"two", ""}}});
  auto ones = clients_of(pooler, 2, "db", "one");
  auto twos = clients_of(pooler, 1, "db", "two");
  for (auto& client : ones) client.exec("begin");
  twos[0].send("select 2");
  eventually("the second pool waits",
             [&] { return pooler.pool("db", "two", "cl_waiting") == 1; });
  // A login may be ending that the pooler has given up.
  eventually("two backends", [] { return primary().backends("limits") == 2; });
  ones[0].exec("commit");
  CHECK(twos[0].last().at(0, 0) == "2");
  eventually("the idle server of the first pool made room", [&] {
    return pooler.pool("db", "one", "sv_active") + pooler.pool("db", "one", "sv_idle") == 1;
  });
  eventually("two backends again", [] { return primary().backends("limits") <= 2; });
  CHECK(pooler.logged("evicted"));
}

TEST_CASE("max_user_connections bounds a user over entries, and idle servers make room") {
  primary().create_role("one");
  primary().create_database("limits");
  primary().create_database("limits_b");
  Pooler pooler({.settings = transaction({{"default_pool_size", "5"}}),
                 .databases = {entry("db", primary(), "limits"), entry("b", primary(), "limits_b")},
                 .users = {"one = max_user_connections=2"},
                 .userlist = {{"one", ""}}});
  auto first = clients_of(pooler, 2, "db", "one");
  auto second = clients_of(pooler, 1, "b", "one");
  for (auto& client : first) client.exec("begin");
  second[0].send("select 2");
  eventually("the second entry waits", [&] { return pooler.pool("b", "one", "cl_waiting") == 1; });
  first[1].exec("commit");
  CHECK(second[0].last().at(0, 0) == "2");
  CHECK(primary().backends("limits") + primary().backends("limits_b") <= 2);
}

TEST_CASE("waiters are served strictly in the order they came") {
  primary().create_database("limits");
  primary().sql("drop table if exists served; create table served (id serial, who int)", "limits");
  Pooler pooler = make_pooler({{"default_pool_size", "1"}});
  Client holder = pooler.connect("db");
  auto waiters = clients_of(pooler, 12);
  holder.exec("begin");
  for (int i = 0; i < 12; ++i) {
    waiters[i].send("insert into served (who) values (" + std::to_string(i) + ")");
    eventually("it is queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == i + 1; });
  }
  holder.exec("commit");
  for (auto& waiter : waiters) CHECK(waiter.last().status() == PGRES_COMMAND_OK);
  Result order = primary().sql("select who from served order by id", "limits");
  REQUIRE(order.rows() == 12);
  for (int i = 0; i < 12; ++i) CHECK(order.at(i, 0) == std::to_string(i));
}

TEST_CASE("a waiter that leaves the queue costs nobody their turn" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"default_pool_size", "1"}});
  Client holder = pooler.connect("db");
  auto waiters = clients_of(pooler, 6);
  holder.exec("begin");
  for (int i = 0; i < 6; ++i) {
    waiters[i].send("select " + std::to_string(i));
    eventually("it is queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == i + 1; });
  }
  waiters[0].close();
  waiters[3].close();
  eventually("they are gone", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 4; });
  holder.exec("commit");
  for (int i : {1, 2, 4, 5}) CHECK(waiters[i].last().at(0, 0) == std::to_string(i));
  CHECK(primary().backends("limits") == 1);
}
