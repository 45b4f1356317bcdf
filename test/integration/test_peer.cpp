// Method peer: the system says who is at the other end of a unix socket, an ident map says whom that
// makes. This process is one system user, psql (run as the service user) is another one when we are
// root.
#include <doctest/doctest.h>
#include <pwd.h>
#include <unistd.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

struct Files {
  TempDir directory;
  std::string hba = directory / "hba.conf", ident = directory / "ident.conf";
  Files(const std::string& rules, const std::string& map) {
    write_file(hba, "host pgbouncer admin 127.0.0.0/8 trust\n" + rules);
    write_file(ident, map);
  }
};

std::string own_name() { return ::getpwuid(::getuid())->pw_name; }

Pooler make_pooler(const Files& files) {
  for (const std::string& user : {own_name(), std::string("alice"), std::string("bob")}) {
    if (user != "postgres") primary().create_role(user);
  }
  return Pooler({.settings = {{"auth_type", "hba"},
                              {"auth_hba_file", files.hba},
                              {"auth_ident_file", files.ident}},
                 .databases = {entry("db", primary(), "postgres")},
                 .userlist = {{own_name(), ""},
                              {"alice", "x"},
                              {"bob", ""},
                              {"postgres", ""},
                              {"admin", "admin-password"}}});
}

std::string local(const Pooler& pooler, const std::string& user) {
  return "host=" + pooler.directory() + " port=" + std::to_string(pooler.port()) +
         " dbname=db user=" + user;
}

void rejected(const std::string& conninfo) {
  CAPTURE(conninfo);
  ErrorReport report = refused(conninfo);
  CHECK(report.message == "unix socket login rejected");
  CHECK(report.code == pooler_code("28000"));
}

}  // namespace

TEST_CASE("without a map the system's user and the database's must be the same") {
  Files files("local all all peer\n", "");
  Pooler pooler = make_pooler(files);
  CHECK(Client(local(pooler, own_name())).value("select current_user") == own_name());
  rejected(local(pooler, "alice"));
  rejected(local(pooler, "nobody_knows"));
  Output other = run({"psql", "-X", "-A", "-t", local(pooler, service_user().name), "-c",
                      "select current_user"});
  CHECK(other.text == service_user().name + "\n");
  if (service_user().name != own_name()) {
    CHECK(run({"psql", "-X", local(pooler, own_name()), "-c", "select 1"}).status != 0);
    rejected(local(pooler, service_user().name));
  }
}

TEST_CASE("a map says whom the system's user may be") {
  Files files("local all all peer map=m\n", "m " + own_name() + " alice\nm /^nobody-(.*) \\1\n");
  Pooler pooler = make_pooler(files);
  CHECK(Client(local(pooler, "alice")).value("select current_user") == "alice");
  rejected(local(pooler, own_name()));
  rejected(local(pooler, "bob"));
  CHECK(pooler.logged("does not let system user \"" + own_name() + "\" in as \"bob\""));
  // More users at a reload.
  write_file(files.ident, "m \"" + own_name() + "\" all\n");
  pooler.console("RELOAD");
  CHECK(Client(local(pooler, "bob")).value("select current_user") == "bob");
  // A broken map changes nothing.
  write_file(files.ident, "m x\n");
  CHECK_THROWS_AS(pooler.console("RELOAD"), SqlError);
  CHECK(Client(local(pooler, "bob")).value("select current_user") == "bob");
}

TEST_CASE("a pattern's parenthesis becomes the user") {
  std::string name = own_name();
  Files files("local all all peer map=m\n", "m /^(" + name.substr(0, 2) + ").* \\1" + name.substr(2) + "\n");
  Pooler pooler = make_pooler(files);
  CHECK(Client(local(pooler, name)).value("select current_user") == name);
  rejected(local(pooler, "alice"));
}

TEST_CASE("clients that leave while the system is asked harm nobody") {
  Files files("local all all peer\n", "");
  Pooler pooler = make_pooler(files);
  for (int i = 0; i < 50; ++i) {
    RawClient client(pooler.unix_socket());
    client.send(msg::startup({{"user", own_name()}, {"database", "db"}}));
    client.close();
  }
  CHECK(Client(local(pooler, own_name())).value("select 1") == "1");
}
