// Clients that prove themselves by their TLS certificate: auth_type = cert, rules with cert, clientcert=
// and maps, hostssl and hostnossl.
#include <doctest/doctest.h>

#include "support/pooler.h"
#include "support/tls.h"

using namespace howdah::test;

namespace {

struct World {
  TestCa ca, other{"somebody else's CA"};
  TestCa::Pair server = ca.issue("server", "127.0.0.1", "IP:127.0.0.1");
  TestCa::Pair alice = ca.issue("alice", "alice"), carol = ca.issue("carol", "carol");
  TestCa::Pair shout = ca.issue("shout", "ALICE"), star = ca.issue("star", "*");
  TestCa::Pair forged = other.issue("forged", "alice");
  TempDir directory;
  std::string hba = directory / "hba.conf", ident = directory / "ident.conf";

  Pooler make(const std::string& mode, const std::string& rules, const std::string& map = "",
              const std::string& ca_file = "own") {
    write_file(hba, "local pgbouncer admin trust\n" + rules);
    write_file(ident, map);
    for (const char* user : {"alice", "bob"}) primary().create_role(user);
    std::map<std::string, std::string> settings{{"client_tls_sslmode", mode},
                                                {"client_tls_cert_file", server.crt},
                                                {"client_tls_key_file", server.key},
                                                {"auth_type", "hba"},
                                                {"auth_hba_file", hba},
                                                {"auth_ident_file", ident}};
    if (ca_file == "own") settings["client_tls_ca_file"] = ca.crt();
    return Pooler({.settings = settings,
                   .databases = {entry("db", primary(), "postgres")},
                   .userlist = {{"alice", "a-pw"}, {"bob", ""}, {"admin", "admin-password"}}});
  }
};

World& world() {
  static World made;
  return made;
}

std::string with(const Pooler& pooler, const std::string& user, const TestCa::Pair* pair,
                 const std::string& more = "") {
  std::string text = pooler.conninfo("db", user, "sslmode=require " + more);
  // Nothing of the user's own: "" is no file.
  return text + (pair ? " sslcert=" + pair->crt + " sslkey=" + pair->key
                      : std::string(" sslcert=/nowhere/x sslkey=/nowhere/y"));
}

void in(const std::string& conninfo, const std::string& user) {
  CAPTURE(conninfo);
  CHECK_NOTHROW(CHECK(Client(conninfo).value("select current_user") == user));
}
void out(const std::string& conninfo, const std::string& text) {
  CAPTURE(conninfo);
  CHECK(refused(conninfo).message == text);
}
constexpr const char* kFailed = "certificate authentication failed";
constexpr const char* kNone = "no authentication method is found";

}  // namespace

TEST_CASE("a rule with cert: the certificate's name, letter by letter, of a known user") {
  if (on_pgbouncer()) return;
  World& w = world();
  Pooler pooler = w.make("prefer", "hostssl db all all cert\n");
  in(with(pooler, "alice", &w.alice), "alice");
  out(with(pooler, "bob", &w.alice), kFailed);
  out(with(pooler, "carol", &w.carol), kFailed);
  out(with(pooler, "alice", &w.shout), kFailed);
  out(with(pooler, "alice", &w.star), kFailed);
  out(with(pooler, "alice", nullptr), kFailed);
  CHECK_THROWS(Client(with(pooler, "alice", &w.forged)));
  out(pooler.conninfo("db", "alice", "sslmode=disable"), kNone);
}

TEST_CASE("hostssl is for TLS, hostnossl for the others, clientcert asks for a certificate, too") {
  if (on_pgbouncer()) return;
  World& w = world();
  Pooler pooler = w.make("prefer",
                         "hostnossl db bob all trust\n"
                         "hostssl db alice all password clientcert=verify-full\n"
                         "hostssl db bob all trust clientcert=verify-ca\n");
  in(pooler.conninfo("db", "bob", "sslmode=disable"), "bob");
  out(pooler.conninfo("db", "alice", "sslmode=disable password=a-pw"), kNone);
  in(with(pooler, "alice", &w.alice, "password=a-pw"), "alice");
  out(with(pooler, "alice", &w.alice, "password=wrong"),
      "password authentication failed for user \"alice\"");
  out(with(pooler, "alice", &w.carol, "password=a-pw"), kFailed);
  in(with(pooler, "bob", &w.carol), "bob");
  out(with(pooler, "bob", nullptr), kFailed);
}

TEST_CASE("a map says whom a certificate may be, by its name or its whole subject") {
  if (on_pgbouncer()) return;
  World& w = world();
  Pooler pooler = w.make("prefer",
                         "hostssl db bob all cert map=names\nhostssl db alice all cert map=whole "
                         "clientname=DN\n",
                         "names carol bob\nwhole /^CN=(alice)$ \\1\n");
  in(with(pooler, "bob", &w.carol), "bob");
  out(with(pooler, "bob", &w.alice), kFailed);
  in(with(pooler, "alice", &w.alice), "alice");
  out(with(pooler, "alice", &w.carol), kFailed);
}

TEST_CASE("without client_tls_ca_file no certificate is believed") {
  if (on_pgbouncer()) return;
  World& w = world();
  Pooler pooler = w.make("prefer", "hostssl db all all cert\n", "", "");
  CHECK(pooler.logged("this line lets nobody in"));
  out(with(pooler, "alice", nullptr), kFailed);
  CHECK_THROWS(Client(with(pooler, "alice", &w.alice)));
}

TEST_CASE("auth_type = cert: everybody by certificate; refused without verify-full") {
  if (on_pgbouncer()) return;
  World& w = world();
  Pooler pooler = w.make("prefer", "");
  CHECK_THROWS_AS(pooler.console("SET auth_type = 'cert'"), SqlError);
  pooler.console("SET client_tls_sslmode = 'verify-full'");
  pooler.console("SET auth_type = 'cert'");
  in(with(pooler, "alice", &w.alice), "alice");
  out(with(pooler, "bob", &w.alice), kFailed);
  out(with(pooler, "carol", &w.carol), kFailed);
  CHECK_THROWS(Client(with(pooler, "alice", nullptr)));
  CHECK_THROWS(Client(with(pooler, "alice", &w.forged)));
  CHECK_THROWS_AS(pooler.console("SET client_tls_sslmode = 'require'"), SqlError);
}
