// Both machines against each other: each method with each kind of secret, and keys passed through.
#include "conversation.h"

#include <doctest/doctest.h>

using namespace howdah;
using namespace howdah::auth;

TEST_CASE("every method with every kind of secret: right passwords pass, wrong ones don't") {
  ServerKeyring keyring;
  struct Case {
    Method method;
    std::string stored;
    bool usable;
  };
  for (std::string password : {"pencil", "p\u00e4ss w\u00f6rd", "\xff\xfe raw"}) {
    const std::string md5 = md5_secret(password, "bob"), scram = scram_secret(password);
    const Case cases[] = {
        {Method::Plain, password, true}, {Method::Plain, md5, true},  {Method::Plain, scram, true},
        {Method::Md5, password, true},   {Method::Md5, md5, true},    {Method::Md5, scram, false},
        {Method::Scram, password, true}, {Method::Scram, md5, false}, {Method::Scram, scram, true},
        {Method::Plain, "", false},      {Method::Md5, "", false},    {Method::Scram, "", false}};
    for (const Case& c : cases) {
      StoredSecret stored = classify(c.stored);
      CHECK(log_in(c.method, stored, with_password(password), keyring).ok == c.usable);
      Talk wrong = log_in(c.method, stored, with_password(password + "x"), keyring);
      CHECK_FALSE(wrong.ok);
      CHECK(wrong.server_error.code == "28P01");
      for (const std::string& secret : {password, md5, scram}) {
        CHECK(wrong.server_error.text.find(secret) == std::string::npos);
      }
    }
  }
}

TEST_CASE("an md5 secret of another user does not pass") {
  ServerKeyring keyring;
  StoredSecret stored = classify(md5_secret("pencil", "bob"));
  CHECK(log_in(Method::Md5, stored, with_password("pencil", "bob"), keyring).ok);
  CHECK_FALSE(log_in(Method::Md5, stored, with_password("pencil", "eve"), keyring).ok);
}

TEST_CASE("composed and decomposed spellings of a password are one for SCRAM") {
  ServerKeyring keyring;
  StoredSecret stored = classify(scram_secret("caf\u00e9"));
  CHECK(log_in(Method::Scram, stored, with_password("cafe\u0301"), keyring).ok);
  CHECK(log_in(Method::Plain, stored, with_password("cafe\u0301"), keyring).ok);
}

TEST_CASE("keys revealed by a client's proof log in wherever the verifier is the same") {
  ServerKeyring keyring;
  StoredSecret stored = classify(scram_secret("pencil"));
  auto pooler = make_server_exchange(Method::Scram, "bob", stored, keyring, 64);
  auto client = make_client_exchange(with_password("pencil"));
  REQUIRE(talk(*pooler, *client).ok);
  auto keys = pooler->scram_keys();
  REQUIRE(keys);

  SUBCASE("same verifier") {
    Talk out = log_in(Method::Scram, stored, {"bob", stored, keys}, keyring);
    CHECK(out.ok);
    // The verifier kept here is a check, not a need.
    CHECK(log_in(Method::Scram, stored, {"bob", missing(), keys}, keyring).ok);
  }
  SUBCASE("the server's verifier has another salt or iteration count: nothing is sent") {
    for (std::string other : {scram_secret("pencil", "another salt 16"),
                              scram_secret("pencil", "0123456789abcdef", 65)}) {
      Talk out = log_in(Method::Scram, classify(other), {"bob", stored, keys}, keyring);
      CHECK_FALSE(out.ok);
      CHECK(out.client_error.text.find("differs from the one stored here") != std::string::npos);
      CHECK(log_in(Method::Scram, classify(other), {"bob", missing(), keys}, keyring)
                .server_error.text == "wrong password");
    }
  }
  SUBCASE("keys do no other method") {
    for (Method method : {Method::Plain, Method::Md5}) {
      Talk out = log_in(method, classify("pencil"), {"bob", stored, keys}, keyring);
      CHECK(out.client_error.text == "server login failed: wrong password type");
    }
  }
  SUBCASE("a plain secret goes before keys") {
    ServerCredentials both = with_password("pencil");
    both.keys = ScramKeys();  // useless ones
    CHECK(log_in(Method::Scram, stored, both, keyring).ok);
  }
}

TEST_CASE("a verifier made from a plain secret gives no keys, and neither does a failed login") {
  ServerKeyring keyring;
  auto from_plain = make_server_exchange(Method::Scram, "bob", classify("pencil"), keyring, 64);
  auto client = make_client_exchange(with_password("pencil"));
  CHECK(talk(*from_plain, *client).ok);
  CHECK_FALSE(from_plain->scram_keys());

  auto failed =
      make_server_exchange(Method::Scram, "bob", classify(scram_secret("pencil")), keyring, 64);
  auto wrong = make_client_exchange(with_password("pen"));
  CHECK_FALSE(talk(*failed, *wrong).ok);
  CHECK_FALSE(failed->scram_keys());
}

TEST_CASE("a recorded conversation cannot be replayed") {
  ServerKeyring keyring;
  StoredSecret stored = classify(scram_secret("pencil"));
  auto first = make_server_exchange(Method::Scram, "bob", stored, keyring, 64);
  auto client = make_client_exchange(with_password("pencil"));
  Outcome hello = client->feed(10, first->start().body);
  Outcome challenge = first->feed(hello.body);
  Outcome proof = with_hash(*client, client->feed(11, challenge.body));
  CHECK(first->feed(proof.body).kind == Outcome::Kind::Ok);

  auto second = make_server_exchange(Method::Scram, "bob", stored, keyring, 64);
  second->start();
  second->feed(hello.body);
  CHECK(second->feed(proof.body).kind == Outcome::Kind::Failed);
}
