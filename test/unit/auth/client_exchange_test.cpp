// ClientExchange against servers that ask well, wrongly, twice or out of order.
#include "auth/client_exchange.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "conversation.h"

using namespace howdah;
using namespace howdah::auth;
using namespace std::string_literals;

namespace {

constexpr auto kReply = Outcome::Kind::Reply;
constexpr auto kFailed = Outcome::Kind::Failed;
const std::string kOffer = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s;

ServerCredentials of_kind(Kind kind) {
  switch (kind) {
    case Kind::Missing:
      return {"bob", missing(), std::nullopt};
    case Kind::None:
      return {"bob", classify(""), std::nullopt};
    case Kind::Plain:
      return with_password("pencil");
    case Kind::Md5:
      return {"bob", classify(md5_secret("pencil", "bob")), std::nullopt};
    case Kind::Scram:
      break;
  }
  return {"bob", classify(scram_secret("pencil")), std::nullopt};
}

}  // namespace

TEST_CASE("nothing asked is finished; so is a password sent") {
  for (Kind kind : {Kind::Missing, Kind::None, Kind::Plain, Kind::Md5, Kind::Scram}) {
    CHECK(make_client_exchange(of_kind(kind))->finished());
  }
  auto client = make_client_exchange(with_password("pencil"));
  CHECK(client->feed(3, "").kind == kReply);
  CHECK(client->finished());
}

TEST_CASE("which secret answers which request; the rest is 'wrong password type'") {
  struct Request {
    std::int32_t code;
    std::string body;
    std::vector<Kind> able;
  };
  const Request requests[] = {
      {3, "", {Kind::Plain}}, {5, "salt", {Kind::Plain, Kind::Md5}}, {10, kOffer, {Kind::Plain}}};
  for (const Request& request : requests) {
    for (Kind kind : {Kind::Missing, Kind::None, Kind::Plain, Kind::Md5, Kind::Scram}) {
      auto client = make_client_exchange(of_kind(kind));
      Outcome out = client->feed(request.code, request.body);
      if (std::find(request.able.begin(), request.able.end(), kind) != request.able.end()) {
        CHECK(out.kind == kReply);
      } else {
        REQUIRE(out.kind == kFailed);
        CHECK(out.error.text == "server login failed: wrong password type");
        CHECK_FALSE(client->finished());
      }
    }
  }
}

TEST_CASE("answers have PostgreSQL's form") {
  auto client = make_client_exchange(with_password("pencil"));
  CHECK(client->feed(3, "").body == "pencil\0"s);
  std::string expected =
      "md5" + std::string(md5_hex({md5_hex({"pencilbob"})->view(), "salt"})->view()) + "\0"s;
  CHECK(make_client_exchange(with_password("pencil"))->feed(5, "salt").body == expected);
  CHECK(make_client_exchange(of_kind(Kind::Md5))->feed(5, "salt").body == expected);
  PasswordClient fixed(with_password("pencil"), "nonce");
  CHECK(fixed.feed(10, kOffer).body == "SCRAM-SHA-256\0\0\0\0\x0dn,,n=,r=nonce"s);
}

TEST_CASE("the SASL list: SCRAM-SHA-256 by its exact name, and a list that ends well") {
  for (std::string list :
       {"\0"s, "SCRAM-SHA-256-PLUS\0\0"s, "SCRAM-SHA-1\0\0"s, "scram-sha-256\0\0"s}) {
    Outcome out = make_client_exchange(with_password("p"))->feed(10, list);
    REQUIRE(out.kind == kFailed);
    CHECK(out.error.text ==
          "server login failed: none of the server's SASL authentication mechanisms are supported");
  }
  for (std::size_t cut = 0; cut < kOffer.size(); ++cut) {
    CHECK(make_client_exchange(with_password("p"))->feed(10, kOffer.substr(0, cut)).kind ==
          kFailed);
  }
  CHECK(make_client_exchange(with_password("p"))->feed(10, kOffer + "x").kind == kFailed);
  CHECK(make_client_exchange(with_password("p"))->feed(10, kOffer).kind == kReply);
}

