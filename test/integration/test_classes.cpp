// Read or write by real catalogues: route's classifier in this process asks a real server, as an
// ordinary role, what it would ask through a split entry. No pooler.
#include <doctest/doctest.h>

#include <set>

#include "../support/routing_corpus.h"
#include "howdah/route/classifier.h"
#include "route/builtins.h"
#include "support/cluster.h"

using namespace howdah::test;
using namespace howdah::route;

namespace {

// A client's view: classifies, and has every question answered by its server.
class Judge {
 public:
  explicit Judge(const std::string& database, std::optional<std::string> search_path = {},
                 const std::string& user = "app")
      : client(primary().connect(database, user)),
        scope_(classifier.scope(database, user, search_path)) {}

  Known judge(const std::string& sql) {
    for (int round = 0; round < 50; ++round) {
      Known known = classifier.classify(sql, scope_, now_);
      auto question = classifier.question(scope_, now_);
      if (!question) return known;
      auto result = client.query(question->sql);
      std::vector<AnswerRow> rows;
      for (int row = 0; row < result.rows(); ++row) {
        rows.push_back({result.at(row, 0), result.at(row, 1), result.at(row, 2)});
      }
      classifier.learn(scope_, question->id, rows, now_);
      now_ += std::chrono::milliseconds(100);
    }
    FAIL("questions without end: " << sql);
    return {};
  }
  std::string cls(const std::string& sql) { return std::string(to_string(judge(sql).cls)); }
  std::string reason(const std::string& sql) { return std::string(to_string(judge(sql).reason)); }

  Classifier classifier{{}, 1};
  Client client;

 private:
  ScopePtr scope_;
  howdah::base::TimePoint now_{std::chrono::seconds(1)};
};

// A database with routing_schema(), made once.
const std::string& corpus_database() {
  static const std::string name = [] {
    primary().create_database("corpus");
    primary().sql(std::string(routing_schema()), "corpus");
    return "corpus";
  }();
  return name;
}

std::string fresh_database(const std::string& name, const std::string& setup) {
  corpus_database();  // for the role
  primary().create_database(name);
  primary().sql("GRANT ALL ON SCHEMA public TO app; " + setup, name);
  return name;
}

}  // namespace

TEST_CASE("every statement of the corpus gets its class and reason") {
  Judge judge(corpus_database());
  std::size_t judged = 0;
  for (const RoutedStatement& statement : routing_corpus()) {
    CAPTURE(statement.sql);
    CHECK(judge.cls(statement.sql) == statement.cls);
    CHECK(judge.reason(statement.sql) == statement.reason);
    ++judged;
  }
  CHECK(judged > 450);
}

TEST_CASE("what the corpus calls a read runs in a read-only transaction") {
  Client client = primary().connect(corpus_database(), "app");
  client.exec("SET app.tenant = 'x'");
  client.exec("PREPARE p (int, text) AS SELECT $1, $2");
  for (const RoutedStatement& statement : routing_corpus()) {
    bool runs = statement.cls == "read" && statement.reason == "read" &&
                statement.sql.find('$') == std::string::npos &&
                !statement.sql.starts_with("BEGIN") && !statement.sql.starts_with("COPY");
    if (!runs) continue;
    CAPTURE(statement.sql);
    client.exec("BEGIN READ ONLY");
    Result result = client.attempt(statement.sql);
    CHECK(result.error().message == "");
    client.exec("ROLLBACK");
  }
}

