// A client that vanishes at every point of the protocol, politely and with a reset: nobody else is
// disturbed and no server, slot or client is left behind.
#include <doctest/doctest.h>
#include <signal.h>

#include <string>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(const std::string& mode) {
  primary().create_database("vanishing");
  primary().sql("drop table if exists t; create table t (a int)", "vanishing");
  return Pooler({.settings = {{"pool_mode", mode},
                              {"default_pool_size", "2"},
                              {"log_connections", "0"},
                              {"log_disconnections", "0"}},
                 .databases = {entry("db", primary(), "vanishing")}});
}

// Start-up and one of everything, cut into messages.
std::vector<std::string> conversation() {
  std::string login = msg::startup({{"user", "postgres"}, {"database", "db"}});
  return {msg::ssl_request(),
          login,
          msg::query("select 1"),
          msg::query("begin"),
          msg::query("insert into t values (1)"),
          msg::extended("select $1::int", {"1"}),
          msg::sync(),
          msg::query("rollback"),
          msg::extended("select 1") + msg::flush(),
          msg::sync(),
          msg::query("copy t from stdin"),
          msg::copy_data("1\n"),
          msg::copy_data("2\n"),
          msg::copy_done(),
          msg::query("copy (select generate_series(1, 20000)) to stdout"),
          msg::function_call(1317, {"hello"}),
          msg::query("select pg_sleep(0.01)"),
          msg::terminate()};
}

std::string bytes_of(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += part;
  return all;
}

void check_clean(Pooler& pooler) {
  CHECK(pooler.connect("db").value("select 'after them'") == "after them");
  eventually("nothing is left of them", [&] {
    auto row = pooler.show("POOLS", {{"database", "db"}});
    return row.at("cl_active") == "0" && row.at("cl_waiting") == "0" &&
           row.at("sv_active") == "0" && row.at("sv_tested") == "0" && row.at("sv_login") == "0" &&
           primary().backends("vanishing") <= 2;
  });
  // Both servers of the pool can be had.
  Client one = pooler.connect("db"), two = pooler.connect("db");
  one.exec("begin");
  two.exec("begin");
  CHECK(one.value("select 1") == "1");
}

}  // namespace

TEST_CASE("a client that sends a prefix of a conversation and vanishes") {
  auto parts = conversation();
  parts.erase(parts.begin());  // an SSLRequest must be alone in its packet
  std::string bytes = bytes_of(parts);
  for (const char* mode : {"session", "transaction"}) {
    Pooler pooler = make_pooler(mode);
    Client bystander = pooler.connect("pgbouncer", "admin");
    // Every byte in a full run; else a step that falls on other places of messages each time.
    std::size_t step = full_run() ? 1 : 7;
    for (std::size_t end = 0; end <= bytes.size(); end += step) {
      RawClient client = pooler.raw();
      client.send(std::string_view(bytes).substr(0, end));
      if (end % 2) {
        client.reset();
      } else {
        client.close();
      }
    }
    CHECK(bystander.exec("SHOW VERSION").rows() == 1);
    bystander.close();
    check_clean(pooler);
  }
}

TEST_CASE("a client that takes part in a conversation and vanishes between and within messages") {
  auto parts = conversation();
  Pooler pooler = make_pooler("transaction");
  for (std::size_t last = 1; last <= parts.size(); ++last) {
    for (int how = 0; how < 4; ++how) {
      RawClient client = pooler.raw();
      client.send(parts[0]);
      client.read_byte();
      for (std::size_t i = 1; i < last; ++i) {
        client.send(parts[i]);
        bool ends = parts[i][0] == 'Q' || parts[i][0] == 'S' || parts[i][0] == 'F' || i == 1;
        bool copy_in = parts[i].find("from stdin") != std::string::npos;
        if (copy_in) client.until('G');
        if ((ends && !copy_in) || parts[i][0] == 'c') client.until('Z');
      }
      if (last < parts.size() && how >= 2) {
        client.send(std::string_view(parts[last]).substr(0, parts[last].size() / 2));
      }
      if (how % 2) {
        client.reset();
      } else {
        client.close();
      }
    }
  }
  check_clean(pooler);
}

TEST_CASE("a client that stops writing but reads on gets no more than it asked for") {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw("db");
  client.send(msg::query("select 1"));
  client.shutdown_write();
  for (Message message; (message = client.read()).type;) {
  }
  check_clean(pooler);
}

TEST_CASE("a client that does not read holds up its own server only, and can vanish so") {
  Pooler pooler = make_pooler("transaction");
  RawClient deaf = pooler.raw("db");
  deaf.send(msg::query("select repeat('x', 1000000) from generate_series(1, 200)"));
  Client other = pooler.connect("db");
  long before = pooler.process().memory_kb("VmRSS");
  for (int i = 0; i < 20; ++i) CHECK(other.value("select 1") == "1");
  // 200 MB were asked for and nobody takes them: they are not in the pooler.
  CHECK(pooler.process().memory_kb("VmRSS") - before < 20000);
  deaf.reset();
  other.close();
  check_clean(pooler);
}

