// Cancel: the query of that very client, wherever it is, and nobody else's.
#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(const std::string& size, const std::string& mode = "transaction") {
  primary().create_database("cancelling");
  return Pooler({.settings = {{"pool_mode", mode}, {"default_pool_size", size}},
                 .databases = {entry("db", primary(), "cancelling")}});
}

void wait_running(const std::string& mark, int count = 1) {
  eventually("the query runs", [&] {
    return primary()
               .sql("select count(*) from pg_stat_activity where state = 'active' and query like '%" +
                    mark + "%' and pid <> pg_backend_pid()")
               .at(0, 0) == std::to_string(count);
  });
}

void send_cancel(Pooler& pooler, const std::string& key) {
  RawClient canceller = pooler.raw();
  canceller.send(msg::cancel(key));
  CHECK(canceller.read().type == 0);  // closed without a word
}

}  // namespace

TEST_CASE("a running query is cancelled and its connection goes on") {
  for (const char* mode : {"session", "transaction"}) {
    Pooler pooler = make_pooler("2", mode);
    Client client = pooler.connect("db");
    for (int i = 0; i < 3; ++i) {
      client.send("select pg_sleep(60) /* one */");
      wait_running("one");
      CHECK(client.cancel());
      Result result = client.last();
      CHECK(result.error().code == "57014");
      CHECK(result.error().message == "canceling statement due to user request");
      CHECK(client.value("select 1") == "1");
    }
  }
}

TEST_CASE("cancel hits the client whose key it has, among many") {
  Pooler pooler = make_pooler("10");
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(pooler.connect("db"));
  for (auto& client : clients) client.send("select pg_sleep(60) /* many */");
  wait_running("many", 10);
  // Backwards, so that order of arrival can't help.
  for (int i = 9; i >= 0; --i) {
    CHECK(clients[i].cancel());
    CHECK(clients[i].last().error().code == "57014");
    for (int other = 0; other < i; ++other) CHECK(!clients[other].has_answer());
  }
}

TEST_CASE("cancel in a transaction fails it and keeps it") {
  Pooler pooler = make_pooler("1");
  Client client = pooler.connect("db");
  client.exec("begin");
  client.send("select pg_sleep(60) /* tx */");
  wait_running("tx");
  CHECK(client.cancel());
  CHECK(client.last().error().code == "57014");
  CHECK(client.transaction() == PQTRANS_INERROR);
  CHECK(client.attempt("rollback").tag() == "ROLLBACK");
}

