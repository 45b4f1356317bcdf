// Host lists: round robin, load_balance_hosts=disable, a dead host among live ones, per-host retry.
#include <doctest/doctest.h>

#include <set>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

// One cluster on two addresses: different hosts to the pooler, and inet_server_addr() tells which
// one a connection came to. 127.0.0.3 refuses.
class TwoHosts {
 public:
  TwoHosts() : cluster_({"listen_addresses = '127.0.0.1,127.0.0.2'"}) {
    cluster_.set_hba("host all all 127.0.0.0/8 trust\n");
  }
  PgCluster& cluster() { return cluster_; }
  std::string line(const std::string& hosts, const std::string& more = "") const {
    return "db = host=" + hosts + " port=" + std::to_string(cluster_.port()) + " dbname=postgres " +
           more;
  }

 private:
  PgCluster cluster_;
};

std::map<std::string, std::string> settings(std::map<std::string, std::string> more = {}) {
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "4"});
  more.insert({"server_login_retry", "1"});
  return more;
}

std::multiset<std::string> addresses(std::vector<Client>& clients) {
  std::multiset<std::string> seen;
  for (auto& client : clients) {
    client.exec("begin");
    seen.insert(client.value("select host(inet_server_addr())"));
  }
  for (auto& client : clients) client.exec("commit");
  return seen;
}

std::vector<Client> clients_of(Pooler& pooler, int count) {
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) clients.push_back(pooler.connect("db"));
  return clients;
}

}  // namespace

TEST_CASE("new servers go to the hosts of the list in turn") {
  TwoHosts hosts;
  Pooler pooler({.settings = settings(), .databases = {hosts.line("127.0.0.1,127.0.0.2")}});
  auto clients = clients_of(pooler, 4);
  auto seen = addresses(clients);
  CHECK(seen.count("127.0.0.1") == 2);
  CHECK(seen.count("127.0.0.2") == 2);
}

TEST_CASE("load_balance_hosts=disable stays on one host" * doctest::skip(on_pgbouncer())) {
  TwoHosts hosts;
  Pooler pooler({.settings = settings(),
                 .databases = {hosts.line("127.0.0.1,127.0.0.2", "load_balance_hosts=disable")}});
  auto clients = clients_of(pooler, 4);
  auto seen = addresses(clients);
  CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 1);
  auto row = pooler.show("DATABASES", {{"name", "db"}});
  CHECK(row.at("load_balance_hosts") == "disable");
}

TEST_CASE("load_balance_hosts=disable goes to the next host when the first is dead" *
          doctest::skip(on_pgbouncer())) {
  TwoHosts hosts;
  Pooler pooler({.settings = settings(),
                 .databases = {hosts.line("127.0.0.3,127.0.0.2", "load_balance_hosts=disable")}});
  CHECK(pooler.connect("db").value("select host(inet_server_addr())") == "127.0.0.2");
}

TEST_CASE("a dead host in the list delays, but stops nobody") {
  TwoHosts hosts;
  Pooler pooler({.settings = settings(), .databases = {hosts.line("127.0.0.3,127.0.0.1,127.0.0.2")}});
  auto clients = clients_of(pooler, 4);
  auto seen = addresses(clients);
  CHECK(seen.count("127.0.0.1") + seen.count("127.0.0.2") == 4);
}

TEST_CASE("a dead host does not slow down a live one: server_login_retry is per host" *
          doctest::skip(on_pgbouncer())) {
  TwoHosts hosts;
  Pooler pooler({.settings = settings({{"server_login_retry", "30"}}),
                 .databases = {hosts.line("127.0.0.3,127.0.0.1")}});
  auto start = Clock::now();
  auto clients = clients_of(pooler, 4);
  auto seen = addresses(clients);
  CHECK(seen.count("127.0.0.1") == 4);
  CHECK(Clock::now() - start < Millis{10000});
}

TEST_CASE("hosts that are all dead: clients wait or fail with the reason, and heal" *
          doctest::skip(on_pgbouncer())) {
  int port = free_port();
  Pooler pooler({.settings = settings({{"client_login_timeout", "2"}}),
                 .databases = {"db = host=127.0.0.1,127.0.0.2 port=" + std::to_string(port)}});
  ErrorReport report = refused(pooler.conninfo("db", "postgres"));
  CHECK(report.severity == "FATAL");
  CHECK(!report.message.empty());
  pooler.config().databases = {entry("db", primary(), "postgres")};
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("a host that comes back is used again") {
  PgCluster cluster;
  Pooler pooler({.settings = settings({{"query_wait_timeout", "60"}}),
                 .databases = {entry("db", cluster, "postgres")}});
  Client client = pooler.connect("db");
  client.exec("select 1");
  for (int round = 0; round < 3; ++round) {
    cluster.stop(PgCluster::Stop::Immediate);
    cluster.start();
    eventually("served", [&] {
      Result result = client.attempt("select 1");
      if (client.lost()) client = pooler.connect("db");
      return !result.failed();
    });
  }
}

TEST_CASE("a name that does not resolve is a clear failure, and other entries work") {
  Pooler pooler({.settings = settings({{"client_login_timeout", "2"}}),
                 .databases = {"db = host=no-such-host.invalid port=5432",
                               entry("good", primary(), "postgres")}});
  CHECK(refused(pooler.conninfo("db", "postgres")).severity == "FATAL");
  CHECK(pooler.connect("good").value("select 1") == "1");
}

TEST_CASE("replicas: reads, no writes, and in_hot_standby is on") {
  auto first = primary().make_replica();
  auto second = primary().make_replica();
  primary().sql("create table if not exists replicated (a int)");
  primary().wait_replayed(*first);
  primary().wait_replayed(*second);
  Pooler pooler({.settings = settings(),
                 .databases = {entry("one", *first, "postgres"), entry("two", *second, "postgres")}});
  for (const char* name : {"one", "two"}) {
    Client client = pooler.connect(name);
    CHECK(client.value("select pg_is_in_recovery()") == "t");
    CHECK(client.attempt("insert into replicated values (1)").error().code == "25006");
    CHECK(client.parameter("in_hot_standby") == "on");
  }
}
