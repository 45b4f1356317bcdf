// Routed entries: target_session_attrs on a primary and two replicas, health, lag, failover.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

const bool kSkip = on_pgbouncer();

class Trio {
 public:
  Trio()
      : primary({"listen_addresses = '127.0.0.1'"}),
        a(primary.make_replica()),
        b(primary.make_replica()) {
    primary.sql("create table t (id bigserial primary key, c int)");
    primary.wait_replayed(*a);
    primary.wait_replayed(*b);
  }
  std::string line(const std::string& name, const std::string& more) const {
    auto port = [](const PgCluster& cluster) { return std::to_string(cluster.port()); };
    return name + " = host=127.0.0.1,127.0.0.1,127.0.0.1 port=" + port(primary) + "," + port(*a) +
           "," + port(*b) + " dbname=postgres " + more;
  }
  PgCluster primary;
  std::unique_ptr<PgCluster> a, b;
};

PoolerConfig config(const Trio& trio, std::map<std::string, std::string> more = {}) {
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "6"});
  more.insert({"monitor_user", "postgres"});
  more.insert({"health_check_interval", "0.2"});
  more.insert({"slow_start", "1"});
  return {
      .settings = more,
      .databases = {
          trio.line("rw", "target_session_attrs=primary"),
          trio.line("ro", "target_session_attrs=standby"),
          trio.line("pref",
                    "target_session_attrs=prefer-standby load_balance_hosts=least-connections")}};
}

int port_of(Client& client) { return std::stoi(client.value("select inet_server_port()")); }

std::map<int, int> ports(Pooler& pooler, const std::string& entry, int count) {
  std::map<int, int> seen;
  Client client = pooler.connect(entry);
  for (int i = 0; i < count; ++i) ++seen[port_of(client)];
  return seen;
}

std::string state_of(Pooler& pooler, const PgCluster& host) {
  Result all = pooler.console("show hosts");  // empty at first
  for (int row = 0; row < all.rows(); ++row)
    if (all.at(row, "port") == std::to_string(host.port())) return all.at(row, "state");
  return "";
}

void until_up(Pooler& pooler, std::initializer_list<const PgCluster*> hosts) {
  for (const PgCluster* host : hosts)
    eventually("a host is up", [&] { return state_of(pooler, *host) == "up"; });
}

}  // namespace

TEST_CASE("each entry uses the hosts that its target_session_attrs asks for, in even shares" *
          doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(config(trio));
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  CHECK(ports(pooler, "rw", 20) == std::map<int, int>{{trio.primary.port(), 20}});
  for (const char* entry : {"ro", "pref"}) {
    // The second host's first server comes within a tick or so.
    eventually("both replicas have a server", [&] { return ports(pooler, entry, 20).size() == 2; });
    auto seen = ports(pooler, entry, 100);
    CHECK(seen.size() == 2);
    CHECK(seen[trio.a->port()] >= 45);
    CHECK(seen[trio.b->port()] >= 45);
  }
  auto row = pooler.show("HOSTS", {{"port", std::to_string(trio.primary.port())}});
  CHECK(row.at("role") == "primary");
  CHECK(row.at("timeline") == "1");
  row = pooler.show("HOSTS", {{"port", std::to_string(trio.a->port())}});
  CHECK(row.at("role") == "standby");
  CHECK(row.at("lag_bytes") == "0");
}

TEST_CASE("an idle primary after pg_switch_wal leaves its replicas fresh" * doctest::skip(kSkip)) {
  Trio trio;
  PoolerConfig with = config(trio);
  with.databases.push_back(
      trio.line("fresh", "target_session_attrs=standby max_replica_lag=1 max_replica_lag_time=1"));
  Pooler pooler(with);
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  trio.primary.sql("insert into t (c) values (1)");
  trio.primary.sql("select pg_switch_wal()");
  auto lag = [&](const PgCluster& host) {
    return pooler.show("HOSTS", {{"port", std::to_string(host.port())}}).at("lag_bytes");
  };
  eventually("no lag", [&] { return lag(*trio.a) == "0" && lag(*trio.b) == "0"; });
  auto checks = [&] {
    return std::stoi(pooler.show("HOSTS", {{"port", std::to_string(trio.a->port())}}).at("checks"));
  };
  int before = checks();
  eventually("ten more probes", [&] { return checks() > before + 10; });
  CHECK(lag(*trio.a) == "0");
  CHECK(ports(pooler, "fresh", 10).count(trio.primary.port()) == 0);
}

