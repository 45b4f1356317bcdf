// Statements that follow their client: what is sent to a server for what a client says, and what
// the client is told. The server is the test itself.
#include <doctest/doctest.h>

#include "bytes.h"
#include "howdah/base/text.h"
#include "howdah/session/relay.h"

using namespace howdah;
using namespace howdah::session;
using namespace std::string_literals;

namespace {

std::string named_parse(std::string_view name, std::string_view sql) {
  return message('P', z(name) + z(sql) + std::string(2, '\0'));
}
std::string named_bind(std::string_view name) {
  return message('B', z("") + z(name) + std::string(6, '\0'));
}
std::string close_statement(std::string_view name) { return message('C', "S" + z(name)); }
std::string told(std::string_view code, std::string_view text, std::string_view position = "") {
  std::string body = z("SERROR") + z("VERROR") + z(base::cat("C", code)) + z(base::cat("M", text));
  if (!position.empty()) body += z(base::cat("P", position));
  return message('E', body + '\0');
}
const std::string kParsed = message('1'), kBound = message('2'), kClosed = message('3');

struct Pair {
  TrackedNames names{{}};
  Parameters of_server{names.size()}, of_client{names.size()};
  Owed owed;
  ClientStatements client;
  ServerStatements server;
  StatementTable table;
  PoolStatements pool;
  FactsCache facts;
  Pieces to_server, to_client;
  ClientStream up;
  ServerStream down;
  std::string told_client;
  std::size_t max_prepared = 10;

  ServerStream::Sides sides() {
    return {names, of_server, &of_client, owed, &server, &client, &pool, &to_client};
  }
  // What the server is sent; what the client gets at once is in told_client.
  std::string say(std::string_view bytes) {
    Following f{owed,      client,       7,    server, table,     pool,
                facts,     max_prepared, true, false,  down.tx(), Reading{&of_client, nullptr},
                to_server, to_client};
    left.append(bytes);
    auto taken = up.follow(left, 1 << 20, f);
    std::string sent = joined(to_server);
    left.erase(0, taken.forward);
    stop = taken.stop;
    down.emit_made(sides());
    told_client = joined(to_client);
    return sent;
  }
  // What the client gets of it.
  std::string hear(std::string_view bytes) {
    std::string held(bytes), got;
    while (!held.empty()) {
      auto taken = down.forward(held, sides());
      REQUIRE(taken.event != ServerStream::Event::Violation);
      got += joined(to_client);
      held.erase(0, taken.forward);
      if (taken.event == ServerStream::Event::Bytes) break;
    }
    if (up.stalled() && owed.quiet()) up.resume();
    CHECK(held.empty());
    return got;
  }
  // The client's transaction has failed.
  void fail() {
    say(query("boom"));
    hear(told("22012", "boom") + ready('E'));
  }
  // Another client had the server, or this is another server.
  void other_server() {
    server.clear();
    server.unnamed_owner = 0;
  }
  std::string left;
  ClientStream::Stop stop = ClientStream::Stop::Bytes;
};

// Has the client prepare `sql` as `name`; gives the name it has on servers.
std::string prepare(Pair& pair, std::string_view name, std::string_view sql) {
  pair.say(named_parse(name, sql) + sync_batch());
  pair.hear(kParsed + ready());
  REQUIRE(pair.client.find(name));
  return pair.client.find(name)->server_name;
}

}  // namespace

TEST_CASE("an unnamed statement behind a skipped Parse of another is still the one before") {
  Pair pair;
  pair.say(parse("select 1") + sync_batch());
  pair.hear(kParsed + ready());
  // The Bind fails, the Parse behind it is skipped; so are a Close and a Query.
  for (const std::string& skipped :
       {parse("select 2"), close_statement(""), parse("select 3") + parse("select 4")}) {
    pair.say(named_bind("none") + skipped + sync_batch());
    pair.hear(told("26000", "none") + ready());
    REQUIRE(pair.client.unnamed());
    CHECK(std::string_view(pair.client.unnamed()->c_str()) == "select 1");
  }
  pair.other_server();
  CHECK(pair.say(bind() + sync_batch()) == parse("select 1") + bind() + sync_batch());
}

TEST_CASE("an unnamed statement whose Parse fails is gone") {
  Pair pair;
  pair.say(parse("select 1") + sync_batch());
  pair.hear(kParsed + ready());
  pair.say(parse("selekt") + parse("select 2") + sync_batch());
  pair.hear(told("42601", "syntax") + ready());
  CHECK(pair.client.unnamed() == nullptr);
}

