// TLS between the pooler and PostgreSQL: modes, certificates, channel binding, direct negotiation,
// cancel, reload, and servers that cheat.
#include <doctest/doctest.h>

#include <poll.h>
#include <sys/socket.h>

#include <mutex>

#include "support/fake_server.h"
#include "support/pooler.h"
#include "support/tls.h"

using namespace howdah::test;

TEST_SUITE_BEGIN("server_tls" * doctest::skip(on_pgbouncer()));

namespace {

struct World {
  TestCa ca, other{"another CA"};
  TestCa::Pair server = ca.issue("server", "localhost", "DNS:localhost,IP:127.0.0.1");
  TestCa::Pair wrong_name = ca.issue("elsewhere", "elsewhere", "DNS:elsewhere.example");
  TestCa::Pair expired = ca.issue("expired", "localhost", "IP:127.0.0.1", -1);
  TestCa::Pair client = ca.issue("client", "postgres");
  PgCluster cluster{{"ssl = on", "ssl_cert_file = '" + server.crt + "'",
                     "ssl_key_file = '" + server.key + "'", "ssl_ca_file = '" + ca.crt() + "'"}};
};

World& world() {
  static auto* made = new World;
  return *made;
}


bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

PoolerConfig config(const std::string& mode, const std::string& more = "",
                    PgCluster& cluster = world().cluster) {
  return {.settings = {{"server_tls_sslmode", mode},
                       {"server_tls_ca_file", world().ca.crt()},
                       {"server_login_retry", "1"},
                       {"pool_mode", "transaction"}},
          .databases = {entry("db", cluster, "postgres", more)}};
}

constexpr const char* kInTls = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

// "t", "f": in TLS or not; or what the client is told instead.
std::string way(Pooler& pooler) {
  try {
    Client client = pooler.connect("db");
    std::string tls = client.value(kInTls);
    std::string shown = pooler.show("SERVERS", {{"database", "db"}}).at("tls");
    CHECK(shown.starts_with("TLSv1.3/") == (tls == "t"));
    return tls;
  } catch (const SqlError& error) {
    return error.report.message;
  }
}

// PostgreSQL takes its certificate from these files from now on.
struct Presents {
  explicit Presents(const TestCa::Pair& pair) { set(pair); }
  ~Presents() { set(world().server); }
  void set(const TestCa::Pair& pair) {
    world().cluster.sql("alter system set ssl_cert_file = '" + pair.crt + "'");
    world().cluster.sql("alter system set ssl_key_file = '" + pair.key + "'");
    world().cluster.reload();
  }
};


// Ends TLS in front of PostgreSQL, and notes what each connection began with.
class Front {
 public:
  Front(const TestCa::Pair& pair, bool direct, const std::string& alpn, bool tls_behind = false)
      : options_{.server = true, .crt = pair.crt, .key = pair.key, .alpn = alpn},
        direct_(direct),
        tls_behind_(tls_behind),
        server_([this](FakeServer::Peer& peer) { serve(peer); }) {}
  int port() const { return server_.port(); }
  // "SNI startup", "SNI cancel"; "plain" for what did not come in TLS.
  std::vector<std::string> seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  int count(const std::string& what) {
    int found = 0;
    for (const auto& one : seen()) found += one == what;
    return found;
  }

 private:
  void serve(FakeServer::Peer& peer) try {
    if (!direct_) {
      std::string request(8, '\0');
      if (::recv(peer.fd(), request.data(), 8, MSG_WAITALL) != 8) return;
      if (request != msg::ssl_request()) return note("plain");
      peer.send("S");
    }
    TlsEnd front(peer.fd(), options_);
    if (!front.handshake()) return;
    std::string first = front.read();
    if (first.size() < 8) return;
    const char* name = SSL_get_servername(front.ssl(), TLSEXT_NAMETYPE_host_name);
    bool cancel = first.substr(4, 4) == msg::i32(80877102);
    note(std::string(name ? name : "") + (cancel ? " cancel" : " startup"));
    Socket back(world().cluster.port());
    std::unique_ptr<TlsEnd> behind;
    if (tls_behind_) {
      back.send(msg::ssl_request());
      if (back.read_byte() != 'S') return;
      behind = std::make_unique<TlsEnd>(back.fd(), TlsEnd::Options{});
      if (!behind->handshake()) return;
    }
    auto pass = [&](const std::string& bytes) {
      return !bytes.empty() && (behind ? behind->write(bytes) : back.send(bytes));
    };
    if (!pass(first)) return;
    char bytes[16384];
    while (true) {
      pollfd both[2] = {{peer.fd(), POLLIN, 0}, {back.fd(), POLLIN, 0}};
      if (::poll(both, 2, 60000) <= 0) return;
      if (both[0].revents && !pass(front.read())) return;
      if (!both[1].revents) continue;
      std::string answer;
      if (behind) {
        answer = behind->read();
      } else if (ssize_t got = ::recv(back.fd(), bytes, sizeof bytes, 0); got > 0) {
        answer.assign(bytes, static_cast<std::size_t>(got));
      }
      if (answer.empty() || !front.write(answer)) return;
    }
  } catch (const std::exception&) {  // the test is over, or has failed for another reason
  }
  void note(const std::string& what) {
    std::lock_guard lock(mutex_);
    seen_.push_back(what);
  }

