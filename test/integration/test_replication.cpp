// Replication through the pooler: PostgreSQL's own tools, a subscription, and by hand; on pools whose
// ordinary clients go on meanwhile.
#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

PgCluster& logical() {
  static std::unique_ptr<PgCluster> cluster;
  if (!cluster) {
    cluster = std::make_unique<PgCluster>(std::vector<std::string>{
        "wal_level = logical", "max_wal_senders = 4", "max_replication_slots = 8"});
    cluster->create_database("app");
    cluster->sql("create table t (a int primary key)", "app");
  }
  return *cluster;
}

Pooler make_pooler(const std::string& size, const std::string& mode = "transaction") {
  return Pooler({.settings = {{"pool_mode", mode},
                              {"default_pool_size", size},
                              {"query_timeout", "2"},
                              {"client_idle_timeout", "2"},
                              {"idle_transaction_timeout", "2"}},
                 .databases = {entry("db", logical(), "app"),
                               entry("replication", logical(), "postgres")},
                 .userlist = {{"postgres", ""}, {"plain", ""}}});
}

Parameters replicating(const std::string& kind) { return {{"replication", kind}}; }

std::vector<std::string> tool(const std::string& name, Pooler& pooler,
                              std::vector<std::string> more) {
  std::vector<std::string> argv = {pg_bin() + "/" + name, "-h", "127.0.0.1", "-p",
                                   std::to_string(pooler.port()), "-U", "postgres"};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

// Ordinary clients of both pools, more than there are servers, as long as this lives.
class Crowd {
 public:
  explicit Crowd(Pooler& pooler) {
    for (const char* database : {"db", "db", "db", "replication", "replication", "replication"}) {
      threads_.emplace_back([this, &pooler, database] {
        try {
          Client client = pooler.connect(database);
          while (!stop_) {
            if (client.value("select 7 from pg_sleep(0.002)") == "7") ++served;
          }
        } catch (const std::exception& problem) {
          std::fprintf(stderr, "%s\n", problem.what());
          ++failed;
        }
      });
    }
  }
  ~Crowd() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    CHECK(failed == 0);
    CHECK(served > 0);
  }
  std::atomic<long> served{0}, failed{0};

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

std::string lsn(const std::string& expression = "pg_current_wal_flush_lsn()") {
  return logical().sql("select " + expression).at(0, 0);
}

std::string servers_of_app() {  // senders included
  return logical().sql("select count(*) from pg_stat_activity where datname = 'app' or backend_type "
                       "= 'walsender'").at(0, 0);
}

}  // namespace

TEST_CASE("pg_basebackup with streamed WAL gives a copy that starts" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("3");
  TempDir target;
  {
    Crowd crowd(pooler);
    Output done = run(tool("pg_basebackup", pooler,
                           {"-D", target / "copy", "-X", "stream", "-c", "fast", "--no-sync"}));
    CHECK_MESSAGE(done.status == 0, done.text);
    Output verified = run({pg_bin() + "/pg_verifybackup", target / "copy"});
    CHECK_MESSAGE(verified.status == 0, verified.text);
  }
  eventually("its servers are gone", [&] {
    return logical().sql("select count(*) from pg_stat_replication").at(0, 0) == "0";
  });
}

TEST_CASE("pg_receivewal streams segments for longer than any time-out" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  TempDir target;
  Crowd crowd(pooler);
  Process::Options options;
  options.log = target / "log";
  Process receiver(tool("pg_receivewal", pooler, {"-D", target.path(), "--no-sync", "-n"}), options);
  eventually("it streams", [&] {
    return logical().sql("select count(*) from pg_stat_replication where state = 'streaming'")
               .at(0, 0) == "1";
  });
  std::this_thread::sleep_for(Millis(2500));  // the time-outs of this pooler are 2 s
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i) {
    logical().sql("insert into t select generate_series(" + std::to_string(i * 20000) + ", " +
                      std::to_string(i * 20000 + 19999) + ")",
                  "app");
    names.push_back(lsn("pg_walfile_name(pg_current_wal_lsn())"));
    logical().sql("select pg_switch_wal()");
  }
  for (const auto& name : names) {
    eventually("segment " + name, [&] { return !read_file(target / name).empty(); });
  }
  CHECK(receiver.running());
  receiver.signal(SIGINT);
  CHECK(receiver.wait() == 0);
  logical().sql("truncate t", "app");
}

