// The protocol: what goes through the pooler is, byte for byte, what PostgreSQL says by itself.
#include <doctest/doctest.h>

#include <numeric>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

struct Conversation {
  const char* name;
  std::string bytes;
  int ends;  // ReadyForQuery expected
};

std::vector<Conversation> conversations() {
  using namespace msg;
  using msg::sync;
  std::string batch = extended("select $1::int", {"1"});
  std::string broken = extended("select 1/$1::int", {"0"});
  return {
      {"simple query", query("select 1 as a, 'x' as b, null as c"), 1},
      {"many rows", query("select * from generate_series(1, 2000)"), 1},
      {"several statements", query("select 1; select 2; set work_mem = '5MB'; reset work_mem"), 1},
      {"an error in the middle of a string", query("select 1; select 1/0; select 3"), 1},
      {"empty query", query("") + query("  ;  ") + query("-- nothing"), 3},
      {"syntax error", query("selekt"), 1},
      {"notices", query("do $$ begin raise notice 'n1'; raise warning 'n2'; end $$"), 1},
      {"a failed transaction", query("begin") + query("select 1/0") + query("select 1") +
                                   query("rollback") + query("select 2"), 5},
      {"savepoints", query("begin") + query("savepoint a") + query("select 1/0") +
                         query("rollback to a") + query("commit"), 5},
      {"queries sent together", query("select 1") + query("select 2") + query("select 3"), 3},
      {"reported settings", query("set application_name = 'renamed'") +
                                query("set datestyle = 'German'") + query("reset all"), 3},
      {"extended", batch + sync(), 1},
      {"extended, error", broken + sync(), 1},
      {"extended, empty", extended("") + sync(), 1},
      {"extended, no rows", extended("set work_mem = '6MB'") + sync() + query("reset all"), 2},
      {"describe statement", parse("", "select $1::int, $2::text") + describe('S', "") + sync(), 1},
      {"only Sync", sync() + sync() + sync(), 3},
      {"close", batch + close('P', "") + close('S', "") + sync(), 1},
      {"close of what is not there", close('S', "nobody") + close('P', "nobody") + sync(), 1},
      {"a pipeline in one transaction", batch + batch + batch + sync(), 1},
      {"a pipeline of transactions", batch + sync() + batch + sync() + batch + sync(), 3},
      {"an error in the middle of a pipeline", batch + broken + batch + sync() + batch + sync(), 2},
      {"an error, then more in the same pipeline than fits one packet",
       batch + broken + [&] {
         std::string many;
         for (int i = 0; i < 500; ++i) many += batch;
         return many;
       }() + sync() + query("select 'after'"), 2},
      {"portals in pieces", parse("", "select * from generate_series(1, 5)") + bind("p", "") +
                                execute("p", 2) + execute("p", 2) + execute("p", 2) + sync(), 1},
      {"a transaction over several Syncs", extended("begin") + sync() + batch + sync() +
                                               extended("commit") + sync(), 3},
      {"a failed transaction over several Syncs", extended("begin") + sync() + broken + sync() +
                                                      batch + sync() + extended("rollback") +
                                                      sync(), 4},
      {"Query after Parse", parse("", "select 1") + query("select 2"), 1},
      {"bind to no statement", bind("", "nobody") + sync() + query("select 1"), 2},
      {"function call", function_call(1317, {"hello"}), 1},
      {"function call, error", function_call(999999, {}) + query("select 1"), 2},
      {"function calls and queries together",
       function_call(1317, {"a"}) + query("select 2") + function_call(1317, {"abc"}), 3},
      {"rows bigger than any buffer", query("select repeat('x', 300000) from generate_series(1, 3)"),
       1},
      {"a query bigger than any buffer",
       query("select length('" + std::string(400000, 'y') + "')"), 1},
      {"a parameter bigger than any buffer",
       extended("select length($1)", {std::string(500000, 'z')}) + sync(), 1},
  };
}

// Everything the other side says until `ends` ReadyForQuery, and the last of them.
std::string answer(RawClient& client, int ends) {
  std::string all;
  while (ends > 0) {
    Message message = client.read();
    REQUIRE_MESSAGE(message.type != 0, "closed after " << all.size() << " bytes: " << all);
    if (message.type == 'Z') --ends;
    all += msg::typed(message.type, message.body);
  }
  return all;
}

std::string readable(const std::string& bytes) {
  std::string text;
  for (char c : bytes.substr(0, 600)) text += c >= ' ' && c < 127 ? c : '.';
  return text;
}

Pooler make_pooler(const std::string& mode, std::map<std::string, std::string> more = {}) {
  primary().create_database("protocol");
  more.insert({"pool_mode", mode});
  more.insert({"default_pool_size", "2"});
  return Pooler({.settings = more, .databases = {entry("db", primary(), "protocol")}});
}

RawClient direct() {
  primary().create_database("protocol");
  RawClient client("127.0.0.1", primary().port());
  client.login("protocol", "postgres");
  return client;
}

}  // namespace