TEST_CASE("routing's lists are those of pg_catalog") {
  Judge judge(corpus_database());
  auto functions = judge.client.exec(
      "SELECT proname, bool_or(provolatile = 'v'), bool_or(provolatile = 'v' AND pronargs > 0 AND "
      "pronargs - pronargdefaults <= 1 AND proargtypes[0] <> 'internal'::regtype) FROM pg_proc "
      "WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY 1");
  CHECK(functions.rows() > 2000);
  for (int row = 0; row < functions.rows(); ++row) {
    std::string name = functions.at(row, 0);
    CAPTURE(name);
    CHECK(builtin_function(name) != Builtin::Unknown);
    if (functions.at(row, 1) == "t") CHECK(builtin_function(name) == Builtin::Volatile);
    if (functions.at(row, 2) == "t") CHECK(builtin_attribute(name) == Builtin::Volatile);
  }
  // A view is safe if and only if its definition is a read: no function of a server's own state is
  // missing from the list.
  const std::set<std::string> safe_but_unlisted = {"pg_seclabels"};
  auto views = judge.client.exec(
      "SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND "
      "relnamespace = 'pg_catalog'::regnamespace");
  CHECK(views.rows() > 60);
  for (int row = 0; row < views.rows(); ++row) {
    std::string name = views.at(row, 0);
    CAPTURE(name);
    bool safe = builtin_relation(name, 'v') == Builtin::Safe;
    bool read = judge.cls(views.at(row, 1)) == "read";
    CHECK(safe == (read && !safe_but_unlisted.contains(name)));
  }
  auto tables = judge.client.exec(
      "SELECT relname, relpersistence FROM pg_class WHERE relkind = 'r' AND "
      "relnamespace = 'pg_catalog'::regnamespace");
  for (int row = 0; row < tables.rows(); ++row) CHECK(tables.at(row, 1) == "p");
  // Operators, casts, types and operator classes of PostgreSQL's own object to nothing.
  CHECK(judge.cls("SELECT 1 = 1") == "read");
  fresh_database("pristine", "");
  CHECK(Judge("pristine").cls("SELECT * FROM pg_class ORDER BY relname") == "read");
}

TEST_CASE("names mean what the search_path says") {
  std::string database = fresh_database(
      "paths",
      "CREATE SCHEMA shadow; CREATE SCHEMA app; GRANT USAGE ON SCHEMA shadow, app TO app;"
      "CREATE TABLE t (a int); CREATE UNLOGGED TABLE shadow.t (a int);"
      "CREATE UNLOGGED TABLE shadow.pg_class (a int);"
      "CREATE FUNCTION shadow.abs(text) RETURNS int LANGUAGE sql AS 'SELECT 1';"
      "CREATE FUNCTION app.mine() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
      "CREATE DOMAIN shadow.text AS pg_catalog.text CHECK (shadow.abs(VALUE) > 0);");
  std::string function = "SELECT abs(-1)", table = "SELECT a FROM t";
  std::string system = "SELECT relname FROM pg_class", own = "SELECT mine()";
  Judge standard(database), shadow(database, "shadow, public");
  Judge last(database, "shadow, pg_catalog"), empty(database, "");
  CHECK(standard.cls(function) == "read");
  CHECK(shadow.cls(function) == "write");
  CHECK(standard.cls(table) == "read");
  CHECK(shadow.reason(table) == "relation");
  CHECK(empty.reason(table) == "missing");
  CHECK(empty.cls("SELECT a FROM public.t") == "read");
  CHECK(shadow.cls(system) == "read");
  CHECK(last.reason(system) == "relation");
  CHECK(last.cls("SELECT 'x'::text") == "write");
  CHECK(standard.cls("SELECT 'x'::text") == "read");
  CHECK(standard.cls(own) == "read");  // "$user"
  CHECK(shadow.reason(own) == "missing");
  // A path of the role is the default.
  primary().sql("ALTER ROLE app IN DATABASE paths SET search_path = shadow", database);
  Judge of_role(database);
  CHECK(of_role.reason(table) == "relation");
  // The question leaves the server's own path alone, whatever it is.
  shadow.client.exec("SET search_path = app");
  CHECK(shadow.reason("SELECT a FROM t WHERE a > 1") == "relation");
  CHECK(shadow.client.value("SHOW search_path") == "app");
}

