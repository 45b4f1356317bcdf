// What drivers say on the wire when they prepare statements, as they say it, by several clients in
// turn on one server and on two. Every answer is compared with PostgreSQL's own.
#include <doctest/doctest.h>

#include "support/both.h"

using namespace howdah::test;
using msg::describe;
using msg::execute;
using msg::flush;
using msg::parse;
using msg::query;

namespace {

constexpr const char* kSchema =
    "create table item (id int4 primary key, name text);"
    "insert into item select g, 'item ' || g from generate_series(1, 9) g";

// libpq's PQexecPrepared and PQsendQueryPrepared: text in and out, portal described.
std::string exec_prepared(const std::string& name, const std::vector<std::string>& values) {
  msg::Binding binding{"", name, {}, {}, {0}};
  for (const auto& value : values) {
    binding.formats.push_back(0);
    binding.values.emplace_back(value);
  }
  return msg::bind(binding) + describe('P', "") + execute("");
}

std::string pg_prepare(const std::string& name, const std::string& sql) {
  return parse(name, sql) + msg::sync();
}

// Differs from client to client under the same name.
std::string plus(const Both& client, int more = 0) {
  return "select $1::int4 + " + std::to_string(client.number() * 100 + more) + " as sum";
}
std::string sum(const Both& client, int argument, int more = 0) {
  return std::to_string(argument + client.number() * 100 + more);
}

std::string binary4(int value) { return msg::i32(value); }

}  // namespace

TEST_CASE(
    "psycopg 3: prepared on the fifth execution, in pipelines, evicted by DEALLOCATE or Close") {
  alternate({.turns = 9}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    switch (turn) {
      case 0:
        CHECK(client.ask(pg_prepare("_pg3_0", plus(client))) == "1Z");
        CHECK(client.ask(exec_prepared("_pg3_0", {"1"}) + sync()) == "2TDCZ");
        CHECK(client.value() == sum(client, 1));
        break;
      case 1:
      case 2:
        CHECK(client.ask(exec_prepared("_pg3_0", {"2"}) + sync()) == "2TDCZ");
        CHECK(client.value() == sum(client, 2));
        break;
      case 3:  // a pipeline: BEGIN, one more statement, both used, COMMIT
        CHECK(client.ask(msg::extended("BEGIN") + parse("_pg3_1", plus(client, 7)) +
                         exec_prepared("_pg3_1", {"3"}) + exec_prepared("_pg3_0", {"4"}) +
                         msg::extended("COMMIT") + sync()) == "12nC12TDC2TDC12nCZ");
        break;
      case 4:  // an error aborts the pipeline; the statement prepared behind it is not there
        CHECK(client.ask(exec_prepared("_pg3_0", {"x"}) + parse("_pg3_2", plus(client, 8)) +
                         exec_prepared("_pg3_2", {"1"}) + sync()) == "EZ");
        CHECK(client.ask(exec_prepared("_pg3_2", {"1"}) + sync()) == "EZ");
        CHECK(client.ask(exec_prepared("_pg3_1", {"1"}) + sync()) == "2TDCZ");
        break;
      case 5:
        CHECK(client.ask(query("DEALLOCATE _pg3_0")) == "CZ");
        CHECK(client.ask(exec_prepared("_pg3_0", {"1"}) + sync()) == "EZ");
        break;
      case 6:  // the name again, for another text
        CHECK(client.ask(pg_prepare("_pg3_0", "select upper($1::text)")) == "1Z");
        CHECK(client.ask(exec_prepared("_pg3_0", {"abc"}) + sync()) == "2TDCZ");
        break;
      case 7:  // libpq 17: PQclosePrepared; in a pipeline DEALLOCATE goes as an unnamed statement
        CHECK(client.ask(msg::close('S', "_pg3_1") + sync()) == "3Z");
        CHECK(client.ask(msg::extended("DEALLOCATE _pg3_0") + sync()) == "12nCZ");
        break;
      case 8:
        CHECK(client.ask(exec_prepared("_pg3_0", {"1"}) + sync()) == "EZ");
        CHECK(client.ask(exec_prepared("_pg3_1", {"1"}) + sync()) == "EZ");
        CHECK(client.ask(query("DEALLOCATE ALL")) == "CZ");
        break;
    }
  });
}

