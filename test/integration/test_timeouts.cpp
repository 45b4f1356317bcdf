// Every timeout: who is cut, what they are told, and who is left in peace.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(std::map<std::string, std::string> settings,
                   std::vector<std::string> users = {}) {
  primary().create_database("timeouts");
  primary().create_role("hasty");
  settings.insert({"pool_mode", "transaction"});
  settings.insert({"default_pool_size", "1"});
  return Pooler({.settings = settings,
                 .databases = {entry("db", primary(), "timeouts")},
                 .users = std::move(users),
                 .userlist = {{"hasty", ""}}});
}

void check_cut(const ErrorReport& report, const std::string& message, const std::string& code) {
  CHECK(report.severity == "FATAL");
  CHECK(report.message == message);
  if (!code.empty()) CHECK(report.code == pooler_code(code));
}

// The error that the next command meets.
ErrorReport error_of(Client& client, const std::string& sql) {
  client.send(sql);
  return client.last().error();
}

// Listens and never answers: a connection is made, a login never ends.
class SilentHost {
 public:
  explicit SilentHost(const char* address, int port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(port));
    name.sin_addr.s_addr = ::inet_addr(address);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(fd_, 64) == 0);
  }
  ~SilentHost() { ::close(fd_); }

 private:
  int fd_;
};

}  // namespace

TEST_CASE("query_timeout cuts a running query and its server") {
  Pooler pooler = make_pooler({{"query_timeout", "1"}});
  Client client = pooler.connect("db");
  check_cut(error_of(client, "select pg_sleep(60)"), "query timeout", "57014");
  CHECK(client.lost());
  Client next = pooler.connect("db");
  CHECK(next.value("select 1") == "1");
  eventually("the old query is off the server", [] {
    return primary()
               .sql("select count(*) from pg_stat_activity where datname = 'timeouts' and "
                    "query like 'select pg_sleep%' and state = 'active'")
               .at(0, 0) == "0";
  });
}

TEST_CASE("query_timeout counts for each query, not for the transaction") {
  Pooler pooler = make_pooler({{"query_timeout", "1.5"}});
  Client client = pooler.connect("db");
  client.exec("begin");
  for (int i = 0; i < 4; ++i) client.exec("select pg_sleep(0.6)");
  CHECK(client.attempt("commit").tag() == "COMMIT");
}

TEST_CASE("query_timeout cuts a query that is still queued") {
  Pooler pooler = make_pooler({{"query_timeout", "1"}});
  Client holder = pooler.connect("db"), waiter = pooler.connect("db");
  holder.exec("begin");
  waiter.send("select 1");
  while (!waiter.has_answer()) holder.exec("select pg_sleep(0.1)");
  check_cut(waiter.last().error(), "query_timeout", "57014");
  CHECK(holder.attempt("commit").tag() == "COMMIT");
}

TEST_CASE("query_wait_timeout cuts who waits too long, and nobody else") {
  Pooler pooler = make_pooler({{"query_wait_timeout", "1"}});
  Client holder = pooler.connect("db"), waiter = pooler.connect("db");
  holder.exec("begin");
  auto start = Clock::now();
  check_cut(error_of(waiter, "select 1"), "query_wait_timeout", "57014");
  CHECK(Clock::now() - start > Millis{900});
  holder.exec("select pg_sleep(1.5)");
  CHECK(holder.attempt("commit").tag() == "COMMIT");
}

TEST_CASE("query_wait_timeout says in DETAIL what the pool was doing" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"query_wait_timeout", "500ms"}});
  Client holder = pooler.connect("db"), waiter = pooler.connect("db");
  holder.exec("begin");
  ErrorReport report = error_of(waiter, "select 1");
  CHECK(report.message == "query_wait_timeout");
  CHECK(!report.detail.empty());
}

TEST_CASE("query_wait_notify tells once that the client is queued" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"query_wait_notify", "1"}});
  Client holder = pooler.connect("db"), waiter = pooler.connect("db");
  holder.exec("begin");
  waiter.send("select 1");
  std::vector<ErrorReport> notices;
  eventually("the notice comes", [&] {
    CHECK(!waiter.has_answer());
    auto more = waiter.notices();
    notices.insert(notices.end(), more.begin(), more.end());
    return !notices.empty();
  });
  std::this_thread::sleep_for(Millis{2500});  // long enough for a second one
  CHECK(!waiter.has_answer());
  CHECK(waiter.notices().empty());
  CHECK(notices[0].severity == "NOTICE");
  CHECK(notices[0].code == "00000");
  CHECK(notices[0].message ==
        "No server connection available in postgres backend, client being queued");
  holder.exec("commit");
  CHECK(waiter.last().at(0, 0) == "1");
}