TEST_CASE("a hostile search_path on the server does not bend the question") {
  std::string database = fresh_database(
      "hostile",
      "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO app;"
      "CREATE FUNCTION evil.no(name, name) RETURNS bool LANGUAGE plpgsql AS"
      " 'BEGIN RAISE ''bent''; END';"
      "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.no);"
      "CREATE FUNCTION evil.no(oid, oid) RETURNS bool LANGUAGE plpgsql AS"
      " 'BEGIN RAISE ''bent''; END';"
      "CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.no);"
      "CREATE OPERATOR evil.<> (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.no);"
      "CREATE FUNCTION evil.no(text, text) RETURNS bool LANGUAGE plpgsql AS"
      " 'BEGIN RAISE ''bent''; END';"
      "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no);"
      "CREATE FUNCTION evil.unnest(name[]) RETURNS SETOF name LANGUAGE sql AS 'SELECT NULL::name';"
      "CREATE FUNCTION evil.concat(text, text) RETURNS text LANGUAGE sql AS 'SELECT NULL';"
      "CREATE VIEW evil.pg_proc AS SELECT 1 AS oid; CREATE VIEW evil.pg_class AS SELECT 1 AS oid;"
      "CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);"
      "CREATE UNLOGGED TABLE bad (a int); CREATE TABLE good (a int);");
  Judge judge(database);
  judge.client.exec("SET search_path = evil, pg_catalog, public");
  CHECK(judge.reason("SELECT a FROM bad") == "operator");  // it does have a volatile "="
  primary().sql(
      "ALTER FUNCTION evil.no(name, name) STABLE; ALTER FUNCTION evil.no(oid, oid) STABLE;"
      "ALTER FUNCTION evil.no(text, text) STABLE",
      database);
  judge.classifier.forget(database);
  CHECK(judge.reason("SELECT a FROM bad") == "relation");
  CHECK(judge.cls("SELECT a FROM good") == "read");
}

TEST_CASE("a volatile cast, type or operator class makes a write of all that has a name") {
  std::string plain = "SELECT a FROM t", nameless = "SELECT 1";
  std::string table = "CREATE TABLE t (a int); CREATE TYPE pair AS (a int);";
  std::string cast =
      fresh_database("volatile_cast",
                     table +
                         "CREATE FUNCTION f(pair) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';"
                         "CREATE CAST (pair AS int) WITH FUNCTION f(pair) AS IMPLICIT");
  Judge with_cast(cast);
  CHECK(with_cast.reason(plain) == "cast");
  CHECK(with_cast.cls(nameless) == "read");
  primary().sql("ALTER FUNCTION f(pair) STABLE", cast);
  with_cast.classifier.forget(cast);
  CHECK(with_cast.cls(plain) == "read");
  std::string opclass = fresh_database(
      "volatile_opclass",
      table +
          "CREATE FUNCTION c(pair, pair) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 0';"
          "CREATE OPERATOR FAMILY fam USING btree;"
          "CREATE OPERATOR CLASS oc FOR TYPE pair USING btree FAMILY fam AS FUNCTION 1 c(pair, "
          "pair)");
  CHECK(Judge(opclass).reason(plain) == "cast");
  std::string type = fresh_database(
      "volatile_type",
      table +
          "CREATE TYPE own; CREATE FUNCTION own_in(cstring) RETURNS own LANGUAGE internal "
          "VOLATILE STRICT AS 'textin'; CREATE FUNCTION own_out(own) RETURNS cstring LANGUAGE "
          "internal IMMUTABLE STRICT AS 'textout';"
          "CREATE TYPE own (INPUT = own_in, OUTPUT = own_out, LIKE = text)");
  CHECK(Judge(type).reason(plain) == "cast");
}