  TlsEnd::Options options_;
  bool direct_, tls_behind_;
  std::mutex mutex_;
  std::vector<std::string> seen_;
  FakeServer server_;
};

PoolerConfig through(const Front& front, const std::string& host, const std::string& more) {
  PoolerConfig made = config("disable");
  made.databases = {"db = host=" + host + " port=" + std::to_string(front.port()) +
                    " dbname=postgres " + more};
  return made;
}

}  // namespace

TEST_CASE("each mode with a server that has TLS, and with one that has not") {
  for (std::string mode : {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}) {
    CAPTURE(mode);
    Pooler with(config(mode)), without(config(mode, "", primary()));
    CHECK(way(with) == (mode == "disable" ? "f" : "t"));
    std::string plain = way(without);
    if (mode == "disable" || mode == "allow" || mode == "prefer") {
      CHECK(plain == "f");
    } else {
      CHECK(plain == "server refused SSL");
    }
  }
}

TEST_CASE("certificates of another name, another authority, out of date") {
  {
    Presents it(world().wrong_name);
    Pooler chain(config("verify-ca")), full(config("verify-full"));
    CHECK(way(chain) == "t");
    CHECK(says(way(full), "TLS handshake with the server failed: certificate verify failed: "));
  }
  {
    Presents it(world().expired);
    Pooler none(config("require")), chain(config("verify-ca"));
    CHECK(way(none) == "t");
    CHECK(says(way(chain), "certificate has expired"));
  }
  PoolerConfig stranger = config("verify-ca");
  stranger.settings["server_tls_ca_file"] = world().other.crt();
  Pooler pooler(stranger);
  CHECK(says(way(pooler), "certificate verify failed"));
  // A failed handshake is not followed by plain text, not even by mode.
  CHECK(world().cluster.backends("postgres") <= 1);
}

TEST_CASE("the very host of a list is the one whose name is verified") {
  Pooler pooler(config("verify-full", "host=localhost,127.0.0.1"));
  CHECK(way(pooler) == "t");
  pooler.console("RECONNECT");
  CHECK(way(pooler) == "t");
}

TEST_CASE("an entry's keys stand over the global ones") {
  PoolerConfig settings = config("disable");
  settings.databases = {
      entry("db", world().cluster, "postgres"),
      entry("safe", world().cluster, "postgres",
            "server_tls_sslmode=verify-full server_tls_protocols=tlsv1.2")};
  Pooler pooler(settings);
  CHECK(pooler.connect("db").value(kInTls) == "f");
  Client safe = pooler.connect("safe");
  CHECK(safe.value("select version from pg_stat_ssl where pid = pg_backend_pid()") == "TLSv1.2");
}

TEST_CASE("we show our certificate to a server that wants one") {
  world().cluster.set_hba("hostssl all all 127.0.0.1/32 cert\nhostnossl all all 127.0.0.1/32 reject\n");
  {
    PoolerConfig settings = config("require");
    settings.settings["server_tls_cert_file"] = world().client.crt;
    settings.settings["server_tls_key_file"] = world().client.key;
    Pooler with(settings), without(config("require"));
    CHECK(way(with) == "t");
    CHECK(says(way(without), "certificate"));
  }
  world().cluster.set_hba("");
}

TEST_CASE("SCRAM to a server binds to its certificate: one in between is noticed by PostgreSQL") {
  world().cluster.create_role("bound", "login superuser password 'pencil'");
  world().cluster.set_hba("hostssl all bound 127.0.0.1/32 scram-sha-256\n");
  std::string user = "user=bound password=pencil server_tls_sslmode=require";
  {
    Pooler straight(config("require", user));
    CHECK(straight.connect("db").value("select current_user") == "bound");
    Front same(world().server, false, "", true), other(world().wrong_name, false, "", true);
    Pooler relayed(through(same, "127.0.0.1", user));  // the certificate is what counts
    CHECK(relayed.connect("db").value("select current_user") == "bound");
    Pooler caught(through(other, "127.0.0.1", user));
    CHECK(says(refused(caught.conninfo("db", "postgres")).message, "channel binding"));
  }
  world().cluster.set_hba("");
}

