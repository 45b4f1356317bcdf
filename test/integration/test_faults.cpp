// Faults of servers: killed idle, busy, in a transaction; PostgreSQL stopped, restarted, frozen;
// databases and passwords that are wrong. Each ends in a clear message and in a pool that works.
#include <doctest/doctest.h>
#include <signal.h>

#include "support/fake_server.h"
#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(const PgCluster& cluster, std::map<std::string, std::string> more = {}) {
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "2"});
  more.insert({"server_login_retry", "1"});
  return Pooler({.settings = more, .databases = {entry("db", cluster, "postgres")}});
}

constexpr const char* kPid = "select pg_backend_pid()";

}  // namespace

TEST_CASE("an idle server that is killed is replaced, and no client notices") {
  Pooler pooler = make_pooler(primary());
  Client client = pooler.connect("db");
  std::string pid = client.value(kPid);
  primary().sql("select pg_terminate_backend(" + pid + ")");
  eventually("its loss is seen", [&] {
    return pooler.pool("db", "postgres", "sv_idle") + pooler.pool("db", "postgres", "sv_used") == 0;
  });
  CHECK(client.value(kPid) != pid);
}

TEST_CASE("a server killed while it runs a query: the client hears the server's own words, once") {
  Pooler pooler = make_pooler(primary());
  RawClient client = pooler.raw("db");
  Client bystander = pooler.connect("db");
  client.send(msg::query("select pg_backend_pid()"));
  std::string pid = parse_row(client.until('Z').at(1).body).at(0);
  client.send(msg::query("select pg_sleep(60)"));
  eventually("it runs", [&] {
    return primary()
               .sql("select state from pg_stat_activity where pid = " + pid)
               .at(0, 0) == "active";
  });
  primary().sql("select pg_terminate_backend(" + pid + ")");
  std::vector<ErrorReport> errors;
  for (Message message; (message = client.read()).type;) {
    if (message.type == 'E') errors.push_back(parse_error(message.body));
  }
  REQUIRE(!errors.empty());
  CHECK(errors[0].code == "57P01");
  if (!on_pgbouncer()) CHECK(errors.size() == 1);
  CHECK(bystander.value("select 1") == "1");
}

TEST_CASE("a server killed between the statements of a transaction") {
  Pooler pooler = make_pooler(primary());
  Client client = pooler.connect("db");
  client.exec("begin");
  primary().sql("select pg_terminate_backend(" + client.value(kPid) + ")");
  ErrorReport report = client.wait_closed();
  CHECK(report.severity == "FATAL");
  CHECK(!report.message.empty());
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("a backend that crashes without a word: the client is told by the pooler") {
  PgCluster cluster({"restart_after_crash = on"});
  Pooler pooler = make_pooler(cluster);
  Client client = pooler.connect("db");
  client.exec("begin");
  int pid = std::stoi(client.value(kPid));
  REQUIRE(::kill(pid, SIGKILL) == 0);
  ErrorReport report = client.wait_closed();
  CHECK(report.severity == "FATAL");
  CHECK(report.message == "server conn crashed?");
  CHECK(report.code == pooler_code("08006"));
  eventually("PostgreSQL and the pool are back", [&] {
    try {
      return pooler.connect("db").value("select 1") == "1";
    } catch (const std::exception&) {
      return false;
    }
  });
}

TEST_CASE("PostgreSQL restarts: idle clients stay connected and go on") {
  for (auto mode : {PgCluster::Stop::Fast, PgCluster::Stop::Immediate}) {
    PgCluster cluster;
    Pooler pooler = make_pooler(cluster);
    std::vector<Client> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(pooler.connect("db"));
    for (auto& client : clients) client.exec("select 1");
    cluster.restart(mode);
    for (auto& client : clients) {
      // The first query may meet the last of the old servers or the back-off.
      eventually("the client is served again", [&] {
        Result result = client.attempt("select 1");
        if (client.lost()) client = pooler.connect("db");
        return !result.failed();
      });
    }
    CHECK(pooler.process().running());
  }
}

TEST_CASE("an idle transaction-mode client survives a restart without losing its connection") {
  PgCluster cluster;
  Pooler pooler = make_pooler(cluster);
  Client client = pooler.connect("db", "postgres", "application_name=survivor");
  int pid = client.backend_pid();
  client.exec("select 1");
  cluster.stop();
  eventually("its servers are gone", [&] { return pooler.pool("db", "postgres", "sv_idle") == 0; });
  cluster.start();
  CHECK(client.value("show application_name") == "survivor");
  CHECK(client.backend_pid() == pid);
}

TEST_CASE("while PostgreSQL is down clients wait; they are served when it is back") {
  PgCluster cluster;
  Pooler pooler = make_pooler(cluster, {{"query_wait_timeout", "60"}});
  Client client = pooler.connect("db");
  client.exec("select 1");
  cluster.stop();
  eventually("its servers are gone", [&] { return pooler.pool("db", "postgres", "sv_idle") == 0; });
  client.send("select 'served'");
  std::this_thread::sleep_for(Millis{1500});  // longer than a back-off
  CHECK(!client.has_answer());
  cluster.start();
  CHECK(client.last().at(0, 0) == "served");
}

TEST_CASE("while PostgreSQL is down query_wait_timeout ends the wait, and says what fails" *
          doctest::skip(on_pgbouncer())) {
  PgCluster cluster;
  Pooler pooler = make_pooler(cluster, {{"query_wait_timeout", "1"}});
  Client client = pooler.connect("db");
  client.exec("select 1");
  cluster.stop();
  client.send("select 1");
  ErrorReport report = client.last().error();
  CHECK(report.severity == "FATAL");
  bool said = report.message == "query_wait_timeout" ||
              report.message.find("server login has been failing") != std::string::npos;
  CHECK_MESSAGE(said, report.message);
  cluster.start();
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("a frozen PostgreSQL stalls only its own clients") {
  PgCluster cluster;
  primary().create_database("healthy");
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"query_timeout", "2"}},
                 .databases = {entry("frozen", cluster, "postgres"),
                               entry("db", primary(), "healthy")}});
  Client stalled = pooler.connect("frozen"), fine = pooler.connect("db");
  stalled.exec("select 1");
  cluster.freeze();
  stalled.send("select 2");
  for (int i = 0; i < 20; ++i) CHECK(fine.value("select 1") == "1");
  CHECK(stalled.last().error().message == "query timeout");
  cluster.thaw();
  CHECK(pooler.connect("frozen").value("select 1") == "1");
}

