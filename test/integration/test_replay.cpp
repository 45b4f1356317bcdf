// After DDL a server refuses its old plan (0A000). A batch that nobody has been told anything of is
// run once more, and its answer is PostgreSQL's to a session that never had the plan; else the
// error is told, once.
#include <doctest/doctest.h>

#include "support/both.h"

using namespace howdah::test;
using msg::describe;
using msg::execute;
using msg::parse;
using msg::query;

namespace {

constexpr const char* kSchema =
    "create table item (id int4, name text); insert into item values (1, 'one'), (2, 'two')";
constexpr const char* kText = "select * from item where id = $1";

std::string bound(const std::string& name, const std::string& value = "1") {
  msg::Binding binding{"", name, {}, {}, {0}};
  binding.values.emplace_back(value);
  return msg::bind(binding);
}

std::string bytes_of(const std::vector<Message>& messages) {
  std::string all;
  for (const Message& message : messages) all += message.type + message.body + '\n';
  return all;
}

// A pool of servers, most often one, that hold the plan of kText as it was before a column came.
struct Outdated {
  BothDatabases databases{kSchema};
  Pooler pooler;
  RawClient client;

  explicit Outdated(const std::string& first, const std::string& second = "")
      : pooler({.settings = {{"pool_mode", "transaction"},
                             {"default_pool_size", second.empty() ? "1" : "2"}},
                .databases = {databases.entry("db")}}),
        client(pooler.raw()) {
    client.login("db", "postgres");
    ask(first);
    if (!second.empty()) ask_both(second);
    databases.sql("alter table item add column price int4 default 5");
  }
  std::string ask(const std::string& bytes, int ends = 1) {
    client.send(bytes);
    answer.clear();
    std::string types;
    while (ends-- > 0) {
      for (Message& message : client.until('Z')) {
        types += message.type;
        answer.push_back(std::move(message));
      }
    }
    return types;
  }
  // The same on each of two servers: others hold one, then the other.
  std::string ask_both(const std::string& bytes, int ends = 1) {
    auto hold = [&](RawClient& other) {
      other.send(query("begin"));
      other.until('Z');
    };
    RawClient one = pooler.raw(), other = pooler.raw();
    one.login("db", "postgres");
    other.login("db", "postgres");
    hold(one);
    std::string types = ask(bytes, ends);
    hold(other);
    one.send(query("rollback"));
    one.until('Z');
    types += " " + ask(bytes, ends);
    other.send(query("rollback"));
    other.until('Z');
    return types;
  }
  // What PostgreSQL says to a session that has just prepared what is needed.
  std::string fresh(const std::string& prepare, const std::string& bytes) const {
    RawClient direct = databases.direct();
    direct.send(prepare);
    direct.until('Z');
    direct.send(bytes);
    return bytes_of(direct.until('Z'));
  }
  std::string error() const {
    for (const Message& message : answer) {
      if (message.type == 'E') return parse_error(message.body).code;
    }
    return "";
  }
  std::vector<Message> answer;
};

}  // namespace

TEST_CASE(
    "a batch that describes its rows itself never meets an outdated plan (psycopg, "
    "node-postgres)") {
  std::string batch = bound("S_1") + describe('P', "") + execute("") + msg::sync();
  Outdated it(parse("S_1", kText) + batch);
  CHECK(it.ask(batch) == "2TDCZ");
  CHECK(bytes_of(it.answer) == it.fresh(parse("S_1", kText) + msg::sync(), batch));
  CHECK(it.ask(batch) == "2TDCZ");
  // Described as a statement.
  it.databases.sql("alter table item add column more int4 default 6");
  batch = describe('S', "S_1") + bound("S_1") + execute("") + msg::sync();
  CHECK(it.ask(batch) == "tT2DCZ");
  CHECK(bytes_of(it.answer) == it.fresh(parse("S_1", kText) + msg::sync(), batch));
}

TEST_CASE("who was never told of the rows gets the new ones") {
  std::string batch = bound("S_1") + execute("") + msg::sync();
  Outdated it(parse("S_1", kText) + batch);
  CHECK(it.ask(batch) == "2DCZ");
  CHECK(bytes_of(it.answer) == it.fresh(parse("S_1", kText) + msg::sync(), batch));
}

TEST_CASE("who holds an old description gets the error once (JDBC)") {
  std::string again = bound("S_1") + execute("") + msg::sync();
  Outdated it(parse("S_1", kText) + bound("S_1") + describe('P', "") + execute("") + msg::sync());
  CHECK(it.ask(again) == "EZ");
  CHECK(it.error() == "0A000");
  CHECK(it.ask(again) == "2DCZ");
  CHECK(parse_row(it.answer[1].body).size() == 3);
}

TEST_CASE("who holds an old description gets the error once, not once from each server") {
  std::string again = bound("S_1") + execute("") + msg::sync();
  std::string first = parse("S_1", kText) + describe('S', "S_1") + again;
  Outdated it(first, again);
  CHECK(it.ask_both(again) == "EZ 2DCZ");
  CHECK(it.ask_both(again) == "2DCZ 2DCZ");
  CHECK(parse_row(it.answer[1].body).size() == 3);
}