TEST_CASE("direct TLS works with ALPN, and is refused without") {
  const std::string more = "server_tls_sslmode=verify-full server_tls_negotiation=direct";
  Front front(world().server, true, "postgresql");
  Pooler pooler(through(front, "localhost", more));
  Client client = pooler.connect("db");
  CHECK(client.value("select 7") == "7");
  CHECK(front.count("localhost startup") == 1);
  CHECK(pooler.show("SERVERS", {{"database", "db"}}).at("tls").starts_with("TLSv1.3/"));
  Front deaf(world().server, true, "");
  Pooler strict(through(deaf, "localhost", more));
  CHECK(says(refused(strict.conninfo("db", "postgres")).message, "ALPN"));
}

TEST_CASE("a cancel request goes the way its server's connection went; names are sent as SNI") {
  for (bool direct : {false, true}) {
    CAPTURE(direct);
    Front front(world().server, direct, "postgresql");
    Pooler pooler(through(front, "localhost",
                          std::string("server_tls_sslmode=require") +
                              (direct ? " server_tls_negotiation=direct" : "")));
    Client client = pooler.connect("db");
    client.send("select pg_sleep(60) /* tls */");
    eventually("it runs", [&] {
      return world().cluster.sql("select 1 from pg_stat_activity where state = 'active' and "
                                 "query = 'select pg_sleep(60) /* tls */'").rows() == 1;
    });
    CHECK(client.cancel());
    CHECK(client.last().error().code == "57014");
    CHECK(client.value("select 7") == "7");
    CHECK(front.count("localhost cancel") == 1);
    CHECK(front.count("plain") == 0);
  }
}

TEST_CASE("servers that say more than S, hang in the handshake, or speak no TLS after it") {
  struct Case {
    std::string says, log;
  };
  for (const Case& one :
       {Case{"S" + msg::typed('R', msg::i32(0)), "received unencrypted data after SSL response"},
        Case{"E", "answered the SSL request with an error"},
        Case{"S", "connect timeout"},
        Case{"?", "answer to the SSL request is not PostgreSQL's protocol"}}) {
    CAPTURE(one.log);
    FakeServer server([&](FakeServer::Peer& peer) {
      char bytes[4096];
      if (::recv(peer.fd(), bytes, sizeof bytes, 0) <= 0) return;
      peer.send(one.says);
      while (::recv(peer.fd(), bytes, sizeof bytes, 0) > 0) {
      }
    });
    PoolerConfig settings = config("prefer");
    settings.settings["server_connect_timeout"] = "1";
    settings.settings["query_wait_timeout"] = "2";
    settings.databases = {"db = host=127.0.0.1 port=" + std::to_string(server.port())};
    Pooler pooler(settings);
    refused(pooler.conninfo("db", "postgres"));
    eventually("the log says why", [&] { return pooler.logged(one.log); });
  }
}

TEST_CASE("a reload replaces servers when TLS settings change, and only then") {
  Pooler pooler(config("prefer"));
  auto backend = [&] { return pooler.connect("db").value("select pg_backend_pid()"); };
  std::string first = backend();
  pooler.console("RELOAD");
  CHECK(backend() == first);
  pooler.config().settings["server_tls_sslmode"] = "verify-full";
  pooler.write_files();
  pooler.console("RELOAD");
  std::string second = backend();
  CHECK(second != first);
  pooler.console("SET server_tls_sslmode = 'disable'");
  CHECK(backend() != second);
  CHECK(way(pooler) == "f");
}

TEST_CASE("big results and COPY pass TLS on both sides") {
  PoolerConfig settings = config("verify-full");
  settings.settings["client_tls_sslmode"] = "require";
  settings.settings["client_tls_cert_file"] = world().server.crt;
  settings.settings["client_tls_key_file"] = world().server.key;
  Pooler pooler(settings);
  Client client = pooler.connect("db", "postgres", "sslmode=require");
  Result rows = client.exec("select repeat(md5(i::text), 100) from generate_series(1, 10000) i");
  std::string all;
  for (int row = 0; row < rows.rows(); ++row) all += rows.at(row, 0);
  CHECK(client.query("select $1 = string_agg(repeat(md5(i::text), 100), '' order by i) "
                     "from generate_series(1, 10000) i",
                     {all})
            .at(0, 0) == "t");
}

TEST_SUITE_END();
