// Routed entries: what a lost host did not finish runs on another; hosts that die, hang, come and
// go.
#include <doctest/doctest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

const bool kSkip = on_pgbouncer();

// A primary and two replicas, with tables on which reads can be made to wait: a lock on the primary
// is held on its replicas, too.
class Trio {
 public:
  Trio() : a(primary.make_replica()), b(primary.make_replica()) {
    primary.sql("create table t (c int); insert into t values (1); create table x (c int)");
    // Here replay waits for nobody.
    b->sql("alter system set max_standby_streaming_delay = 0");
    b->reload();
    settle();
  }
  void settle() {
    primary.wait_replayed(*a);
    primary.wait_replayed(*b);
  }
  std::string line(const std::string& name, const std::string& more) const {
    auto port = [](const PgCluster& cluster) { return std::to_string(cluster.port()); };
    return name + " = host=127.0.0.1,127.0.0.1,127.0.0.1 port=" + port(primary) + "," + port(*a) +
           "," + port(*b) + " dbname=postgres " + more;
  }
  PoolerConfig config(std::map<std::string, std::string> more = {}) const {
    more.insert({"pool_mode", "transaction"});
    more.insert({"default_pool_size", "8"});
    more.insert({"monitor_user", "postgres"});
    more.insert({"health_check_interval", "0.2"});
    more.insert({"health_check_timeout", "10"});  // a busy machine is not a fault
    more.insert({"slow_start", "0"});             // the spread is even at once
    return {.settings = more,
            .databases = {line("rw", "target_session_attrs=primary"),
                          line("split", "query_routing=split"),
                          line("ro", "target_session_attrs=standby"),
                          line("pref", "target_session_attrs=prefer-standby")}};
  }
  // Until the client given is closed.
  Client hold(const std::string& table) {
    Client holder = primary.connect();
    holder.exec("begin");
    holder.exec("lock table " + table + " in access exclusive mode");
    primary.sql("select pg_switch_wal()");
    return holder;
  }
  PgCluster primary;
  std::unique_ptr<PgCluster> a, b;
};

void until_up(Pooler& pooler, std::initializer_list<const PgCluster*> hosts) {
  for (const PgCluster* host : hosts)
    eventually("a host is up", [&] {
      Result all = pooler.console("show hosts");
      for (int row = 0; row < all.rows(); ++row)
        if (all.at(row, "port") == std::to_string(host->port()))
          return all.at(row, "state") == "up";
      return false;
    });
}

// How many clients' statements wait for a lock there; their processes.
std::vector<int> waiting(PgCluster& cluster) {
  Result rows;
  try {
    rows = cluster.connect().exec(
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and wait_event = "
        "'relation' "
        "and backend_type = 'client backend'");
  } catch (const SqlError&) {  // it is down
  }
  std::vector<int> pids;
  if (!rows) return pids;
  for (int i = 0; i < rows.rows(); ++i) pids.push_back(std::stoi(rows.at(i, 0)));
  return pids;
}

// A replica knows a lock of the primary once it has replayed it.
bool locked(PgCluster& replica, const std::string& table) {
  return replica
             .sql(
                 "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and relation = "
                 "'" +
                 table + "'::regclass")
             .at(0, 0) == "1";
}

// Reads in every form.
struct Readers {
  Readers(Pooler& pooler, const std::string& from, const std::string& entry = "ro")
      : sql("select count(*) from " + from) {
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<RawClient>(pooler.raw(entry)));
      if (i % 4 < 2) continue;
      clients.back()->send(msg::parse("s", sql) + msg::sync());
      clients.back()->until('Z');
    }
    // The pool has servers on both replicas before it counts where a read goes.
    eventually("both replicas serve", [&] {
      send();
      check_answers();
      Result hosts = pooler.console("show hosts");
      int serving = 0;
      for (int row = 0; row < hosts.rows(); ++row)
        serving += hosts.at(row, "role") == "standby" && std::stoi(hosts.at(row, "sv_idle")) >= 2;
      return serving == 2;
    });
  }
  // All wait for a lock, at least two on the second replica.
  void start(Trio& trio) {
    for (PgCluster* replica : {trio.a.get(), trio.b.get()})
      eventually("the lock is there", [&] { return locked(*replica, "t"); });
    send();
    eventually("all of them wait", [&] {
      return waiting(*trio.a).size() + waiting(*trio.b).size() == clients.size() &&
             waiting(*trio.b).size() >= 2;
    });
  }
  void send(bool rows_before = true) {
    for (int i = 0; i < 8; ++i) {
      RawClient& client = *clients[static_cast<std::size_t>(i)];
      const std::string run = msg::bind("", "s") + msg::execute("");
      if (i % 4 == 0) client.send(msg::query(sql));
      if (i % 4 == 1) client.send(msg::extended(sql) + msg::sync());
      if (i % 4 == 2) client.send(run + msg::sync());
      if (i % 4 == 3) {
        client.send(msg::close('S', "") + (rows_before ? msg::extended("select 5") : "") + run +
                    msg::sync());
      }
    }
  }
  // What each of them gets.
  void check_answers() {
    for (auto& client : clients) {
      auto messages = client->until('Z');
      CHECK(error_code(messages) == "");
      std::string row;
      for (const Message& message : messages)
        if (message.type == 'D') row = parse_row(message.body).at(0);
      CHECK(row == "1");
    }
  }
  const std::string sql;
  std::vector<std::unique_ptr<RawClient>> clients;
};

}  // namespace

