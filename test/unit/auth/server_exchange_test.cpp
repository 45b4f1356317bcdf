// ServerExchange: framing of the three methods, and that users who cannot log in look like the
// rest.
#include "auth/server_exchange.h"

#include <doctest/doctest.h>

#include <string>

#include "conversation.h"

using namespace howdah;
using namespace howdah::auth;
using namespace std::string_literals;

namespace {

const ServerKeyring& keyring() {
  static const ServerKeyring kKeyring;
  return kKeyring;
}
std::unique_ptr<ServerExchange> exchange(Method method, const StoredSecret& secret) {
  return make_server_exchange(method, "bob", secret, keyring(), 64);
}
std::string initial(std::string_view text, std::string_view mechanism = "SCRAM-SHA-256") {
  std::string out = base::cat(mechanism, '\0');
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(text.size() >> shift);
  return out + std::string(text);
}
// The outcome of one password message after the request.
Outcome after_start(Method method, const StoredSecret& secret, std::string_view body) {
  auto server = exchange(method, secret);
  REQUIRE(with_hash(*server, server->start()).kind == Outcome::Kind::Reply);
  std::vector<char> exact(body.begin(), body.end());
  return with_hash(*server, server->feed({exact.data(), exact.size()}));
}
std::string why(const Outcome& outcome) {
  return outcome.kind == Outcome::Kind::Failed ? outcome.error.text : "not failed";
}

}  // namespace

TEST_CASE("plain: the request, and the right password against every kind of secret") {
  for (std::string stored : {"pencil"s, md5_secret("pencil", "bob"), scram_secret("pencil")}) {
    auto server = exchange(Method::Plain, classify(stored));
    Outcome request = server->start();
    CHECK(request.kind == Outcome::Kind::Reply);
    CHECK(request.code == 3);
    CHECK(request.body.empty());
    CHECK(server->typed_password().empty());
    Outcome out = with_hash(*server, server->feed("pencil\0"s));
    CHECK(out.kind == Outcome::Kind::Ok);
    CHECK(out.body.empty());
    CHECK(server->typed_password().view() == "pencil");
    CHECK_FALSE(server->scram_keys());
    for (std::string wrong : {"Pencil\0"s, "penci\0"s, "pencil \0"s, stored + "\0"s}) {
      if (wrong == "pencil\0"s) continue;
      auto second = exchange(Method::Plain, classify(stored));
      second->start();
      Outcome refused = with_hash(*second, second->feed(wrong));
      CHECK(why(refused) == "wrong password");
      CHECK(refused.error.code == "28P01");
      CHECK(second->typed_password().empty());
    }
  }
}

TEST_CASE("plain: a SCRAM secret needs a hash with its own salt and iterations") {
  auto server = exchange(Method::Plain, classify(scram_secret("pencil", "salty", 77)));
  server->start();
  CHECK(server->feed("x\0"s).kind == Outcome::Kind::NeedHash);
  CHECK(server->hash_job().salt == "salty");
  CHECK(server->hash_job().iterations == 77);
  CHECK(server->hash_job().password.view() == "x");
}

TEST_CASE("plain: a secret with absurd iterations costs nothing and lets nobody in") {
  StoredSecret secret = classify(scram_secret("pencil"));
  secret.verifier.iterations = kMaxScramIterations + 1;
  auto server = exchange(Method::Plain, secret);
  server->start();
  CHECK(server->feed("pencil\0"s).kind == Outcome::Kind::Failed);
}

TEST_CASE("plain and md5: empty and malformed password messages are refused, whatever is stored") {
  for (const StoredSecret& secret :
       {missing(), classify(""), classify("pencil"), classify(md5_secret("pencil", "bob")),
        classify(scram_secret("x"))}) {
    for (Method method : {Method::Plain, Method::Md5}) {
      CHECK(why(after_start(method, secret, "\0"s)) == "empty password returned by client");
      for (std::string body : {""s, "pencil"s, "pencil\0\0"s, "pencil\0x"s, "\0pencil\0"s}) {
        Outcome out = after_start(method, secret, body);
        CHECK(why(out) == "malformed password message");
        CHECK(out.error.code == "08P01");
      }
    }
  }
}

TEST_CASE("md5: PostgreSQL's formula, with a salt of four random bytes") {
  // md5(md5("pencil" + "bob") + "\1\2\3\4"), made with md5sum.
  Md5Exchange fixed("bob", classify("pencil"), "\1\2\3\4");
  CHECK(fixed.start().body == "\1\2\3\4");
  CHECK(fixed.feed("md5735bfd3e1298fa49b4b28c02c7f176e1\0"s).kind == Outcome::Kind::Ok);

  auto one = exchange(Method::Md5, classify("pencil"));
  auto two = exchange(Method::Md5, classify("pencil"));
  Outcome request = one->start();
  CHECK(request.code == 5);
  CHECK(request.body.size() == 4);
  CHECK(request.body != two->start().body);
}

