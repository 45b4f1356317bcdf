// A server is lost, its client stays: what the client is told, and in which state it goes on.
#include <doctest/doctest.h>

#include "bytes.h"
#include "howdah/session/client_session.h"
#include "howdah/session/relay.h"

using namespace howdah;
using namespace howdah::session;

namespace {

const std::string kInBlock = error("ERROR", "08006", "lost"),
                  kOutside = error("ERROR", "08007", "unknown");

struct Link {
  TrackedNames names{{}};
  Parameters of_server{names.size()}, of_client{names.size()};
  Owed owed;
  ClientStatements client;
  ServerStatements held;
  StatementTable table;
  PoolStatements pool;
  FactsCache facts;
  Pieces to_server, to_client;
  Batch batch;
  ClientStream up;
  ServerStream down;

  ServerStream::Sides sides() {
    return {names, of_server,  &of_client, owed, &held, &client,
            &pool, &to_client, &batch,     true};
  }
  Link& say(std::string_view bytes) {
    Following f{owed,      client,    7,      held, table, pool, facts, 10, true, false, down.tx(), {},
                to_server, to_client, &batch, true};
    CHECK(up.follow(bytes, 1 << 20, f).forward == bytes.size());
    down.emit_made(sides());
    to_server.clear();
    return *this;
  }
  std::string hear(std::string_view bytes, ServerStream::Event event) {
    auto taken = down.forward(bytes, sides());
    CHECK(taken.event == event);
    CHECK(taken.forward == bytes.size());
    return joined(to_client);
  }
  Link& in_transaction() {
    say(query("begin"));
    hear(complete("BEGIN") + ready('T'), ServerStream::Event::Settled);
    return *this;
  }
  // What the client is told.
  std::string lose() {
    after = down.lose({down.last_words(), kInBlock, kOutside}, sides());
    CHECK(owed.nothing());
    return joined(to_client);
  }
  ServerStream::Aftermath after;
};

bool ended(const Link& link, bool in_block, bool told, bool to_sync) {
  return link.after.in_block == in_block && link.after.told == told &&
         link.after.to_sync == to_sync;
}

}  // namespace

TEST_CASE("a statement in a transaction gets an error, and the block has failed") {
  Link link;
  link.in_transaction().say(query("update t"));
  CHECK(link.lose() == kInBlock + ready('E'));
  CHECK(ended(link, true, true, false));
}

TEST_CASE("a statement outside of a transaction: its outcome is not known") {
  Link link;
  link.say(query("update t"));
  CHECK(link.lose() == kOutside + ready('I'));
  CHECK(ended(link, false, true, false));
  link.say(batch("update t"));
  CHECK(link.lose() == kOutside + ready('I'));
  CHECK(ended(link, false, true, false));
}

TEST_CASE("the outcome of a COMMIT is not known, and the block is over") {
  for (const std::string& commit : {query("commit"), batch("commit")}) {
    Link link;
    link.in_transaction().say(commit);
    CHECK(link.lose() == kOutside + ready('I'));
    CHECK(ended(link, false, true, false));
  }
}

TEST_CASE("what was sent behind a BEGIN must not run by itself") {
  Link link;
  link.say(query("begin")).say(query("update t"));
  CHECK(link.lose() == kInBlock + ready('E') + kInBlock + ready('E'));
  CHECK(ended(link, true, true, false));
  Link batches;
  batches.say(parse("begin") + bind() + execute() + parse("update t") + bind() + execute() +
              sync_batch());
  CHECK(batches.lose() == kInBlock + ready('E'));
  Link whole;
  whole.say(query("begin; update t; commit"));
  CHECK(whole.lose() == kOutside + ready('I'));
  Link three;
  three.say(query("begin")).say(query("update t")).say(query("commit"));
  CHECK(three.lose() == kInBlock + ready('E') + kInBlock + ready('E') + kOutside + ready('I'));
}

TEST_CASE("a batch without its Sync gets the error, and is to be skipped up to the Sync") {
  Link link;
  link.in_transaction().say(parse("update t") + bind() + execute());
  CHECK(link.lose() == kInBlock);
  CHECK(ended(link, true, true, true));
  Link failed;  // it had failed before, and knows
  failed.in_transaction().say(parse("boom") + bind() + execute() + message('H'));
  std::string boom = error("ERROR", "22012", "boom");
  CHECK(failed.hear(boom, ServerStream::Event::Bytes) == boom);
  CHECK(failed.lose().empty());
  CHECK(ended(failed, true, false, true));
}

TEST_CASE("a client that asked for nothing is told nothing yet") {
  Link link;
  link.in_transaction();
  CHECK(link.lose().empty());
  CHECK(ended(link, true, false, false));
  Link failed;
  failed.in_transaction().say(query("boom"));
  failed.hear(error("ERROR", "22012", "boom") + ready('E'), ServerStream::Event::Settled);
  CHECK(failed.lose().empty());
  CHECK(ended(failed, true, true, false));
  Link idle;
  CHECK(idle.lose().empty());
  CHECK(ended(idle, false, false, false));
}

TEST_CASE("a copy ends with the error, at once or behind its Sync") {
  const std::string in = message('G', std::string(3, '\0'));
  Link simple;
  simple.say(query("copy t from stdin"));
  simple.hear(in, ServerStream::Event::Bytes);
  simple.say(message('d', "1\n"));
  CHECK(simple.lose() == kOutside + ready('I'));
  CHECK(ended(simple, false, true, false));
  Link extended;  // with the Sync that drivers send too early
  extended.in_transaction().say(batch("copy t from stdin"));
  extended.hear(message('1') + message('2') + in, ServerStream::Event::Bytes);
  extended.say(message('d', "1\n"));
  CHECK(extended.lose() == kInBlock);
  CHECK(ended(extended, true, true, true));
  Link done;
  done.in_transaction().say(batch("copy t from stdin"));
  done.hear(message('1') + message('2') + in, ServerStream::Event::Bytes);
  done.say(message('d', "1\n") + message('c') + sync_batch());
  CHECK(done.lose() == kInBlock + ready('E'));
}

TEST_CASE("the server's goodbye is passed on as an error, once") {
  Link link;
  link.say(query("update t")).say(query("update u"));
  std::string goodbye = error("FATAL", "57P01", "terminating");
  CHECK(link.hear(goodbye, ServerStream::Event::Fatal).empty());
  CHECK(link.lose() == error("ERROR", "57P01", "terminating") + ready() + kOutside + ready());
}

TEST_CASE("names that were being prepared are the client's no more") {
  Link link;
  link.say(message('P', z("a") + z("select 1") + std::string(2, '\0')) + sync_batch());
  link.hear(message('1') + ready(), ServerStream::Event::Settled);
  link.say(message('P', z("b") + z("select 2") + std::string(2, '\0')) + message('C', z("Sa")) +
           sync_batch());
  CHECK(link.lose() == kOutside + ready());
  CHECK(link.client.find("a"));
  CHECK(!link.client.find("b"));
}
