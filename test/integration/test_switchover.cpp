// SWITCHOVER: writes held, a standby caught up, the operator's command, and on.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

const bool kSkip = on_pgbouncer();

class Pair {
 public:
  explicit Pair(const std::string& command, std::map<std::string, std::string> more = {})
      : primary({"listen_addresses = '127.0.0.1'"}), a(primary.make_replica()) {
    primary.sql("create table t (writer int, n int)");
    primary.wait_replayed(*a);
    for (const PgCluster* one : {&primary, a.get()})
      std::filesystem::create_directory_symlink(one->socket_dir() + "/data",
                                                files / std::to_string(one->port()));
    write_file(files / "switch", kSwitch);
    more.insert({"pool_mode", "transaction"});
    more.insert({"default_pool_size", "6"});
    more.insert({"monitor_user", "postgres"});
    more.insert({"health_check_interval", "0.2"});
    more.insert({"health_check_timeout", "60"});  // a busy machine is not a fault
    more.insert({"slow_start", "0"});
    std::string with = command;
    if (auto at = with.find("SWITCH"); at != std::string::npos)
      with.replace(at, 6, "sh " + (files / "switch") + " " + files.path() + " " + pg_bin());
    if (!with.empty()) more.insert({"switchover_command", with});
    pooler = std::make_unique<Pooler>(PoolerConfig{
        .settings = more,
        .databases = {line("rw", "target_session_attrs=primary"),
                      line("pref", "target_session_attrs=prefer-standby"),
                      line("split", "query_routing=split"), entry("plain", primary, "postgres")}});
    eventually("the standby can be measured", [&] {
      return pooler->console("show hosts").rows() == 2 &&
             pooler->show("HOSTS", {{"port", port(*a)}}).at("lag_bytes") == "0" &&
             pooler->show("HOSTS", {{"port", port(primary)}}).at("role") == "primary";
    });
  }
  static std::string port(const PgCluster& cluster) { return std::to_string(cluster.port()); }
  std::string line(const std::string& name, const std::string& more) const {
    return name + " = host=127.0.0.1,127.0.0.1 port=" + port(primary) + "," + port(*a) +
           " dbname=postgres " + more;
  }
  ErrorReport refused(const std::string& command) {
    Client console = pooler->connect("pgbouncer", "admin");
    Result result = console.attempt(command);
    REQUIRE(result.failed());
    return result.error();
  }
  std::string primary_port() {
    Client client = pooler->connect("rw");
    return client.value("select inet_server_port()");
  }
  // Demotes and promotes; the old primary is made a standby of the new one, but not started.
  static constexpr const char* kSwitch =
      "set -e; cd /; echo \"$HOWDAH_DATABASE from $HOWDAH_OLD_HOST:$HOWDAH_OLD_PORT to "
      "$HOWDAH_NEW_ADDRESS:$HOWDAH_NEW_PORT\"\n"
      "old=$1/$HOWDAH_OLD_PORT/ new=$1/$HOWDAH_NEW_PORT/\n"
      "$2/pg_ctl stop -D $old -m fast -w -t 60 >/dev/null\n"
      "$2/pg_ctl promote -D $new -w -t 60 >/dev/null\n"
      "touch $old/standby.signal\n"
      "echo \"primary_conninfo = 'host=127.0.0.1 port=$HOWDAH_NEW_PORT user=postgres'\" "
      ">>$old/postgresql.auto.conf\n"
      "echo \"recovery_target_timeline = latest\" >>$old/postgresql.auto.conf\n";
  TempDir files;
  PgCluster primary;
  std::unique_ptr<PgCluster> a;
  std::unique_ptr<Pooler> pooler;
};

// A client that writes until it is told to stop, and keeps count of what was acknowledged.
class Writer {
 public:
  enum class How { Statements, Transactions, ReadsBack };
  Writer(int number, How how, Client client)
      : number_(number), how_(how), client_(std::move(client)), thread_([this] { run(); }) {}
  ~Writer() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int acknowledged() const { return acknowledged_; }
  bool ended() const { return ended_; }
  // After stop().
  const std::string& error() const { return error_; }
  int number() const { return number_; }

 private:
  void run() {
    std::string writer = std::to_string(number_);
    try {
      while (!stop_) {
        // Not as fast as it goes: counting what all of them wrote would take longer and longer.
        std::this_thread::sleep_for(Millis(5));
        std::string insert = "insert into t values (" + writer + ", " +
                             std::to_string(acknowledged_.load() + 1) + ")";
        if (how_ == How::Transactions) {
          client_.exec("begin");
          client_.exec(insert);
          client_.exec("commit");
        } else {
          client_.exec(insert);
        }
        ++acknowledged_;
        if (how_ != How::ReadsBack) continue;
        std::string seen = client_.value("select count(*) from t where writer = " + writer);
        if (seen != std::to_string(acknowledged_)) error_ = "stale: " + seen;
      }
    } catch (const std::exception& error) {
      error_ = error.what();
    }
    ended_ = true;
  }
  const int number_;
  const How how_;
  Client client_;
  std::atomic<int> acknowledged_{0};
  std::atomic<bool> stop_{false}, ended_{false};
  std::string error_;
  std::thread thread_;
};

void more_of_each(std::deque<Writer>& writers, int more) {
  std::vector<int> before;
  for (Writer& writer : writers) before.push_back(writer.acknowledged());
  for (std::size_t i = 0; i < writers.size(); ++i)
    eventually("everybody writes on",
               [&] { return writers[i].ended() || writers[i].acknowledged() >= before[i] + more; });
}

}  // namespace