TEST_CASE("md5: the stored hash itself, or an answer to another salt, is not enough") {
  std::string stored = md5_secret("pencil", "bob");
  for (std::string body : {stored + "\0"s, stored.substr(3) + "\0"s, "pencil\0"s, "md5\0"s}) {
    CHECK(why(after_start(Method::Md5, classify(stored), body)) == "wrong password");
  }
  Md5Exchange first("bob", classify(stored), "aaaa");
  first.start();
  std::string answer = "md5" + std::string(md5_hex({stored.substr(3), "bbbb"})->view()) + "\0"s;
  CHECK(first.feed(answer).kind == Outcome::Kind::Failed);
  Md5Exchange second("bob", classify(stored), "bbbb");
  second.start();
  CHECK(second.feed(answer).kind == Outcome::Kind::Ok);
}

TEST_CASE("scram: the offer, and a plain secret is hashed with the keyring's salt first") {
  auto server = exchange(Method::Scram, classify("pencil"));
  CHECK(server->start().kind == Outcome::Kind::NeedHash);
  CHECK(server->hash_job().salt == keyring().salt_for("bob"));
  CHECK(server->hash_job().iterations == 64);
  CHECK(server->hash_job().password.view() == "pencil");
  Outcome request = server->hashed(server->hash_job().run());
  CHECK(request.code == 10);
  CHECK(request.body == "SCRAM-SHA-256\0\0"s);
  CHECK(server->hash_job().password.empty());

  auto stored = exchange(Method::Scram, classify(scram_secret("pencil")));
  CHECK(stored->start().body == "SCRAM-SHA-256\0\0"s);
}

TEST_CASE("scram: initial responses that don't fit are refused") {
  StoredSecret secret = classify(scram_secret("pencil"));
  auto text = [&](std::string_view body) { return why(after_start(Method::Scram, secret, body)); };
  CHECK(text(initial("n,,n=,r=x")) == "not failed");
  CHECK(text(initial("n,,n=,r=x", "SCRAM-SHA-256-PLUS")) ==
        "client selected an invalid SASL authentication mechanism");
  CHECK(text(initial("n,,n=,r=x", "")) ==
        "client selected an invalid SASL authentication mechanism");
  CHECK(text("SCRAM-SHA-256\0\xff\xff\xff\xff"s) == "malformed SASL initial response");
  CHECK(text("SCRAM-SHA-256\0\xff\xff\xff\xffn,,n=,r=x"s) == "malformed SASL initial response");
  CHECK(text("SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x"s) == "malformed SASL initial response");
  CHECK(text("SCRAM-SHA-256\0\x80\0\0\0n,,n=,r=x"s) == "malformed SASL initial response");
  CHECK(text(initial("n,,n=,r=x") + "y") == "malformed SASL initial response");
  CHECK(text("pencil\0"s) == "malformed SASL initial response");
  std::string whole = initial("n,,n=,r=x");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CHECK(text(whole.substr(0, cut)) == "malformed SASL initial response");
  }
}

TEST_CASE("an exchange that ended, or was not started, takes nothing more") {
  for (Method method : {Method::Plain, Method::Md5, Method::Scram}) {
    auto fresh = exchange(method, classify(scram_secret("pencil")));
    CHECK(fresh->feed("pencil\0"s).kind == Outcome::Kind::Failed);
    CHECK(fresh->start().kind == Outcome::Kind::Failed);
    CHECK(fresh->hashed(Key{}).kind == Outcome::Kind::Failed);
    CHECK_FALSE(fresh->scram_keys());
    auto twice = exchange(method, classify(scram_secret("pencil")));
    twice->start();
    CHECK(twice->start().kind == Outcome::Kind::Failed);
  }
  auto plain = exchange(Method::Plain, classify("pencil"));
  plain->start();
  CHECK(plain->feed("wrong\0"s).kind == Outcome::Kind::Failed);
  CHECK(plain->feed("pencil\0"s).kind == Outcome::Kind::Failed);
}