TEST_CASE("a database that does not exist on the server, and a role that may not log in" *
          doctest::skip(on_pgbouncer())) {
  primary().create_role("nologin", "nologin");
  Pooler pooler({.databases = {entry("missing", primary(), "no_such_db"),
                               entry("db", primary(), "postgres")},
                 .userlist = {{"nologin", ""}, {"norole", ""}}});
  ErrorReport report = refused(pooler.conninfo("missing", "postgres"));
  CHECK(report.code == "3D000");
  CHECK(report.message == "database \"no_such_db\" does not exist");
  report = refused(pooler.conninfo("db", "nologin"));
  CHECK(report.code == "28000");
  CHECK(report.message == "role \"nologin\" is not permitted to log in");
  report = refused(pooler.conninfo("db", "norole"));
  CHECK(report.code == "28000");
  CHECK(pooler.connect("db").value("select 1") == "1");
  primary().sql("create database no_such_db");
  eventually("it works once it exists", [&] {
    try {
      return pooler.connect("missing").value("select 1") == "1";
    } catch (const SqlError&) {
      return false;
    }
  });
  primary().drop_backends("no_such_db");
}

TEST_CASE("a server with too many clients: waiters wait, nothing is lost") {
  PgCluster cluster({"max_connections = 8", "superuser_reserved_connections = 3",
                     "max_wal_senders = 0"});
  cluster.create_role("plain", "login");
  Pooler pooler({.settings = {{"pool_mode", "transaction"},
                              {"default_pool_size", "10"},
                              {"server_login_retry", "1"}},
                 .databases = {entry("db", cluster, "postgres")},
                 .userlist = {{"plain", ""}}});
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(pooler.connect("db", "plain"));
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) client.send("select pg_sleep(0.05)");
    for (auto& client : clients) {
      Result result = client.last();
      CHECK_MESSAGE(!result.failed(), (result.failed() ? result.error().message : ""));
    }
  }
}

