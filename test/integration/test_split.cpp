// query_routing=split: which statements go where, hints, and reads of what was written.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "../support/routing_corpus.h"
#include "support/pooler.h"
#include "support/raw.h"

using namespace howdah::test;

namespace {

const bool kSkip = on_pgbouncer();

class Split {
 public:
  explicit Split(std::string more = "", std::map<std::string, std::string> settings = {})
      : primary({"listen_addresses = '127.0.0.1'"}),
        a(primary.make_replica()),
        b(primary.make_replica()) {
    primary.sql(
        "create table t (id bigserial primary key, c int);"
        "create function here() returns text language sql stable as "
        "$$ select current_setting('port') $$;"
        "create sequence calls; create function says_stable(i int) returns int language sql "
        "stable as $$ select i + 0 * nextval('calls')::int $$;"
        "create table counters (id int primary key, n int);"
        "insert into counters select g, 0 from generate_series(1, 64) g");
    primary.wait_replayed(*a);
    primary.wait_replayed(*b);
    auto port = [](const PgCluster& cluster) { return std::to_string(cluster.port()); };
    settings.insert({"pool_mode", "transaction"});
    settings.insert({"default_pool_size", "12"});
    settings.insert({"monitor_user", "postgres"});
    settings.insert({"health_check_interval", "0.2"});
    settings.insert({"slow_start", "0"});
    std::string line = " = host=127.0.0.1,127.0.0.1,127.0.0.1 port=" + port(primary) + "," +
                       port(*a) + "," + port(*b) + " dbname=postgres ";
    pooler = std::make_unique<Pooler>(
        PoolerConfig{.settings = settings,
                     .databases = {"acs" + line + "query_routing=split " + more,
                                   "shadow" + line + "query_routing=shadow"}});
    eventually("all hosts are up", [&] {
      Result all = pooler->console("show hosts");
      int up = 0;
      for (int row = 0; row < all.rows(); ++row) up += all.at(row, "state") == "up";
      return up == 3;
    });
  }
  bool on_primary(Client& client, const std::string& sql) {
    return client.value(sql) == std::to_string(primary.port());
  }
  // A client for which reads go to replicas: the catalogue has answered for what `ask` names.
  Client reader(const std::string& entry = "acs", const std::string& ask = kWhere) {
    Client client = pooler->connect(entry);
    eventually("reads go to a replica",
               [&] { return client.value(ask) != std::to_string(primary.port()); });
    return client;
  }
  // Where it runs; pg_catalog's functions that say so go to the primary.
  static constexpr const char* kWhere = "select here()";
  PgCluster primary;
  std::unique_ptr<PgCluster> a, b;
  std::unique_ptr<Pooler> pooler;
};

void prepare(Client& client, const char* name, const char* sql) {
  Result made(PQprepare(client.raw(), name, sql, 0, nullptr));
  REQUIRE(made.status() == PGRES_COMMAND_OK);
}
std::string execute(Client& client, const char* name, const char* value) {
  Result got(PQexecPrepared(client.raw(), name, 1, &value, nullptr, nullptr, 0));
  REQUIRE(got.status() == PGRES_TUPLES_OK);
  return got.at(0, 0);
}

}  // namespace

TEST_CASE("reads go to replicas, writes and what tells of a server to the primary" *
          doctest::skip(kSkip)) {
  Split split("read_your_writes=off");
  Client client = split.reader();
  std::map<std::string, int> seen;
  eventually("both replicas serve", [&] {
    ++seen[client.value(Split::kWhere)];
    return seen.size() == 2;
  });
  for (int i = 0; i < 40; ++i) ++seen[client.value(Split::kWhere)];
  CHECK(seen.count(std::to_string(split.primary.port())) == 0);
  client.exec("insert into t (c) values (1)");
  CHECK(client.value("insert into t (c) values (2) returning current_setting('port')") ==
        std::to_string(split.primary.port()));
  CHECK(client.value("show in_hot_standby") == "off");
  CHECK(client.value("select pg_is_in_recovery()") == "f");
  client.exec("begin");
  CHECK(split.on_primary(client, Split::kWhere));
  client.exec("commit");
  client.exec("begin read only");
  CHECK_FALSE(split.on_primary(client, Split::kWhere));
  client.exec("commit");
  client.exec("begin isolation level serializable read only");
  CHECK(split.on_primary(client, Split::kWhere));
  client.exec("commit");
}

