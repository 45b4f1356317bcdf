#include <doctest/doctest.h>

#include <string>

#include "howdah/route/facts.h"
#include "unit/route/corpus.h"

namespace howdah::route {
namespace {

// "verb<text of the place>=name|" for each.
std::string names(std::string_view sql) {
  std::string all;
  for (const StatementName& name : facts(sql).names) {
    all += "PXDA"[static_cast<int>(name.verb)];
    all += '<';
    all += sql.substr(name.at, name.size);
    all += ">=" + name.name + "|";
  }
  return all;
}

}  // namespace

TEST_CASE("names of prepared statements are found where they stand") {
  CHECK_EQ(names("PREPARE foo AS SELECT 1"), "P<foo>=foo|");
  CHECK_EQ(names("prepare Foo (int, text) as select $1"), "P<Foo>=foo|");
  CHECK_EQ(names("EXECUTE \"Foo \"\"bar\"\"\" (1, f(2))"), "X<\"Foo \"\"bar\"\"\">=Foo \"bar\"|");
  CHECK_EQ(names("/* execute a */EXECUTE--b\n\tfoo/**/;"), "X<foo>=foo|");
  CHECK_EQ(names("DEALLOCATE foo"), "D<foo>=foo|");
  CHECK_EQ(names("DEALLOCATE PREPARE foo"), "D<foo>=foo|");
  CHECK_EQ(names("DEALLOCATE prepare"), "D<prepare>=prepare|");
  CHECK_EQ(names("DEALLOCATE PREPARE prepare"), "D<prepare>=prepare|");
  CHECK_EQ(names("DEALLOCATE PREPARE /**/ ALL ;"), "A<ALL>=|");
  CHECK_EQ(names("deallocate all"), "A<all>=|");
  CHECK_EQ(names("DEALLOCATE \"all\""), "D<\"all\">=all|");
  CHECK_EQ(names("DISCARD ALL"), "A<ALL>=|");
  CHECK_EQ(names("EXPLAIN EXECUTE foo"), "X<foo>=foo|");
  CHECK_EQ(names("EXPLAIN ANALYZE VERBOSE EXECUTE foo(1)"), "X<foo>=foo|");
  CHECK_EQ(names("EXPLAIN (ANALYZE, FORMAT json) EXECUTE foo"), "X<foo>=foo|");
  CHECK_EQ(names("CREATE TEMP TABLE execute AS EXECUTE foo WITH NO DATA"), "X<foo>=foo|");
  CHECK_EQ(names("CREATE TABLE IF NOT EXISTS t (a, b) WITH (fillfactor = 70) AS EXECUTE foo(1)"),
           "X<foo>=foo|");
  CHECK_EQ(names("EXPLAIN (VERBOSE) CREATE TABLE t AS EXECUTE foo"), "X<foo>=foo|");
  CHECK_EQ(names("PREPARE execute AS SELECT 1; EXECUTE execute; DEALLOCATE execute"),
           "P<execute>=execute|X<execute>=execute|D<execute>=execute|");
  CHECK_EQ(names("SELECT ';' ; EXECUTE a; SELECT 1; EXECUTE a"), "X<a>=a|X<a>=a|");
  CHECK_EQ(names("PREPARE a AS SELECT f(1); SET x = 1"), "P<a>=a|");
}

TEST_CASE("names in Unicode escapes are read") {
  CHECK_EQ(names("EXECUTE U&\"d\\0061t\\+000061\""), "X<U&\"d\\0061t\\+000061\">=data|");
  CHECK_EQ(names("EXECUTE u&\"d!0061!!\" UESCAPE '!' (1)"), "X<u&\"d!0061!!\" UESCAPE '!'>=da!|");
  CHECK_EQ(names("EXECUTE U&\"\\d83d\\DE00\"\"\""),
           "X<U&\"\\d83d\\DE00\"\"\">=\xf0\x9f\x98\x80\"|");
}

TEST_CASE("names are cut to what PostgreSQL keeps") {
  std::string longest(63, 'a');
  CHECK_EQ(names("EXECUTE " + longest + "bcd"), "X<" + longest + "bcd>=" + longest + "|");
  std::string euros(62, 'a');
  CHECK_EQ(facts("EXECUTE \"" + euros + "\xe2\x82\xac\"").names.at(0).name, euros);
}

TEST_CASE("a name is known by the bytes the client sent, in any encoding") {
  Facts latin1 = facts("EXECUTE caf\xe9('\xe9')");
  REQUIRE_EQ(latin1.names.size(), 1);
  CHECK_EQ(latin1.names[0].name, "caf\xe9");
  CHECK_EQ(facts("EXECUTE \"\xe9\"").names.at(0).name, "\xe9");
  CHECK_EQ(facts("EXECUTE a").touch, kNames);
  CHECK_EQ(facts("SELECT f('\xe9')").touch, kHidden);
  CHECK_EQ(facts("SELECT time\xe9one('\xe9')").touch, kHidden);
}

TEST_CASE("a statement's end is its semicolon or the end of the text") {
  std::string_view sql = "EXECUTE a (';') ; PREPARE b AS SELECT 1 ";
  Facts both = facts(sql);
  REQUIRE_EQ(both.names.size(), 2);
  CHECK_EQ(both.names[0].end, 16);
  CHECK_EQ(both.names[1].end, sql.size());
}

TEST_CASE("of a PREPARE or EXECUTE no parameter is used before it runs") {
  CHECK_EQ(parameters_used("SELECT $2, '$9' -- $7"), 2);
  CHECK_EQ(parameters_used("/* a */ Prepare x(int) AS SELECT 1 / $1"), 0);
  CHECK_EQ(parameters_used("execute x($3)"), 0);
  CHECK_EQ(parameters_used("EXPLAIN SELECT $1"), 1);
}

TEST_CASE("what a prepared statement will touch is told when it is prepared") {
  CHECK_EQ(facts("PREPARE a AS SELECT f(1)").touch, kNames | kHidden);
  CHECK_EQ(facts("PREPARE a AS SELECT set_config('x', $1, false)").touch, kNames | kSettings);
  CHECK_EQ(facts("EXECUTE a(f(1))").touch, kNames | kHidden);
  CHECK_EQ(facts("CREATE TEMP TABLE t AS EXECUTE a").touch, kNames | kPins);
  CHECK_EQ(facts("DISCARD ALL").touch, kNames | kPins | kSettings);
}

}  // namespace howdah::route
