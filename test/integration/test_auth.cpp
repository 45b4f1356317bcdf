// Who gets in: every auth_type against every kind of stored secret, right and wrong passwords,
// unknown users and databases.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr const char* kPassword = "Pa$$w\xc3\xb6rd \"x'";

// The secret of `user` as PostgreSQL stores it under that password_encryption.
std::string stored(const std::string& user, const std::string& encryption) {
  primary().create_role(user);
  Client client = primary().connect();
  std::unique_ptr<char, decltype(&PQfreemem)> hash(
      PQencryptPasswordConn(client.raw(), kPassword, user.c_str(), encryption.c_str()), PQfreemem);
  REQUIRE(hash);
  return hash.get();
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string userlist_quoted(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out;
}

// Users whose names say what is stored for them. The server trusts them all.
std::vector<std::pair<std::string, std::string>> userlist() {
  primary().create_role("u_plain");
  primary().create_role("u_empty");
  return {{"u_plain", userlist_quoted(kPassword)},
          {"u_md5", stored("u_md5", "md5")},
          {"u_scram", stored("u_scram", "scram-sha-256")},
          {"u_empty", ""},
          {"admin", "admin-password"}};
}

Pooler make_pooler(const std::string& auth_type, const std::string& more = "") {
  return Pooler({.settings = {{"auth_type", auth_type}, {"pool_mode", "transaction"}},
                 .databases = {entry("db", primary(), "postgres", more)},
                 .userlist = userlist()});
}

enum class Outcome { In, Password, Sasl };

// One text for every method; PgBouncer has two of its own.
std::string wrong_password(const std::string& user, bool sasl) {
  if (!on_pgbouncer()) return "password authentication failed for user \"" + user + "\"";
  return sasl ? "SASL authentication failed" : "password authentication failed";
}

void expect(Pooler& pooler, const std::string& user, const std::string& password, Outcome wanted) {
  CAPTURE(user);
  CAPTURE(password);
  std::string conninfo = pooler.conninfo("db", user, "password=" + quoted(password));
  if (wanted == Outcome::In) {
    CHECK_NOTHROW(CHECK(Client(conninfo).value("select current_user") == user));
    return;
  }
  ErrorReport report = refused(conninfo);
  CHECK(report.severity == "FATAL");
  CHECK(report.code == pooler_code("28P01"));
  CHECK(report.message == wrong_password(user, wanted == Outcome::Sasl));
}

}  // namespace

TEST_CASE("plain: every kind of secret, right and wrong") {
  Pooler pooler = make_pooler("plain");
  for (const char* user : {"u_plain", "u_md5", "u_scram"}) {
    expect(pooler, user, kPassword, Outcome::In);
    expect(pooler, user, "wrong", Outcome::Password);
  }
  expect(pooler, "u_empty", "anything", Outcome::Password);
  expect(pooler, "nobody", "anything", Outcome::Password);
}

TEST_CASE("md5: plain and md5 secrets; a SCRAM secret is proved by SCRAM") {
  Pooler pooler = make_pooler("md5");
  for (const char* user : {"u_plain", "u_md5"}) {
    expect(pooler, user, kPassword, Outcome::In);
    expect(pooler, user, "wrong", Outcome::Password);
  }
  expect(pooler, "u_scram", kPassword, Outcome::In);
  expect(pooler, "u_scram", "wrong", Outcome::Sasl);
  expect(pooler, "u_empty", "anything", Outcome::Password);
  expect(pooler, "nobody", "anything", Outcome::Password);
}

TEST_CASE("scram-sha-256: plain and SCRAM secrets; an md5 secret cannot be proved") {
  Pooler pooler = make_pooler("scram-sha-256");
  for (const char* user : {"u_plain", "u_scram"}) {
    expect(pooler, user, kPassword, Outcome::In);
    expect(pooler, user, kPassword, Outcome::In);  // also from what is cached
    expect(pooler, user, "wrong", Outcome::Sasl);
  }
  expect(pooler, "u_md5", kPassword, Outcome::Sasl);
  expect(pooler, "u_empty", "anything", Outcome::Sasl);
  expect(pooler, "nobody", "anything", Outcome::Sasl);
}

TEST_CASE("trust: known users only; any: whoever they say they are, as the forced user") {
  Pooler pooler = make_pooler("trust");
  expect(pooler, "u_plain", "ignored", Outcome::In);
  expect(pooler, "u_empty", "ignored", Outcome::In);
  ErrorReport report = refused(pooler.conninfo("db", "nobody"));
  CHECK(report.message == "\"trust\" authentication failed");
  CHECK(report.severity == "FATAL");
  Pooler any = make_pooler("any", "user=u_plain");
  CHECK(any.connect("db", "whoever").value("select current_user") == "u_plain");
}

TEST_CASE("any without a forced user is a mistake of the configuration") {
  Pooler pooler = make_pooler("any");
  CHECK(refused(pooler.conninfo("db", "u_plain")).message == "bouncer config error");
}