TEST_CASE("conversations are PostgreSQL's own, byte for byte") {
  for (const char* mode : {"session", "transaction"}) {
    Pooler pooler = make_pooler(mode);
    for (const Conversation& talk : conversations()) {
      CAPTURE(mode);
      CAPTURE(talk.name);
      RawClient server = direct(), client = pooler.raw("db");
      server.send(talk.bytes);
      client.send(talk.bytes);
      std::string wanted = answer(server, talk.ends), got = answer(client, talk.ends);
      CHECK_MESSAGE(got == wanted, "wanted " << readable(wanted) << "\ngot " << readable(got));
      CHECK(client.quiet_for(Millis{0}));
    }
  }
}

TEST_CASE("conversations are the same when they come byte by byte") {
  Pooler pooler = make_pooler("transaction");
  for (const Conversation& talk : conversations()) {
    if (talk.bytes.size() > 4000) continue;
    CAPTURE(talk.name);
    RawClient server = direct(), client = pooler.raw("db");
    server.send(talk.bytes);
    client.send_slowly(talk.bytes);
    CHECK(answer(client, talk.ends) == answer(server, talk.ends));
  }
}

TEST_CASE("all conversations follow each other on one connection") {
  Pooler pooler = make_pooler("transaction");
  RawClient server = direct(), client = pooler.raw("db");
  for (const Conversation& talk : conversations()) {
    CAPTURE(talk.name);
    server.send(talk.bytes);
    client.send(talk.bytes);
    CHECK(answer(client, talk.ends) == answer(server, talk.ends));
  }
}

TEST_CASE("Flush brings answers before the Sync") {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw("db");
  client.send(msg::parse("", "select 5") + msg::flush());
  CHECK(client.types_until('1') == "1");
  client.send(msg::bind("", "") + msg::describe('P', "") + msg::flush());
  CHECK(client.types_until('T') == "2T");
  client.send(msg::execute("") + msg::flush());
  CHECK(client.types_until('C') == "DC");
  CHECK(client.quiet_for(Millis{100}));
  // Not done: the server is still this client's.
  CHECK(pooler.pool("db", "postgres", "sv_active") == 1);
  client.send(msg::sync());
  CHECK(client.types_until('Z') == "Z");
  eventually("the server is free", [&] { return pooler.pool("db", "postgres", "sv_idle") == 1; });
}

TEST_CASE("Flush after an error shows it, and only Sync ends it") {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw("db");
  client.send(msg::parse("", "selekt") + msg::flush());
  CHECK(client.types_until('E') == "E");
  client.send(msg::bind("", "") + msg::execute("") + msg::flush());
  CHECK(client.quiet_for(Millis{100}));
  client.send(msg::sync());
  CHECK(client.types_until('Z') == "Z");
  client.send(msg::query("select 1"));
  CHECK(client.types_until('Z') == "TDCZ");
}

TEST_CASE("named statements work in session mode") {
  Pooler pooler = make_pooler("session");
  RawClient client = pooler.raw("db");
  client.send(msg::parse("plus", "select $1::int + 1") + msg::sync());
  CHECK(client.types_until('Z') == "1Z");
  for (int i = 0; i < 3; ++i) {
    client.send(msg::bind("", "plus", {std::to_string(i)}) + msg::execute("") + msg::sync());
    auto messages = client.until('Z');
    REQUIRE(messages.size() == 4);
    CHECK(parse_row(messages[1].body).at(0) == std::to_string(i + 1));
  }
  client.send(msg::bind("", "nobody") + msg::sync() + msg::close('S', "plus") + msg::sync());
  CHECK(parse_error(client.until('Z').at(0).body).code == "26000");
  CHECK(client.types_until('Z') == "3Z");
}

TEST_CASE("libpq's pipeline mode: a thousand queries, an error among them") {
  Pooler pooler = make_pooler("transaction");
  Client client = pooler.connect("db");
  REQUIRE(PQenterPipelineMode(client.raw()) == 1);
  for (int i = 0; i < 1000; ++i) {
    client.send_query(i == 500 ? "select 1/0" : "select " + std::to_string(i));
    if (i % 100 == 99) REQUIRE(PQpipelineSync(client.raw()) == 1);
  }
  int rows = 0, errors = 0, aborted = 0, syncs = 0;
  while (syncs < 10) {
    Result result = client.next();
    if (!result) continue;
    rows += result.status() == PGRES_TUPLES_OK;
    errors += result.status() == PGRES_FATAL_ERROR;
    aborted += result.status() == PGRES_PIPELINE_ABORTED;
    syncs += result.status() == PGRES_PIPELINE_SYNC;
  }
  CHECK(rows == 900);
  CHECK(errors == 1);
  CHECK(aborted == 99);
}

