// Channel binding: SCRAM-SHA-256-PLUS of both our sides, and everything that somebody in between
// could change about it.
#include <doctest/doctest.h>

#include <string>

#include "auth/scram.h"
#include "conversation.h"

using namespace howdah;
using namespace howdah::auth;

namespace {

const std::string kEndPoint(32, '\x5a'), kOther(32, '\x5b');

Talk bound(std::string_view server_end, std::string_view client_end,
           std::string_view stored = "pencil", std::string_view typed = "pencil") {
  ServerKeyring keyring;
  auto server = make_server_exchange(Method::Scram, "bob", classify(stored), keyring, 64, server_end);
  auto client = make_client_exchange(with_password(typed), client_end);
  return talk(*server, *client);
}

// The texts of a server that offered binding, up to the verdict on `final`.
std::string verdict(const std::string& flag, bool plus, std::string binding,
                    std::string_view end_point = kEndPoint) {
  ScramServer server("0123456789abcdef", 64, "SERVER", end_point);
  auto first = server.first(flag + "n=,r=CLIENT", plus);
  if (!first) return first.error().code + " " + first.error().text;
  ScramClient client("", "CLIENT");
  REQUIRE(client.challenge(*first).ok());
  DerivedKeys keys = derive_keys(HashJob{base::Secret("pencil"), "0123456789abcdef", 64}.run());
  // The client that says what it is told to, with a proof that fits.
  std::string final = base::cat("c=", base64_encode(binding), ",r=CLIENTSERVER");
  std::string message = base::cat("n=,r=CLIENT,", *first, ',', final);
  WipedKey proof = hmac_sha256(keys.stored.view(), message);
  for (std::size_t i = 0; i < 32; ++i) proof.value[i] ^= keys.client.value[i];
  auto last = server.last(base::cat(final, ",p=", base64_encode(proof.view())), keys.stored.value,
                          keys.server.value);
  return last ? "ok" : last.error().code + " " + last.error().text;
}

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("both sides bind when both are on the same TLS connection") {
  for (const std::string& stored : {std::string("pencil"), scram_secret("pencil")}) {
    Talk both = bound(kEndPoint, kEndPoint, stored);
    CHECK(both.ok);
    // "SCRAM-SHA-256-PLUS" and "SCRAM-SHA-256", each with a zero behind it, and one more.
    CHECK(both.shape.at(0) == "R10:34");
    CHECK_FALSE(bound(kEndPoint, kEndPoint, stored, "wrong").ok);
  }
}

TEST_CASE("two TLS connections with one in between that passes SCRAM on do not bind") {
  Talk out = bound(kEndPoint, kOther);
  CHECK_FALSE(out.ok);
  CHECK(says(out.server_error.text, "channel binding"));
}

TEST_CASE("an offer that is taken away on the way is noticed by flag y") {
  // The client is on TLS, and sees a server without binding; the server had offered it.
  ServerKeyring keyring;
  auto server = make_server_exchange(Method::Scram, "bob", classify("pencil"), keyring, 64, kEndPoint);
  auto client = make_client_exchange(with_password("pencil"), kEndPoint);
  CHECK(with_hash(*server, server->start()).body.starts_with(kScramPlusMechanism));
  Outcome first = client->feed(10, std::string("SCRAM-SHA-256\0\0", 15));
  CHECK(says(first.body, "y,,n="));
  Outcome answer = server->feed(first.body);
  CHECK(answer.kind == Outcome::Kind::Failed);
  CHECK(says(answer.error.text, "offer"));
}

TEST_CASE("a server that cannot bind is told so by flag y and lets in; without TLS the flag is n") {
  CHECK(bound("", kEndPoint).ok);
  CHECK(bound("", "").ok);
  CHECK(bound(kEndPoint, "").ok);  // a client that cannot bind
  auto client = make_client_exchange(with_password("pencil"), "");
  CHECK(says(client->feed(10, std::string("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34)).body, "n,,n="));
}

TEST_CASE("a server that offers nothing but binding is of use only on TLS") {
  const std::string only("SCRAM-SHA-256-PLUS\0\0", 20);
  auto on = make_client_exchange(with_password("pencil"), kEndPoint);
  CHECK(says(on->feed(10, only).body, "p=tls-server-end-point,,n="));
  auto off = make_client_exchange(with_password("pencil"), "");
  CHECK(off->feed(10, only).kind == Outcome::Kind::Failed);
}

TEST_CASE("mechanism, flag and binding data must fit each other and the connection") {
  const std::string p = "p=tls-server-end-point,,";
  CHECK(verdict(p, true, p + kEndPoint) == "ok");
  CHECK(verdict("n,,", false, "n,,") == "ok");
  CHECK(verdict("y,,", false, "y,,", "") == "ok");
  CHECK(says(verdict(p, true, p + kOther), "08P01"));
  CHECK(says(verdict(p, true, p), "08P01"));
  CHECK(says(verdict(p, true, "n,,"), "08P01"));
  CHECK(says(verdict(p, true, p + kEndPoint + "x"), "08P01"));
  CHECK(says(verdict(p, false, p + kEndPoint), "mechanism"));
  CHECK(says(verdict(p, true, p + kEndPoint, ""), "not offered"));
  CHECK(says(verdict("y,,", false, "y,,"), "offer"));
  CHECK(says(verdict("n,,", true, "n,,"), "without"));
  CHECK(says(verdict("y,,", true, "y,,"), "without"));
  CHECK(says(verdict("p=tls-unique,,", true, "p=tls-unique,," + kEndPoint), "without"));
  CHECK(says(verdict("p=,,", true, "p=,,"), "without"));
  CHECK(says(verdict("p=tls-server-end-point,a=bob,", true, p + kEndPoint), "authorization"));
}

TEST_CASE("the exchange takes the mechanism it offered, and no other") {
  ServerKeyring keyring;
  auto choose = [&](std::string_view end_point, const std::string& mechanism) {
    auto server =
        make_server_exchange(Method::Scram, "bob", classify("pencil"), keyring, 64, end_point);
    with_hash(*server, server->start());
    std::string first = "n,,n=,r=CLIENT";
    if (mechanism == kScramPlusMechanism) first.replace(0, 3, kBindingHeader);
    std::string size{0, 0, 0, static_cast<char>(first.size())};
    return server->feed(mechanism + '\0' + size + first).kind == Outcome::Kind::Reply;
  };
  CHECK(choose(kEndPoint, "SCRAM-SHA-256-PLUS"));
  CHECK(choose(kEndPoint, "SCRAM-SHA-256"));
  CHECK(choose("", "SCRAM-SHA-256"));
  CHECK_FALSE(choose("", "SCRAM-SHA-256-PLUS"));
  CHECK_FALSE(choose(kEndPoint, "SCRAM-SHA-1-PLUS"));
}