TEST_CASE("SET, hints and prepared statements" * doctest::skip(kSkip)) {
  Split split("read_your_writes=off");
  Client client = split.reader();
  CHECK(split.on_primary(client, "/* howdah:primary */ select here()"));
  client.exec("set howdah.route = primary");
  for (int i = 0; i < 5; ++i) CHECK(split.on_primary(client, Split::kWhere));
  client.exec("set howdah.route = auto");
  eventually("again a replica", [&] { return !split.on_primary(client, Split::kWhere); });
  CHECK(client.value("/* howdah:replica */ select pg_is_in_recovery()") == "t");
  client.exec("set application_name = 'x'");
  client.exec("set work_mem = '5MB'");
  eventually("with its settings", [&] { return !split.on_primary(client, Split::kWhere); });
  CHECK(client.value("/* howdah:replica */ show work_mem") == "5MB");
  // Prepared at protocol level, executed here and there.
  prepare(client, "where", "select here(), $1::int");
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) seen.insert(execute(client, "where", "1"));
  CHECK(seen.count(std::to_string(split.primary.port())) == 0);
  prepare(client, "write", "insert into t (c) values ($1) returning here()");
  for (int i = 0; i < 5; ++i)
    CHECK(execute(client, "write", "1") == std::to_string(split.primary.port()));
  client.exec("prepare s as select here()");
  client.exec("prepare w(int) as insert into t (c) values ($1) returning here()");
  for (int i = 0; i < 5; ++i) CHECK(split.on_primary(client, "execute w(1)"));
  CHECK_FALSE(split.on_primary(client, "execute s"));
}

TEST_CASE("a pipeline of reads and writes: each batch goes where it belongs, answers in order" *
          doctest::skip(kSkip)) {
  Split split("read_your_writes=off");
  Client warm = split.reader();
  RawClient raw("127.0.0.1", split.pooler->port());
  raw.login("acs", "postgres");
  std::string read = msg::extended("select here()") + msg::sync();
  std::string write = msg::extended("insert into t (c) values (7) returning here()") + msg::sync();
  std::string many;
  for (int i = 0; i < 20; ++i) many += read + write + msg::query("select here()");
  std::string primary = std::to_string(split.primary.port());
  auto next_ours = [&] {
    bool ours = false;
    for (const Message& message : raw.until('Z')) {
      CHECK(message.type != 'E');
      if (message.type == 'D') ours = message.body.find(primary) != std::string::npos;
    }
    return ours;
  };
  // Its worker may be one that has not asked the catalogue yet.
  eventually("reads go to a replica", [&] {
    raw.send(read);
    return !next_ours();
  });
  raw.send(many);
  CHECK_FALSE(next_ours());
  // What is sent behind a write may go with it; a write never goes with a read.
  for (int i = 1; i < 60; ++i) {
    bool ours = next_ours();
    if (i % 3 == 1) CHECK(ours);
  }
  raw.send(read + read + msg::query("select here()") + read);
  for (int i = 0; i < 4; ++i) CHECK_FALSE(next_ours());
  CHECK(split.primary.sql("select count(*) from t").at(0, 0) == "20");
  // A transaction, pipelined: all of it on the primary.
  raw.send(msg::query("begin") + read + write + msg::query("commit") + read);
  for (int i = 0; i < 5; ++i) {
    bool ours = false, row = false;
    for (const Message& message : raw.until('Z')) {
      CHECK(message.type != 'E');
      if (message.type != 'D') continue;
      row = true;
      ours = message.body.find(primary) != std::string::npos;
    }
    if (row && i < 4) CHECK(ours);
  }
}