TEST_CASE("pipelines of several clients share servers without mixing answers") {
  Pooler pooler = make_pooler("transaction");
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(pooler.raw("db"));
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 8; ++i) {
      std::string text = std::to_string(round * 100 + i);
      clients[i].send(msg::extended("select $1::text", {text}) + msg::sync() +
                      msg::query("select '" + text + "'"));
    }
    for (int i = 0; i < 8; ++i) {
      std::string text = std::to_string(round * 100 + i);
      CHECK(parse_row(clients[i].until('Z').at(3).body).at(0) == text);
      CHECK(parse_row(clients[i].until('Z').at(1).body).at(0) == text);
    }
  }
}

TEST_CASE("notifications reach a session-mode client") {
  Pooler pooler = make_pooler("session");
  Client listener = pooler.connect("db"), sender = pooler.connect("db");
  listener.exec("listen news");
  sender.exec("notify news, 'hello'");
  eventually("it arrives", [&] {
    PQconsumeInput(listener.raw());
    PGnotify* notice = PQnotifies(listener.raw());
    bool got = notice && std::string(notice->extra) == "hello";
    PQfreemem(notice);
    return got;
  });
}

TEST_CASE("SSLRequest and GSSENCRequest are answered N, in any order, then the login goes on") {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw();
  client.send(msg::gss_request());
  CHECK(client.read_byte() == 'N');
  client.send(msg::ssl_request());
  CHECK(client.read_byte() == 'N');
  client.login("db", "postgres");
  client.send(msg::query("select 1"));
  CHECK(client.types_until('Z') == "TDCZ");
}

TEST_CASE("a login may come byte by byte" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw();
  client.send_slowly(msg::ssl_request());
  CHECK(client.read_byte() == 'N');
  client.send_slowly(msg::startup({{"user", "postgres"}, {"database", "db"}}));
  CHECK(client.until('Z').back().type == 'Z');
  client.send_slowly(msg::query("select 1"));
  CHECK(client.types_until('Z') == "TDCZ");
}

TEST_CASE("a query may be sent together with the start-up packet") {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw();
  client.send(msg::startup({{"user", "postgres"}, {"database", "db"}}) + msg::query("select 7"));
  client.until('Z');
  auto messages = client.until('Z');
  REQUIRE(messages.size() == 4);
  CHECK(parse_row(messages[1].body).at(0) == "7");
}

TEST_CASE("the database defaults to the user's name") {
  Pooler pooler({.databases = {entry("postgres", primary(), "postgres")}});
  RawClient client = pooler.raw();
  client.send(msg::startup({{"user", "postgres"}}));
  CHECK(client.until('Z').back().type == 'Z');
}

TEST_CASE("a minor protocol version of the future is negotiated down" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("transaction");
  RawClient client = pooler.raw();
  client.send(msg::startup({{"user", "postgres"}, {"database", "db"}, {"_pq_.fancy", "1"}},
                           (3 << 16) + 9999));
  std::string types = client.types_until('Z');
  CHECK(types.find('v') != std::string::npos);
  CHECK(types.back() == 'Z');
}

TEST_CASE("broken start-up packets are refused with PostgreSQL's manners" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("transaction");
  struct Broken {
    std::string bytes, text;
  };
  std::string good = msg::startup({{"user", "postgres"}, {"database", "db"}});
  std::string unterminated = good;
  unterminated.back() = 'x';
  for (const Broken& broken : std::vector<Broken>{
           {msg::startup({{"database", "db"}}), "no username supplied"},
           {msg::startup({{"user", "postgres"}}, 2 << 16), "old V2 protocol not supported"},
           {unterminated, "invalid startup packet layout: expected terminator as last byte"},
           {"GET / HTTP/1.1\r\n\r\n", "bad packet header: '"},
           {msg::query("select 1"), ""},
       }) {
    CAPTURE(broken.text);
    RawClient client = pooler.raw();
    client.send(broken.bytes);
    ErrorReport report = client.until_closed();
    CHECK(report.message.starts_with(broken.text));
    if (!broken.text.empty()) CHECK(report.severity == "FATAL");
  }
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("broken messages end their own connection and nobody else's" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("transaction", {{"max_packet_size", "1000000"}});
  Client bystander = pooler.connect("db");
  for (const std::string& bytes : {std::string("!\0\0\0\4", 5), std::string("Q\0\0\0\3", 5),
                                   std::string("Q\x7f\xff\xff\xff", 5), std::string("Q\xff\xff\xff\xff", 5),
                                   std::string("\0\0\0\0\4", 5)}) {
    RawClient client = pooler.raw("db");
    client.send(bytes);
    client.until_closed();
    CHECK(bystander.value("select 1") == "1");
  }
}

TEST_CASE("a connection that is opened and closed without a byte disturbs nobody") {
  Pooler pooler = make_pooler("transaction");
  for (int i = 0; i < 20; ++i) pooler.raw().close();
  CHECK(pooler.connect("db").value("select 1") == "1");
}
