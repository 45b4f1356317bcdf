// Passwords judged by PAM: a service file of our own whose module runs a script as the pooler's user.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

struct Service {
  TempDir directory;
  std::string script = directory / "judge";
  explicit Service(const std::string& account = "pam_permit.so") {
    // A service without a file would be the one called "other". It says who came from where, and lets alice and bob in.
    write_file(script,
               "#!/bin/sh\n"
               "password=$(tr -d '\\000')\n"
               "echo \"$PAM_SERVICE $PAM_USER $PAM_RHOST\" >> " + (directory / "seen") + "\n"
               "case \"$PAM_USER:$password\" in\n"
               "  alice:pam-secret|bob:'two words') exit 0 ;;\n"
               "  slow:*) sleep 1 ;;\n"
               "esac\n"
               "exit 1\n");
    ::chmod(script.c_str(), 0755);
    write("pgbouncer", account);
    write("second", account);
  }
  void write(const std::string& name, const std::string& account) {
    write_file(directory / name, "auth required pam_exec.so quiet expose_authtok " + script +
                                     "\naccount required " + account + "\n");
  }
  std::string seen() const { return read_file(directory / "seen"); }
};

Pooler make_pooler(const Service& service, std::map<std::string, std::string> more = {}) {
  primary().create_role("alice");
  primary().create_role("bob");
  more.emplace("auth_type", "pam");
  more["auth_pam_directory"] = service.directory.path();
  return Pooler({.settings = more, .databases = {entry("db", primary(), "postgres")}});
}

void failed(const std::string& conninfo) {
  CAPTURE(conninfo);
  ErrorReport report = refused(conninfo);
  CHECK(report.message == "PAM authentication failed");
  CHECK(report.code == pooler_code("28P01"));
  CHECK(report.severity == "FATAL");
}

// The harness's console user is not in this PAM.
struct WithHba {
  TempDir directory;
  std::string hba = directory / "hba.conf";
  explicit WithHba(const std::string& rules) {
    write_file(hba, "host pgbouncer admin 127.0.0.0/8 trust\n" + rules);
  }
};

Pooler with_rules(const Service& service, const WithHba& rules) {
  primary().create_role("alice");
  primary().create_role("bob");
  return Pooler({.settings = {{"auth_type", "hba"},
                              {"auth_hba_file", rules.hba},
                              {"auth_pam_directory", service.directory.path()}},
                 .databases = {entry("db", primary(), "postgres")}});
}

}  // namespace

TEST_CASE("a rule with pam: the right password, and nothing else") {
  Service service;
  WithHba rules("host db all all pam\nlocal db all pam pamservice=second\n");
  Pooler pooler = with_rules(service, rules);
  CHECK(pooler.connect("db", "alice", "password=pam-secret").value("select current_user") == "alice");
  CHECK(pooler.connect("db", "bob", "password='two words'").value("select current_user") == "bob");
  failed(pooler.conninfo("db", "alice", "password=wrong"));
  failed(pooler.conninfo("db", "alice", "password=pam-secret2"));
  failed(pooler.conninfo("db", "bob", "password=pam-secret"));
  failed(pooler.conninfo("db", "nobody", "password=pam-secret"));
  CHECK(service.seen().find("pgbouncer alice 127.0.0.1\n") != std::string::npos);
  std::string local = "host=" + pooler.directory() + " port=" + std::to_string(pooler.port()) +
                      " dbname=db user=alice password=pam-secret";
  CHECK(Client(local).value("select 1") == "1");
  CHECK(service.seen().find("second alice \n") != std::string::npos);
  CHECK(!pooler.logged("pam-secret"));
}

TEST_CASE("an empty password and no password are not passed on") {
  Service service;
  WithHba rules("host db all all pam\n");
  Pooler pooler = with_rules(service, rules);
  RawClient client = pooler.raw();
  client.send(msg::startup({{"user", "alice"}, {"database", "db"}}));
  Message request = client.read();
  CHECK(request.type == 'R');
  CHECK(request.body == msg::i32(3));
  client.send(msg::password(""));
  CHECK(client.until_closed().message == "PAM authentication failed");
  CHECK(service.seen().empty());
}