TEST_CASE("an unknown user and a wrong password give the same messages, byte counts and texts") {
  struct Case {
    Method method;
    std::vector<StoredSecret> known;
  };
  const Case cases[] = {
      {Method::Plain,
       {classify("right"), classify(md5_secret("right", "bob")), classify(scram_secret("right"))}},
      {Method::Md5, {classify("right"), classify(md5_secret("right", "bob"))}},
      {Method::Scram,
       {classify("right"), classify(scram_secret("right")), classify(md5_secret("right", "bob"))}}};
  for (const Case& c : cases) {
    Talk unknown = log_in(c.method, missing(), with_password("wrong"), keyring());
    CHECK_FALSE(unknown.ok);
    CHECK(unknown.server_error.text == "no such user");
    CHECK(unknown.server_error.code == "28P01");
    Talk none = log_in(c.method, classify(""), with_password("wrong"), keyring());
    CHECK(none.shape == unknown.shape);
    CHECK(none.server_error.text == "the user has no password");
    for (const StoredSecret& secret : c.known) {
      Talk known = log_in(c.method, secret, with_password("wrong"), keyring());
      CHECK(known.shape == unknown.shape);
      CHECK(known.server_error.code == unknown.server_error.code);
    }
  }
}

TEST_CASE("the salt shown for an unknown user is stable and the one a plain secret would show") {
  auto challenge = [](const StoredSecret& secret) {
    auto server = exchange(Method::Scram, secret);
    with_hash(*server, server->start());
    return server->feed(initial("n,,n=,r=x")).body;
  };
  auto from_salt = [](const std::string& text) { return text.substr(text.find(",s=")); };
  std::string unknown = challenge(missing());
  CHECK(from_salt(unknown) == from_salt(challenge(missing())));
  CHECK(from_salt(unknown) == from_salt(challenge(classify("pencil"))));
  CHECK(from_salt(unknown) == from_salt(challenge(classify(""))));
  CHECK(unknown != challenge(missing()));  // the nonce is fresh
  CHECK(unknown.size() == challenge(classify(scram_secret("pencil"))).size());
}

TEST_CASE("nothing a mock exchange could be told lets anybody in") {
  for (Method method : {Method::Plain, Method::Md5, Method::Scram}) {
    for (std::string password : {"", "x", "pencil"}) {
      CHECK_FALSE(log_in(method, missing(), with_password(password), keyring()).ok);
      CHECK_FALSE(log_in(method, classify(""), with_password(password), keyring()).ok);
    }
  }
  // Not even the key that the mock exchange itself would be happy with.
  StoredSecret doomed = classify(scram_secret("pencil"));
  doomed.kind = Kind::None;
  CHECK_FALSE(log_in(Method::Scram, doomed, with_password("pencil"), keyring()).ok);
  CHECK_FALSE(log_in(Method::Plain, doomed, with_password("pencil"), keyring()).ok);
}

TEST_CASE("a wrong answer is judged anew by the present secret, except a SCRAM proof") {
  for (Method method : {Method::Plain, Method::Md5}) {
    for (std::string now_stored : {"pencil"s, md5_secret("pencil", "bob")}) {
      std::string answer = "pencil\0"s;
      auto server = exchange(method, classify("old"));
      Outcome request = server->start();
      if (method == Method::Md5) {
        std::string inner = md5_secret("pencil", "bob").substr(3);
        answer = base::cat("md5", md5_hex({inner, request.body})->view()) + "\0"s;
      }
      CHECK(with_hash(*server, server->feed(answer)).kind == Outcome::Kind::Failed);
      CHECK(with_hash(*server, server->again(classify("older"))).kind == Outcome::Kind::Failed);
      CHECK(with_hash(*server, server->again({})).kind == Outcome::Kind::Failed);
      CHECK(with_hash(*server, server->again(classify(""))).kind == Outcome::Kind::Failed);
      CHECK(with_hash(*server, server->again(classify(now_stored))).kind == Outcome::Kind::Ok);
      CHECK(server->typed_password().view() == (method == Method::Plain ? "pencil" : ""));
    }
  }
  auto plain = exchange(Method::Plain, classify(scram_secret("old")));
  plain->start();
  CHECK(with_hash(*plain, plain->feed("pencil\0"s)).kind == Outcome::Kind::Failed);
  CHECK(with_hash(*plain, plain->again(classify(scram_secret("pencil")))).kind ==
        Outcome::Kind::Ok);
  auto scram = exchange(Method::Scram, classify(scram_secret("old")));
  (void)with_hash(*scram, scram->start());
  CHECK(scram->again(classify(scram_secret("old"))).kind == Outcome::Kind::Failed);
}

TEST_CASE("nothing is judged anew that was not judged, or was right") {
  for (Method method : {Method::Plain, Method::Md5, Method::Scram}) {
    auto fresh = exchange(method, classify("pencil"));
    CHECK(fresh->again(classify("pencil")).kind == Outcome::Kind::Failed);
    CHECK(with_hash(*fresh, fresh->start()).kind == Outcome::Kind::Failed);  // failed stays failed
  }
}