TEST_CASE("PDO: native prepares, DEALLOCATE as a simple query") {
  alternate({.turns = 6}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    const std::string first = "pdo_stmt_00000001", second = "pdo_stmt_00000002";
    switch (turn) {
      case 0:
        CHECK(client.ask(pg_prepare(first, "select name from item where id = $1")) == "1Z");
        CHECK(client.ask(exec_prepared(first, {"3"}) + sync()) == "2TDCZ");
        CHECK(client.value() == "item 3");
        break;
      case 1:
        CHECK(client.ask(exec_prepared(first, {"4"}) + sync()) == "2TDCZ");
        CHECK(client.ask(pg_prepare(second, "selekt")) == "EZ");
        CHECK(client.ask(pg_prepare(second, plus(client))) == "1Z");
        break;
      case 2:
        CHECK(client.ask(exec_prepared(second, {"4"}) + sync()) == "2TDCZ");
        CHECK(client.value() == sum(client, 4));
        CHECK(client.ask(query("DEALLOCATE " + second)) == "CZ");
        CHECK(client.ask(query("DEALLOCATE " + second)) == "EZ");
        break;
      case 3:
        CHECK(client.ask(exec_prepared(second, {"4"}) + sync()) == "EZ");
        CHECK(client.ask(exec_prepared(first, {"5"}) + sync()) == "2TDCZ");
        break;
      case 4:
        CHECK(client.ask(query("DEALLOCATE " + first)) == "CZ");
        CHECK(client.ask(pg_prepare(first, plus(client))) == "1Z");
        break;
      case 5:
        CHECK(client.ask(exec_prepared(first, {"6"}) + sync()) == "2TDCZ");
        CHECK(client.value() == sum(client, 6));
        break;
    }
  });
}

TEST_CASE("PDO and Laravel: savepoints, an error inside, DEALLOCATE in a failed transaction") {
  alternate({.turns = 4}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    std::string id = std::to_string(100 + client.number() * 10 + turn);
    const std::string insert = "pdo_stmt_00000001", look = "pdo_stmt_00000002";
    if (turn == 0) {
      CHECK(client.ask(pg_prepare(insert, "insert into item values ($1, $2)")) == "1Z");
    }
    CHECK(client.ask(query("BEGIN")) == "CZ");
    CHECK(client.ask(exec_prepared(insert, {id, "new"}) + sync()) == "2nCZ");
    CHECK(client.ask(query("SAVEPOINT trans2")) == "CZ");
    CHECK(client.ask(pg_prepare(look, "select name from item where id = $1")) == "1Z");
    CHECK(client.ask(exec_prepared(look, {id}) + sync()) == "2TDCZ");
    CHECK(client.value() == "new");
    // The same key once more: the transaction has failed, and with it DEALLOCATE does.
    CHECK(client.ask(exec_prepared(insert, {id, "twice"}) + sync()) == "2nEZ");
    CHECK(client.ask(query("DEALLOCATE " + look)) == "EZ");
    CHECK(client.ask(exec_prepared(look, {id}) + sync()) == "EZ");
    CHECK(client.ask(pg_prepare("pdo_stmt_00000003", "select 1")) == "EZ");
    CHECK(client.ask(query("ROLLBACK TO SAVEPOINT trans2")) == "CZ");
    // Prepared in the part that was rolled back, and still there.
    CHECK(client.ask(exec_prepared(look, {id}) + sync()) == "2TDCZ");
    if (turn % 2 == 0) {
      CHECK(client.ask(query("DEALLOCATE " + look)) == "CZ");
      CHECK(client.ask(query("COMMIT")) == "CZ");
    } else {
      CHECK(client.ask(query("ROLLBACK")) == "CZ");
      CHECK(client.ask(exec_prepared(look, {id}) + sync()) == "2TCZ");
      CHECK(client.ask(query("DEALLOCATE " + look)) == "CZ");
    }
    CHECK(client.ask(exec_prepared(look, {id}) + sync()) == "EZ");
    CHECK(client.ask(exec_prepared("pdo_stmt_00000003", {}) + sync()) == "EZ");
  });
}

