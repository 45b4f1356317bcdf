// The pure parts of a query, over and over: pure PART COUNT. For counting instructions (see
// `instructions`), which need neither sockets nor a quiet machine.
//
//   relay-simple     a Query to the server and its four answers back, as the streams see them
//   relay-extended   Parse, Bind, Describe, Execute, Sync and their answers
//   follow-simple, follow-unnamed, follow-prepared    the same in transaction mode, where statements
//                    are followed; prepared: Bind of a named statement that the server has, to Sync
//   ...-no-batch     likewise, without keeping what may have to be run once more (session/batch.h)
//   client-wants     ClientSession: an idle client's Query asks for a server, is linked, unlinked
//   checkout         Ledger: checkout of a parked server and its checkin
//   handover         Ledger: checkin that goes to a waiter, and that waiter's checkout
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "howdah/base/buffer.h"
#include "howdah/config/loader.h"
#include "howdah/pool/ledger.h"
#include "howdah/session/client_session.h"
#include "howdah/session/relay.h"
#include "howdah/wire/appender.h"

using namespace howdah;

namespace {

std::string text(const base::Buffer& buffer) { return std::string(buffer.view()); }

std::string simple_query() {
  base::Buffer out;
  wire::append_query(out, "select abalance from pgbench_accounts where aid = 12345");
  return text(out);
}

std::string extended_query() {
  base::Buffer out;
  wire::Message(out, 'P').cstring("").cstring("select $1::int").i16(0);
  wire::Message(out, 'B').cstring("").cstring("").i16(0).i16(1).i32(5).bytes("12345").i16(0);
  wire::Message(out, 'D').u8('P').cstring("");
  wire::Message(out, 'E').cstring("").i32(0);
  wire::Message(out, 'S');
  return text(out);
}

void row(base::Buffer& out) {
  wire::Column column{"abalance", 23};
  wire::append_row_description(out, &column, 1);
  wire::Message(out, 'D').i16(1).i32(4).bytes("1234");
  wire::append_command_complete(out, "SELECT 1");
  wire::append_ready_for_query(out, wire::TxStatus::Idle);
}

std::string simple_answer() {
  base::Buffer out;
  row(out);
  return text(out);
}

std::string extended_answer() {
  base::Buffer out;
  wire::Message(out, '1');
  wire::Message(out, '2');
  row(out);
  return text(out);
}

bool relay(long count, const std::string& query, const std::string& answer) {
  session::TrackedNames names({});
  session::Parameters server(names.size()), client(names.size());
  session::ClientStream to_server;
  session::ServerStream to_client;
  session::Owed owed;
  for (long i = 0; i < count; ++i) {
    auto sent = to_server.forward(query, 1 << 30, owed);
    auto back = to_client.forward(answer, {names, server, &client, owed});
    if (sent.forward != query.size() || back.event != session::ServerStream::Event::Settled) {
      return false;
    }
  }
  return true;
}

std::string prepared_query() {
  base::Buffer out;
  wire::Message(out, 'B').cstring("").cstring("S_1").i16(0).i16(1).i32(5).bytes("12345").i16(0);
  wire::Message(out, 'E').cstring("").i32(0);
  wire::Message(out, 'S');
  return text(out);
}

std::string prepared_answer() {
  base::Buffer out;
  wire::Message(out, '2');
  wire::Message(out, 'D').i16(1).i32(4).bytes("1234");
  wire::append_command_complete(out, "SELECT 1");
  wire::append_ready_for_query(out, wire::TxStatus::Idle);
  return text(out);
}

bool follow(long count, const std::string& query, const std::string& answer, bool batches) {
  session::TrackedNames names({});
  session::Parameters server(names.size()), client(names.size());
  session::ClientStream up;
  session::ServerStream down;
  session::Owed owed;
  session::ClientStatements theirs;
  session::ServerStatements held;
  session::StatementTable table;
  session::PoolStatements pool;
  session::FactsCache facts;
  session::Pieces to_server, to_client;
  session::Batch batch;
  auto statement = table.get(session::Statement::Form::Protocol,
                             std::string_view("select $1::int\0\0\0", 17), "");
  theirs.add("S_1", statement);
  held.add(statement, pool.epoch());
  session::Batch* kept = batches ? &batch : nullptr;
  for (long i = 0; i < count; ++i) {
    to_server.clear();
    to_client.clear();
    session::Following f{owed, theirs,    7,         held,
                         table, pool,     facts,     200,
                         true,  false,    down.tx(), session::Reading{&client, nullptr},
                         to_server, to_client, kept};
    auto sent = up.follow(query, 1 << 30, f);
    auto back = down.forward(
        answer, {names, server, &client, owed, &held, &theirs, &pool, &to_client, kept});
    if (sent.forward != query.size() || back.event != session::ServerStream::Event::Settled) {
      return false;
    }
  }
  return true;
}

bool client_wants(long count) {
  config::Settings settings;
  session::TrackedNames names({});
  auth::ServerKeyring keyring;
  session::ClientSession client;
  base::Buffer startup;
  wire::append_startup(startup, {{"user", "u"}, {"database", "d"}});
  client.feed(startup.view(), settings);
  session::LoginPlan plan;
  plan.proof = session::LoginPlan::Proof::None;
  client.begin(std::move(plan), keyring, settings);
  client.set_parameters(session::Parameters(names.size()));
  client.welcome({}, "12345678", names);
  std::string query = simple_query();
  for (long i = 0; i < count; ++i) {
    auto step = client.feed(query, settings);
    if (step.want != session::ClientSession::Want::Server) return false;
    client.link();
    client.unlink();
  }
  return true;
}

bool ledger(long count, bool waiter) {
  auto config = std::make_shared<config::Config>();
  config->settings.default_pool_size = 1;
  config->settings.server_lifetime = std::chrono::hours(1);
  auto database = std::make_shared<config::Database>();
  database->name = database->dbname = "d";
  database->hosts = {{"h", 5432}};
  config->databases.emplace("d", database);
  pool::Ledger books(config, 1);
  pool::Actions actions;
  base::TimePoint now{std::chrono::hours(1)};
  pool::PoolId id = books.pool(database, "u");
  books.client_joined(id);
  (void)books.checkout(id, {0, 1}, now, actions);
  auto permit = std::move(std::get<pool::Open>(actions.at(0)).permit);
  actions.clear();
  auto first = books.opened(permit, 0, now, actions);
  if (!std::holds_alternative<pool::Give>(first)) return false;
  pool::SlotId slot = permit.slot();
  if (!waiter) (void)books.checkin(slot, 0, now);
  bool right = true;
  for (long i = 0; i < count && right; ++i) {
    auto taken = books.checkout(id, {0, 1}, now, actions);
    auto back = books.checkin(slot, 0, now);
    right = waiter ? std::holds_alternative<pool::Queued>(taken) &&
                         std::holds_alternative<pool::Give>(back)
                   : std::holds_alternative<pool::Granted>(taken) &&
                         std::holds_alternative<pool::Park>(back);
  }
  books.lost(std::move(permit), now, actions);
  actions.clear();
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: pure relay-simple|relay-extended|follow-PART[-no-batch]|client-wants|checkout|handover COUNT\n", stderr);
    return 2;
  }
  std::string_view part = argv[1];
  long count = std::atol(argv[2]);
  const bool batches = !part.ends_with("-no-batch");
  if (!batches) part.remove_suffix(9);
  bool right = part == "relay-simple"     ? relay(count, simple_query(), simple_answer())
               : part == "relay-extended" ? relay(count, extended_query(), extended_answer())
               : part == "follow-simple"  ? follow(count, simple_query(), simple_answer(), batches)
               : part == "follow-unnamed" ? follow(count, extended_query(), extended_answer(), batches)
               : part == "follow-prepared"
                   ? follow(count, prepared_query(), prepared_answer(), batches)
               : part == "client-wants"   ? client_wants(count)
               : part == "checkout"       ? ledger(count, false)
               : part == "handover"       ? ledger(count, true)
                                          : false;
  if (!right) std::fprintf(stderr, "pure: %s did not do what it should\n", argv[1]);
  return right ? 0 : 1;
}