TEST_CASE("a killed replica is left at once and used again when it is back" *
          doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(config(trio));
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  eventually("both replicas have a server", [&] { return ports(pooler, "pref", 20).size() == 2; });
  trio.b->kill_hard();
  // Between its queries no client notices: each of these would throw.
  auto seen = ports(pooler, "pref", 50);
  CHECK(seen[trio.a->port()] >= 49);
  eventually("it is ejected", [&] { return state_of(pooler, *trio.b) == "ejected"; });
  CHECK(ports(pooler, "pref", 20) == std::map<int, int>{{trio.a->port(), 20}});
  trio.b->start();
  until_up(pooler, {trio.b.get()});
  eventually("it is used again",
             [&] { return ports(pooler, "pref", 20).count(trio.b->port()) > 0; });
  eventually("as much as the other", [&] {
    auto now = ports(pooler, "pref", 40);
    return now[trio.b->port()] >= 18;
  });
}

TEST_CASE("without any replica reads go to the primary, and back" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(config(trio, {{"query_wait_timeout", "2"}}));
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Client client = pooler.connect("pref");
  CHECK(port_of(client) != trio.primary.port());
  trio.a->kill_hard();
  trio.b->kill_hard();
  for (int i = 0; i < 20; ++i) CHECK(port_of(client) == trio.primary.port());
  // Who insists on a standby waits for one.
  auto told = refused(pooler.conninfo("ro", "postgres"));
  CHECK(told.message.find("query_wait_timeout") != std::string::npos);
  trio.a->start();
  eventually("reads are on the replica again", [&] { return port_of(client) == trio.a->port(); });
  CHECK(pooler.connect("ro").value("select pg_is_in_recovery()") == "t");
}

TEST_CASE("a replica that hangs holds nobody up for long" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(config(trio, {{"health_check_timeout", "0.5"}}));
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  eventually("both replicas have a server", [&] { return ports(pooler, "pref", 20).size() == 2; });
  Client writer = pooler.connect("rw");
  writer.exec("select 1");
  trio.b->freeze();
  writer.exec("insert into t (c) values (1)");  // nobody who does not use it notices
  eventually("it is ejected", [&] { return state_of(pooler, *trio.b) == "ejected"; });
  CHECK(ports(pooler, "pref", 20) == std::map<int, int>{{trio.a->port(), 20}});
  trio.b->thaw();
  eventually("it is used again",
             [&] { return ports(pooler, "pref", 20).count(trio.b->port()) > 0; });
}

TEST_CASE("replicas too far behind are not read from" * doctest::skip(kSkip)) {
  Trio trio;
  PoolerConfig with = config(trio, {{"query_wait_timeout", "2"}});
  with.databases = {trio.line("rw", "target_session_attrs=primary"),
                    trio.line("pref", "target_session_attrs=prefer-standby max_replica_lag_time=1"),
                    trio.line("ro", "target_session_attrs=standby max_replica_lag=1kB")};
  Pooler pooler(with);
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Client writer = pooler.connect("rw"), reader = pooler.connect("pref");
  auto write = [&] { writer.exec("insert into t (c) select g from generate_series(1, 100) g"); };
  eventually("reads are on replicas", [&] { return port_of(reader) != trio.primary.port(); });
  trio.b->sql("select pg_wal_replay_pause()");
  eventually("the other one is left alone", [&] {
    write();
    auto seen = ports(pooler, "pref", 10);
    return seen.count(trio.b->port()) == 0 && seen.count(trio.a->port()) == 1;
  });
  trio.a->sql("select pg_wal_replay_pause()");
  eventually("reads go to the primary", [&] {
    write();
    return port_of(reader) == trio.primary.port();
  });
  auto told = refused(pooler.conninfo("ro", "postgres"));
  CHECK(told.message.find("query_wait_timeout") != std::string::npos);
  trio.a->sql("select pg_wal_replay_resume()");
  eventually("it has caught up", [&] { return port_of(reader) == trio.a->port(); });
  trio.b->sql("select pg_wal_replay_resume()");
}

