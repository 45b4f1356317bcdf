// Tracked names and values: which follow the client, when they differ, what SET makes them equal.
#include "howdah/session/parameters.h"

#include <doctest/doctest.h>

using namespace howdah::session;

TEST_CASE("names are found in any case, extra ones once, and in_hot_standby never") {
  TrackedNames names({"IntervalStyle", "intervalSTYLE", "TIMEZONE", "In_Hot_Standby", "search_path"});
  CHECK(names.size() == 7);
  CHECK(names.find("timezone") == names.find("TimeZone"));
  CHECK(names.find("INTERVALSTYLE") == 5);
  CHECK(names.find("search_path") == 6);
  CHECK_FALSE(names.find("in_hot_standby"));
  CHECK_FALSE(names.find(""));
  CHECK_FALSE(names.find("TimeZon"));
}

TEST_CASE("a value never given is not applied, an empty one is") {
  TrackedNames names({});
  Parameters server(names.size()), client(names.size());
  auto app = *names.find("application_name");
  server.set(app, "psql");
  CHECK(server.satisfies(client));
  CHECK(server.changes_to(client, names).empty());
  client.set(app, "");
  CHECK_FALSE(server.satisfies(client));
  CHECK(server.changes_to(client, names) == "SET application_name = '';");
  REQUIRE(client.get(app));
  CHECK(client.get(app)->empty());
  CHECK_FALSE(client.get(0));
}

TEST_CASE("values are literals: quotes doubled, backslashes escaped, nothing breaks out") {
  TrackedNames names({});
  Parameters server(names.size()), client(names.size());
  auto app = *names.find("application_name");
  client.set(app, "it's");
  CHECK(server.changes_to(client, names) == "SET application_name = 'it''s';");
  client.set(app, "a\\'; DROP TABLE t; --");
  CHECK(server.changes_to(client, names) ==
        "SET application_name = E'a\\\\''; DROP TABLE t; --';");
  client.set(app, std::string(5000, '\''));
  CHECK(server.changes_to(client, names).size() == 10000 + std::string("SET application_name = '';").size());
}

TEST_CASE("search_path is set as the list it is, by set_config") {
  TrackedNames names({"Search_Path"});
  Parameters server(names.size()), client(names.size());
  client.set(*names.find("search_path"), "\"$user\", o'neil");
  CHECK(server.changes_to(client, names) ==
        "SELECT pg_catalog.set_config('search_path', '\"$user\", o''neil', false);");
}

TEST_CASE("only what differs is set, in the order of the names") {
  TrackedNames names({"IntervalStyle"});
  Parameters server(names.size()), client(names.size());
  server.set(0, "UTF8");
  server.set(1, "ISO, MDY");
  client.set(5, "iso_8601");
  client.set(1, "German");
  client.set(0, "UTF8");
  std::string sql = server.changes_to(client, names);
  CHECK(sql == "SET DateStyle = 'German';SET IntervalStyle = 'iso_8601';");
  server.set(1, "German");
  server.set(5, "iso_8601");
  CHECK(server.satisfies(client));
  CHECK(server.changes_to(client, names).empty());
}

TEST_CASE("satisfies() says what comparing every value says, whatever the history") {
  // Few values over few names, so that equal values change places often.
  const char* values[] = {"on", "off", "", "UTF8", "1", "0"};
  TrackedNames names({"a", "b", "c"});
  unsigned seed = 1;
  auto next = [&](unsigned below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % below;
  };
  Parameters server(names.size()), client(names.size());
  int equal = 0;
  for (int i = 0; i < 20000; ++i) {
    if (i % 500 == 0) server = Parameters(names.size()), client = Parameters(names.size());
    (next(2) ? server : client).set(next(3), values[next(2)]);
    if (next(50) == 0) server.set(next(8), values[next(6)]);
    bool same = server.changes_to(client, names).empty();
    equal += same;
    CHECK(server.satisfies(client) == same);
  }
  CHECK(equal > 100);
}

TEST_CASE("two values that change places never look the same") {
  for (int i = 0; i < 500; ++i) {
    Parameters one(8), other(8);
    std::string x = "on" + std::to_string(i), y = "off" + std::to_string(i * 7);
    for (std::size_t a = 0; a < 8; ++a) {
      for (std::size_t b = a + 1; b < 8; ++b) {
        one.set(a, x), one.set(b, y);
        other = one;
        other.set(a, y), other.set(b, x);
        CHECK_FALSE(one.satisfies(other));
      }
    }
  }
}

TEST_CASE("defaults fill only what was not given") {
  Parameters client(3), defaults(3);
  client.set(0, "mine");
  defaults.set(0, "theirs");
  defaults.set(1, "default");
  client.fill_from(defaults);
  CHECK(*client.get(0) == "mine");
  CHECK(*client.get(1) == "default");
  CHECK_FALSE(client.get(2));
}

TEST_CASE("an application_name is cleaned as servers of that version do") {
  CHECK(clean_name("plain ~ name", "15.4") == "plain ~ name");
  CHECK(clean_name("caf\xc3\xa9\n", "15.4 (Debian)") == "caf???");
  CHECK(clean_name("caf\xc3\xa9\n", "16beta1") == "caf\\xc3\\xa9\\x0a");
  CHECK(clean_name("\xc3", "") == "?");
}

TEST_CASE("a boolean start-up value is reported as servers report booleans") {
  for (const char* yes : {"on", "1", "t", "TRUE", "y", "Yes"}) CHECK(as_reported(yes, "off") == "on");
  for (const char* no : {"of", "0", "f", "FALSE", "n", "No"}) CHECK(as_reported(no, "on") == "off");
  CHECK(as_reported("o", "on") == "o");
  CHECK(as_reported("1", "4096") == "1");
}

TEST_CASE("who shares values with another is not changed with him") {
  Parameters one(5), two(5), usual;
  one.set(1, "ISO");
  two.set(1, "ISO");
  one.join(usual);
  two.join(usual);
  CHECK(one.get(1) == two.get(1));  // the same place
  two.set(1, "German");
  CHECK(*one.get(1) == "ISO");
  CHECK(*usual.get(1) == "ISO");
  CHECK(*two.get(1) == "German");
  two.join(usual);
  CHECK(*usual.get(1) == "German");
  CHECK(*one.get(1) == "ISO");
}