TEST_CASE("an account that PAM closes keeps its owner out in spite of the right password") {
  Service service("pam_deny.so");
  WithHba rules("host db all all pam\n");
  Pooler pooler = with_rules(service, rules);
  failed(pooler.conninfo("db", "alice", "password=pam-secret"));
  CHECK(pooler.logged("PAM: account failed"));
}

TEST_CASE("a service without a file keeps everybody out") {
  Service service;
  WithHba rules("host db all all pam pamservice=nosuchservice\n");
  Pooler pooler = with_rules(service, rules);
  failed(pooler.conninfo("db", "alice", "password=pam-secret"));
}

TEST_CASE("PAM works while its checks are slow: others query, and clients may leave") {
  Service service;
  WithHba rules("host db all all pam\n");
  Pooler pooler = with_rules(service, rules);
  Client busy = pooler.connect("db", "alice", "password=pam-secret");
  std::vector<RawClient> slow;
  for (int i = 0; i < 6; ++i) {
    slow.push_back(pooler.raw());
    slow.back().send(msg::startup({{"user", "slow"}, {"database", "db"}}));
    CHECK(slow.back().read().type == 'R');
    slow.back().send(msg::password("x"));
  }
  auto start = Clock::now();
  for (int i = 0; i < 20; ++i) CHECK(busy.value("select 1") == "1");
  CHECK(Clock::now() - start < Millis{3000});
  for (int i = 0; i < 3; ++i) slow[static_cast<std::size_t>(i)].reset();
  for (std::size_t i = 3; i < 6; ++i) {
    CHECK(slow[i].until_closed().message == "PAM authentication failed");
  }
  CHECK(pooler.connect("db", "alice", "password=pam-secret").value("select 1") == "1");
}

TEST_CASE("the delay after a wrong password is the guesser's alone") {
  Service service;
  write_file(service.directory / "pgbouncer",
             "auth optional pam_faildelay.so delay=3000000\nauth required pam_exec.so quiet "
             "expose_authtok " + service.script + "\naccount required pam_permit.so\n");
  WithHba rules("host db all all pam\n");
  Pooler pooler = with_rules(service, rules);
  std::vector<RawClient> guessers;
  auto start = Clock::now();
  for (int i = 0; i < 8; ++i) {
    guessers.push_back(pooler.raw());
    guessers.back().send(msg::startup({{"user", "alice"}, {"database", "db"}}));
    CHECK(guessers.back().read().type == 'R');
    guessers.back().send(msg::password("guess"));
  }
  // PAM varies its delays by half; one after another, two at a time, they would take 6 s at least.
  CHECK(pooler.connect("db", "alice", "password=pam-secret").value("select 1") == "1");
  for (RawClient& guesser : guessers) {
    CHECK(guesser.until_closed().message == "PAM authentication failed");
  }
  CHECK(Clock::now() - start >= Millis{1500});
}

TEST_CASE("auth_type = pam: the typed password is used for the server, too") {
  Service service;
  primary().create_role("alice");
  primary().sql("alter role alice password 'pam-secret'");
  primary().set_hba("host all alice 127.0.0.1/32 scram-sha-256\n");
  {
    // The harness's console user must pass PAM as well.
    write_file(service.script, "#!/bin/sh\npassword=$(tr -d '\\000')\n"
                               "[ \"$PAM_USER:$password\" = alice:pam-secret ] ||\n"
                               "[ \"$PAM_USER:$password\" = admin:admin-password ]\n");
    ::chmod(service.script.c_str(), 0755);
    Pooler pooler = make_pooler(service, {{"admin_users", "admin"}});
    CHECK(pooler.connect("db", "alice", "password=pam-secret").value("select current_user") ==
          "alice");
    failed(pooler.conninfo("db", "alice", "password=wrong"));
  }
  primary().set_hba("");
  primary().sql("alter role alice password null");
}