TEST_CASE("malformed requests are refused before anything secret is sent") {
  CHECK(make_client_exchange(with_password("p"))->feed(3, "x").kind == kFailed);
  for (std::string salt : {"", "abc", "abcde"}) {
    CHECK(make_client_exchange(with_password("p"))->feed(5, salt).kind == kFailed);
  }
}

TEST_CASE("methods we don't know are refused by name") {
  for (std::int32_t code : {-1, 0, 1, 2, 4, 6, 7, 8, 9, 13, 0x7fffffff}) {
    auto client = make_client_exchange(with_password("p"));
    Outcome out = client->feed(code, "");
    REQUIRE(out.kind == kFailed);
    CHECK(out.error.text.find(base::cat("method ", code)) != std::string::npos);
    CHECK_FALSE(client->finished());
  }
}

TEST_CASE("a server may ask once, in order") {
  auto after = [](std::vector<std::pair<std::int32_t, std::string>> asked) {
    auto client = make_client_exchange(with_password("pencil"));
    Outcome out{};
    for (auto& [code, body] : asked) out = client->feed(code, body);
    CHECK_FALSE(client->finished());
    return out.kind;
  };
  CHECK(after({{3, ""}, {3, ""}}) == kFailed);
  CHECK(after({{5, "salt"}, {5, "tlas"}}) == kFailed);
  CHECK(after({{5, "salt"}, {3, ""}}) == kFailed);
  CHECK(after({{10, kOffer}, {3, ""}}) == kFailed);  // a downgrade in the middle
  CHECK(after({{10, kOffer}, {10, kOffer}}) == kFailed);
  CHECK(after({{10, kOffer}, {12, "v=AAAA"}}) == kFailed);
  CHECK(after({{11, "r=x,s=AAAA,i=1"}}) == kFailed);
  CHECK(after({{12, "v=AAAA"}}) == kFailed);
  CHECK(after({{12, "v=AAAA"}, {3, ""}}) == kFailed);  // failed stays failed
}

TEST_CASE("a SCRAM exchange is not finished until the server has proved itself") {
  PasswordClient client(with_password("pencil"), "nonce");
  ScramServer server("0123456789abcdef", 64, "server");
  StoredSecret secret = classify(scram_secret("pencil"));
  CHECK(client.feed(10, kOffer).kind == kReply);
  CHECK_FALSE(client.finished());
  Outcome out = client.feed(11, *server.first("n,,n=,r=nonce"));
  CHECK(out.kind == Outcome::Kind::NeedHash);
  CHECK_FALSE(client.finished());
  CHECK(client.feed(12, "v=").kind == kFailed);

  PasswordClient second(with_password("pencil"), "nonce");
  ScramServer other("0123456789abcdef", 64, "server");
  second.feed(10, kOffer);
  second.feed(11, *other.first("n,,n=,r=nonce"));
  Outcome final = second.hashed(second.hash_job().run());
  CHECK_FALSE(second.finished());
  auto signature = other.last(final.body, secret.verifier.stored_key, secret.verifier.server_key);
  REQUIRE(signature.ok());
  CHECK(second.feed(12, *signature).kind == Outcome::Kind::Ok);
  CHECK(second.finished());
}

TEST_CASE("a server that knows the verifier's StoredKey only cannot prove itself") {
  StoredSecret stolen = classify(scram_secret("pencil"));
  stolen.verifier.server_key.fill(0);
  ServerKeyring keyring;
  Talk out = log_in(Method::Scram, stolen, with_password("pencil"), keyring);
  CHECK_FALSE(out.ok);
  CHECK(out.client_error.text == "server login failed: invalid server signature");
}

TEST_CASE("a hash that nobody asked for is refused") {
  auto client = make_client_exchange(with_password("pencil"));
  CHECK(client->hashed(Key{}).kind == kFailed);
}