TEST_CASE("JDBC: named from the first execution, batches, Close queued before the next") {
  alternate({.turns = 6}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    auto run = [](const std::string& name, int value) {
      return msg::bind({"", name, {1}, {binary4(value)}, {1}});
    };
    switch (turn) {
      case 0:
        CHECK(client.ask(parse("S_1", plus(client), {23}) + run("S_1", 1) + describe('P', "") +
                         execute("") + sync()) == "12TDCZ");
        break;
      case 1:
        CHECK(client.ask(run("S_1", 2) + execute("") + sync()) == "2DCZ");
        CHECK(client.value() == binary4(2 + client.number() * 100));
        break;
      case 2: {  // executeBatch, in the transaction that autocommit off opens with it
        std::string batch = parse("S_2", "BEGIN") + msg::bind("", "S_2") + execute("");
        batch += parse("S_3", "update item set name = $1 where id = $2", {1043, 23});
        std::string wanted = "12C1";
        for (int i = 1; i < 9; ++i) {
          batch += msg::bind({"", "S_3", {0, 1}, {std::string("n"), binary4(i)}, {}});
          batch += describe('P', "") + execute("", 1);
          wanted += "2nC";
        }
        CHECK(client.ask(batch + sync()) == wanted + "Z");
        CHECK(client.ask(parse("S_4", "COMMIT") + msg::bind("", "S_4") + execute("", 1) + sync()) ==
              "12CZ");
        break;
      }
      case 3:  // finalized statements are closed in front of what comes next
        CHECK(client.ask(msg::close('S', "S_1") + msg::close('S', "S_3") +
                         parse("S_5", plus(client, 5), {23}) + run("S_5", 1) + describe('P', "") +
                         execute("") + sync()) == "3312TDCZ");
        CHECK(client.ask(run("S_1", 1) + execute("") + sync()) == "EZ");
        break;
      case 4: {  // a cursor with a fetch size
        CHECK(client.ask(msg::bind("", "S_2") + execute("") +
                         parse("S_6", "select id, name from item order by id") +
                         msg::bind("C_7", "S_6") + describe('P', "C_7") + execute("C_7", 4) +
                         sync()) == "2C12TDDDDsZ");
        CHECK(client.ask(execute("C_7", 4) + sync()) == "DDDDsZ");
        CHECK(client.ask(execute("C_7", 4) + sync()) == "DCZ");
        CHECK(client.ask(msg::close('P', "C_7") + msg::bind("", "S_4") + execute("", 1) + sync()) ==
              "32CZ");
        break;
      }
      case 5:
        CHECK(client.ask(run("S_5", 5) + execute("") + sync()) == "2DCZ");
        CHECK(client.ask(describe('S', "S_5") + sync()) == "tTZ");
        break;
    }
  });
}

TEST_CASE("JDBC: a column is added between executions of select *") {
  for (int servers : {1, 2}) {
    CAPTURE(servers);
    BothDatabases databases(kSchema);
    Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "2"}},
                   .databases = {databases.entry("db")}});
    Both first(databases, pooler, 1), second(databases, pooler, 2);
    std::string text = "select * from item where id = 1";
    for (Both* client : {&first, &second}) {
      CHECK(client->ask(parse("S_1", text) + msg::bind("", "S_1") + describe('P', "") +
                        execute("") + msg::sync()) == "12TDCZ");
    }
    databases.sql("alter table item add column price int4 default 5");
    for (Both* client : {&first, &second}) {
      // Where it was prepared PostgreSQL refuses to change the columns under the client; a server
      // that sees it the first time knows only the new ones. Never old columns with new rows.
      RawClient& raw = client->pooled();
      raw.send(msg::bind("", "S_1") + describe('P', "") + execute("") + msg::sync());
      std::vector<Message> answer = raw.until('Z');
      bool refused = answer.front().type == 'E';
      if (refused) {
        CHECK(parse_error(answer.front().body).code == "0A000");
      } else {
        REQUIRE(answer.size() == 5);
        CHECK(answer[1].body.find("price") != std::string::npos);
        CHECK(parse_row(answer[2].body).size() == 3);
      }
      // The driver gives the name up and prepares anew.
      raw.send(msg::close('S', "S_1") + parse("S_2", text) + msg::bind("", "S_2") +
               describe('P', "") + execute("") + msg::sync());
      answer = raw.until('Z');
      REQUIRE(answer.size() == 7);
      CHECK(parse_row(answer[4].body).size() == 3);
    }
  }
}