TEST_CASE("clients that vanish while they wait for a server, in any order") {
  Pooler pooler = make_pooler("transaction");
  for (int round = 0; round < (full_run() ? 200 : 20); ++round) {
    Client one = pooler.connect("db"), two = pooler.connect("db");
    one.exec("begin");
    two.exec("begin");
    std::vector<RawClient> waiters;
    for (int i = 0; i < 6; ++i) {
      waiters.push_back(pooler.raw("db"));
      waiters.back().send(msg::query("select 1"));
    }
    // Some leave before, some while servers are handed out.
    waiters[round % 6].reset();
    one.exec("commit");
    waiters[(round + 1) % 6].reset();
    waiters[(round + 2) % 6].close();
    two.exec("commit");
    for (int i = 3; i < 6; ++i) {
      CHECK(waiters[(round + i) % 6].types_until('Z') == "TDCZ");
    }
  }
  check_clean(pooler);
}

TEST_CASE("clients that vanish while the pool's first server is being opened") {
  for (int round = 0; round < 10; ++round) {
    Pooler pooler = make_pooler("transaction");
    for (int i = 0; i < 10; ++i) {
      RawClient client = pooler.raw();
      client.send(msg::startup({{"user", "postgres"}, {"database", "db"}}));
      if (i % 2) client.reset();
    }
    check_clean(pooler);
  }
}

namespace {
// Of the one server of a pool.
std::string backend_pid(Pooler& pooler) { return pooler.connect("db").value("select pg_backend_pid()"); }

Pooler make_small(const std::string& mode, const std::string& more = "1") {
  primary().create_database("vanishing");
  primary().sql("drop table if exists t; create table t (a int)", "vanishing");
  return Pooler({.settings = {{"pool_mode", mode},
                              {"default_pool_size", "1"},
                              {"cancel_on_disconnect", more},
                              {"cancel_wait_timeout", "5"}},
                 .databases = {entry("db", primary(), "vanishing")}});
}

void wait_for(const std::string& mark, int count) {
  eventually(mark, [&] {
    return primary()
               .sql("select count(*) from pg_stat_activity where state = 'active' and query like '%" +
                    mark + "%' and pid <> pg_backend_pid()")
               .at(0, 0) == std::to_string(count);
  });
}
}  // namespace

TEST_CASE("what a vanished client leaves running is cancelled, rolled back, and its server kept" *
          doctest::skip(on_pgbouncer())) {
  struct Left {
    const char* what;
    std::vector<std::string> said;  // the last one is not waited for
    bool waits = false;             // until the last one runs
  };
  std::string sleep = "select pg_sleep(600) /* left */";
  std::string insert = "insert into t values (1)";
  for (const Left& left : std::vector<Left>{
           {"a query", {msg::query(sleep)}, true},
           {"a query of a transaction", {msg::query("begin"), msg::query(insert), msg::query(sleep)},
            true},
           {"an idle transaction", {msg::query("begin"), msg::query(insert)}},
           {"a failed transaction", {msg::query("begin"), msg::query("select 1/0")}},
           {"a batch", {msg::extended(sleep) + msg::sync()}, true},
           {"a batch without Sync", {msg::extended(insert) + msg::extended(sleep) + msg::flush()},
            true},
           {"a pipeline",
            {msg::extended(sleep) + msg::sync() + msg::extended(sleep) + msg::sync() +
             msg::query(sleep)},
            true},
           {"a copy", {msg::query("copy t from stdin") + msg::copy_data("1\n")}},
           {"a copy of a batch",
            {msg::extended("copy t from stdin") + msg::sync() + msg::copy_data("1\n")}},
           {"a copy of a transaction",
            {msg::query("begin"), msg::query("copy t from stdin") + msg::copy_data("1\n")}},
           {"rows without end",
            {msg::query("select repeat('x', 1000) from generate_series(1, 100000000)")}},
           {"a query that just began", {msg::query("select 1")}}}) {
    for (const char* mode : {"session", "transaction"}) {
      CAPTURE(left.what);
      CAPTURE(mode);
      Pooler pooler = make_small(mode);
      std::string pid = backend_pid(pooler);
      for (bool reset : {true, false}) {
        RawClient client = pooler.raw("db");
        for (std::size_t i = 0; i < left.said.size(); ++i) {
          client.send(left.said[i]);
          if (i + 1 < left.said.size()) client.until('Z');
        }
        if (left.waits) wait_for("left", 1);
        if (reset) {
          client.reset();
        } else {
          client.close();
        }
        CHECK(backend_pid(pooler) == pid);
      }
      CHECK(pooler.connect("db").value("select count(*) from t") == "0");
    }
  }
}

TEST_CASE("a server that does not come back in time is closed, and others are served" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_small("transaction");
  pooler.console("SET cancel_wait_timeout = 1");
  std::string pid = backend_pid(pooler);
  RawClient client = pooler.raw("db");
  client.send(msg::query("select pg_sleep(600) /* stubborn */"));
  wait_for("stubborn", 1);
  // Deaf to every cancel, at whatever moment it comes.
  REQUIRE(::kill(std::stoi(pid), SIGSTOP) == 0);
  client.close();
  CHECK(backend_pid(pooler) != pid);
  ::kill(std::stoi(pid), SIGCONT);
  primary().sql("select pg_terminate_backend(" + pid + ")");
}

TEST_CASE("without cancel_on_disconnect the query runs on and its server is closed" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_small("transaction", "0");
  std::string pid = backend_pid(pooler);
  RawClient client = pooler.raw("db");
  client.send(msg::query("select pg_sleep(600) /* runs on */"));
  wait_for("runs on", 1);
  client.close();
  CHECK(backend_pid(pooler) != pid);
  wait_for("runs on", 1);
  primary().sql("select pg_terminate_backend(" + pid + ")");
}
