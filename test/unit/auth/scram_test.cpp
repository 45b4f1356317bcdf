// SCRAM texts: the conversation of RFC 7677, section 3, and every way to break a message.
#include "auth/scram.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "conversation.h"

using namespace howdah;
using namespace howdah::auth;
using namespace std::string_literals;

namespace {

const std::string kClientNonce = "rOprNGfwEbeRWgbNEkqO";
const std::string kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const std::string kChallenge =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const std::string kFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const std::string kSignature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string salt() { return *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="); }
const DerivedKeys& keys() {
  static const DerivedKeys kKeys = derive_keys(HashJob{base::Secret("pencil"), salt(), 4096}.run());
  return kKeys;
}

// The server after a good first message, given the final one.
base::Result<std::string> finish(std::string_view final, const std::string& first = kFirst) {
  ScramServer server(salt(), 4096, kServerNonce);
  REQUIRE(server.first(first).ok());
  std::vector<char> exact(final.begin(), final.end());
  return server.last({exact.data(), exact.size()}, keys().stored.value, keys().server.value);
}
std::string first_error(std::string_view first) {
  ScramServer server(salt(), 4096, kServerNonce);
  std::vector<char> exact(first.begin(), first.end());
  auto out = server.first({exact.data(), exact.size()});
  if (out.ok()) return "";
  CHECK(out.error().code == "08P01");
  return out.error().text;
}
base::Status challenge(std::string_view text) {
  ScramClient client("user", kClientNonce);
  std::vector<char> exact(text.begin(), text.end());
  return client.challenge({exact.data(), exact.size()});
}
base::Status verify(std::string_view text) {
  ScramClient client("user", kClientNonce);
  REQUIRE(client.challenge(kChallenge).ok());
  client.last(keys().client.value, keys().server.value);
  std::vector<char> exact(text.begin(), text.end());
  return client.verify({exact.data(), exact.size()});
}

}  // namespace

TEST_CASE("the server's side of RFC 7677") {
  ScramServer server(salt(), 4096, kServerNonce);
  auto first = server.first(kFirst);
  REQUIRE(first.ok());
  CHECK(*first == kChallenge);
  auto last = server.last(kFinal, keys().stored.value, keys().server.value);
  REQUIRE(last.ok());
  CHECK(*last == kSignature);
  CHECK(server.client_key() == keys().client.value);
}

TEST_CASE("the client's side of RFC 7677") {
  ScramClient client("user", kClientNonce);
  CHECK(client.first() == kFirst);
  REQUIRE(client.challenge(kChallenge).ok());
  CHECK(client.salt() == salt());
  CHECK(client.iterations() == 4096);
  CHECK(client.last(keys().client.value, keys().server.value) == kFinal);
  CHECK(client.verify(kSignature).ok());
}

TEST_CASE("a nonce is the base64 of 18 random bytes") {
  CHECK(make_nonce().size() == 24);
  CHECK(base64_decode(make_nonce())->size() == 18);
  CHECK(make_nonce() != make_nonce());
}

TEST_CASE("the first message: flags n and y pass, everything else in the GS2 header is refused") {
  CHECK(first_error("n,,n=,r=x") == "");
  CHECK(first_error("y,,n=,r=x") == "");
  CHECK(first_error("n,,n=*,r=x,a=b,Z=") == "");
  CHECK(first_error("p=tls-server-end-point,,n=,r=x").find("channel binding") != std::string::npos);
  CHECK(first_error("n,a=admin,n=,r=x").find("authorization") != std::string::npos);
  CHECK(first_error("n,,m=ext,n=,r=x").find("mandatory") != std::string::npos);
  for (std::string text : {""s,
                           "n"s,
                           "n,"s,
                           "n,,"s,
                           "x,,n=,r=x"s,
                           "p,,n=,r=x"s,
                           "n=,r=x"s,
                           "n,,r=x,n="s,
                           "n,,n="s,
                           "n,,n=,"s,
                           "n,,n=,r="s,
                           "n,,n=,r=a b"s,
                           "n,,n=,r=\x7f"s,
                           "n,,n=,r=\xc3\xa9"s,
                           "n,,n=,r=x,"s,
                           "n,,n=,r=x,1=a"s,
                           "n,,n=,r=x,m=a"s,
                           "n,,n=,r=x,ab"s,
                           "n,,n=,r=x\0"s,
                           "n,,n=\0,r=x"s,
                           "n,b,n=,r=x"s,
                           "N,,n=,r=x"s,
                           "n,,n=,r=" + std::string(kMaxScramText, 'x')}) {
    CHECK_MESSAGE(first_error(text) != "", text);
  }
}

TEST_CASE("the first message cut at any byte before its nonce is refused") {
  for (std::size_t cut = 0; cut <= kFirst.find("r=") + 2; ++cut) {
    CHECK(first_error(kFirst.substr(0, cut)) != "");
  }
}

TEST_CASE("the binding attribute must say the flag of the first message") {
  auto with = [](std::string binding, std::string flag) {
    std::string text = kFinal;
    text.replace(2, 4, binding);
    auto out = finish(text, flag + kFirst.substr(1));
    return out.ok() ? std::string("ok") : out.error().code;
  };
  CHECK(with("biws", "n") == "ok");
  CHECK(with("eSws", "n") == "08P01");
  CHECK(with("biws", "y") == "08P01");
  CHECK(with("", "n") == "08P01");
  // Right binding; the proof was made for the other one.
  CHECK(with("eSws", "y") == "28P01");
}

TEST_CASE("the final message cut at any byte never passes") {
  for (std::size_t cut = 0; cut < kFinal.size(); ++cut) {
    auto out = finish(kFinal.substr(0, cut));
    REQUIRE_FALSE(out.ok());
    CHECK(out.error().code == "08P01");
  }
}

TEST_CASE("the final message with any byte changed, dropped or doubled never passes") {
  for (std::size_t at = 0; at < kFinal.size(); ++at) {
    for (char c : {'A', 'z', '0', '=', ',', '\0', '\xff'}) {
      if (kFinal[at] == c) continue;
      std::string text = kFinal;
      text[at] = c;
      CHECK_FALSE(finish(text).ok());
    }
    CHECK_FALSE(finish(kFinal.substr(0, at) + kFinal.substr(at + 1)).ok());
    CHECK_FALSE(finish(kFinal.substr(0, at + 1) + kFinal.substr(at)).ok());
  }
}

TEST_CASE("the final message: proofs of other sizes, missing and misplaced attributes") {
  std::string head = kFinal.substr(0, kFinal.find(",p="));
  for (std::string text :
       {head, head + ",", head + ",p=", head + ",p=AAAA",
        head + ",p=" + base64_encode(std::string(31, 'x')),
        head + ",p=" + base64_encode(std::string(33, 'x')), kFinal + ",", kFinal + ",a=b",
        kFinal + ",p=AAAA", head + ",m=x" + kFinal.substr(head.size()),
        head.substr(7) + "," + kFinal, std::string("p=AAAA"), std::string(4000, 'c')}) {
    auto out = finish(text);
    REQUIRE_FALSE(out.ok());
    CHECK(out.error().code == "08P01");
  }
  // An extension before the proof is allowed, but it is signed: here the proof is for a text
  // without.
  CHECK(finish(head + ",x=y" + kFinal.substr(head.size())).error().code == "28P01");
}

TEST_CASE("a challenge with bad bounds is refused") {
  CHECK(challenge(kChallenge).ok());
  CHECK(challenge(kChallenge + ",x=optional").ok());
  auto with = [](std::string nonce, std::string salt_text, std::string count) {
    return challenge("r=" + nonce + ",s=" + salt_text + ",i=" + count);
  };
  std::string nonce = kClientNonce + "x";
  CHECK(with(nonce, "AAAA", "1").ok());
  CHECK(with(nonce, "AAAA", "10000000").ok());
  for (std::string count : {"", "0", "-1", "+5", "10000001", "4294967297", "99999999999999999999",
                            "1x", " 1", "0x10", "1e3"}) {
    CHECK_FALSE_MESSAGE(with(nonce, "AAAA", count).ok(), count);
  }
  for (std::string salt_text : {std::string(), "A"s, "A==="s, "AAA"s, "AA A"s,
                                base64_encode(std::string(kMaxScramSalt + 1, 's'))}) {
    CHECK_FALSE(with(nonce, salt_text, "1").ok());
  }
  CHECK(with(nonce, base64_encode(std::string(kMaxScramSalt, 's')), "1").ok());
  for (std::string bad :
       {kClientNonce, ""s, "x"s, "x" + kClientNonce, kClientNonce.substr(1) + "xyz",
        kClientNonce + " ", kClientNonce + "\x01", kClientNonce + std::string(5000, 'x')}) {
    CHECK_FALSE(with(bad, "AAAA", "1").ok());
  }
}

TEST_CASE("a challenge cut at any byte of its required attributes is refused") {
  for (std::size_t cut = 0; cut <= kChallenge.find("i=") + 2; ++cut) {
    CHECK_FALSE(challenge(kChallenge.substr(0, cut)).ok());
  }
  for (std::string text : {"m=x," + kChallenge, kChallenge + ",", kChallenge + "\0"s,
                           "e=other-error"s, kChallenge + ",m=x", "s=AAAA,r=x,i=1"s}) {
    CHECK_FALSE(challenge(text).ok());
  }
}

TEST_CASE("the server's signature: only the whole right one passes") {
  CHECK(verify(kSignature).ok());
  CHECK(verify(kSignature + ",x=y").ok());
  for (std::size_t at = 0; at < kSignature.size(); ++at) {
    CHECK_FALSE(verify(kSignature.substr(0, at)).ok());
    std::string text = kSignature;
    text[at] = text[at] == 'A' ? 'B' : 'A';
    CHECK_FALSE(verify(text).ok());
  }
  auto wrong = verify("v=" + base64_encode(std::string(32, '\0')));
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().text == "server login failed: invalid server signature");
  CHECK_FALSE(verify("v=").ok());
}

TEST_CASE("an error that the server tells is shown short and printable") {
  auto out = verify("e=bad\r\n\x1b[31m" + std::string(500, 'x'));
  REQUIRE_FALSE(out.ok());
  CHECK(out.error().text.size() < 120);
  for (char c : out.error().text) CHECK((c >= 0x20 && c < 0x7f));
}