TEST_CASE("asyncpg: Parse, Describe, Flush; then Bind, Execute, Sync") {
  alternate({.turns = 5}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    const std::string name = "__asyncpg_stmt_1__";
    auto run = [&](int value) {
      return msg::bind({"", name, {1}, {binary4(value)}, {1}}) + execute("") + sync();
    };
    switch (turn) {
      case 0:
        CHECK(client.ask_until(parse(name, plus(client)) + describe('S', name) + flush(), 'T') ==
              "1tT");
        CHECK(client.ask(run(1)) == "2DCZ");
        break;
      case 1:
      case 2:
        CHECK(client.ask(run(turn)) == "2DCZ");
        CHECK(client.value() == binary4(turn + client.number() * 100));
        break;
      case 3:  // given back to its pool: this resets the connection
        CHECK(client.ask(query("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\n"
                               "RESET ALL;")) == "TDCCCCZ");
        CHECK(client.ask(run(9)) == "2DCZ");
        break;
      case 4:
        CHECK(client.ask(msg::close('S', name) + sync()) == "3Z");
        CHECK(client.ask(run(9)) == "EZ");
        // A text that fails while only Flush asks for its answer, and the same name again.
        CHECK(client.ask_until(parse(name, "selekt") + describe('S', name) + flush(), 'E') == "E");
        CHECK(client.ask(sync()) == "Z");
        CHECK(client.ask_until(parse(name, plus(client)) + describe('S', name) + flush(), 'T') ==
              "1tT");
        CHECK(client.ask(run(3)) == "2DCZ");
        break;
    }
  });
}

TEST_CASE(
    "node-postgres: a named statement in one batch, one that fails at Parse and is named again") {
  alternate({.turns = 4}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    auto run = [](const std::string& name, const std::string& value) {
      return msg::bind("", name, {value}) + describe('P', "") + execute("") + sync();
    };
    switch (turn) {
      case 0:
        CHECK(client.ask(parse("fetch-item", "select * from items where id = $1") +
                         run("fetch-item", "1")) == "EZ");
        break;
      case 1:
        CHECK(client.ask(parse("fetch-item", "select name from item where id = $1") +
                         run("fetch-item", "2")) == "12TDCZ");
        break;
      case 2:
        CHECK(client.ask(run("fetch-item", "3")) == "2TDCZ");
        CHECK(client.ask(run("fetch-item", "not a number")) == "EZ");
        // An application that uses one name for two texts.
        CHECK(client.ask(parse("fetch-item", "select 1 where $1 = ''") + run("fetch-item", "2")) ==
              "EZ");
        break;
      case 3:
        CHECK(client.ask(run("fetch-item", "4")) == "2TDCZ");
        CHECK(client.value() == "item 4");
        break;
    }
  });
}