TEST_CASE("a server's mangled or missing words don't hurt: no SQLSTATE, nonsense, half a message") {
  using Script = std::function<void(FakeServer::Peer&)>;
  const std::vector<std::pair<const char*, Script>> scripts{
      {"an error without any field",
       [](FakeServer::Peer& peer) { peer.send(msg::typed('E', std::string(1, '\0'))); }},
      {"an error without SQLSTATE",
       [](FakeServer::Peer& peer) {
         peer.send(msg::typed('E', std::string("SFATAL\0Mno code\0\0", 17)));
       }},
      {"an unterminated error", [](FakeServer::Peer& peer) { peer.send(msg::typed('E', "SFATAL")); }},
      {"an unknown authentication",
       [](FakeServer::Peer& peer) { peer.send(msg::typed('R', msg::i32(99))); }},
      {"a SCRAM challenge out of order",
       [](FakeServer::Peer& peer) { peer.send(msg::typed('R', msg::i32(11) + "r=x,s=,i=1")); }},
      {"an absurd length", [](FakeServer::Peer& peer) { peer.send("R\x7f\xff\xff\xff"); }},
      {"a length too short", [](FakeServer::Peer& peer) { peer.send(std::string("R\0\0\0\1", 5)); }},
      {"a row before the login", [](FakeServer::Peer& peer) { peer.send(msg::typed('D', "xx")); }},
      {"HTTP", [](FakeServer::Peer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); }},
      {"half a message", [](FakeServer::Peer& peer) { peer.send(std::string("R\0\0\0\x08\0", 6)); }},
      {"nothing", [](FakeServer::Peer&) {}},
  };
  for (const auto& [name, script] : scripts) {
    CAPTURE(name);
    FakeServer server([&script = script](FakeServer::Peer& peer) {
      peer.startup();
      script(peer);
    });
    Pooler pooler({.settings = {{"client_login_timeout", "1"}, {"server_login_retry", "1"}},
                   .databases = {"fake = host=127.0.0.1 port=" + std::to_string(server.port()),
                                 entry("db", primary(), "postgres")}});
    CHECK(refused(pooler.conninfo("fake", "postgres")).severity == "FATAL");
    CHECK(pooler.connect("db").value("select 1") == "1");
  }
}

TEST_CASE("a server that talks out of turn is not used any more" *
          doctest::skip(on_pgbouncer())) {
  FakeServer server([](FakeServer::Peer& peer) {
    peer.startup();
    peer.welcome();
    for (int query = 0; !peer.read_message().empty(); ++query) {
      peer.send(msg::typed('C', std::string("SELECT 0\0", 9)) + msg::typed('Z', "I"));
      // An answer to a question nobody asked.
      peer.send(msg::typed('D', msg::i16(0)) + msg::typed('C', std::string("SELECT 1\0", 9)) +
                msg::typed('Z', "I"));
    }
  });
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {"fake = host=127.0.0.1 port=" + std::to_string(server.port())}});
  RawClient client = pooler.raw("fake");
  for (int i = 0; i < 3; ++i) {
    client.send(msg::query("select"));
    CHECK(client.types_until('Z') == "CZ");
    eventually("the server is dropped", [&] {
      return pooler.pool("fake", "postgres", "sv_idle") == 0;
    });
  }
}

TEST_CASE("notices, notifications and parameters of an idle server go nowhere wrong") {
  FakeServer server([](FakeServer::Peer& peer) {
    peer.startup();
    peer.welcome();
    while (!peer.read_message().empty()) {
      peer.send(msg::typed('C', std::string("SELECT 0\0", 9)) + msg::typed('Z', "I"));
      peer.send(msg::typed('A', msg::i32(1) + std::string("news\0text\0", 10)));
    }
  });
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {"fake = host=127.0.0.1 port=" + std::to_string(server.port())}});
  RawClient one = pooler.raw("fake"), two = pooler.raw("fake");
  for (int i = 0; i < 5; ++i) {
    one.send(msg::query("select"));
    std::string types = one.types_until('Z');
    CHECK(types.find("CZ") != std::string::npos);
    two.send(msg::query("select"));
    types = two.types_until('Z');
    CHECK(types.find("CZ") != std::string::npos);
  }
}

TEST_CASE("asynchronous ParameterStatus in the middle of an answer passes to the client") {
  FakeServer server([](FakeServer::Peer& peer) {
    peer.startup();
    peer.welcome();
    while (!peer.read_message().empty()) {
      peer.send(msg::typed('S', std::string("TimeZone\0Asia/Tokyo\0", 20)) +
                msg::typed('N', std::string("SNOTICE\0C00000\0Mhey\0\0", 21)) +
                msg::typed('C', std::string("SELECT 0\0", 9)) + msg::typed('Z', "I"));
    }
  });
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {"fake = host=127.0.0.1 port=" + std::to_string(server.port())}});
  RawClient client = pooler.raw("fake");
  client.send(msg::query("select"));
  CHECK(client.types_until('Z') == "SNCZ");
  CHECK(client.parameters().at("TimeZone") == "Asia/Tokyo");
}
