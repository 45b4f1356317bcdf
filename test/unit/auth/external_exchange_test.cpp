// The exchange whose password somebody else judges.
#include <doctest/doctest.h>

#include <string>

#include "howdah/auth/exchange.h"

using namespace howdah;
using namespace howdah::auth;
using Step = Outcome::Kind;

namespace {

constexpr std::string_view kPassword{"secret", 7};  // with its zero byte
const base::Status kYes = base::Done{};
const base::Status kNo = base::Error{"28P01", "LDAP: no"};

}  // namespace

TEST_CASE("the password is asked for in clear text, judged, and kept only when it was right") {
  auto exchange = make_external_exchange();
  Outcome request = exchange->start();
  CHECK(request.kind == Step::Reply);
  CHECK(request.code == 3);
  CHECK(exchange->password_to_check().empty());
  CHECK(exchange->feed(kPassword).kind == Step::NeedCheck);
  CHECK(exchange->password_to_check().view() == "secret");
  CHECK(exchange->typed_password().empty());
  CHECK(exchange->checked(kYes).kind == Step::Ok);
  CHECK(exchange->password_to_check().empty());
  CHECK(exchange->typed_password().view() == "secret");
  CHECK(exchange->checked(kYes).kind == Step::Failed);  // once
}

TEST_CASE("a no is a no, and failed stays failed") {
  auto exchange = make_external_exchange();
  (void)exchange->start();
  (void)exchange->feed(kPassword);
  Outcome no = exchange->checked(kNo);
  CHECK(no.kind == Step::Failed);
  CHECK(no.error.text == "LDAP: no");
  CHECK(exchange->typed_password().empty());
  CHECK(exchange->password_to_check().empty());
  CHECK(exchange->checked(kYes).kind == Step::Failed);
  CHECK(exchange->feed(kPassword).kind == Step::Failed);
  CHECK(exchange->typed_password().empty());
}

TEST_CASE("anything out of order fails") {
  for (int order = 0; order < 4; ++order) {
    auto exchange = make_external_exchange();
    Outcome outcome;
    switch (order) {
      case 0:
        outcome = exchange->feed(kPassword);
        break;
      case 1:
        outcome = exchange->checked(kYes);
        break;
      case 2:
        (void)exchange->start();
        outcome = exchange->checked(kYes);
        break;
      default:
        (void)exchange->start();
        (void)exchange->feed(kPassword);
        outcome = exchange->hashed({});
        break;
    }
    CHECK(outcome.kind == Step::Failed);
    CHECK(exchange->checked(kYes).kind == Step::Failed);
  }
}

TEST_CASE("empty and broken passwords are not passed on") {
  for (std::string body : {std::string(1, '\0'), std::string(), std::string("open"),
                           std::string("a\0b\0", 4), std::string("a\0b", 3)}) {
    auto exchange = make_external_exchange();
    (void)exchange->start();
    CHECK(exchange->feed(body).kind == Step::Failed);
    CHECK(exchange->password_to_check().empty());
    CHECK(exchange->checked(kYes).kind == Step::Failed);
  }
}

TEST_CASE("the other exchanges take no verdict from outside") {
  ServerKeyring keyring;
  for (Method method : {Method::Plain, Method::Md5, Method::Scram}) {
    auto exchange = make_server_exchange(method, "bob", classify("secret"), keyring, 64);
    (void)exchange->start();
    CHECK(exchange->checked(kYes).kind == Step::Failed);
    CHECK(exchange->password_to_check().empty());
  }
}