TEST_CASE("pgx: statements described once, closed in batches") {
  alternate({.turns = 6}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    const std::string cached = "stmtcache_9e107d9d372bb6826bd81d3542a419d6";
    auto run = [](const std::string& name, int value) {
      return msg::bind({"", name, {1}, {binary4(value)}, {1}}) + describe('P', "") + execute("");
    };
    switch (turn) {
      case 0:
        CHECK(client.ask(parse(cached, plus(client)) + describe('S', cached) + sync()) == "1tTZ");
        break;
      case 1:
        CHECK(client.ask(run(cached, 1) + sync()) == "2TDCZ");
        CHECK(client.ask(run(cached, 2) + run(cached, 3) + sync()) == "2TDC2TDCZ");
        break;
      case 2:  // SendBatch: prepares what is new, then runs all
        CHECK(client.ask(parse("stmtcache_2", plus(client, 2)) + describe('S', "stmtcache_2") +
                         parse("stmtcache_3", "select id from item where id < $1") +
                         describe('S', "stmtcache_3") + sync()) == "1tT1tTZ");
        CHECK(client.ask(query("begin")) == "CZ");
        CHECK(client.ask(run("stmtcache_2", 5) + run("stmtcache_3", 3) + sync()) == "2TDC2TDDCZ");
        CHECK(client.ask(query("commit")) == "CZ");
        break;
      case 3:  // invalidated ones go together; Close is no error for what is not there
        CHECK(client.ask(msg::close('S', "stmtcache_2") + msg::close('S', "stmtcache_4") +
                         sync()) == "33Z");
        CHECK(client.ask(run("stmtcache_3", 2) + sync()) == "2TDCZ");
        break;
      case 4:  // QueryExecModeCacheDescribe: unnamed, described in a batch of its own
        CHECK(client.ask(parse("", plus(client)) + describe('S', "") + sync()) == "1tTZ");
        CHECK(client.ask(parse("", plus(client)) + run("", 1) + sync()) == "12TDCZ");
        break;
      case 5:
        CHECK(client.ask(run("stmtcache_2", 2) + sync()) == "EZ");
        CHECK(client.ask(run(cached, 2) + sync()) == "2TDCZ");
        break;
    }
  });
}

TEST_CASE("Go lib/pq: the unnamed statement of one batch is used in the next") {
  BothDatabases databases(kSchema);
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "2"}},
                 .databases = {databases.entry("db")}});
  Client holder = pooler.connect("db");
  std::vector<std::unique_ptr<Both>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(std::make_unique<Both>(databases, pooler, i));
  auto use = [](Both& client, const std::string& value) {
    return client.ask(msg::bind("", "", {value}) + execute("") + msg::sync());
  };
  for (int turn = 0; turn < 6; ++turn) {
    CAPTURE(turn);
    for (auto& client : clients) {
      CHECK(client->ask(parse("", plus(*client, turn)) + describe('S', "") + msg::sync()) ==
            "1tTZ");
    }
    // Everybody's is now to be found on another server, where others left theirs.
    holder.exec(turn % 2 == 0 ? "begin" : "commit");
    for (auto& client : clients) {
      CHECK(use(*client, "1") == "2DCZ");
      CHECK(client->value() == sum(*client, 1, turn));
      CHECK(use(*client, "2") == "2DCZ");
    }
  }
  // A Query ends it; so does a Parse that fails.
  for (auto& client : clients) CHECK(client->ask(query("select 1")) == "TDCZ");
  for (auto& client : clients) CHECK(use(*client, "3") == "EZ");
  for (auto& client : clients) CHECK(client->ask(pg_prepare("", plus(*client))) == "1Z");
  for (auto& client : clients) CHECK(client->ask(pg_prepare("", "selekt")) == "EZ");
  for (auto& client : clients) CHECK(use(*client, "3") == "EZ");
  for (auto& client : clients) CHECK(client->ask(pg_prepare("", plus(*client))) == "1Z");
  for (auto& client : clients) CHECK(client->ask(msg::close('S', "") + msg::sync()) == "3Z");
  for (auto& client : clients) CHECK(use(*client, "3") == "EZ");
}

