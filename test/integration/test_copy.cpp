// COPY in both directions, text and binary, with errors in every place; the connection stays usable
// and the server is given back.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler() {
  primary().create_database("copying");
  primary().sql("drop table if exists t; create table t (a int primary key, b text)", "copying");
  return Pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "copying")}});
}

std::string rows_of_t() { return primary().sql("select count(*) from t", "copying").at(0, 0); }

// The pool's one server is free and works for somebody else.
void check_free(Pooler& pooler) {
  eventually("the server is free", [&] { return pooler.pool("db", "postgres", "sv_idle") == 1; });
  CHECK(pooler.connect("db").value("select 'next'") == "next");
}

}  // namespace

TEST_CASE("COPY FROM STDIN takes rows and counts them") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  CHECK(client.exec("copy t from stdin").status() == PGRES_COPY_IN);
  for (int i = 0; i < 5000; ++i) client.copy_put(std::to_string(i) + "\trow\n");
  CHECK(client.copy_end().tag() == "COPY 5000");
  CHECK(rows_of_t() == "5000");
  CHECK(client.value("select 1") == "1");
  check_free(pooler);
}

TEST_CASE("COPY TO STDOUT gives every row") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("insert into t select g, repeat('x', g % 50) from generate_series(1, 20000) g");
  CHECK(client.exec("copy (select * from t order by a) to stdout").status() == PGRES_COPY_OUT);
  int rows = 0;
  while (auto row = client.copy_get()) {
    ++rows;
    REQUIRE(*row == std::to_string(rows) + "\t" + std::string(rows % 50, 'x') + "\n");
  }
  CHECK(rows == 20000);
  CHECK(client.last().tag() == "COPY 20000");
  check_free(pooler);
}

TEST_CASE("binary COPY goes through unchanged, out of one table and into another") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("drop table if exists u; create table u (like t)");
  client.exec("insert into t select g, md5(g::text) from generate_series(1, 3000) g");
  client.exec("copy t to stdout (format binary)");
  std::string data;
  while (auto piece = client.copy_get()) data += *piece;
  client.last();
  CHECK(data.starts_with("PGCOPY\n\377\r\n"));
  client.exec("copy u from stdin (format binary)");
  for (std::size_t at = 0; at < data.size(); at += 777) {
    client.copy_put(std::string_view(data).substr(at, 777));
  }
  CHECK(client.copy_end().tag() == "COPY 3000");
  CHECK(client.value("select count(*) from t full join u using (a, b) "
                     "where t.a is null or u.a is null") == "0");
  check_free(pooler);
}

TEST_CASE("bad data fails the COPY, late data is dropped, the connection goes on") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("copy t from stdin");
  client.copy_put("1\tgood\nnot a number\tbad\n");
  // The server has failed by now or will; a client goes on sending until it hears of it.
  try {
    for (int i = 0; i < 20000; ++i) client.copy_put(std::to_string(i) + "\tmore\n");
  } catch (const std::runtime_error&) {
  }
  Result result = client.copy_end();
  if (!result.failed()) result = client.last();
  CHECK(result.error().code == "22P02");
  client.last();
  CHECK(client.value("select count(*) from t") == "0");
  check_free(pooler);
}

TEST_CASE("CopyFail ends the COPY with the client's reason") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("copy t from stdin");
  client.copy_put("1\tgood\n");
  std::string reason = "changed my mind";
  Result result = client.copy_end(&reason);
  CHECK(result.error().code == "57014");
  CHECK(result.error().message.find(reason) != std::string::npos);
  CHECK(client.value("select count(*) from t") == "0");
  check_free(pooler);
}

TEST_CASE("COPY in a transaction is undone with it") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  client.exec("copy t from stdin");
  client.copy_put("1\tgood\n");
  client.copy_end();
  CHECK(client.value("select count(*) from t") == "1");
  client.exec("rollback");
  CHECK(rows_of_t() == "0");
  check_free(pooler);
}

TEST_CASE("COPY that fails at once (no such table) leaves no copy state behind") {
  Pooler pooler = make_pooler();
  RawClient client = pooler.raw("db");
  // All of it in one go: the server drops the late data by itself.
  client.send(msg::query("copy nowhere from stdin") + msg::copy_data("1\n") + msg::copy_done() +
              msg::query("select 1"));
  auto first = client.until('Z');
  CHECK(parse_error(first.at(0).body).code == "42P01");
  CHECK(client.types_until('Z') == "TDCZ");
  check_free(pooler);
}

TEST_CASE("late copy data after the failed COPY, when the server is given back already") {
  Pooler pooler = make_pooler();
  RawClient client = pooler.raw("db");
  client.send(msg::query("copy t from stdin") + msg::copy_data("broken\n"));
  CHECK(client.types_until('Z') == "GEZ");
  check_free(pooler);
  client.send(msg::copy_data("2\tlate\n") + msg::copy_done());
  CHECK(client.quiet_for(Millis{100}));
  client.send(msg::query("select 1"));
  CHECK(client.types_until('Z') == "TDCZ");
  check_free(pooler);
}

TEST_CASE("COPY by the extended protocol, with the Sync sent before the data and after it") {
  Pooler pooler = make_pooler();
  RawClient direct("127.0.0.1", primary().port());
  direct.login("copying", "postgres");
  RawClient client = pooler.raw("db");
  std::string start = msg::parse("", "copy t from stdin") + msg::bind("", "") + msg::execute("");
  int key = 0;
  for (bool early_sync : {false, true}) {
    CAPTURE(early_sync);
    for (RawClient* side : {&direct, &client}) {
      std::string row = std::to_string(++key) + "\tx\n";
      side->send(start + (early_sync ? msg::sync() : msg::flush()));
      CHECK(side->types_until('G') == "12G");
      side->send(msg::copy_data(row) + msg::copy_done() + msg::sync());
      CHECK(side->types_until('Z') == "CZ");
      side->send(msg::query("select 1"));
      CHECK(side->types_until('Z') == "TDCZ");
    }
  }
  CHECK(rows_of_t() == "4");
  check_free(pooler);
}

TEST_CASE("COPY TO STDOUT that fails in the middle") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("copy (select 1 / (3000 - g) from generate_series(1, 5000) g) to stdout");
  int rows = 0;
  while (client.copy_get()) ++rows;
  CHECK(rows >= 2998);
  CHECK(client.last().error().code == "22012");
  CHECK(client.value("select 1") == "1");
  check_free(pooler);
}

TEST_CASE("a client that leaves in the middle of a COPY takes its server with it, undone") {
  Pooler pooler = make_pooler();
  {
    Client client = pooler.connect("db");
    client.exec("copy t from stdin");
    client.copy_put("1\tgood\n");
  }
  {
    Client client = pooler.connect("db");
    client.exec("copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout");
    client.copy_get();
  }
  Client next = pooler.connect("db");
  CHECK(next.value("select count(*) from t") == "0");
  eventually("one server", [] { return primary().backends("copying") == 1; });
}
