// A batch that can be run once more: what is kept of it, until when, and what its answers wait for.
#include "howdah/session/batch.h"

#include <doctest/doctest.h>

#include "howdah/session/relay.h"
#include "unit/session/bytes.h"

using namespace howdah;
using namespace howdah::session;

namespace {

const std::string kBind = message('B', std::string("\0s\0\0\0\0\0\0\0", 9));
const std::string kExecute = message('E', std::string(5, '\0'));
const std::string kSync = message('S', "");
const std::string kIdle = message('Z', "I");
const std::string kOutdated =
    message('E', std::string("SERROR\0C0A000\0Mcached plan\0RRevalidateCachedQuery\0\0", 51));

// A client, a server and what is between them.
struct Link {
  Owed owed;
  ClientStatements client;
  ServerStatements held;
  StatementTable table;
  PoolStatements pool;
  FactsCache facts;
  Pieces to_server, to_client;
  Batch batch;
  ClientStream stream;
  ServerStream server;
  TrackedNames names{{}};
  Parameters parameters{names.size()};
  bool keep = false;
  ServerStream::Event event = ServerStream::Event::Bytes;

  static std::string text(Pieces& pieces) {
    std::string all;
    for (std::string_view piece : pieces.all()) all += piece;
    pieces.clear();
    return all;
  }
  std::string ask(std::string_view bytes, bool again = false) {
    Following f{owed,        client, 1,         held,      table,
                pool,        facts,  200,       true,      false,
                server.tx(), {},     to_server, to_client, again ? nullptr : &batch,
                keep};
    CHECK(stream.follow(bytes, 1 << 30, f).forward == bytes.size());
    server.emit_made(sides());
    return text(to_server);
  }
  ServerStream::Sides sides() {
    return {names, parameters, nullptr, owed, &held, &client, &pool, &to_client, &batch};
  }
  std::string answer(std::string_view bytes) {
    auto taken = server.forward(bytes, sides());
    CHECK(taken.forward == bytes.size());
    event = taken.event;
    return text(to_client);
  }
  // The client has prepared "s", and the server has the plan.
  void prepare() {
    ask(message('P', std::string("s\0select 1\0\0\0", 13)) + kSync);
    CHECK(answer(message('1', "") + kIdle) == message('1', "") + kIdle);
    CHECK(event == ServerStream::Event::Settled);
  }
};

}  // namespace

TEST_CASE("a batch that met an outdated plan first is run again, with the statement parsed anew") {
  Link link;
  link.prepare();
  const std::string batch = kBind + kExecute + kSync;
  link.ask(batch);
  CHECK(link.batch.whole());
  CHECK(link.answer(kOutdated).empty());
  CHECK(link.answer(kIdle).empty());
  REQUIRE(link.event == ServerStream::Event::Again);
  std::string again = link.batch.take(link.client);
  CHECK(again == batch);
  std::string sent = link.ask(again, true);
  CHECK(sent.substr(0, 1) == "C");
  CHECK(sent.find("select 1") != std::string::npos);
  std::string rest = message('2', "") + message('C', std::string("SELECT 1\0", 9)) + kIdle;
  CHECK(link.answer(message('3', "") + message('1', "") + rest) == rest);
  CHECK(link.event == ServerStream::Event::Settled);
}

TEST_CASE("only once: an error of the second run is told") {
  Link link;
  link.prepare();
  link.ask(kBind + kExecute + kSync);
  link.answer(kOutdated + kIdle);
  REQUIRE(link.event == ServerStream::Event::Again);
  link.ask(link.batch.take(link.client), true);
  CHECK(link.answer(message('3', "") + message('1', "") + kOutdated + kIdle) == kOutdated + kIdle);
  CHECK(link.event == ServerStream::Event::Settled);
}

TEST_CASE("answers that say nothing wait for one that does, however the network cuts them") {
  Link link;
  link.prepare();
  link.ask(kBind + kExecute + kSync);
  const std::string bound = message('2', ""), rest = message('D', std::string(2, '\0'));
  SUBCASE("and go with it") {
    CHECK(link.answer(bound + rest) == bound + rest);
    CHECK(link.batch.state() == Batch::State::Off);
  }
  SUBCASE("and go before it") {
    CHECK(link.answer(bound).empty());
    CHECK(link.batch.whole());
    CHECK(link.answer(rest) == bound + rest);
  }
  SUBCASE("also once more has been sent behind") {
    CHECK(link.answer(bound).empty());
    link.ask(kBind);
    CHECK(link.batch.state() == Batch::State::Off);
    CHECK(link.answer(rest) == bound + rest);
  }
  SUBCASE("and before an error that is told") {
    CHECK(link.answer(bound).empty());
    const std::string error = message('E', std::string("SERROR\0C22012\0Mzero\0\0", 21));
    CHECK(link.answer(error + kIdle) == bound + error + kIdle);
  }
}

TEST_CASE("the error is told after all when the transaction did not end with it") {
  Link link;
  link.prepare();
  link.ask(kBind + kExecute + kSync);
  CHECK(link.answer(kOutdated).empty());
  CHECK(link.answer(message('Z', "E")) == kOutdated + message('Z', "E"));
  CHECK(link.event == ServerStream::Event::Settled);
}

TEST_CASE("nobody wants it: nothing is kept; somebody does: any batch, a Query too") {
  Link link;
  const std::string query = message('Q', std::string("select 1\0", 9));
  link.ask(query);
  CHECK(link.batch.state() == Batch::State::Off);
  link.answer(message('C', std::string("SELECT 1\0", 9)) + kIdle);
  link.keep = true;
  link.ask(query);
  CHECK(link.batch.whole());
  CHECK(link.batch.take(link.client) == query);
}