TEST_CASE("ruby pg: ActiveRecord's a1, exec_params between") {
  alternate({.turns = 5}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    auto exec_params = [](const std::string& sql, const std::vector<std::string>& values) {
      return parse("", sql) + exec_prepared("", values) + sync();
    };
    switch (turn) {
      case 0:
        CHECK(client.ask(query("SET client_min_messages TO 'warning'")) == "CZ");
        CHECK(client.ask(pg_prepare("a1", "SELECT name FROM item WHERE id = $1 LIMIT $2")) == "1Z");
        break;
      case 1:
      case 2:
        CHECK(client.ask(exec_params("select $1::int4 * 2", {"21"})) == "12TDCZ");
        CHECK(client.ask(exec_prepared("a1", {"5", "1"}) + sync()) == "2TDCZ");
        CHECK(client.value() == "item 5");
        break;
      case 3:
        CHECK(client.ask(query("BEGIN")) == "CZ");
        CHECK(client.ask(exec_prepared("a1", {"6", "1"}) + sync()) == "2TDCZ");
        CHECK(client.ask(query("ROLLBACK")) == "CZ");
        CHECK(client.ask(query("DEALLOCATE a1")) == "CZ");
        break;
      case 4:
        CHECK(client.ask(exec_prepared("a1", {"6", "1"}) + sync()) == "EZ");
        CHECK(client.ask(query("DISCARD ALL")) == "CZ");
        break;
    }
  });
}

TEST_CASE(
    "Laravel's connector: names, time zone and application name hold for their client alone") {
  alternate({.turns = 3}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    const std::string zone = client.number() % 2 ? "Asia/Tokyo" : "America/New_York";
    auto prepared = [&](const std::string& sql) {
      const std::string name = "pdo_stmt_00000001";
      std::string types = client.ask(pg_prepare(name, sql));
      types += client.ask(exec_prepared(name, {}) + sync());
      return types + client.ask(query("DEALLOCATE " + name));
    };
    if (turn == 0) {
      CHECK(prepared("set names 'utf8'").ends_with("CZCZ"));
      CHECK(prepared("set time zone '" + zone + "'") == "1Z2nCSZCZ");
      CHECK(prepared("set application_name to 'shop " + std::to_string(client.number()) + "'") ==
            "1Z2nCSZCZ");
    }
    CHECK(client.ask(query("select timestamptz '2024-03-01 12:00+00', "
                           "current_setting('application_name')")) == "TDCZ");
    CHECK(client.value() ==
          (client.number() % 2 ? "2024-03-01 21:00:00+09" : "2024-03-01 07:00:00-05"));
    CHECK(client.value(1) == "shop " + std::to_string(client.number()));
  });
}

TEST_CASE(
    "a statement skipped by an error in a pipeline is not there for the next, and may be named "
    "again") {
  alternate({.clients = 3, .turns = 2}, kSchema, [](Both& client, int turn) {
    using msg::sync;
    if (turn == 1) {
      CHECK(client.ask(pg_prepare("behind", "select 1")) == "EZ");
      CHECK(client.ask(exec_prepared("behind", {"2"}) + sync()) == "2TDCZ");
      return;
    }
    CHECK(client.ask(parse("before", "select 10 / $1::int4") + exec_prepared("before", {"0"}) +
                         parse("behind", "select $1::int4") + exec_prepared("behind", {"1"}) +
                         sync() + exec_prepared("before", {"5"}) + exec_prepared("behind", {"1"}) +
                         exec_prepared("before", {"1"}) + sync() +
                         parse("behind", "select 7 + $1::int4") + exec_prepared("behind", {"1"}) +
                         sync(),
                     3) == "1EZ2TDCEZ12TDCZ");
  });
}

TEST_CASE("SHOW CLIENTS and SHOW SERVERS count what is prepared: names here, statements there" *
          doctest::skip(on_pgbouncer())) {
  primary().create_database("drivers");
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "drivers")}});
  RawClient client = pooler.raw("db");
  client.send(parse("one", "select 1") + parse("same", "select 1") + parse("two", "select 2") +
              msg::sync());
  client.until('Z');
  CHECK(pooler.show("CLIENTS", {{"database", "db"}})["prepared_statements"] == "3");
  CHECK(pooler.show("SERVERS", {{"database", "db"}})["prepared_statements"] == "2");
  client.send(msg::close('S', "one") + msg::sync());
  client.until('Z');
  CHECK(pooler.show("CLIENTS", {{"database", "db"}})["prepared_statements"] == "2");
  CHECK(pooler.show("SERVERS", {{"database", "db"}})["prepared_statements"] == "2");
}
