// The pooler as a client of PostgreSQL: logins, internal queries, idling, and servers that lie.
#include "howdah/session/server_session.h"

#include <doctest/doctest.h>

#include "../auth/conversation.h"
#include "bytes.h"

using namespace howdah;
using namespace howdah::session;
using State = ServerSession::State;
using Want = ServerSession::Want;

namespace {

struct Machine {
  explicit Machine(std::string_view password = "pencil")
      : session({auth::with_password(password), {{"user", "bob"}, {"database", "shop"}}},
                std::make_shared<const TrackedNames>(std::vector<std::string>{})) {
    session.start();
  }
  // Feeds as the worker does: unconsumed bytes again, hashes done at once. Gives the last Want that
  // asked for something.
  Want feed(std::string_view bytes, unsigned way = 0) {
    Want last = Want::Bytes;
    for (std::string_view piece : cut(bytes, way)) {
      held += piece;
      for (;;) {
        if (session.state() == State::Linked || session.state() == State::Closed) return last;
        auto step = session.feed(held);
        REQUIRE(step.consumed <= held.size());
        held.erase(0, step.consumed);
        if (step.want == Want::Hash) {
          CHECK(session.state() == State::Hash);
          CHECK(session.feed(held).consumed == 0);
          step = session.hashed(session.hash_job().run());
        } else if (step.consumed == 0 && step.want == Want::Bytes) {
          break;
        }
        if (step.want != Want::Bytes) last = step.want;
        if (step.want == Want::Done || step.want == Want::Ready) ++ends;
      }
    }
    return last;
  }
  std::string reason() const {
    return session.close_reason().code + " " + session.close_reason().text;
  }
  ServerSession session;
  std::string held;
  int ends = 0;
};

std::string welcome() {
  return authentication(0) + status("server_version", "15.4") + status("application_name", "") +
         status("TimeZone", "UTC") + message('K', "12345678") + ready();
}
void log_in(Machine& machine, unsigned way = 0) {
  CHECK(machine.feed(welcome(), way) == Want::Ready);
  REQUIRE(machine.session.state() == State::Idle);
  machine.session.out().clear();
}

// PostgreSQL's side of a login by one method; true if the client got in.
bool serve_login(Machine& machine, auth::Method method, const std::string& stored, unsigned way) {
  auth::ServerKeyring keyring;
  auto exchange =
      auth::make_server_exchange(method, "bob", auth::classify(stored), keyring, 64);
  machine.session.out().clear();  // the start-up packet has no type
  auto outcome = auth::with_hash(*exchange, exchange->start());
  while (outcome.kind == auth::Outcome::Kind::Reply) {
    if (machine.feed(authentication(outcome.code, outcome.body), way) == Want::Close) return false;
    auto seen = take_messages(machine.session.out());
    if (types_of(seen) != "p") return false;
    outcome = auth::with_hash(*exchange, exchange->feed(seen[0].body));
  }
  if (outcome.kind != auth::Outcome::Kind::Ok) {
    machine.feed(error("FATAL", "28P01", "password authentication failed"), way);
    return false;
  }
  std::string bytes = outcome.body.empty() ? "" : authentication(outcome.code, outcome.body);
  return machine.feed(bytes + welcome(), way) == Want::Ready;
}

}  // namespace

TEST_CASE("the start-up packet asks for protocol 3.0 with the parameters given") {
  Machine machine;
  CHECK(machine.session.out().view() == startup_packet({{"user", "bob"}, {"database", "shop"}}));
}

TEST_CASE("a login without password, in any fragments") {
  for (unsigned way = 0; way < kWays; ++way) {
    Machine machine;
    log_in(machine, way);
    CHECK(machine.session.cancel_key() == "12345678");
    CHECK(*machine.session.parameters().get(2) == "UTC");
    auto reported = machine.session.take_reported();
    CHECK(reported == Pairs{{"server_version", "15.4"}, {"application_name", ""}, {"TimeZone", "UTC"}});
    CHECK(machine.session.clean());
    CHECK(machine.ends == 1);
  }
}

TEST_CASE("every login method passes with the right password and fails with a wrong one") {
  const std::string scram = auth::scram_secret("pencil");
  struct Case {
    auth::Method method;
    std::string stored;
  };
  for (const Case& c : {Case{auth::Method::Plain, "pencil"}, Case{auth::Method::Md5, "pencil"},
                        Case{auth::Method::Scram, scram}}) {
    for (unsigned way = 0; way < 8; ++way) {
      Machine right, wrong("pen");
      CHECK(serve_login(right, c.method, c.stored, way));
      CHECK_FALSE(serve_login(wrong, c.method, c.stored, way));
      CHECK(wrong.session.login_refused());
      CHECK(wrong.reason().find("pen") == std::string::npos);
    }
  }
}