TEST_CASE("pg_recvlogical gets the changes" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  Crowd crowd(pooler);
  Output made = run(tool("pg_recvlogical", pooler,
                         {"-d", "db", "-S", "decoded", "-P", "test_decoding", "--create-slot"}));
  REQUIRE_MESSAGE(made.status == 0, made.text);
  logical().sql("insert into t values (4711)", "app");
  Output changes = run(tool("pg_recvlogical", pooler,
                            {"-d", "db", "-S", "decoded", "--start", "-f", "-", "--endpos",
                             lsn("pg_current_wal_insert_lsn()")}));
  CHECK_MESSAGE(changes.status == 0, changes.text);
  CHECK(changes.text.find("table public.t: INSERT: a[integer]:4711") != std::string::npos);
  Output dropped = run(tool("pg_recvlogical", pooler, {"-d", "db", "-S", "decoded", "--drop-slot"}));
  CHECK_MESSAGE(dropped.status == 0, dropped.text);
  logical().sql("truncate t", "app");
}

TEST_CASE("a subscription copies and follows through the pooler" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("4");
  PgCluster subscriber;
  subscriber.create_database("sub");
  subscriber.sql("create table t (a int primary key)", "sub");
  logical().sql("insert into t select generate_series(1, 1000)", "app");
  logical().sql("create publication p for table t", "app");
  {
    Crowd crowd(pooler);
    subscriber.sql("create subscription s connection 'host=127.0.0.1 port=" +
                       std::to_string(pooler.port()) + " dbname=db user=postgres' publication p",
                   "sub");
    auto count = [&] { return subscriber.sql("select count(*) from t", "sub").at(0, 0); };
    eventually("copied", [&] { return count() == "1000"; });
    logical().sql("insert into t select generate_series(1001, 3000)", "app");
    eventually("followed", [&] { return count() == "3000"; });
    // It comes back by itself.
    pooler.console("RECONNECT db");
    logical().sql("delete from t where a > 1500", "app");
    eventually("followed again", [&] { return count() == "1500"; });
    subscriber.sql("drop subscription s", "sub");
  }
  logical().sql("drop publication p; truncate t", "app");
}

TEST_CASE("COPY BOTH ends from either side and further commands follow" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  for (const std::string kind : {"true", "database"}) {
    RawClient client = pooler.raw("db", "postgres", replicating(kind));
    for (int round = 0; round < 3; ++round) {
      client.send(msg::query("IDENTIFY_SYSTEM"));
      CHECK(client.types_until('Z') == "TDCZ");
      client.send(msg::query("START_REPLICATION PHYSICAL " + lsn()));
      CHECK(client.types_until('W') == "W");
      // A status update that asks for an answer gets a keepalive.
      client.send(msg::copy_data("r" + std::string(32, '\0') + '\1'));
      CHECK(client.read().type == 'd');
      client.send(msg::copy_done());
      std::string end = client.types_until('Z');
      while (!end.empty() && end[0] == 'd') end.erase(0, 1);
      CHECK(end == "cCCZ");
    }
    auto row = pooler.show("CLIENTS", {{"database", "db"}, {"state", "active"}});
    CHECK(row.at("replication") == (kind == "true" ? "physical" : "logical"));
    row = pooler.show("SERVERS", {{"database", "db"}, {"state", "active"}});
    CHECK(row.at("replication") == (kind == "true" ? "physical" : "logical"));
  }
}

TEST_CASE("the client's parameters and options reach its server as they are" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  RawClient client = pooler.raw();
  client.login("db", "postgres",
               {{"replication", "database"},
                {"options", "-c geqo=off --work-mem=77kB"},
                {"extra_float_digits", "1"},
                {"application_name", "my app"}});
  CHECK(client.parameters().at("application_name") == "my app");
  for (auto [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"geqo", "off"}, {"work_mem", "77kB"}, {"extra_float_digits", "1"}}) {
    client.send(msg::query("SHOW " + name));
    CHECK(parse_row(client.until('Z').at(1).body).at(0) == value);
  }
  // SQL is cancelled as anywhere.
  client.send(msg::query("select pg_sleep(60)"));
  eventually("it runs", [&] {
    return logical().sql("select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' "
                         "and state = 'active' and pid <> pg_backend_pid()")
               .at(0, 0) == "1";
  });
  RawClient canceller = pooler.raw();
  canceller.send(msg::cancel(client.key()));
  CHECK(canceller.read().type == 0);
  CHECK(error_code(client.until('Z')) == "57014");
}

