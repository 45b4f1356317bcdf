// The pooler as a server for one client: start-up, authentication, idling, waiting, console.
#include "howdah/session/client_session.h"

#include <doctest/doctest.h>

#include "../auth/conversation.h"
#include "bytes.h"
#include "client_machine.h"

using namespace howdah;
using namespace howdah::session;
using State = ClientSession::State;

namespace {

// A client that knows `password` proves itself; what the session wants at the end.
Want authenticate(Machine& machine, auth::Method method, std::string_view stored,
                  std::string_view password, unsigned way) {
  machine.feed(startup_packet({{"user", "bob"}}));
  auto client = auth::make_client_exchange(auth::with_password(password));
  Want want = machine.session.begin(machine.plan(LoginPlan::Proof::Exchange, method, stored),
                                    kKeyring, machine.settings);
  for (int step = 0; step < 20; ++step) {
    if (want == Want::Hash) {
      CHECK(machine.session.state() == State::Hash);
      want = machine.session.hashed(machine.session.hash_job().run());
      continue;
    }
    if (want != Want::Bytes) return want;
    auto seen = machine.said();
    if (types_of(seen) != "R") return want;
    wire::Cursor cursor(seen[0].body);
    std::int32_t code = cursor.i32();
    auto answer = auth::with_hash(*client, client->feed(code, cursor.rest()));
    if (answer.kind != auth::Outcome::Kind::Reply) return want;
    want = machine.feed(message('p', answer.body), way);
  }
  return want;
}

}  // namespace

TEST_CASE("start-up packets are read however they are cut") {
  const std::string packet = startup_packet({{"user", "bob"}, {"database", "shop"}});
  for (unsigned way = 0; way < kWays; ++way) {
    Machine machine;
    CHECK(machine.feed(packet, way) == Want::LookUp);
    CHECK(machine.session.state() == State::LookUp);
    CHECK(*machine.session.startup().find("database") == "shop");
    CHECK(machine.session.out().empty());
    CHECK(machine.held.empty());
    CHECK_FALSE(machine.session.logged_in());
  }
}

TEST_CASE("encryption requests are answered N, once each, and refused when bytes follow") {
  const std::string ssl = big_endian(8) + big_endian(wire::kSslRequest);
  const std::string gss = big_endian(8) + big_endian(wire::kGssEncRequest);
  for (unsigned way : {0u, 1u, 5u}) {
    Machine machine;
    CHECK(machine.feed(gss, way) == Want::Bytes);
    CHECK(machine.feed(ssl, way) == Want::Bytes);
    CHECK(machine.session.out().view() == "NN");
    CHECK(machine.feed(startup_packet({{"user", "bob"}}), way) == Want::LookUp);
  }
  for (const std::string& request : {ssl, gss}) {
    Machine twice;
    CHECK(twice.feed(request) == Want::Bytes);
    CHECK(twice.feed(request) == Want::Close);
    Machine early;
    CHECK(early.feed(request + startup_packet({{"user", "bob"}})) == Want::Close);
    CHECK(error_in(early.said()).starts_with("08P01 received unencrypted data after "));
  }
}

TEST_CASE("a cancel request gives its key and closes without a word") {
  for (unsigned way : {0u, 1u, 9u}) {
    Machine machine;
    CHECK(machine.feed(big_endian(16) + big_endian(wire::kCancelRequest) + "12345678", way) ==
          Want::Cancel);
    CHECK(machine.session.cancel_request() == "12345678");
    CHECK(machine.session.state() == State::Closed);
    CHECK(machine.session.out().empty());
  }
}

TEST_CASE("3.0 and 3.2 are spoken as asked; only what is above is negotiated down") {
  struct Asked {
    unsigned minor;
    bool option;
    std::string answer;
    bool long_key;
  };
  for (const Asked& asked :
       {Asked{0, false, "", false}, Asked{1, false, "", false}, Asked{2, false, "", true},
        Asked{3, false, big_endian((3u << 16) + 2) + big_endian(0), true},
        Asked{9999, true, big_endian((3u << 16) + 2) + big_endian(1) + z("_pq_.x"), true},
        Asked{2, true, big_endian((3u << 16) + 2) + big_endian(1) + z("_pq_.x"), true},
        Asked{0, true, big_endian(3u << 16) + big_endian(1) + z("_pq_.x"), false}}) {
    CAPTURE(asked.minor);
    Machine machine;
    std::vector<std::pair<std::string, std::string>> parameters{{"user", "bob"}};
    if (asked.option) parameters.insert(parameters.begin(), {"_pq_.x", "1"});
    CHECK(machine.feed(startup_packet(parameters, (3u << 16) + asked.minor)) == Want::LookUp);
    auto seen = machine.said();
    CHECK(types_of(seen) == (asked.answer.empty() ? "" : "v"));
    if (!asked.answer.empty()) CHECK(seen[0].body == asked.answer);
    CHECK(machine.session.long_key() == asked.long_key);
  }
}