TEST_CASE("a switchover by command, there and back: no error, nothing lost, nothing doubled" *
          doctest::skip(kSkip)) {
  Pair pair("SWITCH");
  std::deque<Writer> writers;
  using How = Writer::How;
  for (int i = 0; i < 6; ++i)
    writers.emplace_back(i,
                         i % 3 == 0   ? How::Statements
                         : i % 3 == 1 ? How::Transactions
                                      : How::ReadsBack,
                         pair.pooler->connect(i % 3 == 2 ? "split" : "rw"));
  more_of_each(writers, 20);
  Client reader = pair.pooler->connect("pref");
  std::string old_port = Pair::port(pair.primary), new_port = Pair::port(*pair.a);

  CHECK(pair.pooler->console("switchover rw").tag() == "SWITCHOVER");
  CHECK(pair.pooler->logged("switchover_command: rw from 127.0.0.1:" + old_port +
                            " to 127.0.0.1:" + new_port));
  CHECK(pair.primary_port() == new_port);
  more_of_each(writers, 20);
  CHECK(reader.value("select pg_is_in_recovery()") == "f");  // there is no other

  pair.primary.start();
  eventually("the old primary is a standby that can be measured", [&] {
    auto row = pair.pooler->show("HOSTS", {{"port", old_port}});
    return row.at("role") == "standby" && row.at("state") == "up" && row.at("lag_bytes") != "";
  });
  CHECK(pair.pooler->console("switchover split '127.0.0.1:" + old_port + "';").tag() ==
        "SWITCHOVER");
  CHECK(pair.primary_port() == old_port);
  more_of_each(writers, 20);

  for (Writer& writer : writers) {
    writer.stop();
    CHECK(writer.error() == "");
    Result found = pair.primary.connect().exec(
        "select count(*), count(distinct n), max(n) from t where writer = " +
        std::to_string(writer.number()));
    for (int column = 0; column < 3; ++column)
      CHECK(found.at(0, column) == std::to_string(writer.acknowledged()));
  }
}

TEST_CASE("a command that fails or hangs: told, and everything goes on as before" *
          doctest::skip(kSkip)) {
  Pair pair("", {{"switchover_timeout", "2"}});
  pair.pooler->config().settings["switchover_command"] =
      "test -e " + (pair.files / "hang") + " && exec sleep 1000; echo no luck; exit 3";
  pair.pooler->write_files();
  pair.pooler->console("reload");
  std::deque<Writer> writers;
  writers.emplace_back(1, Writer::How::Statements, pair.pooler->connect("rw"));
  writers.emplace_back(2, Writer::How::ReadsBack, pair.pooler->connect("split"));
  more_of_each(writers, 5);
  ErrorReport told = pair.refused("switchover rw");
  CHECK(told.code == "08P01");
  CHECK(told.message == "switchover failed: switchover_command failed with exit code 3: no luck");
  more_of_each(writers, 5);
  write_file(pair.files / "hang", "");
  told = pair.refused("switchover rw");
  CHECK(told.message == "switchover failed: switchover_command took too long and was ended");
  more_of_each(writers, 5);
  for (Writer& writer : writers) {
    writer.stop();
    CHECK(writer.error() == "");
  }
  CHECK(pair.primary_port() == Pair::port(pair.primary));
}

TEST_CASE("without a command the promotion is waited for" * doctest::skip(kSkip)) {
  Pair pair("");
  std::deque<Writer> writers;
  writers.emplace_back(1, Writer::How::Statements, pair.pooler->connect("rw"));
  more_of_each(writers, 5);
  Client console = pair.pooler->connect("pgbouncer", "admin");
  console.send("switchover rw");
  eventually("all is replayed",
             [&] { return pair.pooler->logged("waiting until it is the primary"); });
  CHECK(pair.refused("switchover split").message == "a switchover is under way already");
  CHECK_FALSE(console.has_answer());
  pair.a->promote();
  CHECK(console.last().tag() == "SWITCHOVER");
  auto notices = console.notices();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].message.find(Pair::port(*pair.a)) != std::string::npos);
  more_of_each(writers, 5);
  for (Writer& writer : writers) {
    writer.stop();
    CHECK(writer.error() == "");
    CHECK(pair.a->sql("select count(*) from t").at(0, 0) == std::to_string(writer.acknowledged()));
  }
}

TEST_CASE("an open transaction is waited for; Ctrl-C and the time limit end the wait" *
          doctest::skip(kSkip)) {
  Pair pair("SWITCH", {{"switchover_timeout", "3"}});
  Client client = pair.pooler->connect("rw"), other = pair.pooler->connect("rw");
  client.exec("begin");
  client.exec("insert into t values (1, 1)");
  Client console = pair.pooler->connect("pgbouncer", "admin");
  console.send("switchover rw");
  eventually("the primary is held", [&] { return pair.pooler->logged("nothing more goes to"); });
  other.send("insert into t values (2, 1)");
  client.exec("insert into t values (1, 2)");
  CHECK_FALSE(other.has_answer());
  CHECK(console.cancel());
  CHECK(console.last().error().message == "switchover failed: canceled");
  CHECK(other.last().tag() == "INSERT 0 1");
  ErrorReport told = pair.refused("switchover rw");
  CHECK(told.message ==
        "switchover failed: transactions or sessions on 1 connections to the primary did not end "
        "in time");
  client.exec("commit");
  CHECK(pair.primary.sql("select count(*) from t").at(0, 0) == "3");
  // A command that somebody on the console makes up is not run.
  CHECK(pair.refused("set switchover_command = 'true'").message == "SET failed");
  CHECK(pair.refused("switchover plain").message ==
        "database plain has neither target_session_attrs nor query_routing");
  CHECK(pair.refused("switchover nowhere").message == "no such database: nowhere");
  CHECK(pair.refused("switchover").message == "a database is required");
  CHECK(pair.refused("switchover rw db9").message == "no host of this database is called db9");
}