TEST_CASE("a write that a replica refuses runs on the primary, and the client never knows" *
          doctest::skip(kSkip)) {
  Split split("read_your_writes=off");
  // Each text is new: what was refused once is known.
  for (const std::string form : {"simple", "extended", "pipelined"}) {
    CAPTURE(form);
    Client warm = split.reader("acs", "select here()");
    auto calls = [&] {
      return std::stoi(
          split.primary.sql("select last_value - (not is_called)::int from calls").at(0, 0));
    };
    int before = calls();
    eventually("the catalogue has answered for it", [&] {
      Result row = split.pooler->console("show route 'select says_stable(0)'");
      return row.rows() == 1 && row.at(0, "reason") == "read";
    });
    if (form == "simple") {
      CHECK(warm.value("select says_stable(1)") == "1");
    } else if (form == "extended") {
      CHECK(warm.query("select says_stable($1::int)", {"2"}).at(0, 0) == "2");
    } else {
      RawClient raw("127.0.0.1", split.pooler->port());
      raw.login("acs", "postgres");
      raw.send(msg::extended("select here() as x, says_stable(3)") +
               msg::extended("select says_stable(4)") + msg::extended("select 6 as six") +
               msg::sync() + msg::extended("select says_stable(5)") + msg::sync());
      CHECK(raw.types_until('Z').find('E') == std::string::npos);
      CHECK(raw.types_until('Z').find('E') == std::string::npos);
    }
    int more = form == "pipelined" ? 3 : 1;
    CHECK(calls() == before + more);
  }
  // What cannot have been the writer is still a read.
  CHECK(split.pooler->console("show route 'select 6 as six'").at(0, "class") == "read");
  // What one worker has met all of them know: nobody is refused for it again.
  auto refused = [&] {
    int count = 0;
    for (const PgCluster* replica : {split.a.get(), split.b.get()}) {
      std::string log = replica->log();
      for (std::size_t at = 0; (at = log.find("cannot execute nextval", at)) != log.npos; ++at)
        ++count;
    }
    return count;
  };
  for (int i = 0; i < 8; ++i) {
    Client client = split.pooler->connect("acs");
    int before = refused(), unique = 1000 * i;
    eventually("its worker takes the function for a read", [&] {
      client.exec("select says_stable(" + std::to_string(++unique) + ")");
      return refused() > before;
    });
    before = refused();
    client.exec("select says_stable(1)");
    CHECK(refused() == before);
  }
  Result routes = split.pooler->console("show routes");
  bool rescued = false;
  for (int row = 0; row < routes.rows(); ++row)
    rescued = rescued || routes.at(row, "reason") == "rescued";
  CHECK(rescued);
}