TEST_CASE("whether the unnamed statement is there waits for requests that may be skipped") {
  Pair pair;
  pair.say(parse("select 1") + close_statement("") + sync_batch());
  CHECK(pair.say(bind() + sync_batch()).empty());
  CHECK(pair.stop == ClientStream::Stop::Stall);
  pair.hear(told("42601", "syntax") + ready());
  CHECK(pair.say("") == message('C', std::string("S\0", 2)) + bind() + sync_batch());
}

TEST_CASE("in a failed transaction an empty statement stands in for one that the server lacks") {
  Pair pair;
  std::string on_server = prepare(pair, "s", "select $1::int, $2::int");
  pair.other_server();
  pair.fail();
  std::string types(8, '\0');
  CHECK(pair.say(named_bind("s") + sync_batch()) ==
        message('P', z(on_server) + z("") + std::string("\0\2", 2) + types) +
            named_bind(on_server) + sync_batch());
  CHECK(pair.hear(kParsed + told("25P02", "aborted") + ready('E')) ==
        told("25P02", "aborted") + ready('E'));
  // It is not taken for the statement afterwards.
  pair.say(query("rollback"));
  pair.hear(complete("ROLLBACK") + ready());
  CHECK(pair.say(named_bind("s") + sync_batch()) ==
        close_statement(on_server) + named_parse(on_server, "select $1::int, $2::int") +
            named_bind(on_server) + sync_batch());
}

TEST_CASE("the unnamed statement of a batch that may be skipped is waited for, its own batch's is not") {
  Pair pair;
  std::string first = parse("select 1") + sync_batch();
  CHECK(pair.say(first + bind() + sync_batch()) == first);
  CHECK(pair.stop == ClientStream::Stop::Stall);
  Pair other;
  std::string whole = first + parse("select 2") + bind() + sync_batch();
  CHECK(other.say(whole) == whole);
}

TEST_CASE("a name that SQL behind a COPY will give is waited for: the COPY may fail") {
  Pair pair;
  pair.say(query("copy t from stdin; prepare s as select 1"));
  pair.hear(message('G', std::string(3, '\0')));
  if (pair.up.stalled()) pair.up.resume();  // as the worker does for a COPY's data
  std::string fail = message('f', z("enough"));
  CHECK(pair.say(fail + named_parse("s", "select 2") + sync_batch()) == fail);
  CHECK(pair.stop == ClientStream::Stop::Stall);
  pair.hear(told("57014", "enough") + ready());
  CHECK(!pair.say("").empty());
  CHECK(pair.hear(kParsed + ready()) == kParsed + ready());
}

TEST_CASE("in a failed transaction the unnamed statement has a stand-in, too") {
  Pair pair;
  pair.say(parse("select 1") + sync_batch());
  pair.hear(kParsed + ready());
  pair.down.set_tx(wire::TxStatus::Failed);
  pair.other_server();
  CHECK(pair.say(bind() + sync_batch()) == parse("") + bind() + sync_batch());
  pair.hear(kParsed + told("25P02", "aborted") + ready('E'));
  pair.down.set_tx(wire::TxStatus::Idle);
  CHECK(pair.say(bind() + sync_batch()) == parse("select 1") + bind() + sync_batch());
}

TEST_CASE("in a failed transaction what ends it is parsed, and what follows it, too") {
  Pair pair;
  std::string out = prepare(pair, "out", "rollback"), one = prepare(pair, "one", "select 1");
  pair.other_server();
  pair.fail();
  CHECK(pair.say(named_bind("out") + execute() + named_bind("one") + sync_batch()) ==
        named_parse(out, "rollback") + named_bind(out) + execute() + named_parse(one, "select 1") +
            named_bind(one) + sync_batch());
}

TEST_CASE("a Query in a failed transaction goes as it is unless it ends that") {
  Pair pair;
  prepare(pair, "s", "select 1");
  pair.other_server();
  pair.fail();
  for (const char* sql : {"execute s", "prepare s as select 1", "deallocate s; rollback"}) {
    CHECK(pair.say(query(sql)) == query(sql));
    pair.hear(told("25P02", "aborted") + ready('E'));
  }
  CHECK(pair.client.find("s"));
}

TEST_CASE("what needs messages of ours waits until the state of the transaction is known") {
  Pair pair;
  std::string on_server = prepare(pair, "s", "select 1");
  pair.other_server();
  CHECK(pair.say(query("select 1/0") + named_bind("s") + sync_batch()) == query("select 1/0"));
  CHECK(pair.stop == ClientStream::Stop::Stall);
  pair.hear(told("22012", "division") + ready('E'));
  CHECK(pair.say("").find("select 1") == std::string::npos);
}

