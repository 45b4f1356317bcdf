// How the pooler logs in to PostgreSQL: every method the server may ask for, with every kind of
// secret it may hold.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

std::string secret_of(const std::string& role) {
  return primary().sql("select rolpassword from pg_authid where rolname = '" + role + "'").at(0, 0);
}

// Roles with the password 'secret', stored by PostgreSQL as md5 and as SCRAM, and rules by which
// each database asks for one method.
class Server {
 public:
  Server() {
    primary().sql("drop role if exists s_md5; drop role if exists s_scram");
    primary().sql("set password_encryption = 'md5'; create role s_md5 login password 'secret'");
    primary().sql("set password_encryption = 'scram-sha-256'; "
                  "create role s_scram login password 'secret'; reset password_encryption");
    for (const char* method : {"ask_plain", "ask_md5", "ask_scram", "ask_trust", "ask_reject"}) {
      primary().create_database(method);
    }
    primary().set_hba(
        "host ask_plain s_md5,s_scram all password\n"
        "host ask_md5 s_md5,s_scram all md5\n"
        "host ask_scram s_md5,s_scram all scram-sha-256\n"
        "host ask_trust all all trust\n"
        "host ask_reject all all reject\n");
  }
  ~Server() {
    try {
      primary().set_hba("");
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
};

std::vector<std::string> entries(const std::string& more = "") {
  std::vector<std::string> lines;
  for (const char* name : {"ask_plain", "ask_md5", "ask_scram", "ask_trust", "ask_reject"}) {
    lines.push_back(entry(name, primary(), name, more));
  }
  return lines;
}

Pooler make_pooler(const std::string& auth_type,
                   std::vector<std::pair<std::string, std::string>> users,
                   const std::string& more = "") {
  users.push_back({"admin", "admin-password"});
  return Pooler({.settings = {{"auth_type", auth_type}, {"pool_mode", "transaction"}},
                 .databases = entries(more),
                 .userlist = std::move(users)});
}

void check_in(Pooler& pooler, const std::string& database, const std::string& user) {
  CAPTURE(database);
  CAPTURE(user);
  CHECK_NOTHROW(
      CHECK(pooler.connect(database, user, "password=secret").value("select current_user") == user));
}

ErrorReport check_refused(Pooler& pooler, const std::string& database, const std::string& user) {
  CAPTURE(database);
  CAPTURE(user);
  return refused(pooler.conninfo(database, user, "password=secret"));
}

}  // namespace

TEST_CASE("a plain secret answers every method") {
  Server server;
  Pooler pooler = make_pooler("scram-sha-256", {{"s_md5", "secret"}, {"s_scram", "secret"}});
  for (const char* user : {"s_md5", "s_scram"}) {
    check_in(pooler, "ask_plain", user);
    check_in(pooler, "ask_md5", user);  // SCRAM where the role is stored so
    check_in(pooler, "ask_trust", user);
  }
  check_in(pooler, "ask_scram", "s_scram");
}

TEST_CASE("an md5 secret answers md5 and trust, and says why it cannot answer the others" *
          doctest::skip(on_pgbouncer())) {
  Server server;
  Pooler pooler = make_pooler("md5", {{"s_md5", secret_of("s_md5")}});
  check_in(pooler, "ask_md5", "s_md5");
  check_in(pooler, "ask_trust", "s_md5");
  CHECK(check_refused(pooler, "ask_plain", "s_md5").message ==
        "server login failed: wrong password type");
}

TEST_CASE("SCRAM pass-through: the client's proof opens the server" *
          doctest::skip(on_pgbouncer())) {
  Server server;
  Pooler pooler = make_pooler("scram-sha-256", {{"s_scram", secret_of("s_scram")}});
  check_in(pooler, "ask_scram", "s_scram");
  check_in(pooler, "ask_md5", "s_scram");
  check_in(pooler, "ask_trust", "s_scram");
  CHECK(check_refused(pooler, "ask_plain", "s_scram").message ==
        "server login failed: wrong password type");
}

TEST_CASE("SCRAM keys are kept: servers are opened again later without the client's password") {
  Server server;
  Pooler pooler = make_pooler("scram-sha-256", {{"s_scram", secret_of("s_scram")}});
  Client client = pooler.connect("ask_scram", "s_scram", "password=secret");
  for (int i = 0; i < 3; ++i) {
    primary().drop_backends("ask_scram");
    eventually("its server is gone", [&] {
      return pooler.pool("ask_scram", "s_scram", "sv_idle") +
                 pooler.pool("ask_scram", "s_scram", "sv_used") ==
             0;
    });
    CHECK(client.value("select current_user") == "s_scram");
  }
}

TEST_CASE("a SCRAM secret of another salt cannot open the server, and the message says so") {
  Server server;
  Client client = primary().connect();
  std::unique_ptr<char, decltype(&PQfreemem)> other(
      PQencryptPasswordConn(client.raw(), "secret", "s_scram", "scram-sha-256"), PQfreemem);
  Pooler pooler = make_pooler("scram-sha-256", {{"s_scram", other.get()}});
  ErrorReport report = check_refused(pooler, "ask_scram", "s_scram");
  std::string said = on_pgbouncer() ? "password authentication failed for user" : "salt";
  CHECK_MESSAGE(report.message.find(said) != std::string::npos, report.message);
  CHECK(report.code == pooler_code("28P01"));
}

TEST_CASE("the server's refusal reaches the client as the server said it" *
          doctest::skip(on_pgbouncer())) {
  Server server;
  Pooler pooler = make_pooler("scram-sha-256", {{"s_scram", "secret"}, {"s_md5", "not the one"}});
  ErrorReport rejected = check_refused(pooler, "ask_reject", "s_scram");
  CHECK(rejected.code == "28000");
  CHECK(rejected.message.find("pg_hba.conf rejects connection") != std::string::npos);
  ErrorReport wrong = refused(pooler.conninfo("ask_md5", "s_md5", "password='not the one'"));
  CHECK(wrong.code == "28P01");
  CHECK(wrong.message == "password authentication failed for user \"s_md5\"");
}

TEST_CASE("a forced user logs in with its own secret, from the entry or from the userlist") {
  Server server;
  for (const char* database : {"ask_plain", "ask_md5", "ask_scram"}) {
    Pooler inline_secret({.databases = {entry("db", primary(), database,
                                              "user=s_scram password=secret")}});
    CHECK(inline_secret.connect("db").value("select current_user") == "s_scram");
    Pooler listed({.databases = {entry("db", primary(), database, "user=s_scram")},
                   .userlist = {{"s_scram", "secret"}}});
    CHECK(listed.connect("db").value("select current_user") == "s_scram");
  }
}

TEST_CASE("a wrong password of a forced user fails logins, is cached, and heals by itself" *
          doctest::skip(on_pgbouncer())) {
  Server server;
  Pooler pooler({.settings = {{"server_login_retry", "1"}},
                 .databases = {entry("db", primary(), "ask_scram", "user=s_scram password=wrong")}});
  ErrorReport report = refused(pooler.conninfo("db", "postgres"));
  CHECK(report.code == "28P01");
  CHECK(report.message == "password authentication failed for user \"s_scram\"");
  primary().sql("alter role s_scram password 'wrong'");
  eventually("logins work again", [&] {
    try {
      return pooler.connect("db").value("select 1") == "1";
    } catch (const SqlError&) {
      return false;
    }
  });
}

TEST_CASE("a password that a role no longer has does not disturb the servers that are open") {
  Server server;
  Pooler pooler = make_pooler("scram-sha-256", {{"s_scram", "secret"}});
  Client client = pooler.connect("ask_scram", "s_scram", "password=secret");
  CHECK(client.value("select 1") == "1");
  primary().sql("alter role s_scram password 'other'");
  CHECK(client.value("select 2") == "2");
}
