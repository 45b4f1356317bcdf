// Secrets: from the environment, from files that are rotated, and never shown.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdio>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr const char* kSecret = "very 'secret' one";

void make_role(const std::string& password) {
  primary().create_role("rotated", "login");
  std::string literal;
  for (char c : password) literal += c == '\'' ? "''" : std::string(1, c);
  primary().sql("alter role rotated password '" + literal + "'");
  primary().set_hba("host all rotated 127.0.0.1/32 scram-sha-256\n");
}

// As a careful writer does: another file, renamed.
void put(const std::string& path, const std::string& text) {
  write_file(path + ".new", text);
  REQUIRE(std::rename((path + ".new").c_str(), path.c_str()) == 0);
}

bool shows(Pooler& pooler, const std::string& text) {
  for (const char* what :
       {"config", "databases", "users", "pools", "clients", "servers", "lists"}) {
    Result result = pooler.console(std::string("show ") + what);
    for (int row = 0; row < result.rows(); ++row) {
      for (int column = 0; column < result.columns(); ++column) {
        if (result.at(row, column).find(text) != std::string::npos) return true;
      }
    }
  }
  return pooler.logged(text);
}

}  // namespace

TEST_CASE("%env(NAME) in the ini and in the userlist: the value counts, the name is shown") {
  make_role(kSecret);
  Pooler pooler({.settings = {{"auth_type", "plain"},
                              {"server_reset_query", "%env(HOWDAH_T_RESET)"},
                              {"log_stats", "0"}},
                 .databases = {entry("db", primary(), "postgres",
                                     "user=rotated password=%env(HOWDAH_T_SERVER)")},
                 .userlist = {{"u", "%env(HOWDAH_T_CLIENT)"}, {"admin", "admin-password"}},
                 .environment = {std::string("HOWDAH_T_SERVER=") + kSecret,
                                 "HOWDAH_T_CLIENT=client-secret", "HOWDAH_T_RESET=DISCARD ALL"}});
  CHECK(pooler.connect("db", "u", "password=client-secret").value("select current_user") ==
        "rotated");
  CHECK(refused(pooler.conninfo("db", "u", "password='%env(HOWDAH_T_CLIENT)'")).code == "28P01");
  CHECK(pooler.show("config", {{"key", "server_reset_query"}})["value"] == "%env(HOWDAH_T_RESET)");
  for (const char* secret : {kSecret, "client-secret", "SCRAM-SHA-256$"}) {
    CHECK_MESSAGE(!shows(pooler, secret), secret);
  }
}

TEST_CASE(
    "a variable that is not set is an error with file and line, and a value is never in one") {
  TempDir directory;
  write_file(directory / "users", "\"a\" \"x\"\n\"b\" \"%env(HOWDAH_T_NONE)\"\n");
  write_file(
      directory / "ini",
      "[howdah]\nlisten_addr = 127.0.0.1\nauth_file = " + (directory / "users") +
          "\nlisten_port = %env(HOWDAH_T_PORT)\nlogfile = %env(HOWDAH_T_NONE)\n"
          "[databases]\ndb = host=h password=%env(HOWDAH_T_NONE)\ndb2 = host=h port=%env(\n");
  Output out = run({pooler_binary(), "--check", directory / "ini"}, Millis{60000},
                   {"HOWDAH_T_PORT=hidden-value"});
  CHECK(out.status == 1);
  CHECK(out.text.find("ini:4: listen_port") != std::string::npos);
  CHECK(out.text.find("ini:5: logfile names the environment variable HOWDAH_T_NONE") !=
        std::string::npos);
  CHECK(out.text.find("ini:7: password names the environment variable") != std::string::npos);
  CHECK(out.text.find("ini:8: port has a %env(") != std::string::npos);
  CHECK(out.text.find("users:2: the secret names the environment variable") != std::string::npos);
  CHECK(out.text.find("hidden-value") == std::string::npos);
}

TEST_CASE("password_file: a rotation on both sides needs no reload and loses no query") {
  TempDir directory;
  make_role("first-password");
  put(directory / "password", "first-password\n");
  Pooler pooler({.settings = {{"auth_type", "any"}, {"pool_mode", "transaction"}},
                 .databases = {entry("db", primary(), "postgres",
                                     "user=rotated password_file=" + (directory / "password"))},
                 .userlist = {{"admin", ""}}});
  Client client = pooler.connect("db", "u");
  CHECK(client.value("select current_user") == "rotated");
  for (const char* password : {"second-password", "third-password"}) {
    make_role(password);
    put(directory / "password", std::string(password) + "\n");
    pooler.console("reconnect");
    CHECK(client.value("select current_user") == "rotated");
  }
  CHECK(!pooler.logged("server login failed"));
  CHECK(!shows(pooler, "third-password"));
}

TEST_CASE("password_file: whoever waits goes on waiting when the file changes under a login") {
  TempDir directory;
  make_role("old-password");
  put(directory / "password", "old-password\n");
  Pooler pooler({.settings = {{"auth_type", "any"},
                              {"pool_mode", "transaction"},
                              {"server_login_retry", "1"}},
                 .databases = {entry("db", primary(), "postgres",
                                     "user=rotated password_file=" + (directory / "password"))},
                 .userlist = {{"admin", ""}}});
  Client client = pooler.connect("db", "u");
  // The server's password is new, the file still old: refused, and the client told why.
  make_role("new-password");
  pooler.console("reconnect");
  CHECK(client.attempt("select 1").error().code == "28P01");
  put(directory / "password", "new-password\n");
  eventually("the new password is used", [&] {
    try {
      return pooler.connect("db", "u").value("select 1") == "1";
    } catch (const SqlError&) {
      return false;  // server_login_retry has not passed yet
    }
  });
  // A file that vanishes does no harm to what is known.
  std::remove((directory / "password").c_str());
  pooler.console("reconnect");
  CHECK(pooler.connect("db", "u").value("select 1") == "1");
  CHECK(pooler.logged("its last good password is used"));
}

TEST_CASE("password_file: what cannot be used is an error of the configuration") {
  TempDir directory;
  write_file(directory / "empty", "");
  write_file(directory / "ini",
             "[howdah]\nlisten_addr = 127.0.0.1\n[databases]\n"
             "a = host=h user=u password_file=/nowhere/at/all\n"
             "b = host=h user=u password_file=" +
                 (directory / "empty") +
                 "\nc = host=h user=u password=x password_file=" + (directory / "empty") + "\n");
  Output out = run({pooler_binary(), "--check", directory / "ini"});
  CHECK(out.status == 1);
  CHECK(out.text.find("ini:4: password_file '/nowhere/at/all': No such file") != std::string::npos);
  CHECK(out.text.find("ini:5: ") != std::string::npos);
  CHECK(out.text.find("it is empty") != std::string::npos);
  CHECK(out.text.find("ini:6: password and password_file cannot both be given") !=
        std::string::npos);
}

TEST_CASE("the process leaves no core dump and cannot be looked into by its own user") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  MESSAGE("not in builds with a sanitizer: LeakSanitizer traces its own process");
#else
  Pooler pooler({.databases = {entry("db", primary(), "postgres")}});
  struct stat facts {};
  REQUIRE(::stat(("/proc/" + std::to_string(pooler.process().pid()) + "/mem").c_str(), &facts) ==
          0);
  CHECK(facts.st_uid == 0);  // root's, not the service user's: PR_SET_DUMPABLE is off
  REQUIRE(pooler.process().running());
#endif
}
