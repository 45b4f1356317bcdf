// Routed entries: a server is lost under its client. Who stays connected, what it is told.
#include <doctest/doctest.h>

#include <string>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

const bool kSkip = on_pgbouncer();

PoolerConfig alone(const PgCluster& cluster, std::map<std::string, std::string> more = {}) {
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "4"});
  more.insert({"monitor_user", "postgres"});
  more.insert({"health_check_interval", "0.2"});
  return {.settings = more,
          .databases = {entry("rw", cluster, "postgres", "target_session_attrs=primary")}};
}

// Ends what runs `text` (or did last), as an administrator does: once it sleeps or waits for its
// client, since one that is still parsing has answered less. Waits until it is gone: a dying one would
// be taken for the next that runs the same.
void terminate(PgCluster& cluster, const std::string& text) {
  std::string pid;
  eventually("it runs", [&] {
    Result found = cluster.sql(
        "select pid from pg_stat_activity where pid <> pg_backend_pid() and "
        "wait_event in ('PgSleep', 'ClientRead') and query like '%" +
        text + "%'");
    if (found.rows() == 0) return false;
    pid = found.at(0, 0);
    return true;
  });
  cluster.sql("select pg_terminate_backend(" + pid + ")");
  eventually("it is gone", [&] {
    return cluster.sql("select 1 from pg_stat_activity where pid = " + pid).rows() == 0;
  });
}

