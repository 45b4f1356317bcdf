// auth_type = hba: the rules of a file, over TCP and unix sockets; reloads good and broken.
#include <doctest/doctest.h>
#include <unistd.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

// The harness itself logs in to the console.
constexpr const char* kConsole = "host pgbouncer admin 127.0.0.0/8 trust\n";

struct Rules {
  TempDir directory;
  std::string hba = directory / "hba.conf", ident = directory / "ident.conf";
  explicit Rules(const std::string& text, const std::string& map = "") {
    write(text);
    write_file(ident, map);
  }
  void write(const std::string& text) { write_file(hba, kConsole + text); }
};

PoolerConfig with(const Rules& rules) {
  for (const char* user : {"alice", "bob", "carol"}) primary().create_role(user);
  primary().create_database("shop");
  return {.settings = {{"auth_type", "hba"},
                       {"auth_hba_file", rules.hba},
                       {"listen_addr", "127.0.0.1, ::1"},
                       {"client_login_timeout", "20"}},
          .databases = {entry("db", primary(), "postgres"), entry("shop", primary(), "shop"),
                        entry("replication", primary(), "postgres")},
          .userlist = {{"alice", "a-secret"}, {"bob", "b-secret"}, {"admin", "admin-password"}}};
}

std::string at(const Pooler& pooler, const std::string& host, const std::string& database,
               const std::string& user, const std::string& password = "") {
  return "host=" + host + " port=" + std::to_string(pooler.port()) + " dbname=" + database +
         " user=" + user + (password.empty() ? "" : " password=" + password);
}

void in(const std::string& conninfo) {
  CAPTURE(conninfo);
  CHECK_NOTHROW(CHECK(Client(conninfo).value("select 1") == "1"));
}

void out(const std::string& conninfo, const std::string& message,
         const std::string& code = "28000") {
  CAPTURE(conninfo);
  ErrorReport report = refused(conninfo);
  CHECK(report.message == message);
  CHECK(report.code == pooler_code(code));
  CHECK(report.severity == "FATAL");
}

constexpr const char* kNone = "no authentication method is found";
constexpr const char* kRejected = "login rejected";

}  // namespace

TEST_CASE("rules by address, database, user and kind of socket") {
  Rules rules(
      "host   shop  bob    all           reject\n"
      "host   shop  alice  127.0.0.0/8   scram-sha-256\n"
      "host   db    all    127.0.0.1/32  md5\n"
      "host   db    alice  ::1/128       password\n"
      "local  db    bob                  trust\n");
  Pooler pooler(with(rules));
  std::string four = "127.0.0.1", six = "::1", local = pooler.directory();
  in(at(pooler, four, "shop", "alice", "a-secret"));
  out(at(pooler, four, "shop", "alice", "wrong"), "password authentication failed for user \"alice\"", "28P01");
  out(at(pooler, four, "shop", "bob", "b-secret"), kRejected);
  out(at(pooler, six, "shop", "bob", "b-secret"), kRejected);
  out(at(pooler, six, "shop", "alice", "a-secret"), kNone);
  in(at(pooler, four, "db", "bob", "b-secret"));
  out(at(pooler, four, "db", "bob", "wrong"), "password authentication failed for user \"bob\"", "28P01");
  out(at(pooler, four, "db", "nobody", "x"),
      "password authentication failed for user \"nobody\"", "28P01");
  in(at(pooler, six, "db", "alice", "a-secret"));
  out(at(pooler, six, "db", "alice", "wrong"), "password authentication failed for user \"alice\"", "28P01");
  out(at(pooler, six, "db", "bob", "b-secret"), kNone);
  in(at(pooler, local, "db", "bob"));
  out(at(pooler, local, "db", "alice", "a-secret"), kNone);
  out(at(pooler, four, "nowhere", "alice", "a-secret"), kNone);
  // The console is a database like another one.
  out(at(pooler, six, "pgbouncer", "admin", "admin-password"), kNone);
}

TEST_CASE("trust is for known users only") {
  Rules rules("host all all all trust\n");
  Pooler pooler(with(rules));
  in(at(pooler, "127.0.0.1", "db", "alice"));
  out(at(pooler, "127.0.0.1", "db", "carol"), "\"trust\" authentication failed");
}

TEST_CASE("RELOAD takes new rules, and keeps the old ones when the file is broken or gone") {
  if (on_pgbouncer()) return;  // skips the broken line instead
  Rules rules("host db alice all trust\n");
  Pooler pooler(with(rules));
  auto alice = at(pooler, "127.0.0.1", "db", "alice"), bob = at(pooler, "127.0.0.1", "db", "bob");
  in(alice);
  out(bob, kNone);
  rules.write("host db alice all reject\nhost db all all trust\n");
  pooler.console("RELOAD");
  out(alice, kRejected);
  in(bob);
  // The reject line is broken: it must not fall away and let alice in.
  rules.write("host db alice all rejct\nhost db all all/9 trust\nhost db all all trust\n");
  CHECK_THROWS_AS(pooler.console("RELOAD"), SqlError);
  CHECK(pooler.logged(rules.hba + ":2: unknown method 'rejct'"));
  CHECK(pooler.logged(rules.hba + ":3: "));
  out(alice, kRejected);
  in(bob);
  ::unlink(rules.hba.c_str());
  CHECK_THROWS_AS(pooler.console("RELOAD"), SqlError);
  CHECK(pooler.logged("cannot read '" + rules.hba + "'"));
  out(alice, kRejected);
  in(bob);
  rules.write("host db alice all trust\n");
  pooler.console("RELOAD");
  in(alice);
  out(bob, kNone);
}