TEST_CASE("reads on a replica that is killed run on another, and nobody notices" *
          doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(trio.config());
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Readers readers(pooler, "t");
  Client holder = trio.hold("t");
  readers.start(trio);
  trio.b->kill_hard();
  eventually("they wait on the other", [&] { return waiting(*trio.a).size() == 8; });
  holder.close();
  readers.check_answers();
}

TEST_CASE("reads on a replica that hangs run on another in time" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(trio.config());
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Readers readers(pooler, "t");
  Client holder = trio.hold("t");
  readers.start(trio);
  pooler.config().settings["health_check_timeout"] = "1";
  pooler.write_files();
  pooler.console("reload");
  trio.b->freeze();
  auto from = Clock::now();
  eventually("they wait on the other", [&] { return waiting(*trio.a).size() == 8; });
  CHECK(Clock::now() - from < Millis(5000));
  holder.close();
  readers.check_answers();
  trio.b->thaw();
}

TEST_CASE("a read that is in the way of recovery runs on another replica" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(trio.config());
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Readers readers(pooler, "t left join x on true");
  // The first one never hears of the locks.
  trio.a->sql("select pg_wal_replay_pause()");
  Client holder = trio.hold("x");
  eventually("the second one has the lock", [&] { return locked(*trio.b, "x"); });
  readers.send(false);
  eventually("one waits there", [&] { return !waiting(*trio.b).empty(); });
  // It has a lock on t, which replay there does not wait for.
  Client other = trio.hold("t");
  readers.check_answers();
  CHECK(trio.b->log().find("conflict with recovery") != std::string::npos);
  trio.a->sql("select pg_wal_replay_resume()");
}

TEST_CASE("a query that crashes PostgreSQL does not walk through the hosts" *
          doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(trio.config());
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Client holder = trio.hold("t");
  Client client = pooler.connect("pref");
  auto crash = [&](PgCluster& host) {
    auto pids = waiting(host);
    if (pids.empty()) return false;
    CHECK(::kill(pids.at(0), SIGKILL) == 0);
    return true;
  };
  client.send("select 'bad' from t");
  int crashes = 0;
  eventually("it has crashed as many as it may", [&] {
    crashes += crash(*trio.a);
    crashes += crash(*trio.b);
    return client.has_answer();
  });
  CHECK(client.last().error().code.substr(0, 2) == "08");
  CHECK(crashes == 2);
  CHECK(waiting(trio.primary).empty());
  // For a while it is not run again at all.
  until_up(pooler, {trio.a.get(), trio.b.get()});
  client.send("select 'bad' from t");
  eventually("it has crashed one more", [&] { return crash(*trio.a) || crash(*trio.b); });
  CHECK(client.last().error().code.substr(0, 2) == "08");
  holder.close();
  CHECK(client.value("select count(*) from t") == "1");
}

TEST_CASE("an EXECUTE of a read on a replica that is killed runs on another" *
          doctest::skip(kSkip)) {
  for (const std::string entry : {"ro", "split"}) {
    CAPTURE(entry);
    Trio trio;
    Pooler pooler(trio.config());
    until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
    Client client = pooler.connect(entry);
    client.exec("prepare r as select count(*) from t");
    Client holder = trio.hold("t");
    for (PgCluster* replica : {trio.a.get(), trio.b.get()})
      eventually("the lock is there", [&] { return locked(*replica, "t"); });
    client.send("/* howdah:replica */ execute r");
    eventually("it waits", [&] { return waiting(*trio.a).size() + waiting(*trio.b).size() == 1; });
    const bool on_a = waiting(*trio.a).size() == 1;
    (on_a ? trio.a : trio.b)->kill_hard();
    eventually("it waits on the other",
               [&] { return waiting(on_a ? *trio.b : *trio.a).size() == 1; });
    holder.close();
    CHECK(client.last().at(0, 0) == "1");
  }
}

