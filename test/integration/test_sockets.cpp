// Where the pooler listens and how it reaches servers: IPv4, IPv6, unix sockets, abstract names; and
// who is let in because of the user at the other end of a unix socket.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

std::string port_of(const PgCluster& cluster) { return std::to_string(cluster.port()); }

// The own user of the pooler runs psql.
Output psql(const std::string& conninfo, const std::string& command) {
  return run({"psql", "-X", "-A", "-t", conninfo, "-c", command});
}

}  // namespace

TEST_CASE("the pooler listens on IPv4, IPv6 and its unix socket at once") {
  Pooler pooler({.settings = {{"listen_addr", "127.0.0.1, ::1"}},
                 .databases = {entry("db", primary(), "postgres")}});
  for (RawClient* client : {new RawClient("127.0.0.1", pooler.port()),
                            new RawClient("::1", pooler.port()),
                            new RawClient(pooler.unix_socket())}) {
    std::unique_ptr<RawClient> owned(client);
    client->login("db", "postgres");
    client->send(msg::query("select 1"));
    CHECK(client->types_until('Z') == "TDCZ");
  }
}

TEST_CASE("listen_addr * is every address") {
  Pooler pooler({.settings = {{"listen_addr", "*"}},
                 .databases = {entry("db", primary(), "postgres")}});
  for (const char* address : {"127.0.0.1", "127.0.0.9", "::1"}) {
    CAPTURE(address);
    RawClient client(address, pooler.port());
    CHECK_NOTHROW(client.login("db", "postgres"));
  }
}

TEST_CASE("an abstract unix socket") {
  Pooler pooler({.settings = {{"unix_socket_dir", "@howdah-test-" + std::to_string(::getpid())}},
                 .databases = {entry("db", primary(), "postgres")}});
  RawClient client("@howdah-test-" + std::to_string(::getpid()) + "/.s.PGSQL." +
                   std::to_string(pooler.port()));
  client.login("db", "postgres");
  client.send(msg::query("select 1"));
  CHECK(client.types_until('Z') == "TDCZ");
}

TEST_CASE("unix_socket_mode is the mode of the socket, and the socket goes when the pooler does") {
  std::string path;
  {
    Pooler pooler({.settings = {{"unix_socket_mode", "0750"}},
                   .databases = {entry("db", primary(), "postgres")}});
    path = pooler.unix_socket();
    struct stat info;
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0750);
    pooler.process().signal(on_pgbouncer() ? SIGTERM : SIGQUIT);
    pooler.wait_exit();
    CHECK(::stat(path.c_str(), &info) != 0);
  }
}

TEST_CASE("servers are reached over unix sockets and IPv6") {
  Pooler pooler(
      {.databases = {"unix = host=" + primary().socket_dir() + " port=" + port_of(primary()) +
                         " dbname=postgres",
                     "six = host=::1 port=" + port_of(primary()) + " dbname=postgres",
                     "name = host=localhost port=" + port_of(primary()) + " dbname=postgres"}});
  CHECK(pooler.connect("unix").value("select inet_server_addr() is null") == "t");
  CHECK(pooler.connect("six").value("select host(inet_server_addr())") == "::1");
  CHECK(pooler.connect("name").value("select host(inet_server_addr())").size() > 2);
  auto row = pooler.show("DATABASES", {{"name", "six"}});
  CHECK(row.at("host") == "::1");
}

TEST_CASE("an entry without host uses unix_socket_dir") {
  Pooler pooler({.settings = {{"unix_socket_dir", primary().socket_dir()}},
                 .databases = {"postgres = port=" + port_of(primary())}});
  CHECK(pooler.connect("postgres").value("select inet_server_addr() is null") == "t");
}

TEST_CASE("user pgbouncer of the pooler's own uid is admin on the unix socket without a password") {
  Pooler pooler({.settings = {{"auth_type", on_pgbouncer() ? "md5" : "scram-sha-256"}},
                 .databases = {entry("db", primary(), "postgres")}});
  std::string unix = "host=" + pooler.directory() + " port=" + std::to_string(pooler.port());
  Output output = psql(unix + " user=pgbouncer dbname=pgbouncer", "show version");
  CHECK(output.status == 0);
  CHECK_MESSAGE(output.text.find("PgBouncer") != std::string::npos, output.text);
  CHECK(psql(unix + " user=pgbouncer dbname=pgbouncer", "reload").status == 0);
  // Not over TCP, and not for another user of the machine.
  CHECK(psql("host=127.0.0.1 port=" + std::to_string(pooler.port()) +
                 " user=pgbouncer dbname=pgbouncer password=x",
             "show version")
            .status != 0);
  if (::getuid() == 0) {
    RawClient root(pooler.unix_socket());
    root.send(msg::startup({{"user", "pgbouncer"}, {"database", "pgbouncer"}}));
    Message first = root.read();
    CHECK((first.type == 'E' || first.type == 'R'));
    CHECK(first.body != msg::i32(0));  // not AuthenticationOk
  }
}

TEST_CASE("SHOW CLIENTS tells addresses") {
  Pooler pooler({.databases = {entry("db", primary(), "postgres")}});
  RawClient four = pooler.raw("db");
  CHECK(pooler.show("CLIENTS", {{"database", "db"}}).at("addr") == "127.0.0.1");
  four.close();
  RawClient local(pooler.unix_socket());
  local.login("db", "postgres");
  eventually("the unix client is listed", [&] {
    try {
      auto row = pooler.show("CLIENTS", {{"database", "db"}, {"addr", "unix"}});
      return row.at("remote_pid") == std::to_string(::getpid());
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}
