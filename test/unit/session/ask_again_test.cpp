// A client whose password was refused by a cached secret, which may be old.
#include <doctest/doctest.h>

#include "bytes.h"
#include "howdah/session/client_session.h"

using namespace howdah;
using namespace howdah::session;
using State = ClientSession::State;
using Want = ClientSession::Want;

namespace {

const auth::ServerKeyring kKeyring;

// Up to the password, which is then asked for in clear.
struct Login {
  explicit Login(bool may_be_old) {
    CHECK(session.feed(startup_packet({{"user", "bob"}}), settings).want == Want::LookUp);
    LoginPlan plan;
    plan.user = "bob";
    plan.method = auth::Method::Plain;
    plan.secret = auth::classify("old");
    plan.may_be_old = may_be_old;
    CHECK(session.begin(std::move(plan), kKeyring, settings) == Want::Bytes);
    session.out().clear();
  }
  Want type(std::string_view body) { return session.feed(message('p', body), settings).want; }
  config::Settings settings;
  ClientSession session;
};

}  // namespace

TEST_CASE("a password refused by an old secret is judged once more by the present one") {
  for (std::string_view now_stored : {"pencil", "pen", "<missing>"}) {
    Login login(true);
    CHECK(login.type(z("pencil")) == Want::AskAgain);
    CHECK(login.session.state() == State::LookUp);
    CHECK(login.session.out().empty());  // not a word before the server was asked
    auto secret = now_stored == "<missing>" ? auth::StoredSecret{} : auth::classify(now_stored);
    CHECK(login.session.asked_again(secret) ==
          (now_stored == "pencil" ? Want::Welcome : Want::Close));
    CHECK(login.session.asked_again(auth::classify("pencil")) == Want::Bytes);  // once
  }
}

TEST_CASE("a malformed password message and a fresh secret are not asked about again") {
  CHECK(Login(true).type("no zero byte") == Want::Close);
  CHECK(Login(false).type(z("pencil")) == Want::Close);
}