TEST_CASE("what is no start-up packet is refused") {
  for (std::string bytes :
       {std::string("GET / HTTP/1.1\r\n"), big_endian(7) + big_endian(3u << 16),
        big_endian(9) + big_endian(2u << 16) + '\0', big_endian(9) + big_endian(4u << 16) + '\0',
        message('p', z("x")), big_endian(70000) + big_endian(3u << 16),
        big_endian(12) + big_endian(3u << 16) + "user"}) {
    Machine machine;
    CHECK(machine.feed(bytes) == Want::Close);
    CHECK(error_in(machine.said()).starts_with("08P01 "));
    CHECK_FALSE(machine.session.close_reason().empty());
    CHECK(machine.session.feed("more", machine.settings).consumed == 4);
  }
}

TEST_CASE("every method with every stored secret: the right password passes, a wrong one does not") {
  const std::string md5 = auth::md5_secret("pencil", "bob"), scram = auth::scram_secret("pencil");
  using auth::Method;
  for (Method method : {Method::Plain, Method::Md5, Method::Scram}) {
    for (const std::string& stored : {std::string("pencil"), md5, scram}) {
      bool usable = method == Method::Plain || (method == Method::Md5 && stored != scram) ||
                    (method == Method::Scram && stored != md5);
      for (unsigned way : {0u, 1u, 4u}) {
        Machine right, wrong;
        CHECK(authenticate(right, method, stored, "pencil", way) ==
              (usable ? Want::Welcome : Want::Close));
        CHECK(authenticate(wrong, method, stored, "pen", way) == Want::Close);
        CHECK(error_in(wrong.said()) == "28P01 password authentication failed for user \"bob\"");
        CHECK_FALSE(wrong.session.logged_in());
        if (!usable) continue;
        CHECK(right.session.scram_keys().has_value() == (method == Method::Scram && stored == scram));
        CHECK(right.session.typed_password().view() == (method == Method::Plain ? "pencil" : ""));
        CHECK(types_of(right.said()) == (method == Method::Scram ? "R" : ""));  // its last word
      }
    }
  }
}

TEST_CASE("an unknown user and one without password see what a wrong password sees") {
  for (auth::Method method : {auth::Method::Plain, auth::Method::Md5, auth::Method::Scram}) {
    Machine known, missing, none;
    CHECK(authenticate(known, method, "pencil", "pen", 0) == Want::Close);
    CHECK(authenticate(missing, method, "<missing>", "pen", 0) == Want::Close);
    CHECK(authenticate(none, method, "", "pen", 0) == Want::Close);
    auto text = error_in(known.said());
    CHECK(error_in(missing.said()) == text);
    CHECK(error_in(none.said()) == text);
    CHECK(missing.session.close_reason() == "no such user");  // for the log only
  }
}

TEST_CASE("a refusal comes at once, with its own words") {
  Machine machine;
  machine.feed(startup_packet({{"user", "bob"}}));
  auto refused = machine.plan(LoginPlan::Proof::Refuse, auth::Method::Plain, "");
  refused.refusal = {"28000", "login rejected"};
  CHECK(machine.session.begin(std::move(refused), kKeyring, machine.settings) == Want::Close);
  CHECK(error_in(machine.said()) == "28000 login rejected");
}

TEST_CASE("what nobody has decided is refused") {
  for (auto proof : {LoginPlan::Proof::Rules, LoginPlan::Proof::Peer}) {
    Machine machine;
    machine.feed(startup_packet({{"user", "bob"}}));
    CHECK(machine.session.begin(machine.plan(proof, auth::Method::Plain, "x"), kKeyring,
                                machine.settings) == Want::Close);
    CHECK(error_in(machine.said()) == "28000 bouncer config error");
  }
}