TEST_CASE("client_idle_timeout cuts idle clients that hold no server") {
  Pooler pooler = make_pooler({{"client_idle_timeout", "1"}, {"default_pool_size", "2"}});
  Client idle = pooler.connect("db"), busy = pooler.connect("db");
  busy.exec("begin");
  busy.exec("select pg_sleep(2.5)");
  check_cut(idle.wait_closed(), "client_idle_timeout", "57P05");
  CHECK(busy.attempt("commit").tag() == "COMMIT");
  check_cut(busy.wait_closed(), "client_idle_timeout", "57P05");
}

TEST_CASE("client_idle_timeout of a user touches no other user" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({}, {"hasty = client_idle_timeout=1"});
  Client hasty = pooler.connect("db", "hasty"), other = pooler.connect("db");
  check_cut(hasty.wait_closed(), "client_idle_timeout", "57P05");
  std::this_thread::sleep_for(Millis{1500});
  CHECK(other.value("select 1") == "1");
}

TEST_CASE("idle_transaction_timeout cuts who idles in a transaction, failed ones too") {
  Pooler pooler = make_pooler({{"idle_transaction_timeout", "1"}, {"default_pool_size", "3"}});
  Client idle = pooler.connect("db"), failed = pooler.connect("db"), free = pooler.connect("db");
  idle.exec("begin");
  failed.exec("begin");
  failed.attempt("select 1/0");
  check_cut(idle.wait_closed(), "idle transaction timeout", "25P03");
  check_cut(failed.wait_closed(), "idle transaction timeout", "25P03");
  CHECK(free.value("select 1") == "1");
  eventually("their servers are gone", [] { return primary().backends("timeouts") == 1; });
}

TEST_CASE("idle_transaction_timeout starts anew with each query") {
  Pooler pooler = make_pooler({{"idle_transaction_timeout", "1.5"}});
  Client client = pooler.connect("db");
  client.exec("begin");
  for (int i = 0; i < 5; ++i) {
    client.exec("select pg_sleep(0.4)");
    std::this_thread::sleep_for(Millis{300});
  }
  CHECK(client.attempt("commit").tag() == "COMMIT");
}

TEST_CASE("transaction_timeout cuts a long transaction however busy it is" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"transaction_timeout", "1"}});
  Client client = pooler.connect("db");
  client.exec("begin");
  ErrorReport report;
  eventually("it is cut", [&] {
    Result result = client.attempt("select pg_sleep(0.05)");
    if (result.failed()) report = result.error();
    return result.failed();
  });
  check_cut(report, "transaction timeout", "25P04");
  Client next = pooler.connect("db");
  CHECK(next.value("select 1") == "1");
}

TEST_CASE("timeouts of a user go before the global ones" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"query_timeout", "60"}},
                              {"hasty = query_timeout=1 idle_transaction_timeout=1"});
  Client other = pooler.connect("db");
  Client first = pooler.connect("db", "hasty"), second = pooler.connect("db", "hasty");
  check_cut(error_of(first, "select pg_sleep(60)"), "query timeout", "57014");
  second.exec("begin");
  check_cut(second.wait_closed(), "idle transaction timeout", "25P03");
  CHECK(other.attempt("select pg_sleep(2)").status() == PGRES_TUPLES_OK);
}

TEST_CASE("client_login_timeout cuts who never finishes the login" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"client_login_timeout", "1"}});
  RawClient silent = pooler.raw(), half = pooler.raw();
  half.send(msg::startup({{"user", "postgres"}, {"database", "db"}}).substr(0, 9));
  Client good = pooler.connect("db");
  CHECK(silent.until_closed().message == "client_login_timeout");
  CHECK(half.until_closed().message == "client_login_timeout");
  CHECK(good.value("select 1") == "1");
}

TEST_CASE("client_login_timeout ends a first login that waits for a server") {
  int port = free_port();
  SilentHost silent("127.0.0.1", port);
  Pooler pooler({.settings = {{"client_login_timeout", "1"}},
                 .databases = {"db = host=127.0.0.1 port=" + std::to_string(port)}});
  ErrorReport report = refused(pooler.conninfo("db", "postgres"));
  CHECK(report.message == "client_login_timeout (server down)");
}

TEST_CASE("server_connect_timeout gives up a host that does not answer; the waiter gets the other") {
  primary().create_database("timeouts");
  SilentHost silent("127.0.0.2", primary().port());
  Pooler pooler({.settings = {{"pool_mode", "transaction"},
                              {"server_connect_timeout", "1"},
                              {"server_login_retry", "1"}},
                 .databases = {"db = host=127.0.0.2,127.0.0.1 port=" +
                               std::to_string(primary().port()) + " dbname=timeouts"}});
  auto start = Clock::now();
  CHECK(pooler.connect("db").value("select 1") == "1");
  CHECK(Clock::now() - start < Millis{20000});
}

TEST_CASE("times may have units" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"idle_transaction_timeout", "700ms"}, {"server_lifetime", "1h"}});
  Client client = pooler.connect("db");
  client.exec("begin");
  check_cut(client.wait_closed(), "idle transaction timeout", "25P03");
}