TEST_CASE("in transactions, too, the error comes once, not once from each server") {
  std::string again = bound("S_1") + execute("") + msg::sync();
  Outdated it(parse("S_1", kText) + again, again);
  std::string block = query("begin") + again + query("rollback");
  CHECK(it.ask(block, 3) == "CZEZCZ");
  CHECK(it.ask_both(block, 3) == "CZ2DCZCZ CZ2DCZCZ");
}

TEST_CASE("a new name for the same text is not refused for the old one's plan") {
  Outdated it(parse("S_1", kText) + bound("S_1") + describe('P', "") + execute("") + msg::sync());
  // The old name is given up; ParseComplete is made here, as the server has the text.
  std::string batch = msg::close('S', "S_1") + parse("S_2", kText) + bound("S_2") +
                      describe('P', "") + execute("") + msg::sync();
  CHECK(it.ask(batch) == "312TDCZ");
  CHECK(bytes_of(it.answer) == it.fresh(parse("S_1", kText) + msg::sync(), batch));
  CHECK(it.ask(bound("S_1") + msg::sync()) == "EZ");
  CHECK(it.error() == "26000");
  CHECK(it.ask(bound("S_2") + execute("") + msg::sync()) == "2DCZ");
  CHECK(it.ask(parse("S_2", kText) + msg::sync()) == "EZ");
  CHECK(it.error() == "42P05");
}

TEST_CASE("within a transaction the error is told, and the transaction has failed") {
  Outdated it(parse("S_1", kText) + bound("S_1") + execute("") + msg::sync());
  CHECK(it.ask(query("begin")) == "CZ");
  CHECK(it.ask(bound("S_1") + execute("") + msg::sync()) == "EZ");
  CHECK(it.error() == "0A000");
  CHECK(it.answer.back().body == "E");
  CHECK(it.ask(query("rollback")) == "CZ");
  CHECK(it.ask(bound("S_1") + execute("") + msg::sync()) == "2DCZ");
}

TEST_CASE("behind an answer that was told there is no second run") {
  std::string batch = parse("", "insert into item values (3, 'three')") + msg::bind("", "") +
                      execute("") + bound("S_1") + execute("") + msg::sync();
  Outdated it(parse("S_1", kText) + bound("S_1") + execute("") + msg::sync());
  CHECK(it.ask(batch) == "12CEZ");
  CHECK(it.error() == "0A000");
  CHECK(it.ask(query("select count(*) from item")) == "TDCZ");
  CHECK(parse_row(it.answer[1].body).at(0) == "2");
}

TEST_CASE("with more sent behind it, or asked for by Flush, or too long, the error is told") {
  std::string first = parse("S_1", kText) + bound("S_1") + execute("") + msg::sync();
  SUBCASE("two batches at once") {
    Outdated it(first);
    CHECK(
        it.ask(bound("S_1") + execute("") + msg::sync() + bound("S_1") + execute("") + msg::sync(),
               2) == "EZEZ");
  }
  SUBCASE("Flush") {
    Outdated it(first);
    it.client.send(bound("S_1") + execute("") + msg::flush());
    CHECK(it.client.types_until('E') == "E");
    CHECK(it.ask(msg::sync()) == "Z");
  }
  SUBCASE("longer than 16 kB") {
    Outdated it(parse("S_1", "select * from item where name <> $1") + bound("S_1") + execute("") +
                msg::sync());
    std::string batch = bound("S_1", std::string(20'000, 'x')) + execute("") + msg::sync();
    CHECK(it.ask(batch) == "EZ");
    CHECK(it.ask(batch) == "2DDCZ");
  }
}

TEST_CASE("a batch that comes in pieces is run again whole") {
  std::string batch = bound("S_1") + describe('P', "") + execute("") + msg::sync();
  Outdated it(parse("S_1", kText) + batch);
  it.client.send_slowly(batch);
  CHECK(it.client.types_until('Z') == "2TDCZ");
}

TEST_CASE("EXECUTE in SQL is run again: its answer describes itself") {
  Outdated it(query("prepare old as select * from item where id = 1"));
  CHECK(it.ask(query("execute old")) == "TDCZ");
  it.databases.sql("alter table item add column more int4 default 6");
  CHECK(it.ask(query("execute old")) == "TDCZ");
  CHECK(bytes_of(it.answer) ==
        it.fresh(query("prepare old as select * from item where id = 1"), query("execute old")));
  // A transaction block that was opened in the same string cannot be run again.
  it.databases.sql("alter table item drop column more");
  CHECK(it.ask(query("begin; execute old")) == "CEZ");
  CHECK(it.error() == "0A000");
  CHECK(it.ask(query("rollback")) == "CZ");
  CHECK(it.ask(query("execute old")) == "TDCZ");
}