TEST_CASE("cancel of a queued query takes it out of the queue and keeps the connection" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("1");
  Client holder = pooler.connect("db"), waiter = pooler.connect("db"), next = pooler.connect("db");
  holder.exec("begin");
  waiter.send("select 'never run'");
  eventually("queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 1; });
  next.send("select 'next'");
  eventually("queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 2; });
  CHECK(waiter.cancel());
  Result result = waiter.last();
  REQUIRE(result.failed());
  CHECK(result.error().severity == "ERROR");
  CHECK(result.error().code == "57014");
  CHECK(!next.has_answer());
  holder.exec("commit");
  CHECK(next.last().at(0, 0) == "next");
  CHECK(waiter.value("select 'again'") == "again");
}

TEST_CASE("cancel of a queued pipeline ends it as an error would" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("1");
  Client holder = pooler.connect("db");
  RawClient waiter = pooler.raw("db");
  holder.exec("begin");
  waiter.send(msg::extended("select 1") + msg::extended("select 2") + msg::sync());
  eventually("queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 1; });
  send_cancel(pooler, waiter.key());
  CHECK(waiter.types_until('Z') == "EZ");
  holder.exec("commit");
  waiter.send(msg::query("select 3"));
  CHECK(waiter.types_until('Z') == "TDCZ");
}

TEST_CASE("keys of nobody and of idle clients cancel nothing") {
  Pooler pooler = make_pooler("2");
  Client running = pooler.connect("db");
  RawClient idle = pooler.raw("db");
  running.send("select pg_sleep(2) /* quiet */");
  wait_running("quiet");
  send_cancel(pooler, idle.key());
  send_cancel(pooler, std::string(8, '\0'));
  send_cancel(pooler, std::string(8, '\x7f'));
  std::string near = idle.key();
  near[7] ^= 1;
  send_cancel(pooler, near);
  CHECK(!running.last().failed());
}

TEST_CASE("the key of a client whose query is done does not hit who has its server now") {
  Pooler pooler = make_pooler("1");
  RawClient before = pooler.raw("db");
  Client now = pooler.connect("db");
  before.send(msg::query("select 1"));
  before.until('Z');
  for (int i = 0; i < 10; ++i) {
    now.send("select pg_sleep(0.1)");
    send_cancel(pooler, before.key());
    CHECK(!now.last().failed());
  }
}

TEST_CASE("a cancel that races with the end of its query never hits the next client's") {
  Pooler pooler = make_pooler("1");
  RawClient racer = pooler.raw("db");
  Client next = pooler.connect("db");
  for (int i = 0; i < 50; ++i) {
    racer.send(msg::query("select pg_sleep(0.002)"));
    RawClient canceller = pooler.raw();
    canceller.send(msg::cancel(racer.key()));
    next.send("select pg_sleep(0.01)");
    CHECK(!next.last().failed());
    racer.until('Z');
    CHECK(canceller.read().type == 0);
  }
}

TEST_CASE("keys differ and are not the server's") {
  Pooler pooler = make_pooler("2");
  RawClient one = pooler.raw("db"), two = pooler.raw("db");
  CHECK(one.key().size() == 8);
  CHECK(one.key() != two.key());
}

TEST_CASE("a cancel packet with bytes behind it, or in pieces, is a cancel") {
  Pooler pooler = make_pooler("2");
  RawClient client = pooler.raw("db");
  client.send(msg::query("select pg_sleep(60) /* pieces */"));
  wait_running("pieces");
  RawClient canceller = pooler.raw();
  if (on_pgbouncer()) {
    canceller.send(msg::cancel(client.key()));
  } else {
    canceller.send_slowly(msg::cancel(client.key()));
  }
  CHECK(error_code(client.until('Z')) == "57014");
}

TEST_CASE("cancel after an SSLRequest") {
  Pooler pooler = make_pooler("2");
  RawClient client = pooler.raw("db");
  client.send(msg::query("select pg_sleep(60) /* ssl */"));
  wait_running("ssl");
  RawClient canceller = pooler.raw();
  canceller.send(msg::ssl_request());
  CHECK(canceller.read_byte() == 'N');
  canceller.send(msg::cancel(client.key()));
  CHECK(error_code(client.until('Z')) == "57014");
}

TEST_CASE("a query whose server is still being checked is cancelled unsent" *
          doctest::skip(on_pgbouncer())) {
  primary().create_database("cancelling");
  primary().sql("create table if not exists ran (a int); truncate ran", "cancelling");
  Pooler pooler({.settings = {{"pool_mode", "transaction"},
                              {"default_pool_size", "1"},
                              {"server_check_delay", "0"},
                              {"server_check_query", "select pg_sleep(1) /* check */"}},
                 .databases = {entry("db", primary(), "cancelling")}});
  RawClient client = pooler.raw("db");
  Client next = pooler.connect("db");
  for (const std::string& request :
       {msg::query("insert into ran values (1)"),
        msg::extended("insert into ran values (1)") + msg::sync()}) {
    // One that is handed from client to client is not checked.
    eventually("parked", [&] { return pooler.pool("db", "postgres", "sv_used") == 1; });
    client.send(request);
    wait_running("check");
    next.send("select 'next'");
    send_cancel(pooler, client.key());
    CHECK(client.types_until('Z') == "EZ");
    CHECK(next.last().at(0, 0) == "next");
  }
  client.send(msg::query("select count(*) from ran"));
  CHECK(parse_row(client.until('Z').at(1).body).at(0) == "0");
}

TEST_CASE("a query whose server is still getting its SETs is cancelled unsent" *
          doctest::skip(on_pgbouncer())) {
  PgCluster cluster;
  cluster.create_database("cancelling");
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", cluster, "cancelling")}});
  RawClient client = pooler.raw();
  client.login("db", "postgres", {{"application_name", "mine"}});
  cluster.freeze();
  client.send(msg::query("select 1 / 0"));
  eventually("it waits", [&] { return pooler.pool("db", "postgres", "sv_active") == 1; });
  send_cancel(pooler, client.key());
  auto answer = client.until('Z');
  cluster.thaw();
  REQUIRE(answer.size() == 2);
  CHECK(parse_error(answer[0].body).code == "57014");
  client.send(msg::query("show application_name"));
  CHECK(parse_row(client.until('Z').at(1).body).at(0) == "mine");
}

TEST_CASE("a queued batch without its Sync is cancelled at once and skipped to its Sync" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("1");
  Client holder = pooler.connect("db");
  RawClient waiter = pooler.raw("db");
  holder.exec("begin");
  waiter.send(msg::extended("select 1") + msg::flush());
  eventually("queued", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 1; });
  send_cancel(pooler, waiter.key());
  CHECK(waiter.types_until('E') == "E");
  waiter.send(msg::extended("select 2"));
  CHECK(waiter.quiet_for(Millis(50)));
  holder.exec("commit");
  waiter.send(msg::sync() + msg::query("select 3"));
  CHECK(waiter.types_until('Z') == "Z");
  CHECK(waiter.types_until('Z') == "TDCZ");
}

TEST_CASE("clients of protocol 3.2 get a longer key, of which every byte counts" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  RawClient client = pooler.raw();
  client.send(msg::startup({{"user", "postgres"}, {"database", "db"}}, (3 << 16) + 2));
  CHECK(client.types_until('Z').find('v') == std::string::npos);
  REQUIRE(client.key().size() == 36);
  client.send(msg::query("select pg_sleep(60) /* long key */"));
  wait_running("long key");
  for (std::size_t at : {0, 4, 7, 8, 35}) {
    std::string near = client.key();
    near[at] ^= 4;
    send_cancel(pooler, near);
  }
  send_cancel(pooler, client.key().substr(0, 8));
  send_cancel(pooler, client.key() + "more");
  send_cancel(pooler, std::string(260, 'k'));
  CHECK(client.quiet_for(Millis(50)));
  send_cancel(pooler, client.key());
  CHECK(error_code(client.until('Z')) == "57014");
}

TEST_CASE("cancels that race with the queries of others on the same servers hit nobody else") {
  const long wanted = full_run() ? 100000 : 1500;
  const unsigned clients = full_run() ? 16 : 6;  // twice as many as servers
  Pooler pooler = make_pooler(std::to_string(clients / 2));
  std::atomic<long> cancels{0}, hits{0}, strays{0}, others{0};
  auto run = [&](bool asks, unsigned seed) {
    try {
      std::mt19937 random(seed);
      RawClient client = pooler.raw("db");
      while (cancels < wanted) {
        int micros = static_cast<int>(random() % 3000);
        client.send(msg::query("select pg_sleep(" + std::to_string(micros / 1e6) + ")"));
        bool cancel = asks && random() % 4 != 0;
        if (cancel) {
          std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
          RawClient canceller = pooler.raw();
          canceller.send(msg::cancel(client.key()));
          if (canceller.read().type != 0) ++others;
          ++cancels;
        }
        for (const Message& message : client.until('Z')) {
          if (message.type != 'E') continue;
          bool hit = parse_error(message.body).code == "57014";
          ++(!hit ? others : cancel ? hits : strays);
        }
      }
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      ++others;
      cancels = wanted;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < clients; ++i) threads.emplace_back(run, i % 2 == 0, i + 1);
  for (auto& thread : threads) thread.join();
  CHECK(strays == 0);
  CHECK(others == 0);
  CHECK(hits > 0);
  MESSAGE(cancels.load(), " cancels, ", hits.load(), " of them hit");
}