TEST_CASE("taken back, the names that the batch gave and took are as before it") {
  Link link;
  link.prepare();
  link.keep = true;
  StatementRef old = link.client.find("s");
  const std::string batch = message('C', std::string("Ss\0", 3)) +
                            message('P', std::string("s\0select 2\0\0\0", 13)) +
                            message('P', std::string("t\0select 3\0\0\0", 13)) + kSync;
  link.ask(batch);
  CHECK(link.client.find("s") != old);
  CHECK(link.client.find("t"));
  CHECK(link.batch.take(link.client) == batch);
  CHECK(link.client.find("s") == old);
  CHECK_FALSE(link.client.find("t"));
}

TEST_CASE("more than 16 kB, a Flush, or a batch within a transaction are not kept") {
  Link link;
  link.prepare();
  link.keep = true;
  SUBCASE("16 kB and one more") {
    const std::string query = message('Q', std::string(Batch::kMax - 5, 'x'));
    REQUIRE(query.size() == Batch::kMax);
    link.ask(query);
    CHECK(link.batch.whole());
    link.batch.off();
    link.answer(message('C', std::string("SELECT 1\0", 9)) + kIdle);
    link.ask(message('Q', std::string(Batch::kMax - 4, 'x')));
    CHECK(link.batch.state() == Batch::State::Off);
  }
  SUBCASE("Flush") {
    link.ask(kBind + message('H', "") + kExecute + kSync);
    CHECK(link.batch.state() == Batch::State::Off);
  }
  SUBCASE("transaction") {
    link.server.set_tx(wire::TxStatus::InTransaction);
    link.ask(kBind + kExecute + kSync);
    CHECK(link.batch.state() == Batch::State::Off);
  }
}

TEST_CASE("a standby's refusals are held back from the client where somebody wants to know first") {
  auto error = [](const char* code, const char* text) {
    return message('E', z("SERROR") + z("C" + std::string(code)) + z("M" + std::string(text)) +
                            std::string(1, '\0'));
  };
  const std::string conflict = error("40001", "canceling statement due to conflict with recovery"),
                    serialize = error("40001", "could not serialize access"),
                    read_only = error("25006", "cannot execute INSERT in a read-only transaction"),
                    lock = error("0A000", "cannot acquire lock during recovery"),
                    other = error("0A000", "no"),
                    wal = error("55000", "recovery is in progress");
  for (auto [bytes, conflicts, read_onlys, held] :
       {std::tuple(conflict, true, false, true), std::tuple(conflict, false, true, false),
        std::tuple(serialize, true, true, false), std::tuple(read_only, true, false, false),
        std::tuple(read_only, false, true, true), std::tuple(lock, false, true, true),
        std::tuple(other, true, true, false), std::tuple(wal, false, true, true)}) {
    CAPTURE(bytes);
    Link link;
    link.keep = true;
    link.batch.set_wishes(conflicts, read_onlys);
    link.ask(message('Q', z("select 1")));
    CHECK(link.answer(bytes) == (held ? "" : bytes));
    CHECK(link.answer(kIdle) == (held ? "" : kIdle));
    CHECK(link.event == (held ? ServerStream::Event::Again : ServerStream::Event::Settled));
    if (!held) continue;
    CHECK(link.batch.why() == (conflicts ? Batch::Why::Conflict : Batch::Why::ReadOnly));
    // It may be told after all.
    link.batch.release(&link.to_client);
    CHECK(Link::text(link.to_client) == bytes);
  }
  // Behind a part of the answer it is too late.
  Link link;
  link.keep = true;
  link.batch.set_wishes(true, true);
  link.ask(message('Q', z("select 1")));
  const std::string row = message('T', "x") + message('D', "x");
  CHECK(link.answer(row) == row);
  CHECK(link.answer(conflict + kIdle) == conflict + kIdle);
}

TEST_CASE("the description of rows alone is not yet an answer") {
  Link link;
  link.keep = true;
  link.ask(message('Q', z("select 1")));
  CHECK(link.answer(message('T', "x")).empty());
  CHECK(link.batch.whole());
  CHECK(link.answer(message('D', "x")) == message('T', "x") + message('D', "x"));
  CHECK(!link.batch.whole());
}

TEST_CASE("the texts that a batch runs are known, whichever way they are named") {
  auto texts = [](const std::string& bytes) {
    Link link;
    link.prepare();
    link.keep = true;
    link.ask(message('P', std::string("\0select 2\0\0\0", 12)) + kSync);
    link.answer(message('1', "") + kIdle);
    link.ask(bytes);
    std::vector<std::string> found;
    if (!link.batch.executes(link.client, found)) return std::string("?");
    std::string all;
    for (const std::string& text : found) all += text + ';';
    return all;
  };
  const std::string parse = message('P', z("") + z("select 3") + std::string(2, '\0'));
  const std::string own_type =
      message('P', z("") + z("select $1") + std::string("\0\1\0\0\x40\0", 6));
  const std::string bind = message('B', std::string(8, '\0'));
  CHECK(texts(message('Q', z("select 1; select 2"))) == "select 1; select 2;");
  CHECK(texts(kBind + kExecute + kSync) == "select 1;");
  CHECK(texts(bind + kExecute + kSync) == "select 2;");
  CHECK(texts(parse + bind + kExecute + kBind + kExecute + kSync) == "select 3;select 1;");
  CHECK(texts(parse + kSync) == "");
  CHECK(texts(own_type + bind + kExecute + kSync) == "?");
  CHECK(texts(kExecute + kSync) == "?");
}