TEST_CASE("no read is older than the client's own write, under any delay" * doctest::skip(kSkip)) {
  Split split;
  const int kClients = full_run() ? 20 : 8, kPairs = full_run() ? 5000 : 40;
  std::atomic<int> stale{0}, reads{0}, on_replicas{0}, due{0}, due_there{0};
  std::atomic<bool> over{false};
  // Since when each replica replays nothing; zero: it does.
  std::array<std::atomic<Clock::rep>, 2> paused{};
  auto now = [] { return Clock::now().time_since_epoch().count(); };
  // Does a replica have what was written then, with 100 ms to spare?
  auto has = [&](Clock::rep written) {
    Clock::rep margin = std::chrono::duration_cast<Clock::duration>(Millis(100)).count();
    for (auto& since : paused) {
      Clock::rep from = since;
      if (written + margin < (from != 0 ? from : now())) return true;
    }
    return false;
  };
  // Each replica stops and goes on at random.
  std::vector<std::thread> threads;
  for (PgCluster* replica : {split.a.get(), split.b.get()}) {
    threads.emplace_back([&, replica] {
      auto& since = paused[replica == split.b.get()];
      std::mt19937 random(static_cast<unsigned>(replica->port()));
      Client control = replica->connect("postgres", "postgres");
      while (!over) {
        since = now();
        control.exec("select pg_wal_replay_pause()");
        std::this_thread::sleep_for(Millis(random() % (full_run() ? 2000 : 400)));
        control.exec("select pg_wal_replay_resume()");
        since = 0;
        std::this_thread::sleep_for(Millis(random() % 300));
      }
    });
  }
  std::vector<std::thread> clients;
  for (int number = 1; number <= kClients; ++number) {
    clients.emplace_back([&, number] {
      std::mt19937 random(static_cast<unsigned>(number));
      Client client = split.pooler->connect("acs");
      std::string id = std::to_string(number);
      for (int i = 1; i <= kPairs; ++i) {
        client.exec("update counters set n = " + std::to_string(i) + " where id = " + id);
        Clock::rep written = now();
        if (random() % 4 == 0) std::this_thread::sleep_for(Millis(random() % 900));
        int last = 0;
        for (int read = 0; read < 3; ++read) {
          bool expected = has(written);
          Result row = client.exec("select n, here() from counters where id = " + id);
          int n = std::stoi(row.at(0, 0));
          if (n != i || n < last) ++stale;
          last = n;
          ++reads;
          bool there = row.at(0, 1) != std::to_string(split.primary.port());
          on_replicas += there;
          due += expected;
          due_there += expected && there;
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  over = true;
  for (auto& thread : threads) thread.join();
  MESSAGE(reads.load() << " reads, " << on_replicas.load() << " on replicas; of " << due.load()
                       << " that could be there, " << due_there.load() << " were");
  CHECK(stale == 0);
  if (full_run()) CHECK(due_there > due * 0.9);
  CHECK(on_replicas > 0);
  // When they have caught up, all reads go there again.
  Client client = split.pooler->connect("acs");
  client.exec("update counters set n = 0 where id = 1");
  eventually("reads on replicas", [&] { return !split.on_primary(client, Split::kWhere); });
  CHECK(client.value("select n from counters where id = 1") == "0");
}

TEST_CASE("a write behind the end of a read-only transaction on the primary is a write" *
          doctest::skip(kSkip)) {
  Split split;
  Client client = split.pooler->connect("acs"), other = split.pooler->connect("acs");
  auto each = [&](const char* sql) {
    split.a->sql(sql);
    split.b->sql(sql);
  };
  const std::string read = "select n || ' at ' || here() from counters where id = 1";
  auto there = [&] { return client.value(read).find(std::to_string(split.primary.port())); };
  eventually("its names are known", [&] { return there() == std::string::npos; });
  each("select pg_wal_replay_pause()");
  client.exec("update counters set n = 1 where id = 1");
  client.exec("begin read only");
  REQUIRE(split.on_primary(client, Split::kWhere));
  each("select pg_wal_replay_resume()");
  // The replicas have the first write, and that is known.
  other.exec("update counters set n = 1 where id = 2");
  eventually("replicas count as fresh", [&] { return !split.on_primary(other, Split::kWhere); });
  split.primary.wait_replayed(*split.a);
  split.primary.wait_replayed(*split.b);
  each("select pg_wal_replay_pause()");
  eventually("they stand still", [&] {
    return split.a->sql("select pg_get_wal_replay_pause_state()").at(0, 0) == "paused" &&
           split.b->sql("select pg_get_wal_replay_pause_state()").at(0, 0) == "paused";
  });
  client.exec("commit; update counters set n = 7 where id = 1");
  CHECK(client.value(read).substr(0, 1) == "7");
  each("select pg_wal_replay_resume()");
}

TEST_CASE("a query that comes in two segments goes where a whole one goes" * doctest::skip(kSkip)) {
  Split split("read_your_writes=off");
  RawClient client("127.0.0.1", split.pooler->port());
  client.login("acs", "postgres");
  const std::string query = msg::query(Split::kWhere);
  auto answer = [&] {
    std::string row;
    for (const Message& message : client.until('Z'))
      if (message.type == 'D') row = parse_row(message.body).at(0);
    CHECK(row != "");
    return row;
  };
  eventually("its worker knows the function", [&] {
    client.send(query);
    return answer() != std::to_string(split.primary.port());
  });
  for (std::size_t cut : {std::size_t{3}, std::size_t{5}, query.size() - 1}) {
    CAPTURE(cut);
    for (int round = 0; round < 10; ++round) {
      client.send(query.substr(0, cut));
      split.pooler->console("show version");  // it has had time to read that
      client.send(query.substr(cut));
      CHECK(answer() != std::to_string(split.primary.port()));
    }
  }
}

TEST_CASE("after a failover reads leave the primary that their client had read on before" *
          doctest::skip(kSkip)) {
  Split split;
  Client client = split.reader();
  const bool on_a = client.value(Split::kWhere) == std::to_string(split.a->port());
  PgCluster &next = on_a ? *split.a : *split.b, &other = on_a ? *split.b : *split.a;
  // Its last read is on the one that takes over.
  eventually("it reads there",
             [&] { return client.value(Split::kWhere) == std::to_string(next.port()); });
  split.primary.kill_hard();
  next.promote();
  other.sql("alter system set primary_conninfo = 'host=127.0.0.1 user=postgres port=" +
            std::to_string(next.port()) + "'");
  other.reload();
  eventually("reads are on the other replica", [&] {
    Result got = client.attempt(Split::kWhere);
    return !got.failed() && got.at(0, 0) == std::to_string(other.port());
  });
}

TEST_CASE("read_your_writes=session keeps to the primary after a write, until DISCARD ALL" *
          doctest::skip(kSkip)) {
  Split split("read_your_writes=session");
  Client client = split.reader();
  client.exec("insert into t (c) values (1)");
  for (int i = 0; i < 10; ++i) CHECK(split.on_primary(client, Split::kWhere));
  client.exec("discard all");
  CHECK_FALSE(split.on_primary(client, Split::kWhere));
}

TEST_CASE("shadow counts and sends all to the primary" * doctest::skip(kSkip)) {
  Split split;
  Client client = split.pooler->connect("shadow");
  for (int i = 0; i < 10; ++i) CHECK(split.on_primary(client, Split::kWhere));
  Result routes = split.pooler->console("show routes");
  CHECK(routes.rows() > 0);
  for (int row = 0; row < routes.rows(); ++row) CHECK(routes.at(row, "database") == "shadow");
}

TEST_CASE("SHOW ROUTE says the class of a text, and why" * doctest::skip(kSkip)) {
  Split split;
  Client client = split.reader();
  auto explain = [&](const std::string& sql) {
    Result row = split.pooler->console("show route '" + sql + "'");
    REQUIRE(row.rows() == 1);
    return row.at(0, "class") + " " + row.at(0, "reason");
  };
  eventually("known", [&] { return explain("select here()") == "read read"; });
  CHECK(explain("insert into t (c) values (1)") == "write modifies");
  CHECK(explain("select nextval(''t_id_seq'')").substr(0, 5) == "write");
}

TEST_CASE("the whole corpus through a split entry: every answer is the primary's" *
          doctest::skip(kSkip)) {
  Split split;
  split.primary.create_database("corpus");
  split.primary.sql(std::string(routing_schema()), "corpus");
  split.primary.wait_replayed(*split.a);
  split.primary.wait_replayed(*split.b);
  auto port = [](const PgCluster& cluster) { return std::to_string(cluster.port()); };
  Pooler pooler(PoolerConfig{.settings = {{"pool_mode", "transaction"},
                                          {"monitor_user", "postgres"},
                                          {"health_check_interval", "0.2"},
                                          {"slow_start", "0"}},
                             .databases = {"corpus = host=127.0.0.1,127.0.0.1,127.0.0.1 port=" +
                                           port(split.primary) + "," + port(*split.a) + "," +
                                           port(*split.b) + " dbname=corpus query_routing=split"},
                             .userlist = {{"app", ""}}});
  // Run once each on a client of its own, in a state where replicas are used; what may not be run
  // at all (it would end the server, or wait for ever) is left out by the corpus' own mark.
  int failed_read_only = 0, ran = 0;
  for (const RoutedStatement& statement : routing_corpus()) {
    CAPTURE(statement.sql);
    Client client = pooler.connect("corpus", "app");
    client.exec("set statement_timeout = '5s'");
    Result result = client.attempt(statement.sql);
    std::string code = result.failed() ? result.error().code : "";
    ++ran;
    // Some ask for it.
    bool asks = statement.sql.find("READ ONLY") != std::string::npos ||
                statement.sql.find("howdah:replica") != std::string::npos;
    if (asks) continue;
    failed_read_only += code == "25006";
    CHECK(code != "25006");
  }
  CHECK(ran > 450);
  CHECK(failed_read_only == 0);
}