TEST_CASE("a password that LDAP or PAM judges: only their yes lets in, only when they were asked") {
  for (auto method : {auth::RuleMethod::Ldap, auth::RuleMethod::Pam}) {
    auto ask = [&](Machine& machine) {
      machine.feed(startup_packet({{"user", "bob"}}));
      auto plan = machine.plan(LoginPlan::Proof::External, auth::Method::Scram, "<missing>");
      auto grant = std::make_shared<auth::Grant>();
      grant->method = method;
      plan.grant = grant;
      CHECK(machine.session.begin(std::move(plan), kKeyring, machine.settings) == Want::Bytes);
      auto said = machine.said();
      REQUIRE(said.size() == 1);
      CHECK(said[0].body == big_endian(3));
      CHECK_FALSE(machine.session.checking());
      CHECK(machine.session.checked(base::Done{}) == Want::Bytes);  // nobody was asked yet
    };
    Machine right;
    ask(right);
    CHECK(right.feed(message('p', z("pencil")), 1) == Want::Check);
    CHECK(right.session.checking());
    CHECK(right.session.password_to_check().view() == "pencil");
    CHECK(right.feed(message('p', z("again"))) == Want::Bytes);  // waits
    CHECK(right.session.checked(base::Done{}) == Want::Welcome);
    CHECK(right.session.typed_password().view() == "pencil");

    Machine wrong;
    ask(wrong);
    CHECK(wrong.feed(message('p', z("pencil"))) == Want::Check);
    CHECK(wrong.session.checked(base::Error{"28P01", "LDAP: because"}) == Want::Close);
    CHECK(error_in(wrong.said()) == (method == auth::RuleMethod::Ldap
                                         ? "28P01 LDAP authentication failed"
                                         : "28P01 PAM authentication failed"));
    CHECK(wrong.session.close_reason() == "LDAP: because");
    CHECK(wrong.session.checked(base::Done{}) == Want::Bytes);
    CHECK(wrong.session.state() == State::Closed);
  }
}

TEST_CASE("during authentication only a password message of bounded size or Terminate is taken") {
  auto at_auth = [](Machine& machine) {
    machine.feed(startup_packet({{"user", "bob"}}));
    machine.session.begin(
        machine.plan(LoginPlan::Proof::Exchange, auth::Method::Plain, "pencil"), kKeyring,
        machine.settings);
    machine.session.out().clear();
    REQUIRE(machine.session.state() == State::Auth);
  };
  for (int byte = 0; byte < 256; ++byte) {
    if (byte == 'p') continue;
    Machine machine;
    at_auth(machine);
    CHECK(machine.feed(message(static_cast<char>(byte), z("pencil")), 1) == Want::Close);
    CHECK(machine.session.state() == State::Closed);
    CHECK(error_in(machine.said()).empty() == (byte == 'X'));
  }
  for (std::string bad : {"p" + big_endian(3), "p" + big_endian(kMaxHeld + 1), message('p'),
                          message('p', "pencil"), message('p', z("pencil") + "x"),
                          message('p', z(""))}) {
    Machine machine;
    at_auth(machine);
    CHECK(machine.feed(bad) == Want::Close);
    CHECK_FALSE(error_in(machine.said()).empty());
  }
}

TEST_CASE("nothing is taken while a look-up, a hash, the welcome or a server is awaited") {
  Machine machine;
  machine.feed(startup_packet({{"user", "bob"}}));
  CHECK(machine.session.feed(query("x"), machine.settings).consumed == 0);
  machine.session.begin(machine.plan(LoginPlan::Proof::None, auth::Method::Plain, ""), kKeyring,
                        machine.settings);
  CHECK(machine.session.feed(query("x"), machine.settings).consumed == 0);
  machine.session.set_parameters(Parameters(machine.names.size()));
  machine.session.welcome({}, "12345678", machine.names);
  CHECK(machine.feed(query("x")) == Want::Server);
  CHECK(machine.session.state() == State::Waiting);
  CHECK(machine.session.feed(query("x"), machine.settings).consumed == 0);
  machine.session.link();
  CHECK(machine.session.feed(query("x"), machine.settings).consumed == 0);
}