TEST_CASE("clients that are in stay in when the rules change") {
  Rules rules("host db alice all trust\n");
  Pooler pooler(with(rules));
  Client client(at(pooler, "127.0.0.1", "db", "alice"));
  rules.write("host db alice all reject\n");
  pooler.console("RELOAD");
  CHECK(client.value("select 1") == "1");
  out(at(pooler, "127.0.0.1", "db", "alice"), kRejected);
}

TEST_CASE("a broken file does not start, and --check says every mistake") {
  if (on_pgbouncer()) return;
  Rules rules("local db alice peer map=nomap\nhost db alice 10.0.0.0/40 md5\nbroken\n");
  TempDir directory;
  std::string ini = directory / "howdah.ini";
  write_file(ini, "[databases]\n[howdah]\nlisten_port = 1\nunix_socket_dir = " + directory.path() +
                      "\nlisten_addr = 127.0.0.1\nauth_type = hba\nauth_hba_file = " + rules.hba +
                      "\n");
  for (const auto& command :
       {std::vector<std::string>{pooler_binary(), "--check", ini}, {pooler_binary(), ini}}) {
    Output output = run(command);
    CHECK(output.status == 1);
    for (const char* line : {":2: ", ":3: ", ":4: "}) {
      CHECK_MESSAGE(output.text.find(rules.hba + line) != std::string::npos, output.text);
    }
  }
}

TEST_CASE("SET of the rules' file is judged like a reload") {
  if (on_pgbouncer()) return;
  Rules rules("host db alice all trust\n"), other("host db bob all trust\n"), broken("host\n");
  Pooler pooler(with(rules));
  CHECK_THROWS_AS(pooler.console("SET auth_hba_file = '" + broken.hba + "'"), SqlError);
  in(at(pooler, "127.0.0.1", "db", "alice"));
  pooler.console("SET auth_hba_file = '" + other.hba + "'");
  in(at(pooler, "127.0.0.1", "db", "bob"));
  out(at(pooler, "127.0.0.1", "db", "alice"), kNone);
}

TEST_CASE("a physical replication connection fits the word replication only, a logical one its database") {
  if (on_pgbouncer()) return;
  primary().create_role("alice");
  Rules rules("host replication alice all trust\nhost db bob all trust\nhost db alice all reject\n");
  Pooler pooler(with(rules));
  auto walsender = [&](const char* user, const char* kind) {
    return at(pooler, "127.0.0.1", "db", user) + " replication=" + kind;
  };
  auto enters = [](const std::string& conninfo) {
    CAPTURE(conninfo);
    CHECK_NOTHROW(CHECK(Client(conninfo).exec("IDENTIFY_SYSTEM").rows() == 1));
  };
  enters(walsender("alice", "true"));
  out(walsender("bob", "true"), kNone);  // `db`, and `all`, do not mean it
  enters(walsender("bob", "database"));
  out(walsender("alice", "database"), kRejected);
}

TEST_CASE("a host name is believed when it leads back to the address") {
  if (on_pgbouncer()) return;  // knows no names
  Rules rules(
      "host db alice localhost           trust\n"
      "host db bob   nowhere.invalid     reject\n"
      "host db bob   .nowhere.invalid    reject\n"
      "host db bob   all                 trust\n"
      "host db all   other.example.net   trust\n");
  Pooler pooler(with(rules));
  in(at(pooler, "127.0.0.1", "db", "alice"));
  in(at(pooler, "127.0.0.1", "db", "bob"));
  out(at(pooler, "127.0.0.1", "db", "carol"), kNone);
  for (int i = 0; i < 20; ++i) in(at(pooler, "127.0.0.1", "db", "alice"));
  // A client that goes while its name is looked up harms nobody.
  for (int i = 0; i < 20; ++i) {
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", "alice"}, {"database", "db"}}));
    if (i % 2) client.reset();
  }
  in(at(pooler, "127.0.0.1", "db", "alice"));
}

TEST_CASE("the log says which rule refused; the client is told no more than that") {
  if (on_pgbouncer()) return;
  Rules rules("host db alice all reject\n");
  Pooler pooler(with(rules));
  out(at(pooler, "127.0.0.1", "db", "alice"), kRejected);
  CHECK(pooler.logged("the rule at " + rules.hba + ":2 (reject) refuses the login"));
}