TEST_CASE("a server that ends SCRAM without proving itself is refused") {
  for (int stop = 0; stop < 2; ++stop) {
    Machine machine;
    machine.session.out().clear();
    machine.feed(authentication(10, z("SCRAM-SHA-256") + '\0'));
    auto first = take_messages(machine.session.out());
    REQUIRE(types_of(first) == "p");
    if (stop == 1) {
      auto nonce = first[0].body.substr(first[0].body.find("r=") + 2);
      machine.feed(authentication(11, "r=" + nonce + "more,s=c2FsdHNhbHQ=,i=64"));
      REQUIRE(types_of(take_messages(machine.session.out())) == "p");
    }
    CHECK(machine.feed(welcome()) == Want::Close);
    CHECK(machine.session.close_reason().text.find("without proving") != std::string::npos);
    CHECK(machine.session.close_reason().code == "08P01");
  }
}

TEST_CASE("a wrong signature, a foreign method, and a second question are refused") {
  Machine machine;
  CHECK(machine.feed(authentication(7)) == Want::Close);
  Machine twice;
  CHECK(twice.feed(authentication(3) + authentication(3)) == Want::Close);
  Machine after;
  CHECK(after.feed(authentication(0) + authentication(0)) == Want::Close);
  Machine cut_short;
  CHECK(cut_short.feed(message('R', "abc")) == Want::Close);
  Machine final_first;
  CHECK(final_first.feed(authentication(12, "v=AAAA")) == Want::Close);
}

TEST_CASE("an ErrorResponse at any point of the login is its end, with the server's words") {
  std::string bytes = welcome();
  std::vector<std::size_t> boundaries{0};
  for (std::size_t at = 0; at < bytes.size();) {
    at += 1 + wire::read_u32(bytes.data() + at + 1);
    boundaries.push_back(at);
  }
  boundaries.pop_back();
  for (std::size_t at : boundaries) {
    for (unsigned way = 0; way < 5; ++way) {
      Machine machine;
      std::string said = bytes.substr(0, at) + error("FATAL", "53300", "too many");
      CHECK(machine.feed(said, way) == Want::Close);
      CHECK(machine.reason() == "53300 too many");
      CHECK(machine.session.login_refused());
      Machine fine;
      std::string chatty = bytes.substr(0, at) + notice("note") + bytes.substr(at);
      CHECK(fine.feed(chatty, way) == Want::Ready);
    }
  }
}

TEST_CASE("fields an ErrorResponse lacks are no reason to stumble") {
  for (std::string body : {std::string(), std::string(1, '\0'), std::string("M"), z("Mx"),
                           z("Cx") + '\0', std::string(3000, 'M')}) {
    Machine machine;
    CHECK(machine.feed(message('E', body)) == Want::Close);
    CHECK_FALSE(machine.session.close_reason().code.empty());
    Machine big;
    big.feed(error("FATAL", "XX000", std::string(50000, 'x')));
    CHECK(big.session.close_reason().text.size() <= 1000);
  }
}

