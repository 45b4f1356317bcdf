// What the grammar says of a text: the corpus, what is asked of the catalogue, what is denied.
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "howdah/route/classes.h"
#include "route/answers.h"
#include "support/routing_corpus.h"
#include "unit/route/agreeable.h"

namespace howdah::route {
namespace {

struct World {
  std::shared_ptr<Database> database = std::make_shared<Database>("db", 1 << 20, 1);
  Scope scope{1, database, "app", std::nullopt};
  Decision decide(std::string_view sql) {
    return decide_with(*database, scope, *analyse(sql), base::TimePoint(), agreeable_rows);
  }
};

std::string names_of(std::string_view sql) {
  std::string names;
  auto shape = analyse(sql);
  for (const Name& name : shape->names) {
    if (!names.empty()) names += ' ';
    names += static_cast<char>(name.what);
    names += ':';
    if (!name.schema.empty()) names += name.schema + ".";
    names += name.name;
  }
  return names;
}

}  // namespace

TEST_CASE("every statement of the corpus that the grammar can judge gets its class and reason") {
  World world;
  std::size_t judged = 0;
  for (const test::RoutedStatement& statement : test::routing_corpus()) {
    if (!statement.by_grammar) continue;
    CAPTURE(statement.sql);
    Decision decision = world.decide(statement.sql);
    CHECK_EQ(to_string(decision.cls), statement.cls);
    CHECK_EQ(to_string(decision.reason), statement.reason);
    ++judged;
  }
  CHECK_GT(judged, 300);
}

TEST_CASE("no statement with a name is a read before the catalogue has spoken") {
  for (const test::RoutedStatement& statement : test::routing_corpus()) {
    auto database = std::make_shared<Database>("db", 1 << 20, 1);
    Scope scope(1, database, "app", std::nullopt);
    auto shape = analyse(statement.sql);
    Decision decision = database->decide(*shape, scope, base::TimePoint());
    CAPTURE(statement.sql);
    if (!shape->names.empty()) CHECK(decision.cls == Class::Write);
  }
}

TEST_CASE("what is a write stays one however it is dressed") {
  World world;
  for (const test::RoutedStatement& statement : test::routing_corpus()) {
    if (!statement.by_grammar || statement.cls != "write") continue;
    if (statement.reason == "not_understood") continue;
    CAPTURE(statement.sql);
    for (std::string sql :
         {"/* x */ " + statement.sql + "\n", "SELECT 1; " + statement.sql,
          statement.sql + ";SELECT 2", "-- x\n" + statement.sql + ";", " ;; " + statement.sql}) {
      CHECK_EQ(to_string(world.decide(sql).cls), "write");
    }
    CHECK_EQ(to_string(world.decide("EXPLAIN ANALYZE " + statement.sql).cls), "write");
    CHECK_EQ(to_string(world.decide("COPY (" + statement.sql + ") TO STDOUT").cls), "write");
    CHECK_EQ(to_string(world.decide("WITH q AS (" + statement.sql + ") SELECT 1").cls), "write");
  }
}

TEST_CASE("names are asked for by what they are, each once") {
  CHECK_EQ(names_of("SELECT f(a), f(b), s.g(1) FROM t, s.t, t x"), "f:f f:s.g r:t r:s.t");
  CHECK_EQ(names_of("SELECT x::foo, y::s.bar[], int '1', CAST(z AS text)"), "t:foo t:text t:s.bar");
  CHECK_EQ(names_of("SELECT a + b, c OPERATOR(s.@@) d, e LIKE 'x'"), "o:+ o:@@ o:~~");
  CHECK_EQ(names_of("SELECT t.a, (t).b, (t.c).d, e, t.* FROM (SELECT 1) t"), "a:a a:b a:c a:d");
  CHECK_EQ(names_of("SELECT FROM \"T\", T"), "r:T r:t");
  CHECK_EQ(names_of("SELECT pg_catalog.lower('A'), extract(year FROM x)"), "");
  CHECK_EQ(names_of("SELECT pg_catalog.not_of_15(1)"), "f:pg_catalog.not_of_15");
  CHECK_EQ(names_of("SELECT * FROM x WHERE a IN (1) ORDER BY b USING >>"), "o:= o:>> r:x");
  CHECK_EQ(names_of("COPY s.t (a) TO STDOUT"), "r:s.t");
  CHECK_EQ(names_of("EXECUTE p (f(1), '2'::foo)"), "f:f t:foo");
  CHECK_EQ(names_of("PREPARE p (foo) AS SELECT $1"), "t:foo");
  CHECK_EQ(names_of("SELECT jsonb_populate_record(m, x) FROM s.mails m"),
           "f:jsonb_populate_record r:s.mails t:s.mails");
}

TEST_CASE("a name of WITH is no relation where WITH is around it, and only there") {
  CHECK_EQ(names_of("WITH x AS (SELECT 1) SELECT * FROM x"), "");
  CHECK_EQ(names_of("WITH x AS (SELECT 1) SELECT * FROM s.x"), "r:s.x");
  CHECK_EQ(names_of("WITH x AS (SELECT * FROM x) SELECT * FROM x"), "r:x");
  CHECK_EQ(names_of("WITH RECURSIVE x AS (SELECT * FROM x) SELECT * FROM x"), "");
  CHECK_EQ(names_of("WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT 1"), "r:y");
  CHECK_EQ(names_of("WITH y AS (SELECT 1), x AS (SELECT * FROM y) SELECT 1"), "");
  CHECK_EQ(names_of("WITH RECURSIVE x AS (SELECT * FROM y), y AS (SELECT 1) SELECT 1"), "");
  CHECK_EQ(names_of("SELECT * FROM x WHERE EXISTS (WITH x AS (SELECT 1) SELECT * FROM x)"), "r:x");
  CHECK_EQ(names_of("(WITH x AS (SELECT 1) SELECT * FROM x) UNION SELECT * FROM x"), "r:x");
  CHECK_EQ(names_of("WITH x AS (SELECT 1) SELECT 1 UNION SELECT (SELECT 1 FROM x)"), "");
  CHECK_EQ(names_of("WITH x AS (WITH y AS (SELECT 1) SELECT * FROM y) SELECT * FROM x, y"), "r:y");
  CHECK_EQ(names_of("WITH x AS (SELECT 1) SELECT 1; SELECT * FROM x"), "r:x");
}

TEST_CASE("what cannot be looked into is a write") {
  auto reason = [](const std::string& sql) { return to_string(analyse(sql)->reason); };
  std::string fitting = "SELECT '" + std::string(kLargestRead - 9, 'x') + "'";
  CHECK_EQ(reason(fitting), "read");
  CHECK_EQ(reason(fitting + " "), "too_long");
  CHECK(analyse(fitting + " ")->kind == Kind::Write);
  for (std::string deep : {std::string(5000, '('), std::string(5000, '[')}) {
    CHECK(analyse("SELECT " + deep + "1")->kind == Kind::Write);
  }
  std::string chain = "SELECT 1";
  while (chain.size() < 16000) chain += "+1";
  CHECK_EQ(reason(chain), "too_deep");
  CHECK(analyse(std::string_view("SELECT 1\0; DELETE FROM log", 26))->kind == Kind::Write);
}

TEST_CASE("a text that is not UTF-8 is read, but its names are not") {
  CHECK_EQ(to_string(analyse("SELECT 'caf\xe9'")->reason), "read");
  CHECK_EQ(to_string(analyse("SELECT * FROM caf\xe9")->reason), "name_not_ascii");
  CHECK_EQ(to_string(analyse("SELECT caf\xe9(1)")->reason), "name_not_ascii");
  CHECK_EQ(to_string(analyse("SELECT x.caf\xe9 FROM t x")->reason), "name_not_ascii");
}

TEST_CASE("a hint is a leading comment of its own") {
  CHECK(leading_hint("/* howdah:primary */ SELECT 1") == Wish::Primary);
  CHECK(leading_hint("/*howdah:replica*/SELECT 1") == Wish::Replica);
  CHECK(leading_hint(" \n-- x\n/* a */ /* howdah:replica */ SELECT 1") == Wish::Replica);
  CHECK(leading_hint("SELECT /* howdah:replica */ 1") == Wish::Auto);
  CHECK(leading_hint("/* please: howdah:replica */ SELECT 1") == Wish::Auto);
  CHECK(leading_hint("/* /* howdah:replica */ */ SELECT 1") == Wish::Auto);
  CHECK(leading_hint("-- /* howdah:replica */\nSELECT 1") == Wish::Auto);
  CHECK(leading_hint("/* howdah:replica") == Wish::Auto);
  CHECK(leading_hint("/*/ howdah:replica */") == Wish::Auto);
  CHECK(leading_hint("/* howdah:replica *") == Wish::Auto);
  CHECK(leading_hint("'/* howdah:replica */'") == Wish::Auto);
  CHECK(leading_hint("/* howdah:primary */ /* howdah:replica */ SELECT 1") == Wish::Primary);
  CHECK(leading_hint("") == Wish::Auto);
  CHECK(leading_hint("/* howdah:primary */ SELECT '" + std::string(20000, 'x') + "'") ==
        Wish::Primary);
  CHECK(analyse("/* howdah:replica */ DELETE FROM t")->hint == Wish::Replica);
}

TEST_CASE("SET howdah.route is heard in every spelling, and never in company") {
  auto route = [](std::string_view sql) -> std::optional<Wish> {
    auto shape = analyse(sql);
    if (shape->kind != Kind::SetRoute) return std::nullopt;
    return shape->route;
  };
  CHECK(route("SET howdah.route = primary") == Wish::Primary);
  CHECK(route("set HOWDAH.Route to REPLICA;") == Wish::Replica);
  CHECK(route("SET SESSION howdah.route = 'primary' ;; ") == Wish::Primary);
  CHECK(route("/* x */ SET howdah . route = auto -- y") == Wish::Auto);
  CHECK(route("SET howdah.route = DEFAULT") == Wish::Auto);
  CHECK(route("RESET howdah.route") == Wish::Auto);
  CHECK_FALSE(route("SET howdah.route = 'standby'"));
  CHECK_FALSE(route("SET howdah.route = primary; DELETE FROM t"));
  CHECK_FALSE(route("SET LOCAL howdah.route = primary"));
  CHECK_FALSE(route("SET howdah.other = primary"));
  CHECK_FALSE(route("SET howdah.route"));
  CHECK_FALSE(route("RESET howdah.route, x"));
  CHECK_FALSE(route("SELECT 'SET howdah.route = primary'"));
}

TEST_CASE("transactions tell their access and isolation") {
  auto shape = analyse("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY");
  CHECK(shape->kind == Kind::Begin);
  CHECK(shape->access == Shape::Access::ReadOnly);
  CHECK(shape->serializable);
  CHECK(analyse("START TRANSACTION READ WRITE")->access == Shape::Access::ReadWrite);
  CHECK(analyse("BEGIN")->access == Shape::Access::Default);
  CHECK(analyse("SET TRANSACTION READ ONLY")->access == Shape::Access::ReadOnly);
  CHECK(analyse("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            ->serializable);
  CHECK(analyse("BEGIN; SELECT 1")->several);
  CHECK_FALSE(analyse("SELECT 1;")->several);
}

TEST_CASE("definitions void the catalogue, temporary tables don't") {
  for (const char* sql :
       {"CREATE TABLE t (a int)", "DROP VIEW v", "ALTER FUNCTION f() VOLATILE", "GRANT x TO y",
        "SELECT 1; CREATE VIEW v AS SELECT 1", "SELECT 1 INTO t", "CREATE TABLE t AS SELECT 1",
        "CREATE POLICY p ON t USING (true)", "CREATE NEWFANGLED THING", "ALTER NEWFANGLED THING"}) {
    CAPTURE(sql);
    CHECK(analyse(sql)->ddl);
  }
  CHECK(analyse("BEGIN; CREATE FUNCTION f() AS '" + std::string(20000, 'x') + "'")->ddl);
  for (const char* sql : {"CREATE TEMP TABLE t (a int)", "SELECT 1 INTO TEMP t", "TRUNCATE t",
                          "CREATE TEMP TABLE t AS SELECT 1", "INSERT INTO t VALUES ('CREATE')",
                          "CREATE TEMP VIEW v AS SELECT 1", "VACUUM", "SELECT 1", "SELEC create"}) {
    CAPTURE(sql);
    CHECK_FALSE(analyse(sql)->ddl);
  }
}

TEST_CASE("PREPARE and EXECUTE tell the name of their statement") {
  CHECK_EQ(analyse("PREPARE \"Foo\" AS SELECT 1")->statement, "Foo");
  CHECK(analyse("PREPARE foo AS SELECT 1")->kind == Kind::Read);
  CHECK(analyse("PREPARE foo AS DELETE FROM t")->kind == Kind::Write);
  CHECK_EQ(analyse("EXECUTE foo (1)")->statement, "foo");
  CHECK(analyse("EXPLAIN EXECUTE foo")->kind == Kind::Execute);
  CHECK(analyse("EXECUTE foo (nextval('x'))")->kind == Kind::Write);
}

TEST_CASE("texts of 16 kB nest no deeper than a thread bears") {
  std::vector<std::string> texts;
  for (std::string_view piece : {"1+", "(", "NOT ", "- ", "x.y AND ", "CASE WHEN ", "a JOIN b ON ",
                                 "SELECT 1 UNION ", "[", "ARRAY[", "f(", "(SELECT ", "x::int::"}) {
    std::string text = "SELECT ";
    while (text.size() < kLargestRead - 100) text += piece;
    texts.push_back(text + "1");
    texts.push_back(text);
  }
  std::thread([&] {
    for (const std::string& text : texts) analyse(text);
  }).join();
}

}  // namespace howdah::route