TEST_CASE("two names for one text prepared by SQL are two statements") {
  Pair pair;
  std::string sent = pair.say(query("prepare a as select 1; prepare b as select 1"));
  pair.hear(complete("PREPARE") + complete("PREPARE") + ready());
  REQUIRE(pair.client.find("a"));
  REQUIRE(pair.client.find("b"));
  CHECK(pair.client.find("a")->id != pair.client.find("b")->id);
  CHECK(sent ==
        query(base::cat("prepare ", pair.client.find("a")->server_name, " as select 1; prepare ",
                        pair.client.find("b")->server_name, " as select 1")));
}

TEST_CASE("what executing a portal does to names is known though others were bound behind it") {
  Pair pair;
  prepare(pair, "a", "select 1");
  prepare(pair, "b", "select 2");
  auto bind = [](std::string_view portal) {
    return message('B', z(portal) + z("") + std::string(6, '\0'));
  };
  auto execute = [](std::string_view portal) {
    return message('E', z(portal) + std::string(4, '\0'));
  };
  std::string sent = pair.say(named_parse("", "deallocate a") + bind("p1") +
                              named_parse("", "deallocate b") + bind("p2") +
                              named_parse("", "select 3") + bind("") + execute("p1") +
                              execute("p2") + execute("") + sync_batch());
  // Each has a statement of its own to take away.
  CHECK(sent.find("deallocate howdah_d\0"s) != std::string::npos);
  CHECK(sent.find("deallocate howdah_d2\0"s) != std::string::npos);
  CHECK(pair.client.find("a"));
  const std::string dummy = kClosed + kParsed, bound = kParsed + kBound;
  CHECK(pair.hear(dummy + bound + dummy + bound + bound + complete("DEALLOCATE")) ==
        bound + bound + bound + complete("DEALLOCATE"));
  CHECK_FALSE(pair.client.find("a"));
  CHECK(pair.client.find("b"));
  // One that was taken away before is missed by the client's name for it.
  CHECK(pair.hear(told("26000", "prepared statement \"howdah_d2\" does not exist") + ready()) ==
        told("26000", "prepared statement \"b\" does not exist") + ready());
  CHECK(pair.client.find("b"));
}

TEST_CASE("of a name the first 63 bytes count") {
  Pair pair;
  std::string name(63, 'x');
  prepare(pair, name + "1", "select 1");
  CHECK(pair.client.find(name + "2"));
  CHECK_FALSE(pair.client.find(name.substr(1)));
}

TEST_CASE("the server remarks on a name that is too long, once, when the client's own text comes") {
  Pair pair;
  std::string name(70, 'x');
  std::string sent = pair.say(query(base::cat("prepare ", name, " as select 1")));
  std::string on_server = [&] {
    std::size_t at = sent.find("prepare ") + 8;
    return sent.substr(at, sent.find(' ', at) - at);
  }();
  CHECK(sent == named_parse("howdah_n", base::cat("ROLLBACK TO ", name)) +
                    close_statement("howdah_n") +
                    query(base::cat("prepare ", on_server, " as select 1")));
  std::string remark = notice("will be truncated");
  CHECK(pair.hear(remark + kParsed + kClosed + complete("PREPARE") + ready()) ==
        remark + complete("PREPARE") + ready());
}

TEST_CASE("the server remarks on long names in the order of the text, known ones and others") {
  Pair pair;
  std::string one(70, 'x'), other(70, 'y');
  prepare(pair, one, "select 1");
  std::string on_server = pair.client.find(one)->server_name;
  auto asked = [](std::string_view name) {
    return named_parse("howdah_n", base::cat("ROLLBACK TO ", name)) + close_statement("howdah_n");
  };
  CHECK(pair.say(query(base::cat("execute ", other, "; execute ", one))) ==
        asked(other) + asked(one) +
            query(base::cat("execute \"", other.substr(0, 63), "\"; execute ", on_server)));
}

TEST_CASE("what the server remarks on a Parse of ours is not the client's to hear") {
  Pair pair;
  std::string on_server = prepare(pair, "s", "select 1 as \"a long name\"");
  pair.other_server();
  pair.say(named_bind("s") + sync_batch());
  CHECK(pair.hear(notice("truncated") + kParsed + kBound + ready()) == kBound + ready());
  // The next client that parses it is to hear it: no ParseComplete of ours.
  CHECK(pair.say(named_parse("t", "select 1 as \"a long name\"") + sync_batch()) ==
        close_statement(on_server) + named_parse(on_server, "select 1 as \"a long name\"") +
            sync_batch());
}