TEST_CASE("it counts in pool_size, idle servers make room, and nobody gets its server" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("1");
  Client ordinary = pooler.connect("db");
  CHECK(ordinary.value("select 1") == "1");
  {
    RawClient client = pooler.raw("db", "postgres", replicating("database"));
    CHECK(servers_of_app() == "1");
    ordinary.send("select 'at last'");
    eventually("it waits", [&] { return pooler.pool("db", "postgres", "cl_waiting") == 1; });
    RawClient second = pooler.raw();
    second.send(msg::startup({{"user", "postgres"}, {"database", "db"}, {"replication", "true"}}));
    client.send(msg::query("select pg_backend_pid()"));
    client.until('Z');
    CHECK(!ordinary.has_answer());
  }
  CHECK(ordinary.last().at(0, 0) == "at last");
  eventually("all is given back", [&] {
    return pooler.pool("db", "postgres", "sv_active") == 0 && servers_of_app() <= "1";
  });
  // It waits in line as everybody: a server that comes back goes to it.
  ordinary.exec("begin");
  RawClient waiting = pooler.raw();
  waiting.send(msg::startup({{"user", "postgres"}, {"database", "db"}, {"replication", "database"}}));
  eventually("it waits", [&] { return pooler.console("SHOW POOLS").rows() > 0 &&
                                      pooler.pool("db", "postgres", "cl_waiting") == 1; });
  Client later = pooler.connect("db");
  later.send("select 'later'");
  ordinary.exec("commit");
  CHECK(waiting.until('Z').back().type == 'Z');
  CHECK(!later.has_answer());
  waiting.close();
  CHECK(later.last().at(0, 0) == "later");
}

TEST_CASE("what PostgreSQL refuses is told to that client in its words, and to nobody else" *
          doctest::skip(on_pgbouncer())) {
  logical().create_role("plain", "login");
  Pooler pooler = make_pooler("8");
  Client ordinary = pooler.connect("db", "plain");
  CHECK(ordinary.value("select 1") == "1");
  for (int i = 0; i < 3; ++i) {
    ErrorReport report = refused(pooler.conninfo("db", "plain", "replication=database"));
    CHECK(report.message.find("must be superuser or replication role") != std::string::npos);
    CHECK(ordinary.value("select 2") == "2");
    CHECK(pooler.connect("db", "plain").value("select 3") == "3");
  }
  // No sender is left: 53300, which must not keep others from connecting.
  std::vector<RawClient> senders;
  for (int i = 0; i < 4; ++i) {
    senders.push_back(pooler.raw("db", "postgres", replicating("true")));
  }
  CHECK(refused(pooler.conninfo("db", "postgres", "replication=true")).code == "53300");
  CHECK(pooler.connect("db").value("select 4") == "4");
  ErrorReport bad = refused(pooler.conninfo("db", "postgres", "replication=perhaps"));
  CHECK(bad.code == "22023");
}

TEST_CASE("RECONNECT and a changed entry close it at once; PostgreSQL's end is its end" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  RawClient client = pooler.raw("db", "postgres", replicating("true"));
  client.send(msg::query("START_REPLICATION PHYSICAL " + lsn()));
  client.until('W');
  pooler.console("RECONNECT db");
  CHECK(client.until_closed().code == "08006");
  RawClient next = pooler.raw("db", "postgres", replicating("database"));
  logical().sql("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = "
                "'walsender' or (datname = 'app' and pid <> pg_backend_pid())");
  CHECK(next.until_closed().code == "57P01");
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("streams vanish at any byte and leave nothing" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler("2");
  std::string bytes = msg::startup({{"user", "postgres"}, {"database", "db"}, {"replication", "1"}}) +
                      msg::query("IDENTIFY_SYSTEM") +
                      msg::query("START_REPLICATION PHYSICAL " + lsn()) +
                      msg::copy_data(std::string("r") + std::string(33, '\0')) + msg::copy_done();
  for (std::size_t end = 0; end <= bytes.size(); end += full_run() ? 1 : 11) {
    RawClient client = pooler.raw();
    client.send(std::string_view(bytes).substr(0, end));
    if (end % 2) client.reset();
  }
  eventually("nothing is left", [&] {
    // Without a row no stream came as far as having a pool.
    std::string shown = "0";
    Result pools = pooler.console("SHOW POOLS");
    for (int row = 0; row < pools.rows(); ++row) {
      for (int i = 0; i < pools.columns(); ++i) {
        if (pools.column(i) == "cl_waiting" && pools.at(row, i) != "0") shown = pools.at(row, i);
      }
    }
    return shown == "0" && servers_of_app() == "0";
  });
  Client one = pooler.connect("db"), two = pooler.connect("db");
  one.exec("begin");
  CHECK(two.value("select 1") == "1");
}
