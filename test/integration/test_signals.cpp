// SIGTERM, SIGINT, SIGQUIT (compat 4.2, 4.3): who is served to the end, who is told what, exit codes.
#include <doctest/doctest.h>
#include <signal.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(const std::string& mode = "transaction") {
  primary().create_database("signals");
  return Pooler({.settings = {{"pool_mode", mode}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "signals")}});
}

bool connects(int port) {
  try {
    RawClient client("127.0.0.1", port);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

void wait_listener_closed(Pooler& pooler) {
  eventually("the TCP listener is closed", [&] { return !connects(pooler.port()); });
}

ErrorReport refused_on_unix(Pooler& pooler) {
  return refused("host=" + pooler.directory() + " port=" + std::to_string(pooler.port()) +
                 " dbname=db user=postgres");
}

}  // namespace

TEST_SUITE_BEGIN("signals" * doctest::skip(on_pgbouncer()));

TEST_CASE("SIGTERM waits for clients: they go on being served, new ones are refused") {
  Pooler pooler = make_pooler();
  Client one = pooler.connect("db"), two = pooler.connect("db");
  one.exec("begin");
  pooler.console_close();
  pooler.process().signal(SIGTERM);
  wait_listener_closed(pooler);
  CHECK(refused_on_unix(pooler).message == "pooler is shutting down");
  one.exec("commit");
  for (int i = 0; i < 5; ++i) CHECK(two.value("select 1") == "1");
  CHECK(pooler.process().running());
  one.close();
  CHECK(two.value("select 2") == "2");
  two.close();
  CHECK(pooler.wait_exit() == 0);
  CHECK(pooler.logged("got SIGTERM, shutting down, waiting for all clients disconnect"));
}

TEST_CASE("SIGTERM with no client ends at once") {
  Pooler pooler = make_pooler();
  pooler.console_close();
  pooler.process().signal(SIGTERM);
  CHECK(pooler.wait_exit() == 0);
}

TEST_CASE("a second SIGTERM ends at once") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  pooler.process().signal(SIGTERM);
  wait_listener_closed(pooler);
  CHECK(client.value("select 1") == "1");
  pooler.process().signal(SIGTERM);
  CHECK(pooler.wait_exit() == 0);
  CHECK(pooler.logged("fast exit"));
  eventually("the client is closed", [&] { return client.attempt("select 1").failed(); });
}

TEST_CASE("SIGINT waits for servers: transactions end, waiting clients are told") {
  Pooler pooler = make_pooler();
  Client busy = pooler.connect("db"), waiting = pooler.connect("db"), idle = pooler.connect("db");
  busy.exec("begin");
  waiting.send("select 1");
  eventually("queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 1; });
  pooler.console_close();
  pooler.process().signal(SIGINT);
  Result result = waiting.last();
  REQUIRE(result.failed());
  CHECK(result.error().message == "server shutting down");
  CHECK(result.error().code == "57P01");
  CHECK(idle.attempt("select 1").failed());
  CHECK(busy.value("select 'still here'") == "still here");
  CHECK(busy.attempt("commit").tag() == "COMMIT");
  CHECK(pooler.wait_exit() == 0);
  CHECK(pooler.logged("got SIGINT, shutting down, waiting for all servers connections to be released"));
  eventually("no server is left", [] { return primary().backends("signals") == 0; });
}

TEST_CASE("SIGINT in session mode waits for the session's end") {
  Pooler pooler = make_pooler("session");
  Client session = pooler.connect("db");
  session.exec("select 1");
  pooler.console_close();
  pooler.process().signal(SIGINT);
  wait_listener_closed(pooler);
  CHECK(session.value("select 2") == "2");
  session.close();
  CHECK(pooler.wait_exit() == 0);
}

TEST_CASE("a second SIGINT ends at once") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  pooler.process().signal(SIGINT);
  wait_listener_closed(pooler);
  pooler.process().signal(SIGINT);
  CHECK(pooler.wait_exit() == 0);
}

TEST_CASE("SIGQUIT ends at once, in the middle of everything") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.send("select pg_sleep(60)");
  pooler.process().signal(SIGQUIT);
  CHECK(pooler.wait_exit(Millis{20000}) == 0);
  CHECK(client.last().failed());
}

TEST_CASE("a console may look while SIGTERM waits, over the unix socket") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("select 1");
  pooler.process().signal(SIGTERM);
  wait_listener_closed(pooler);
  {
    Client console("host=" + pooler.directory() + " port=" + std::to_string(pooler.port()) +
                   " dbname=pgbouncer user=admin");
    CHECK(console.exec("SHOW CLIENTS").rows() >= 2);
  }
  client.close();
  CHECK(pooler.wait_exit() == 0);
}

TEST_CASE("SIGUSR1 pauses and SIGUSR2 resumes") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("select 1");
  pooler.process().signal(SIGUSR1);
  eventually("paused", [&] { return pooler.show("STATE", {{"key", "paused"}}).at("value") == "yes"; });
  client.send("select 2");
  eventually("queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 1; });
  eventually("its servers are closed", [] { return primary().backends("signals") == 0; });
  CHECK(!client.has_answer());
  pooler.process().signal(SIGUSR2);
  CHECK(client.last().at(0, 0) == "2");
}

TEST_CASE("it starts again at once on the same port and socket, also after SIGKILL") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("select 1");
  pooler.console_close();
  pooler.process().kill_hard();
  pooler.wait_exit();
  pooler.start();
  CHECK(pooler.connect("db").value("select 1") == "1");
  RawClient local(pooler.unix_socket());
  CHECK_NOTHROW(local.login("db", "postgres"));
}

TEST_SUITE_END();