TEST_CASE("the position of an error is that in the client's text") {
  Pair pair;
  std::string on_server = prepare(pair, "a_rather_long_name", "select $1::int");
  std::string sent = pair.say(query("/* \xc3\xa9 */ execute a_rather_long_name(nosuch)"));
  std::size_t there = sent.find("nosuch") - 5;  // behind the header; one character has two bytes
  CHECK(pair.hear(told("42703", "no column", std::to_string(there)) + ready()) ==
        told("42703", "no column", "36") + ready());
  // Before the name nothing has moved.
  pair.say(query("select nosuch; execute a_rather_long_name(1)"));
  CHECK(pair.hear(told("42703", "no column", "8") + ready()) ==
        told("42703", "no column", "8") + ready());
}

TEST_CASE("a statement that names itself or one that names it comes to an end") {
  Pair pair;
  std::string on_server = prepare(pair, "s", "execute s");
  std::string sent = pair.say(named_bind("s") + sync_batch());
  CHECK(sent == close_statement(on_server) +
                    named_parse(on_server, base::cat("execute ", on_server)) +
                    named_bind(on_server) + sync_batch());
}

TEST_CASE("what a statement by another statement prepares is the client's") {
  Pair pair;
  prepare(pair, "maker", "prepare made as select 1");
  pair.say(query("execute maker"));
  CHECK_FALSE(pair.client.find("made"));
  pair.hear(kClosed + kParsed + ready() + complete("PREPARE") + ready());
  CHECK(pair.client.find("made"));
}

TEST_CASE("names behind DEALLOCATE ALL in one batch are new") {
  Pair pair;
  prepare(pair, "s", "select 1");
  pair.say(parse("deallocate all") + bind() + execute() + named_parse("s", "select 2") +
           sync_batch());
  pair.hear(kParsed + kBound + complete("DEALLOCATE ALL"));
  pair.hear(kParsed + ready());
  REQUIRE(pair.client.find("s"));
  CHECK(std::string_view(pair.client.find("s")->body.c_str()) == "select 2");
}

TEST_CASE("two DEALLOCATEs in one batch each have something to name") {
  Pair pair;
  prepare(pair, "a", "select 1");
  prepare(pair, "b", "select 2");
  std::string sent = pair.say(parse("deallocate a") + bind() + execute() + parse("deallocate b") +
                              bind() + execute() + sync_batch());
  std::string dummy = close_statement("howdah_d") + named_parse("howdah_d", "");
  std::string each = dummy + parse("deallocate howdah_d") + bind() + execute();
  CHECK(sent == each + each + sync_batch());
}

TEST_CASE("a Query in a batch that may have failed is skipped with it: no Sync of ours between") {
  Pair pair;
  prepare(pair, "s", "select 1");
  pair.other_server();
  std::string sent = pair.say(bind() + query("execute s"));
  CHECK(sent.find(sync_batch()) == std::string::npos);
  pair.hear(told("26000", "no unnamed"));
  CHECK(pair.owed.skipping());
}

TEST_CASE("statements that one message needs do not make room for each other") {
  Pair pair;
  std::string text, names;
  for (const char* name : {"a", "b", "c"}) {
    prepare(pair, name, base::cat("select '", name, "'"));
    text += base::cat("execute ", name, ";");
    names += base::cat("execute ", pair.client.find(name)->server_name, ";");
  }
  pair.other_server();
  pair.max_prepared = 2;
  std::string sent = pair.say(query(text));
  CHECK(sent.ends_with(query(names)));
  CHECK(sent.find(message('C').substr(0, 1) + std::string("\0\0\0", 3)) == std::string::npos);
  CHECK(pair.server.size() == 3);
}

TEST_CASE("a text means another statement for a client that reads it otherwise") {
  Pair pair;
  prepare(pair, "utc", "select timestamptz '2024-01-01'");
  pair.hear(status("TimeZone", "Asia/Tokyo"));
  prepare(pair, "tokyo", "select timestamptz '2024-01-01'");
  pair.hear(status("application_name", "another"));
  CHECK(pair.say(named_parse("same", "select timestamptz '2024-01-01'") + sync_batch()) ==
        sync_batch());  // this server has it
  CHECK(pair.client.find("utc")->id != pair.client.find("tokyo")->id);
  CHECK(pair.client.find("same")->id == pair.client.find("tokyo")->id);
}

TEST_CASE("without standard strings a text that has no backslash is looked into all the same") {
  Pair pair;
  std::string on_server = prepare(pair, "s", "select 1");
  pair.facts.set_readable(route::Readable::WithoutBackslash);
  CHECK(pair.say(query("execute s")) == query(base::cat("execute ", on_server)));
  pair.hear(complete() + ready());
  CHECK(pair.say(query("execute s -- \\")) == query("execute s -- \\"));
}
