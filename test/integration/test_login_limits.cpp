// Limits before a client has proved itself: max_login_conn, auth_failure_delay, storms.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

PoolerConfig config(std::map<std::string, std::string> more) {
  more.emplace("auth_type", "scram-sha-256");
  more.emplace("pool_mode", "transaction");
  more.emplace("log_connections", "0");
  more.emplace("log_disconnections", "0");
  return {.settings = std::move(more),
          .databases = {entry("db", primary(), "postgres", "user=postgres")},
          .userlist = {{"u", "right"}, {"admin", "admin-password"}}};
}

// A SCRAM login up to the server's first message.
RawClient half_way(Pooler& pooler) {
  RawClient client = pooler.raw();
  client.send(msg::startup({{"user", "u"}, {"database", "db"}}));
  return client;
}

}  // namespace

TEST_CASE("max_login_conn: so many log in at once, the others wait in order, nobody is refused") {
  Pooler pooler(config({{"max_login_conn", "2"}, {"max_client_conn", "50"}}));
  pooler.console_close();
  std::vector<RawClient> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(half_way(pooler));
    if (i < 2) CHECK(clients.back().read().type == 'R');
  }
  // Which of those that wait is next depends on which thread was quicker to read it.
  std::vector<std::size_t> waiting = {2, 3, 4};
  for (std::size_t i : waiting) CHECK(clients[i].quiet_for(Millis{50}));
  auto let_in = [&] {
    std::size_t in = 0;
    eventually("one more is let in", [&] {
      for (std::size_t i : waiting) {
        if (!clients[i].quiet_for(Millis{5})) in = i;
      }
      return in != 0;
    });
    CHECK(clients[in].read().type == 'R');
    std::erase(waiting, in);
    for (std::size_t i : waiting) CHECK(clients[i].quiet_for(Millis{50}));
    return in;
  };
  // A cancel request is no login, and waits for nobody.
  RawClient cancel = pooler.raw();
  cancel.send(msg::cancel("12345678"));
  CHECK(cancel.until_closed().code.empty());
  clients[0].close();
  std::size_t third = let_in();
  clients[waiting.back()].close();  // gives up waiting
  waiting.pop_back();
  clients[1].close();
  std::size_t fourth = let_in();
  clients[third].close();
  clients[fourth].close();
  for (int i = 0; i < 5; ++i) {
    CHECK(pooler.connect("db", "u", "password=right").value("select 1") == "1");
  }
}

TEST_CASE("who waits at the gate is bounded by client_login_timeout") {
  Pooler pooler(config({{"max_login_conn", "1"}, {"client_login_timeout", "1"}}));
  pooler.console_close();
  RawClient first = half_way(pooler), second = half_way(pooler);
  CHECK(first.until_closed().message == "client_login_timeout");
  CHECK(second.until_closed().message == "client_login_timeout");
  // The gate is open again; on a busy machine a login may take its second.
  eventually("who comes then is let in", [&] {
    try {
      return pooler.connect("db", "u", "password=right").value("select 1") == "1";
    } catch (const SqlError& error) {
      CHECK(error.report.message == "client_login_timeout");
      return false;
    }
  });
}

TEST_CASE("auth_failure_delay: each wrong password of an address waits twice as long") {
  Pooler pooler(config({{"auth_failure_delay", "100ms"}}));
  CHECK(pooler.connect("db", "u", "password=right").value("select 1") == "1");
  auto time_of = [&](const std::string& user) {
    auto start = Clock::now();
    ErrorReport report = refused(pooler.conninfo("db", user, "password=wrong"));
    CHECK(report.message == "password authentication failed for user \"" + user + "\"");
    return std::chrono::duration_cast<Millis>(Clock::now() - start).count();
  };
  CHECK(time_of("u") >= 100);
  CHECK(time_of("nobody") >= 200);
  CHECK(time_of("u") >= 400);
  // A right password waits for nothing, whatever is due.
  pooler.console("set auth_failure_delay = 1h");
  CHECK(pooler.connect("db", "u", "password=right").value("select 1") == "1");
  // Another address starts anew: through a unix socket there is none, and no delay.
  ErrorReport local =
      refused("host=" + pooler.directory() + " port=" + std::to_string(pooler.port()) +
              " dbname=db user=u password=wrong");
  CHECK(local.code == "28P01");
}

TEST_CASE("a delayed refusal holds nothing up, and says nothing before its time") {
  Pooler pooler(
      config({{"auth_type", "plain"}, {"auth_failure_delay", "1h"}, {"max_login_conn", "1"}}));
  pooler.console_close();
  RawClient wrong = half_way(pooler);
  CHECK(wrong.read().body == msg::i32(3));
  wrong.send(msg::password("wrong") + msg::password("right") + msg::query("select 1"));
  // Its place at the gate is free, and the pooler can end.
  CHECK(pooler.connect("db", "u", "password=right").value("select 1") == "1");
  CHECK(wrong.quiet_for(Millis{100}));
}