TEST_CASE("writes wait for the new primary and never go to the old one" * doctest::skip(kSkip)) {
  Trio trio;
  TempDir kept;
  PoolerConfig with = config(trio, {{"state_file", kept / "state"}});
  auto pooler = std::make_unique<Pooler>(with);
  until_up(*pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Client writer = pooler->connect("rw");
  writer.exec("insert into t (c) values (1)");
  trio.primary.wait_replayed(*trio.a);
  trio.primary.kill_hard();
  writer.send("insert into t (c) values (2)");  // held: there is no primary
  eventually("the primary is missed", [&] { return pooler->logged("database rw: work waits"); });
  CHECK(!writer.has_answer());
  trio.a->promote();
  CHECK(writer.last().tag() == "INSERT 0 1");
  CHECK(port_of(writer) == trio.a->port());
  eventually("its timeline is known", [&] {
    return pooler->show("HOSTS", {{"port", std::to_string(trio.a->port())}}).at("timeline") == "2";
  });
  trio.primary.start();  // writable, and of timeline 1
  eventually("the old primary is seen", [&] {
    return pooler->show("HOSTS", {{"port", std::to_string(trio.primary.port())}}).at("cause") ==
           "old timeline or split brain";
  });
  for (int i = 0; i < 10; ++i) {
    writer.exec("insert into t (c) values (3)");
    CHECK(port_of(writer) == trio.a->port());
  }
  CHECK(trio.primary.sql("select count(*) from t where c > 1").at(0, 0) == "0");
  CHECK(trio.a->sql("select count(*) from t where c = 2").at(0, 0) == "1");
  // A new process that finds only the old one knows better, too.
  writer.close();
  pooler.reset();
  trio.a->kill_hard();
  with.settings["query_wait_timeout"] = "2";
  Pooler second(with);
  until_up(second, {&trio.primary});
  auto told = refused(second.conninfo("rw", "postgres"));
  CHECK(told.message.find("query_wait_timeout") != std::string::npos);
  CHECK(second.logged("old timeline"));
}

TEST_CASE("a primary that restarts is used again at once" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(config(trio));
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Client writer = pooler.connect("rw");
  for (int i = 0; i < 3; ++i) {
    writer.exec("insert into t (c) values (1)");
    trio.primary.restart();
  }
  writer.exec("insert into t (c) values (1)");
  CHECK(trio.primary.sql("select count(*) from t").at(0, 0) == "4");
}

TEST_CASE("terminated backends eject nobody" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(config(trio));
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  for (int i = 0; i < 10; ++i) {
    try {
      auto seen = ports(pooler, "pref", 20);
      CHECK(seen.count(trio.primary.port()) == 0);
    } catch (const SqlError& error) {
      CHECK(error.report.code == "57P01");  // the server's last word was on its way to us
    }
    // The monitor's connection, too.
    trio.a->sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and "
        "backend_type = 'client backend'");
  }
  until_up(pooler, {trio.a.get()});
  for (int port : {trio.primary.port(), trio.a->port()})
    CHECK(pooler.show("HOSTS", {{"port", std::to_string(port)}}).at("ejections") == "0");
}

TEST_CASE("without a login for the monitor roles are found out by pooled connections" *
          doctest::skip(kSkip)) {
  Trio trio;
  PoolerConfig with = config(trio, {{"monitor_user", "nobody_here"}, {"query_wait_timeout", "20"}});
  with.databases.push_back(trio.line("near",
                                     "target_session_attrs=standby max_replica_lag=1MB "
                                     "query_wait_timeout=1"));
  Pooler pooler(with);
  eventually("it says why", [&] { return pooler.logged("monitor cannot log in"); });
  CHECK(ports(pooler, "rw", 10) == std::map<int, int>{{trio.primary.port(), 10}});
  CHECK(ports(pooler, "ro", 10).count(trio.primary.port()) == 0);
  // What only a monitor can know is not guessed.
  auto told = refused(pooler.conninfo("near", "postgres"));
  CHECK(told.message.find("query_wait_timeout") != std::string::npos);
  Client writer = pooler.connect("rw");
  trio.primary.kill_hard();
  writer.send("select inet_server_port()");
  eventually("the primary is missed",
             [&] { return pooler.logged("database rw: work waits") || writer.has_answer(); });
  trio.a->promote();
  CHECK(writer.last().at(0, 0) == std::to_string(trio.a->port()));
  eventually("reads stay on the standby",
             [&] { return ports(pooler, "ro", 10).count(trio.a->port()) == 0; });
}

TEST_CASE("an entry may become routed, and plain again, by a reload" * doctest::skip(kSkip)) {
  Trio trio;
  PoolerConfig with = config(trio);
  with.databases = {trio.line("db", "")};
  Pooler pooler(with);
  Client client = pooler.connect("db");
  client.exec("select 1");
  pooler.config().databases = {trio.line("db", "target_session_attrs=primary")};
  pooler.write_files();
  pooler.console("reload");
  for (int i = 0; i < 10; ++i) CHECK(port_of(client) == trio.primary.port());
  pooler.config().databases = {trio.line("db", "target_session_attrs=standby")};
  pooler.write_files();
  pooler.console("reload");
  for (int i = 0; i < 10; ++i) CHECK(port_of(client) != trio.primary.port());
  pooler.config().databases = {trio.line("db", "")};
  pooler.write_files();
  pooler.console("reload");
  std::set<int> seen;
  eventually("all hosts are used in turn", [&] {
    pooler.console("reconnect db");
    seen.insert(port_of(client));
    return seen.size() == 3;
  });
}