TEST_CASE("definitions that change are seen after forget") {
  std::string database =
      fresh_database("changing",
                     "CREATE TABLE t (a int); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql "
                     "STABLE AS 'SELECT 1';"
                     "CREATE VIEW v AS SELECT f(a) FROM t; GRANT SELECT ON t, v TO app");
  Judge judge(database);
  auto changed = [&](const std::string& ddl) {
    CHECK(analyse(ddl)->ddl);
    primary().sql(ddl, database);
    judge.classifier.forget(database);
    return judge.cls("SELECT * FROM v");
  };
  CHECK(judge.cls("SELECT * FROM v") == "read");
  CHECK(changed("ALTER FUNCTION f(int) VOLATILE") == "write");
  CHECK(changed("ALTER FUNCTION f(int) IMMUTABLE") == "read");
  CHECK(changed("CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'") == "write");
  CHECK(changed("DROP FUNCTION f(text)") == "read");
  CHECK(changed("CREATE OR REPLACE VIEW v AS SELECT f(a) FROM t FOR UPDATE") == "write");
  CHECK(changed("CREATE OR REPLACE VIEW v AS SELECT f(a) FROM t") == "read");
  CHECK(changed("ALTER TABLE t SET UNLOGGED") == "write");
  CHECK(changed("ALTER TABLE t SET LOGGED") == "read");
  CHECK(changed("ALTER TABLE t ENABLE ROW LEVEL SECURITY") == "read");
  CHECK(changed("CREATE POLICY p ON t USING (random() < 2)") == "write");
  CHECK(changed("ALTER TABLE t DISABLE ROW LEVEL SECURITY") == "read");
  CHECK(changed("DROP VIEW v; CREATE VIEW v AS SELECT repeat('x', 20000) AS a, 1 AS b FROM t") ==
        "read");
  std::string wide = "SELECT a";
  for (int i = 0; i < 1500; ++i) wide += ", a + " + std::to_string(i) + " AS c" + std::to_string(i);
  CHECK(changed("DROP VIEW v; CREATE VIEW v AS " + wide + " FROM t") == "write");
}

TEST_CASE("views over views over views end, and policies that look at each other") {
  std::string setup = "CREATE TABLE t (a int); CREATE VIEW v0 AS SELECT a FROM t;";
  for (int i = 1; i <= 40; ++i) {
    std::string n = std::to_string(i), before = std::to_string(i - 1);
    setup += "CREATE VIEW v" + n + " AS SELECT x.a FROM v" + before + " x JOIN t USING (a);";
  }
  setup +=
      "CREATE VIEW w AS SELECT a, random() FROM v40;"
      "CREATE TABLE p (a int); CREATE TABLE q (a int);"
      "ALTER TABLE p ENABLE ROW LEVEL SECURITY; ALTER TABLE q ENABLE ROW LEVEL SECURITY;"
      "CREATE POLICY x ON p USING (a IN (SELECT a FROM q));"
      "CREATE POLICY x ON q USING (a IN (SELECT a FROM p));";
  Judge judge(fresh_database("nested", setup));
  CHECK(judge.cls("SELECT * FROM v40") == "read");
  CHECK(judge.cls("SELECT * FROM w") == "write");
  CHECK(judge.cls("SELECT * FROM p") == "read");
}

TEST_CASE("names of any spelling are asked for as they are") {
  Judge judge(
      fresh_database("spelled",
                     "CREATE TABLE \"it's\" (a int); CREATE UNLOGGED TABLE \"It's\" (a int);"
                     "CREATE TABLE \"back\\slash\" (a int); CREATE TABLE \"E'\" (a int);"
                     "CREATE SCHEMA \"s.t\"; GRANT USAGE ON SCHEMA \"s.t\" TO app;"
                     "CREATE TABLE \"s.t\".\"a\"\"b\" (a int); CREATE TABLE "
                     "long_name_that_is_cut_because_it_has_more_than_63_bytes_in_it_all (a int)"));
  CHECK(judge.cls("SELECT * FROM \"it's\"") == "read");
  CHECK(judge.reason("SELECT * FROM \"It's\"") == "relation");
  CHECK(judge.cls("SELECT * FROM \"back\\slash\"") == "read");
  CHECK(judge.cls("SELECT * FROM \"E'\"") == "read");
  CHECK(judge.cls("SELECT * FROM \"s.t\".\"a\"\"b\"") == "read");
  CHECK(judge.cls("SELECT * FROM "
                  "LONG_name_that_is_cut_because_it_has_more_than_63_bytes_in_it_all_and_more") ==
        "read");
  CHECK(judge.reason("SELECT * FROM \"'; DROP TABLE x; --\"") == "missing");
}
