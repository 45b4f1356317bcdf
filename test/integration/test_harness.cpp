// The harness itself: what the other tests stand on is true of PostgreSQL without any pooler.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/cluster.h"
#include "support/raw.h"

using namespace howdah::test;

TEST_CASE("a primary and its replica: roles, replay and promotion") {
  PgCluster cluster;
  auto replica = cluster.make_replica();
  cluster.sql("create table t as select 42 as answer");
  cluster.wait_replayed(*replica);
  CHECK(replica->connect().value("select answer from t") == "42");
  CHECK(replica->connect().attempt("insert into t values (1)").error().code == "25006");
  replica->promote();
  CHECK(!replica->connect().attempt("insert into t values (1)").failed());
}

TEST_CASE("a cluster comes back on its port after a restart and after SIGKILL") {
  PgCluster cluster;
  int port = cluster.port();
  Client client = cluster.connect();
  cluster.restart(PgCluster::Stop::Immediate);
  CHECK(cluster.port() == port);
  CHECK(client.attempt("select 1").failed());
  cluster.kill_hard();
  CHECK_THROWS_AS(cluster.connect(), SqlError);
  cluster.start();
  CHECK(cluster.connect().value("select 1") == "1");
}

TEST_CASE("a frozen cluster answers nothing and goes on when thawed") {
  PgCluster cluster;
  Client client = cluster.connect();
  cluster.freeze();
  client.send("select 7");
  CHECK_THROWS(client.next(Millis{200}));
  cluster.thaw();
  CHECK(client.last().at(0, 0) == "7");
}

TEST_CASE("pg_hba rules of a test are obeyed and taken back") {
  primary().sql("create role ruled login password 'right'");
  primary().set_hba("host all ruled 127.0.0.1/32 md5\n");
  std::string to = "host=127.0.0.1 port=" + std::to_string(primary().port()) +
                   " dbname=postgres user=ruled password=";
  CHECK(refused(to + "wrong").code == "28P01");
  CHECK(Client(to + "right").value("select 1") == "1");
  primary().set_hba("");
  CHECK(Client(to + "wrong").value("select 1") == "1");
}

TEST_CASE("the raw client speaks the protocol as PostgreSQL does") {
  RawClient client("127.0.0.1", primary().port());
  client.login("postgres", "postgres", {{"application_name", "raw"}});
  CHECK(client.parameters().at("application_name") == "raw");
  CHECK(client.key().size() == 8);
  client.send_slowly(msg::query("select 1"));
  CHECK(client.types_until('Z') == "TDCZ");
  client.send(msg::extended("select $1::int + 1", {"41"}) + msg::sync());
  auto answer = client.until('Z');
  REQUIRE(answer.size() == 6);
  CHECK(parse_row(answer[3].body).at(0) == "42");
  client.send(msg::query("select 1/0"));
  CHECK(parse_error(client.until('Z').at(0).body).code == "22012");
  client.send(msg::terminate());
  CHECK(client.read().type == 0);
}

TEST_CASE("nothing is left of a test that crashed") {
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  pid_t child = ::fork();
  if (child == 0) {
    // exec: a fresh process, with a janitor of its own.
    ::dup2(pipe[1], 1);
    ::close(pipe[0]);
    ::execl("/proc/self/exe", "integration", "--crash-with-cluster", nullptr);
    ::_exit(1);
  }
  ::close(pipe[1]);
  std::string directory;
  char byte;
  while (::read(pipe[0], &byte, 1) == 1 && byte != '\n') directory += byte;
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(directory.starts_with("/tmp/howdah-test-"));
  eventually("the janitor has removed the cluster",
             [&] { return !std::filesystem::exists(directory); });
}