TEST_CASE("parts of a login that come too early, twice too often, too long or never") {
  auto closes = [](const std::string& bytes) {
    Machine machine;
    Want want = machine.feed(bytes);
    CHECK(machine.session.state() == State::Closed);
    return want == Want::Close && !machine.session.login_refused();
  };
  CHECK(closes(ready()));
  CHECK(closes(status("a", "b")));
  CHECK(closes(message('K', "12345678")));
  CHECK(closes(authentication(0) + message('K', "1234567")));
  CHECK(closes(authentication(0) + message('K', std::string(261, 'k'))));
  CHECK(closes(authentication(0) + ready('T')));
  CHECK(closes(authentication(0) + message('Z')));
  CHECK(closes(authentication(0) + message('S', "no end")));
  CHECK(closes(authentication(0) + message('v', std::string(8, '\0'))));
  CHECK(closes(authentication(0) + row("1")));
  CHECK(closes("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(closes("R" + big_endian(3)));
  CHECK(closes("R" + big_endian(kMaxHeld + 1)));
  std::string many = authentication(0);
  for (int i = 0; i < 501; ++i) many += status("a", "b");
  CHECK(closes(many));
  Machine without_key;
  CHECK(without_key.feed(authentication(0) + ready()) == Want::Ready);
  CHECK(without_key.session.cancel_key().empty());
  Machine giant;
  CHECK(giant.feed(authentication(0) + status("application_name", std::string(60000, 'v')) + ready(), 7) ==
        Want::Ready);
}

TEST_CASE("an internal query's answer is swallowed whole, and its parameters kept") {
  for (unsigned way = 0; way < kWays; ++way) {
    Machine machine;
    log_in(machine);
    machine.session.run(Purpose::SetParameters, "SET x");
    CHECK(machine.session.out().view() == query("SET x"));
    CHECK_FALSE(machine.session.clean());
    Want want = machine.feed(message('T', "cols") + row(std::string(200, 'd')) + complete() +
                                 status("TimeZone", "Asia/Tokyo") + notice("n") + complete("SET") +
                                 ready(),
                             way);
    CHECK(want == Want::Done);
    CHECK(machine.ends == 2);
    CHECK(machine.session.state() == State::Idle);
    CHECK(machine.session.purpose() == Purpose::SetParameters);
    CHECK(*machine.session.parameters().get(2) == "Asia/Tokyo");
    CHECK_FALSE(machine.session.stream().saw_error());
    CHECK(machine.session.clean());
  }
}

TEST_CASE("an error in an internal query is told with it, and does not outlive it") {
  Machine machine;
  log_in(machine);
  machine.session.run(Purpose::Connect, "SELECT nonsense");
  CHECK(machine.feed(error("ERROR", "42703", "no such column") + ready()) == Want::Done);
  CHECK(machine.session.stream().saw_error());
  CHECK(machine.session.stream().error_text() == "no such column");
  // A notice long afterwards does not make that error a goodbye.
  CHECK(machine.feed(notice("reloading") + status("TimeZone", "UTC")) == Want::Bytes);
  CHECK(machine.session.state() == State::Idle);
  machine.session.run(Purpose::Check, "");
  CHECK(machine.feed(message('I') + ready()) == Want::Done);
  CHECK_FALSE(machine.session.stream().saw_error());
}

TEST_CASE("an internal query that leaves a transaction open leaves the server not clean") {
  Machine machine;
  log_in(machine);
  machine.session.run(Purpose::Check, "BEGIN");
  CHECK(machine.feed(complete("BEGIN") + ready('T')) == Want::Done);
  CHECK_FALSE(machine.session.clean());
}

TEST_CASE("a FATAL, a COPY and nonsense during an internal query close the server") {
  for (std::string bytes : {error("FATAL", "57P01", "bye"), message('G', "x"), std::string("?????????"),
                            message('Z', "?"), ready() + ready()}) {
    for (unsigned way = 0; way < 5; ++way) {
      Machine machine;
      log_in(machine);
      machine.session.run(Purpose::Check, "");
      CHECK(machine.feed(bytes, way) == Want::Close);
      CHECK(machine.session.state() == State::Closed);
    }
  }
}

TEST_CASE("what a linked client did does not close the server during our next query or idling") {
  Machine machine;
  log_in(machine);
  auto linked = [&](const std::string& sent, const std::string& answer) {
    machine.session.link();
    for (char type : sent) machine.session.owed().sent(type);
    auto taken = machine.session.stream().forward(answer, {machine.session.names(),
                                                  machine.session.parameters(), nullptr,
                                                  machine.session.owed()});
    CHECK(taken.event == ServerStream::Event::Settled);
    CHECK(machine.session.clean());
    machine.session.unlink();
  };
  linked("Qdc", message('G', "x") + complete("COPY 1") + ready());
  machine.session.run(Purpose::Reset, "DISCARD ALL");
  CHECK(machine.feed(complete("DISCARD ALL") + ready()) == Want::Done);
  linked("Q", error("ERROR", "22012", "division by zero") + ready());
  CHECK(machine.feed(notice("n")) == Want::Bytes);
  CHECK(machine.session.state() == State::Idle);
}

TEST_CASE("an idle server digests notices and parameters, and its last words are known") {
  for (unsigned way = 0; way < 10; ++way) {
    Machine machine;
    log_in(machine);
    CHECK(machine.feed(notice("n") + message('A', "notify") + status("TimeZone", "CET"), way) ==
          Want::Bytes);
    CHECK(*machine.session.parameters().get(2) == "CET");
    CHECK(machine.session.clean());
    CHECK(machine.feed(error("FATAL", "57P01", "terminating"), way) == Want::Close);
    CHECK(machine.reason() == "57P01 terminating");
    CHECK(machine.session.feed("more").want == Want::Close);
    CHECK(machine.session.feed("more").consumed == 4);
  }
}

TEST_CASE("an idle server that answers nobody's question is closed, not handed on") {
  for (std::string bytes : {ready(), complete(), row("1"), message('T', "x"), message('1'),
                            authentication(0), message('K', "12345678")}) {
    Machine machine;
    log_in(machine);
    CHECK(machine.feed(bytes) == Want::Close);
  }
}

TEST_CASE("a doubtful server's late ReadyForQuery is swallowed by our next query") {
  for (bool comes : {false, true}) {
    Machine machine;
    log_in(machine);
    machine.session.link();
    for (char type : std::string("PBES")) machine.session.owed().sent(type);
    auto from_server = [&](const std::string& bytes) {
      return machine.session.stream()
          .forward(bytes, {machine.session.names(), machine.session.parameters(), nullptr,
                           machine.session.owed()})
          .event;
    };
    from_server(message('1') + message('2') + message('G', "x"));
    for (char type : std::string("dcS")) machine.session.owed().sent(type);
    CHECK(from_server(error("ERROR", "P0001", "trigger") + ready()) == ServerStream::Event::Settled);
    CHECK(machine.session.owed().doubtful());
    machine.session.unlink();
    machine.session.run(Purpose::Reset, "");
    if (comes) CHECK(machine.feed(ready()) == Want::Bytes);
    CHECK(machine.feed(message('I') + ready()) == Want::Done);
    CHECK(machine.session.clean());
    CHECK_FALSE(machine.session.owed().doubtful());
  }
}

namespace {
std::string column(std::string_view text) {
  return big_endian(static_cast<std::uint32_t>(text.size())) + std::string(text);
}
std::string columns(std::uint8_t count, const std::string& fields) {
  return row(std::string(1, '\0') + static_cast<char>(count) + fields);
}
const std::string kNull = "\xff\xff\xff\xff";
}  // namespace

TEST_CASE("a question goes out as an unnamed statement, its parameter outside the SQL") {
  Machine machine;
  log_in(machine);
  machine.session.out().clear();
  machine.session.ask("select name, secret from f($1)", "x'; drop table users; --");
  std::string sent(machine.session.out().view());
  CHECK(sent == message('P', z("") + z("select name, secret from f($1)") + std::string(2, '\0')) +
                    message('B', z("") + z("") + std::string("\0\0\0\1", 4) +
                                     column("x'; drop table users; --") + std::string(2, '\0')) +
                    execute() + sync_batch());
}

TEST_CASE("the first row of an answer is kept, however it is cut") {
  std::string answer = message('1') + message('2') + notice("hm") +
                       columns(2, column("bob") + column("SCRAM-SHA-256$x")) +
                       columns(2, column("eve") + column("other")) + complete("SELECT 2") + ready();
  for (unsigned way : {0u, 1u, 2u, 3u, 4u, 5u}) {
    Machine machine;
    log_in(machine);
    machine.session.ask("q", "bob");
    CHECK(machine.feed(answer, way) == Want::Done);
    CHECK(machine.session.purpose() == Purpose::AuthQuery);
    CHECK(machine.session.clean());
    Answer got = machine.session.take_answer();
    CHECK(got.rows == 2);
    REQUIRE(got.columns.size() == 2);
    CHECK(got.columns[0]->view() == "bob");
    CHECK(got.columns[1]->view() == "SCRAM-SHA-256$x");
    CHECK(machine.session.take_answer().rows == 0);  // once
  }
}

TEST_CASE("no row, a NULL, an error and a row that is none are told apart") {
  auto ask = [](const std::string& rows) {
    Machine machine;
    log_in(machine);
    machine.session.ask("q", "bob");
    CHECK(machine.feed(message('1') + message('2') + rows + complete() + ready()) == Want::Done);
    return machine.session.take_answer();
  };
  CHECK(ask("").rows == 0);
  Answer null = ask(columns(2, column("bob") + kNull));
  REQUIRE(null.columns.size() == 2);
  CHECK(null.columns[0]);
  CHECK_FALSE(null.columns[1]);
  CHECK(ask(columns(0, "")).columns.empty());
  CHECK_FALSE(ask(columns(0, "")).broken);
  for (const std::string& bad :
       {row(""), row(std::string(1, '\0')), columns(2, column("bob")), columns(1, "\x7f\xff\xff\xff"),
        columns(1, "\x80\0\0\0"), columns(1, column("bob") + "x"), row("\xff\xff"),
        columns(1, big_endian(5) + "four"), columns(1, column(std::string(RowReader::kMaxBytes, 's')))}) {
    Answer got = ask(bad);
    CHECK(got.broken);
    CHECK(got.columns.empty());
  }
  Machine failed;
  log_in(failed);
  failed.session.ask("q", "bob");
  CHECK(failed.feed(error("ERROR", "42P01", "no such table") + ready()) == Want::Done);
  CHECK(failed.session.stream().saw_error());
  CHECK(failed.session.take_answer().rows == 0);
  CHECK(failed.session.clean());
}