// What a raw client is told, as types and SQLSTATEs: "E:08006 Z:I".
std::string told(RawClient& client, int ready = 1) {
  std::string all;
  while (ready > 0) {
    Message message = client.read();
    if (!all.empty()) all += ' ';
    all += message.type == 0 ? '0' : message.type;
    if (message.type == 0) break;
    if (message.type == 'E') all += ":" + parse_error(message.body).code;
    if (message.type == 'C') all += ":" + message.body.substr(0, message.body.size() - 1);
    if (message.type == 'Z') {
      all += ":" + message.body;
      --ready;
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a transaction that loses its server fails, its client stays and may go on" *
          doctest::skip(kSkip)) {
  PgCluster cluster;
  cluster.sql("create table t (c int)");
  Pooler pooler(alone(cluster));
  for (bool extended : {false, true}) {
    CAPTURE(extended);
    Client client = pooler.connect("rw");
    client.exec("begin");
    client.exec("insert into t values (1)");
    if (extended) {
      client.send_query("select pg_sleep(60), 'one'");
    } else {
      client.send("select pg_sleep(60), 'one'");
    }
    terminate(cluster, "''one''");
    Result failed = client.last();
    CHECK(failed.error().code == "57P01");
    CHECK(failed.error().severity == "ERROR");
    CHECK(client.transaction() == PQTRANS_INERROR);
    CHECK(client.attempt("insert into t values (2)").error().code == "25P02");
    CHECK(client.attempt("rollback to savepoint a").error().code == "25P02");
    CHECK(client.exec("commit").tag() == "ROLLBACK");
    CHECK(client.transaction() == PQTRANS_IDLE);
    CHECK(client.value("select count(*) from t") == "0");
  }
}

TEST_CASE("a server that dies without a word: 08006 in a transaction, 08007 outside of one" *
          doctest::skip(kSkip)) {
  PgCluster cluster;
  cluster.sql("create table t (c int)");
  Pooler pooler(alone(cluster));
  Client inside = pooler.connect("rw"), outside = pooler.connect("rw"),
         committing = pooler.connect("rw"), idle = pooler.connect("rw");
  inside.exec("begin");
  inside.send("insert into t select 1 from pg_sleep(60)");
  outside.send_query("insert into t select 2 from pg_sleep(60)");
  cluster.sql(
      "create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(60); "
      "return null; end'; create table d (c int); create constraint trigger s after insert on d "
      "deferrable initially deferred for each row execute function slow()");
  committing.exec("begin");
  committing.exec("insert into d values (1)");
  committing.send("commit");
  idle.exec("begin");
  idle.exec("insert into t values (3)");
  eventually("all of them run", [&] {
    return cluster
               .sql("select count(*) from pg_stat_activity where query like 'insert into t "
                    "select%' and state = 'active' or query = 'commit' and wait_event = 'PgSleep'")
               .at(0, 0) == "3";
  });
  cluster.kill_hard();
  CHECK(inside.last().error().code == "08006");
  CHECK(inside.transaction() == PQTRANS_INERROR);
  CHECK(outside.last().error().code == "08007");
  CHECK(outside.transaction() == PQTRANS_IDLE);
  CHECK(committing.last().error().code == "08007");
  CHECK(committing.transaction() == PQTRANS_IDLE);
  // There is no server: these are answered without.
  CHECK(inside.attempt("select 1").error().code == "25P02");
  CHECK(inside.exec("rollback").tag() == "ROLLBACK");
  // PostgreSQL's own word for it, kept for the next request: no COMMIT may seem to succeed.
  CHECK(idle.attempt("commit").error().code == "57P01");
  CHECK(idle.transaction() == PQTRANS_IDLE);
  inside.send("insert into t values (4)");
  cluster.start();
  CHECK(inside.last().tag() == "INSERT 0 1");
  for (Client* client : {&outside, &committing, &idle})
    CHECK(client->value("select string_agg(c::text, ' ') from t") == "4");
}

TEST_CASE("a pipeline whose server is lost is answered to its end, and nothing runs by itself" *
          doctest::skip(kSkip)) {
  PgCluster cluster;
  cluster.sql("create table t (c int)");
  Pooler pooler(alone(cluster));
  RawClient client = pooler.raw("rw");
  auto lose = [&](const std::string& bytes, int ready) {
    client.send(bytes);
    terminate(cluster, "pg_sleep(60)");
    return told(client, ready);
  };
  const std::string sleep = "select pg_sleep(60)", insert = "insert into t values (1)";
  // Batches of their own, outside of a transaction.
  CHECK(lose(msg::extended(sleep) + msg::sync() + msg::extended(insert) + msg::sync(), 2) ==
        "1 2 T E:57P01 Z:I E:08007 Z:I");
  // A batch whose Sync comes later.
  CHECK(lose(msg::query("begin") + msg::extended(sleep) + msg::flush(), 1) == "C:BEGIN Z:T");
  CHECK(parse_error(client.until('E').back().body).code == "57P01");
  client.send(msg::extended(insert) + msg::copy_data("x") + msg::sync());
  CHECK(told(client) == "Z:E");
  client.send(msg::extended(insert) + msg::sync() + msg::query("") + msg::query(insert));
  CHECK(told(client, 3) == "E:25P02 Z:E I Z:E E:25P02 Z:E");
  client.send(msg::extended("rollback") + msg::sync());
  CHECK(told(client) == "1 2 n C:ROLLBACK Z:I");
  // A transaction begun and lost in one pipeline: the rest of it must not commit by itself.
  CHECK(lose(msg::query("begin") + msg::query(sleep) + msg::query(insert), 3) ==
        "C:BEGIN Z:T T E:57P01 Z:E E:08006 Z:E");
  client.send(msg::query(insert) + msg::query("rollback; select 1") + msg::query(insert));
  CHECK(told(client, 3).find("E:25P02 Z:E") == 0);
  CHECK(cluster.sql("select count(*) from t").at(0, 0) == "1");  // behind the ROLLBACK
}

TEST_CASE("a copy whose server is lost ends with an error, late data is dropped" *
          doctest::skip(kSkip)) {
  PgCluster cluster;
  cluster.sql("create table t (c int)");
  Pooler pooler(alone(cluster));
  for (bool block : {false, true}) {
    CAPTURE(block);
    RawClient client = pooler.raw("rw");
    if (block) {
      client.send(msg::query("begin"));
      told(client);
    }
    client.send(msg::query("copy t from stdin"));
    client.until('G');
    client.send(msg::copy_data("1\n"));
    terminate(cluster, "copy t");
    CHECK(told(client) == (block ? "E:57P01 Z:E" : "E:57P01 Z:I"));
    client.send(msg::copy_data("2\n") + msg::copy_done() + msg::query("rollback"));
    CHECK(told(client).find("C:ROLLBACK Z:I") != std::string::npos);
    // By Execute, with a Sync before its time, as drivers do.
    if (block) {
      client.send(msg::query("begin"));
      told(client);
    }
    client.send(msg::extended("copy t from stdin") + msg::sync());
    client.until('G');
    client.send(msg::copy_data("1\n"));
    terminate(cluster, "copy t");
    client.until('E');
    client.send(msg::copy_data("2\n") + msg::copy_done() + msg::sync());
    CHECK(told(client) == (block ? "Z:E" : "Z:I"));
    client.send(msg::query("rollback"));
    told(client);
    client.send(msg::query("select 1"));
    CHECK(told(client) == "T D C:SELECT 1 Z:I");
  }
  CHECK(cluster.sql("select count(*) from t").at(0, 0) == "0");
}

TEST_CASE("who loses more than a transaction is disconnected" * doctest::skip(kSkip)) {
  PgCluster cluster;
  PoolerConfig with = alone(cluster);
  with.databases.push_back(
      entry("whole", cluster, "postgres", "target_session_attrs=primary pool_mode=session"));
  with.databases.push_back(entry("plain", cluster, "postgres"));
  Pooler pooler(with);
  for (auto [database, sql] : {std::pair("rw", "listen wake"), std::pair("whole", "select 'session'"),
                               std::pair("plain", "begin; select 'plain'")}) {
    CAPTURE(database);
    Client client = pooler.connect(database);
    client.exec(sql);
    client.send("select pg_sleep(60)");
    terminate(cluster, "pg_sleep(60)");
    CHECK(client.last().error().code == "57P01");
    CHECK(client.lost());
  }
}

TEST_CASE("writes are never run twice, however their server ends" * doctest::skip(kSkip)) {
  PgCluster cluster;
  cluster.sql(
      "create table t (c int); create function f() returns int language sql volatile as 'insert "
      "into t values (1) returning c'");
  Pooler pooler(alone(cluster));
  for (const char* sql : {"insert into t select 1 from pg_sleep(60)",
                          "select f() from pg_sleep(60)", "select 1; select pg_sleep(60)"}) {
    CAPTURE(sql);
    Client client = pooler.connect("rw");
    client.send(sql);
    terminate(cluster, "pg_sleep(60)");
    CHECK(client.last().error().code == "57P01");
    CHECK(client.transaction() == PQTRANS_IDLE);
  }
}