TEST_CASE("no password at all, an empty one, and one of 1,000 characters") {
  for (const char* type : {"plain", "md5", "scram-sha-256"}) {
    Pooler pooler = make_pooler(type);
    CHECK_THROWS(Client(pooler.conninfo("db", "u_plain")));
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", "u_plain"}, {"database", "db"}}));
    CHECK(client.read().type == 'R');
    client.send(msg::password(""));
    CHECK(client.until_closed().severity == "FATAL");
    CHECK_THROWS(Client(pooler.conninfo("db", "u_plain", "password=" + std::string(1000, 'x'))));
    CHECK(pooler.connect("db", "u_plain", "password=" + quoted(kPassword)).value("select 1") == "1");
  }
}

TEST_CASE("passwords of special shapes: long, with quotes, md5-like") {
  primary().create_role("u_odd");
  for (const std::string& password :
       {std::string(800, 'p'), std::string("md5 is not a hash"), std::string("md5" + std::string(32, 'G')),
        std::string("SCRAM-SHA-256$x"), std::string("  spaces  ")}) {
    for (const char* type : {"plain", "md5", "scram-sha-256"}) {
      Pooler pooler({.settings = {{"auth_type", type}},
                     .databases = {entry("db", primary(), "postgres")},
                     .userlist = {{"u_odd", password}, {"admin", "admin-password"}}});
      expect(pooler, "u_odd", password, Outcome::In);
      expect(pooler, "u_odd", password + "x",
             type == std::string("scram-sha-256") ? Outcome::Sasl : Outcome::Password);
    }
  }
}

TEST_CASE("an unknown user cannot be told from a known one by the SCRAM exchange") {
  Pooler pooler = make_pooler("scram-sha-256");
  // Asks for the first message of the server and gives back "s=...,i=..." without the nonce.
  auto challenge = [&](const std::string& user) {
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", user}, {"database", "db"}}));
    Message request = client.read();
    REQUIRE(request.type == 'R');
    CHECK(request.body == msg::i32(10) + std::string("SCRAM-SHA-256\0\0", 15));
    std::string first = "n,,n=,r=abcdefghijklmnopqrstuvwx";
    client.send(msg::typed('p', std::string("SCRAM-SHA-256\0", 14) +
                                    msg::i32(static_cast<std::int64_t>(first.size())) + first));
    Message reply = client.read();
    REQUIRE(reply.type == 'R');
    REQUIRE(reply.body.substr(0, 4) == msg::i32(11));
    CHECK(reply.body.substr(4).starts_with("r=abcdefghijklmnopqrstuvwx"));
    return reply.body.substr(reply.body.find(",s="));
  };
  std::string unknown = challenge("nobody"), known = challenge("u_scram");
  CHECK(unknown == challenge("nobody"));  // the same salt every time
  CHECK(unknown != challenge("nobody2"));
  CHECK(unknown.size() == known.size());
  CHECK(unknown.substr(unknown.find(",i=")) == known.substr(known.find(",i=")));
}

TEST_CASE("a SCRAM exchange refuses channel binding it did not offer, and other mechanisms") {
  Pooler pooler = make_pooler("scram-sha-256");
  auto answer = [&](const std::string& mechanism, const std::string& first) {
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", "u_scram"}, {"database", "db"}}));
    client.read();
    client.send(msg::typed('p', mechanism + '\0' +
                                    msg::i32(static_cast<std::int64_t>(first.size())) + first));
    return client.until_closed().severity;
  };
  CHECK(answer("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abcdefgh") == "FATAL");
  CHECK(answer("SCRAM-SHA-1", "n,,n=,r=abcdefgh") == "FATAL");
  CHECK(answer("SCRAM-SHA-256", "p=tls-unique,,n=,r=abcdefgh") == "FATAL");
  CHECK(answer("SCRAM-SHA-256", "n,a=somebody,n=,r=abcdefgh") == "FATAL");
  CHECK(answer("SCRAM-SHA-256", "") == "FATAL");
  CHECK(answer("SCRAM-SHA-256", "garbage") == "FATAL");
  CHECK(answer("SCRAM-SHA-256", std::string(5000, 'n')) == "FATAL");
}

TEST_CASE("an unknown database is told only to who proved a password") {
  Pooler pooler = make_pooler("scram-sha-256");
  ErrorReport wrong = refused(pooler.conninfo("nowhere", "u_scram", "password=wrong"));
  CHECK(wrong.message == wrong_password("u_scram", true));
  ErrorReport right =
      refused(pooler.conninfo("nowhere", "u_scram", "password=" + quoted(kPassword)));
  CHECK(right.message == "no such database: nowhere");
  CHECK(right.code == pooler_code("3D000"));
  CHECK(right.severity == "FATAL");
}

TEST_CASE("no secret appears in the log, right or wrong") {
  Pooler pooler = make_pooler("plain");
  expect(pooler, "u_plain", kPassword, Outcome::In);
  expect(pooler, "u_plain", "a-wrong-one", Outcome::Password);
  CHECK(!pooler.logged(kPassword));
  CHECK(!pooler.logged("a-wrong-one"));
  CHECK(!pooler.logged("SCRAM-SHA-256$"));
}

TEST_CASE("messages other than a password before the login end it") {
  Pooler pooler = make_pooler("md5");
  for (const std::string& bytes : {msg::query("select 1"), msg::sync(), msg::parse("", "select 1")}) {
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", "u_plain"}, {"database", "db"}}) + bytes);
    std::string types;
    for (Message message; (message = client.read()).type;) types += message.type;
    CHECK(types.find('D') == std::string::npos);
    CHECK(types.find('Z') == std::string::npos);
  }
}