TEST_CASE("start-up packets are bounded and must be whole") {
  Pooler pooler(config({{"client_login_timeout", "2"}}));
  RawClient huge = pooler.raw();
  huge.send(msg::i32(70000) + msg::i32(3 << 16));
  CHECK(huge.until_closed().severity == "FATAL");
  RawClient tiny = pooler.raw();
  tiny.send(msg::i32(3));
  tiny.send(std::string(4, 'x'));
  CHECK(tiny.until_closed().severity == "FATAL");
  RawClient silent = pooler.raw();
  silent.send(msg::i32(60000));
  CHECK(silent.until_closed().message == "client_login_timeout");
  // Before the start-up packet, and of a length nobody types (CVE of 1.5.5; 1.25.2).
  RawClient early = pooler.raw();
  early.send(msg::password("right"));
  CHECK(early.until_closed().severity == "FATAL");
  RawClient broken = half_way(pooler);
  CHECK(broken.read().type == 'R');
  broken.send(std::string("p\xff\xff\xff\xff", 5) + std::string(100, 'x'));
  CHECK(broken.until_closed().severity == "FATAL");
  RawClient scram = half_way(pooler);
  CHECK(scram.read().type == 'R');
  scram.send(msg::typed('p', std::string("SCRAM-SHA-256\0", 14) + msg::i32(0x7fffffff) + "n,,"));
  CHECK(scram.until_closed().severity == "FATAL");
}

TEST_CASE("names of every shape and a * line: no name from the network ends the process") {
  PoolerConfig how = config({{"max_client_conn", "50"}});
  how.databases.push_back(entry("*", primary(), "postgres"));
  Pooler pooler(how);
  for (const std::string& name :
       {std::string(63, 'd'), std::string(64, 'd'), std::string(5000, 'd'), std::string("*"),
        std::string("'; drop"), std::string("\xff\xfe\n\t"), std::string("a b=c"),
        std::string("%s%n")}) {
    for (const char* user : {"u", "nobody"}) {
      RawClient client = pooler.raw();
      client.send(msg::startup({{"user", user}, {"database", name}}));
      CHECK(client.read().type == 'R');
    }
  }
  RawClient long_user = pooler.raw();
  long_user.send(msg::startup({{"user", std::string(128, 'u')}, {"database", "db"}}));
  CHECK(long_user.until_closed().message == "username too long");
  CHECK(pooler.connect("db", "u", "password=right").value("select 1") == "1");
}

TEST_CASE("a storm of SCRAM logins does not stall queries in flight") {
  const int logins = full_run() ? 5000 : 1000;
  PoolerConfig how = config({{"max_client_conn", "2000"}, {"max_login_conn", "64"}});
  // Two kinds of work: a password must be stretched for each user, a verifier need not.
  Client maker = primary().connect();
  std::unique_ptr<char, decltype(&PQfreemem)> verifier(
      PQencryptPasswordConn(maker.raw(), "right", "v", "scram-sha-256"), PQfreemem);
  how.userlist.emplace_back("v", verifier.get());
  for (int i = 0; i < logins; ++i) how.userlist.emplace_back("p" + std::to_string(i), "right");
  // The same program without a storm: what the machine does to both.
  Pooler pooler(how), calm(config({}));
  Client quick = pooler.connect("db", "u", "password=right");
  Client control = calm.connect("db", "u", "password=right");
  std::atomic<bool> over{false};
  std::vector<std::thread> storm;
  std::atomic<int> next{0}, failed{0}, asked{0};
  auto begin = Clock::now();
  for (int t = 0; t < 4; ++t) {
    storm.emplace_back([&] {
      // Clients stretch passwords, too, on machines of their own: they must not take this one's CPUs.
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
      // It goes on until enough queries have met it.
      for (int i; (i = next.fetch_add(1)) < logins || asked < 200;) {
        std::string user = i % 2 ? "v" : "p" + std::to_string(i % logins);
        try {
          Client one(pooler.conninfo("db", user, "password=right"));
        } catch (const std::exception&) {
          ++failed;
        }
      }
      over = true;
    });
  }
  std::vector<long> times, without;
  auto ask = [](Client& client, std::vector<long>& into) {
    auto start = Clock::now();
    CHECK(client.value("select 1") == "1");
    into.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
  };
  while (!over) {
    ask(quick, times);
    ask(control, without);
    ++asked;
  }
  for (auto& thread : storm) thread.join();
  auto took = std::chrono::duration_cast<Millis>(Clock::now() - begin).count();
  CHECK(failed == 0);
  REQUIRE(times.size() >= 200);
  auto at = [](std::vector<long>& of, std::size_t thousandth) {
    std::sort(of.begin(), of.end());
    return of[(of.size() - 1) * thousandth / 1000];
  };
  MESSAGE(next.load() << " logins in " << took << " ms; of " << times.size() << " queries in us: median "
               << at(times, 500) << ", p90 " << at(times, 900) << ", p99 " << at(times, 990)
               << ", p99.9 " << at(times, 999) << ", longest " << times.back()
               << "; in the calm pooler " << at(without, 500) << ", " << at(without, 900) << ", "
               << at(without, 990) << ", " << at(without, 999) << ", " << without.back());
  // On a machine that other tests share, the last tenth is theirs: make check judges what comes before, and
  // loosely.
  if (full_run()) {
    CHECK(at(times, 990) < at(without, 990) + 10000);
  } else {
    CHECK(at(times, 900) < 3 * at(without, 900) + 50000);
  }
}