TEST_CASE("the welcome reports the server's values, but the client's own where it gave some") {
  Machine machine;
  machine.feed(startup_packet({{"user", "bob"}}));
  machine.session.begin(machine.plan(LoginPlan::Proof::None, auth::Method::Plain, ""), kKeyring,
                        machine.settings);
  Parameters own(machine.names.size());
  own.set(*machine.names.find("TimeZone"), "Asia/Tokyo");
  machine.session.set_parameters(own);
  machine.session.welcome(
      {{"server_version", "15.4"}, {"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}}, "12345678",
      machine.names);
  auto seen = machine.said();
  REQUIRE(types_of(seen) == "RSSSKZ");
  CHECK(seen[0].body == big_endian(0));
  CHECK(seen[1].body == z("server_version") + z("15.4"));
  CHECK(seen[2].body == z("TimeZone") + z("Asia/Tokyo"));
  CHECK(seen[3].body == z("DateStyle") + z("ISO, MDY"));
  CHECK(seen[4].body == "12345678");
  CHECK(seen[5].body == "I");
  CHECK(*machine.session.parameters().get(1) == "ISO, MDY");
  CHECK(machine.session.state() == State::Idle);
}

TEST_CASE("a server is asked for when the first message is whole, and none of it is consumed") {
  for (unsigned way = 0; way < kWays; ++way) {
    Machine machine;
    machine.log_in();
    std::string bytes = query(std::string(100, 'q'));
    CHECK(machine.feed(bytes.substr(0, bytes.size() - 1), way) == Want::Bytes);
    CHECK(machine.session.state() == State::Idle);
    CHECK(machine.feed(bytes.substr(bytes.size() - 1)) == Want::Server);
    CHECK(machine.held == bytes);
  }
}

TEST_CASE("a long message gets its server when kMaxWhole bytes of it are there") {
  Machine machine;
  machine.log_in();
  std::string bytes = query(std::string(100000, 'q'));
  CHECK(machine.feed(bytes.substr(0, kMaxWhole - 1)) == Want::Bytes);
  CHECK(machine.feed(bytes.substr(kMaxWhole - 1, 1)) == Want::Server);
}

TEST_CASE("an idle client may send client messages only, of bounded length") {
  std::string needs_server = "BCDEFHPQS";
  for (int byte = 0; byte < 256; ++byte) {
    Machine machine;
    machine.log_in();
    char type = static_cast<char>(byte);
    Want want = machine.feed(message(type, "body"), 1);
    if (needs_server.find(type) != std::string::npos) {
      CHECK(want == Want::Server);
    } else if (type == 'd' || type == 'c' || type == 'f') {
      CHECK(want == Want::Bytes);
      CHECK(machine.held.empty());
    } else {
      CHECK(want == Want::Close);
      CHECK(error_in(machine.said()) == (type == 'X' ? "" : "08P01 unknown pkt"));
    }
  }
  Machine shortest, longest;
  shortest.log_in(), longest.log_in();
  CHECK(shortest.feed("Q" + big_endian(3)) == Want::Close);
  longest.settings.max_packet_size = 1000;
  CHECK(longest.feed("Q" + big_endian(1001)) == Want::Close);
  CHECK(error_in(longest.said()) == "08P01 invalid message length");
}

TEST_CASE("late copy messages of an idle client vanish, and what follows them does not") {
  for (unsigned way = 0; way < kWays; ++way) {
    Machine machine;
    machine.log_in();
    CHECK(machine.feed(message('d', std::string(500, 'x')) + message('c') + sync_batch(), way) ==
          Want::Server);
    CHECK(machine.held == sync_batch());
    CHECK(machine.session.out().empty());
  }
}

TEST_CASE("Terminate of an idle client closes without words, also behind late copy data") {
  Machine machine;
  machine.log_in();
  CHECK(machine.feed(message('c') + message('X')) == Want::Close);
  CHECK(machine.session.out().empty());
  CHECK(machine.session.close_reason().empty());
}

TEST_CASE("disable_pqexec refuses a Query first and later") {
  Machine first;
  first.settings.disable_pqexec = true;
  first.log_in();
  CHECK(first.feed(query("x")) == Want::Close);
  CHECK(error_in(first.said()) == "08P01 PQexec disallowed");
  Machine later;
  later.settings.disable_pqexec = true;
  later.log_in();
  CHECK(later.feed(batch("x") + query("x")) == Want::Server);
  later.session.link();
  Owed owed;
  auto taken = later.session.stream().forward(later.held, 1000, owed);
  CHECK(taken.stop == ClientStream::Stop::Violation);
  CHECK(taken.forward == batch("x").size());
}

TEST_CASE("waiting, linked and idle again, as often as wanted") {
  Machine machine;
  machine.log_in();
  for (int i = 0; i < 3; ++i) {
    CHECK(machine.feed(query("x")) == Want::Server);
    if (i == 1) {
      machine.session.answered();  // the wait was cancelled
    } else {
      machine.session.link();
      CHECK(machine.session.state() == State::Linked);
      machine.session.unlink();
    }
    machine.held.clear();
    CHECK(machine.session.state() == State::Idle);
  }
}

TEST_CASE("fail() tells once, in whatever state, and closes for good") {
  Machine machine;
  machine.log_in();
  machine.session.fail({"FATAL", "57P01", "pooler is shutting down"});
  machine.session.fail({"FATAL", "XX000", "again"});
  auto seen = machine.said();
  CHECK(types_of(seen) == "E");
  CHECK(error_in(seen) == "57P01 pooler is shutting down");
  CHECK(machine.session.close_reason() == "pooler is shutting down");
  CHECK(machine.feed(query("x")) == Want::Close);
  CHECK_FALSE(machine.session.logged_in());
}

TEST_CASE("console: queries come whole, one at a time, however they are cut") {
  for (unsigned way = 0; way < kWays; ++way) {
    Machine machine;
    machine.log_in(true);
    CHECK(machine.session.console());
    CHECK(machine.feed(query("SHOW POOLS;") + query("SHOW LISTS"), way) == Want::Command);
    CHECK(machine.session.command() == "SHOW POOLS;");
    CHECK(machine.session.feed(machine.held, machine.settings).consumed == 0);
    machine.session.answered();
    CHECK(machine.session.command().empty());
    machine.pump();
    CHECK(machine.last == Want::Command);
    CHECK(machine.session.command() == "SHOW LISTS");
  }
}

TEST_CASE("console: other messages, broken and long queries end it with a reason") {
  struct Case {
    std::string bytes, text;
  };
  for (const Case& c :
       {Case{parse("x"), "extended query protocol not supported by admin console"},
        Case{bind(), "extended query protocol not supported by admin console"},
        Case{execute(), "extended query protocol not supported by admin console"},
        Case{sync_batch(), "unsupported packet type for admin console: 83"}}) {
    Machine machine;
    machine.log_in(true);
    CHECK(machine.feed(c.bytes) == Want::Close);
    auto seen = machine.said();
    REQUIRE(types_of(seen) == "EE");
    CHECK(error_in({seen[0]}) == "08P01 " + c.text);
    CHECK(error_in({seen[1]}) == "08P01 bad packet");
  }
  for (std::string bad : {message('Q', "SHOW"), message('Q'), message('Q', z("SHOW") + "x"),
                          "Q" + big_endian(kMaxConsoleQuery + 5)}) {
    Machine machine;
    machine.log_in(true);
    CHECK(machine.feed(bad) == Want::Close);
    CHECK_FALSE(error_in(machine.said()).empty());
  }
  Machine terminated;
  terminated.log_in(true);
  CHECK(terminated.feed(message('X')) == Want::Close);
  CHECK(terminated.session.out().empty());
}

static const wire::ErrorText kCancelled{"ERROR", "57014", "cancelled"};

TEST_CASE("a given-up request is answered once, skipped to its end, and the next one is served") {
  std::string batch = parse("x") + bind() + execute() + sync_batch();
  std::string big = query(std::string(3 * kMaxWhole, 'x'));
  for (std::string one : {query("x"), message('F', "x"), batch, sync_batch(), big,
                          parse("x") + query("y") + sync_batch()}) {
    for (std::size_t there : {one.size(), one.size() - 1, std::size_t{6}}) {
      if (there > one.size() || there < 5) continue;
      Machine machine;
      machine.log_in();
      machine.said();
      if (machine.feed(one.substr(0, there)) != Want::Server) continue;  // it came too slowly
      std::string held = one.substr(0, there);
      REQUIRE(machine.session.give_up_wait(held, kCancelled));
      CHECK(types_of(machine.said()) == "E");
      held += one.substr(there) + query("next");
      ClientSession::Step step{1, Want::Bytes};
      while (step.want == Want::Bytes && step.consumed > 0) {
        step = machine.session.feed(held, machine.settings);
        held.erase(0, step.consumed);
      }
      CHECK(step.want == Want::Server);
      CHECK(held == query("next"));
      CHECK(types_of(machine.said()) == "Z");
    }
  }
}

TEST_CASE("a batch without its Sync is skipped message by message until that comes") {
  Machine machine;
  machine.log_in();
  std::string held = parse("x") + bind();
  REQUIRE(machine.feed(held) == Want::Server);
  REQUIRE(machine.session.give_up_wait(held, kCancelled));
  CHECK(types_of(machine.said()) == "E");
  for (const std::string& more : {held, execute(), message('H'), query("ignored as PostgreSQL does")}) {
    for (char byte : more) machine.session.feed(std::string(1, byte), machine.settings);
    CHECK(machine.session.out().empty());
  }
}

TEST_CASE("nothing is given up where nobody waits, and a Flush alone is nothing") {
  Machine machine;
  machine.log_in();
  CHECK_FALSE(machine.session.give_up_wait(query("x"), kCancelled));
  REQUIRE(machine.feed(message('H')) == Want::Server);
  CHECK_FALSE(machine.session.give_up_wait(message('H'), kCancelled));
  CHECK(machine.session.out().empty());
}