TEST_CASE("what may have written on a lost primary does not run again" * doctest::skip(kSkip)) {
  Trio trio;
  trio.primary.sql(
      "create function f() returns int stable language sql as 'select count(*)::int from t'");
  trio.settle();
  Pooler pooler(trio.config());
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  Client client = pooler.connect("split");
  for (std::string sql : {"execute w(7)", "/* howdah:primary */ select f()"}) {
    CAPTURE(sql);
    client.exec("deallocate all");
    client.exec("prepare w(int) as insert into t values ($1)");
    // Its answer is known: this is a read.
    eventually("f is known", [&] {
      return pooler.console("show route 'select f()'").at(0, "class") == "read";
    });
    Client holder = trio.primary.connect();
    holder.exec("begin");
    holder.exec("lock table t in access exclusive mode");
    client.send(sql);
    eventually("it waits on the primary", [&] { return !waiting(trio.primary).empty(); });
    CHECK(::kill(waiting(trio.primary).at(0), SIGKILL) == 0);
    CHECK(client.last().error().code.substr(0, 2) == "08");
    until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
    Result count;
    eventually("the primary serves", [&] {
      count = client.attempt("/* howdah:primary */ select count(*) from t");
      return !count.failed();
    });
    CHECK(count.at(0, 0) == "1");
  }
}

TEST_CASE("a replica that comes and goes costs no read" * doctest::skip(kSkip)) {
  Trio trio;
  Pooler pooler(trio.config());
  until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(pooler.connect(i % 2 ? "ro" : "pref"));
  int answers = 0;
  auto read = [&](bool killing) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const char* sql = "select count(*) from t, generate_series(1, 20000) g where g > 0";
      if (i % 4 < 2) {
        clients[i].send(sql);
      } else {
        clients[i].send_query(sql);
      }
    }
    if (killing) trio.b->kill_hard();
    for (Client& client : clients) {
      CHECK(client.last().at(0, 0) == "20000");
      ++answers;
    }
  };
  for (int round = 0; round < 3; ++round) {
    read(true);
    for (int i = 0; i < 5; ++i) read(false);
    trio.b->start();
    for (int i = 0; i < 5; ++i) read(false);
    until_up(pooler, {trio.b.get()});
    for (int i = 0; i < 20; ++i) read(false);
  }
  CHECK(answers == 8 * 3 * 31);
}

TEST_CASE(
    "a primary that dies or hangs costs each writer one error at most, and nobody his connection" *
    doctest::skip(kSkip)) {
  for (bool hangs : {false, true}) {
    CAPTURE(hangs);
    Trio trio;
    trio.primary.sql("create table w (writer int, n int)");
    trio.settle();
    Pooler pooler(trio.config());
    until_up(pooler, {&trio.primary, trio.a.get(), trio.b.get()});
    std::vector<Client> writers;
    for (int i = 0; i < 6; ++i) writers.push_back(pooler.connect("rw"));
    std::vector<int> errors(writers.size());
    int n = 0;
    // Every third writes in a transaction block.
    auto write = [&](bool failing) {
      ++n;
      for (std::size_t i = 0; i < writers.size(); ++i) {
        std::string sql =
            "insert into w values (" + std::to_string(i) + ", " + std::to_string(n) + ")";
        if (i % 3 == 2) writers[i].exec("begin");
        writers[i].send(sql);
      }
      if (failing && hangs) trio.primary.freeze();
      if (failing && !hangs) trio.primary.kill_hard();
      if (failing) {
        eventually("the primary is missed", [&] { return pooler.logged("work waits"); });
        trio.a->promote();
      }
      for (std::size_t i = 0; i < writers.size(); ++i) {
        Result done = writers[i].last();
        bool bad = done.failed();
        if (i % 3 == 2) {
          Result end = writers[i].attempt(bad ? "rollback" : "commit");
          bad = bad || end.failed() || end.tag() != "COMMIT";
        }
        errors[i] += bad ? 1 : 0;
        CHECK(writers[i].transaction() == PQTRANS_IDLE);
      }
    };
    for (int i = 0; i < 5; ++i) write(false);
    trio.primary.wait_replayed(*trio.a);
    write(true);
    for (int i = 0; i < 5; ++i) write(false);
    for (int count : errors) CHECK(count <= 1);
    // None is doubled, and none of those that nothing happened to is lost.
    Result rows = trio.a->sql(
        "select count(*) - count(distinct (writer, n)), count(*) filter (where n <> 6) from w");
    CHECK(rows.at(0, 0) == "0");
    CHECK(rows.at(0, 1) == "60");
    if (hangs) trio.primary.thaw();
  }
}
