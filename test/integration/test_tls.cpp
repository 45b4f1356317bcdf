// TLS between clients and the pooler: who gets in by which sslmode, certificates, channel binding,
// reload, and clients that abuse the handshake.
#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <list>

#include "support/pooler.h"
#include "support/tls.h"

using namespace howdah::test;

TEST_SUITE_BEGIN("tls" * doctest::skip(on_pgbouncer()));

namespace {

// Everything that most tests need, made once.
struct World {
  TestCa ca, other{"another CA"};
  TestCa::Pair server = ca.issue("server", "localhost", "DNS:localhost,IP:127.0.0.1");
  TestCa::Pair wrong_name = ca.issue("elsewhere", "elsewhere", "DNS:elsewhere.example");
  TestCa::Pair client = ca.issue("client", "postgres");
  TestCa::Pair stranger = other.issue("stranger", "postgres");
  std::string root = " sslrootcert=" + ca.crt();
};

World& world() {
  static auto* made = new World;
  return *made;
}

PoolerConfig config(const std::string& mode, const TestCa::Pair& pair = world().server) {
  return {.settings = {{"client_tls_sslmode", mode},
                       {"client_tls_cert_file", pair.crt},
                       {"client_tls_key_file", pair.key},
                       {"client_tls_ca_file", world().ca.crt()},
                       {"pool_mode", "transaction"}},
          .databases = {entry("db", primary(), "postgres")}};
}

std::string in_with(const TestCa::Pair& pair) {
  return " sslcert=" + pair.crt + " sslkey=" + pair.key;
}

// "plain", "tls", or the error's text.
std::string way_in(Pooler& pooler, const std::string& more) {
  try {
    Client client(pooler.conninfo("db", "postgres", more));
    CHECK(client.value("select 7") == "7");
    bool tls = PQsslInUse(client.raw()) == 1;
    std::string shown = pooler.show("CLIENTS", {{"database", "db"}}).at("tls");
    CHECK(shown.starts_with("TLSv1.3/") == tls);
    CHECK(shown.empty() != tls);
    return tls ? "tls" : "plain";
  } catch (const SqlError& error) {
    return error.report.message;
  }
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string startup() { return msg::startup({{"user", "postgres"}, {"database", "db"}}); }

// Asks for TLS as libpq does; the answer.
char ask(Socket& socket) {
  REQUIRE(socket.send(msg::ssl_request()));
  return socket.read_byte();
}

}  // namespace

TEST_CASE("each sslmode of the pooler lets in whom it should, by each sslmode of libpq") {
  for (std::string mode : {"disable", "allow", "prefer", "require"}) {
    CAPTURE(mode);
    Pooler pooler(config(mode));
    bool on = mode != "disable", forced = mode == "require";
    std::string plain = way_in(pooler, "sslmode=disable");
    CHECK_MESSAGE((forced ? says(plain, "SSL required") : plain == "plain"), plain);
    CHECK(way_in(pooler, "sslmode=allow") == (forced ? "tls" : "plain"));
    CHECK(way_in(pooler, "sslmode=prefer") == (on ? "tls" : "plain"));
    for (std::string strict : {"require", "verify-ca", "verify-full"}) {
      CAPTURE(strict);
      std::string way = way_in(pooler, "sslmode=" + strict + world().root);
      if (on) {
        CHECK(way == "tls");
      } else {
        CHECK(says(way, "server does not support SSL"));
      }
    }
  }
}

TEST_CASE("a certificate of another name is for verify-ca, not for verify-full") {
  Pooler pooler(config("require", world().wrong_name));
  CHECK(way_in(pooler, "sslmode=verify-ca" + world().root) == "tls");
  CHECK(says(way_in(pooler, "sslmode=verify-full" + world().root), "does not match host name"));
  CHECK(says(way_in(pooler, "sslmode=verify-ca sslrootcert=" + world().other.crt()),
             "certificate verify failed"));
}

TEST_CASE("client certificates: checked if given, demanded by verify-ca and verify-full") {
  for (std::string mode : {"prefer", "require", "verify-ca", "verify-full"}) {
    CAPTURE(mode);
    Pooler pooler(config(mode));
    bool demanded = mode.starts_with("verify");
    std::string tls = "sslmode=require";
    std::string none = way_in(pooler, tls);
    if (demanded) {
      CHECK(none != "tls");
      eventually("the log says why", [&] {
        return pooler.logged("TLS handshake error: peer did not return a certificate");
      });
    } else {
      CHECK(none == "tls");
    }
    CHECK(way_in(pooler, tls + in_with(world().client)) == "tls");
    CHECK(way_in(pooler, tls + in_with(world().stranger)) != "tls");
    eventually("the log says why", [&] {
      return pooler.logged("TLS handshake error: certificate verify failed");
    });
  }
}

TEST_CASE("unix sockets never use TLS and are never asked to") {
  Pooler pooler(config("require"));
  Client client("host=" + pooler.directory() + " port=" + std::to_string(pooler.port()) +
                " dbname=db user=postgres sslmode=prefer");
  CHECK(client.value("select 7") == "7");
  CHECK(PQsslInUse(client.raw()) == 0);
}

TEST_CASE("channel binding: libpq may require it, with plain and SCRAM secrets") {
  primary().create_role("bound");
  std::unique_ptr<char, decltype(&PQfreemem)> hash(
      PQencryptPasswordConn(primary().connect().raw(), "pencil", "bound", "scram-sha-256"),
      PQfreemem);
  for (std::string secret : {std::string("pencil"), std::string(hash.get())}) {
    PoolerConfig settings = config("prefer");
    settings.settings["auth_type"] = "scram-sha-256";
    settings.userlist = {{"bound", secret}, {"admin", "admin-password"}};
    Pooler pooler(settings);
    auto login = [&](const std::string& more) {
      return Client(pooler.conninfo("db", "bound", more)).value("select current_user");
    };
    CHECK(login("password=pencil sslmode=require channel_binding=require") == "bound");
    CHECK(login("password=pencil sslmode=require channel_binding=disable") == "bound");
    CHECK(login("password=pencil sslmode=disable") == "bound");
    ErrorReport wrong = refused(
        pooler.conninfo("db", "bound", "password=x sslmode=require channel_binding=require"));
    CHECK(says(wrong.message, "authentication failed"));
    CHECK(says(refused(pooler.conninfo("db", "bound",
                                       "password=pencil sslmode=disable channel_binding=require"))
                   .message,
               "channel binding"));
  }
}

TEST_CASE("the log and SHOW CLIENTS name version and cipher") {
  PoolerConfig settings = config("require");
  settings.settings["client_tls_protocols"] = "tlsv1.2";
  settings.settings["client_tls_ciphers"] = "ECDHE-ECDSA-AES128-GCM-SHA256";
  settings.settings["client_tls_ecdhcurve"] = "prime256v1";
  Pooler pooler(settings);
  Client client = pooler.connect("db", "postgres", "sslmode=require");
  const std::string text = "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256/ECDH=prime256v1";
  CHECK(pooler.show("CLIENTS", {{"database", "db"}}).at("tls") == text);
  CHECK(pooler.logged("login attempt: db=db user=postgres tls=" + text + " replication=no"));
}

TEST_CASE("a new certificate is used after a reload; who is in stays in, in its transaction") {
  Pooler pooler(config("require"));
  Client client = pooler.connect("db", "postgres", "sslmode=verify-full" + world().root);
  client.exec("begin");
  std::string pid = client.value("select pg_backend_pid()");
  TestCa fresh("a new CA");
  TestCa::Pair pair = fresh.issue("server", "localhost", "IP:127.0.0.1");
  pooler.config().settings["client_tls_cert_file"] = pair.crt;
  pooler.config().settings["client_tls_key_file"] = pair.key;
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(client.value("select pg_backend_pid()") == pid);
  client.exec("commit");
  CHECK(way_in(pooler, "sslmode=verify-full" + world().root) != "tls");
  client.close();
  CHECK(way_in(pooler, "sslmode=verify-full sslrootcert=" + fresh.crt()) == "tls");
}

TEST_CASE("a broken certificate at reload is refused, and the old one stays in force") {
  TempDir directory;
  std::string path = directory / "server.crt";
  write_file(path, read_file(world().server.crt));
  PoolerConfig settings = config("require");
  settings.settings["client_tls_cert_file"] = path;
  Pooler pooler(settings);
  Client client = pooler.connect("db", "postgres", "sslmode=require");
  for (std::string broken : {std::string("nonsense"), read_file(world().client.crt)}) {
    write_file(path, broken);
    pooler.config().settings["default_pool_size"] = "7";
    pooler.write_files();
    CHECK_THROWS_AS(pooler.console("RELOAD"), SqlError);
    CHECK(pooler.logged("TLS setup failed: client_tls: "));
    CHECK(client.value("select 1") == "1");
    client.close();
    CHECK(way_in(pooler, "sslmode=verify-full" + world().root) == "tls");
    CHECK(pooler.show("CONFIG", {{"key", "default_pool_size"}}).at("value") == "20");
    client = pooler.connect("db", "postgres", "sslmode=require");
  }
}

TEST_CASE("a key that only root could read stays in force at a reload, which the log says") {
  if (::getuid() != 0) return;  // only root can become somebody else
  TempDir directory;
  std::string key = directory / "root.key", log = directory / "log", ini = directory / "howdah.ini";
  write_file(key, read_file(world().server.key));
  REQUIRE(::chmod(key.c_str(), 0600) == 0);
  REQUIRE(::chown(key.c_str(), 0, 0) == 0);
  write_file(directory / "userlist.txt", "\"admin\" \"\"\n");
  int port = free_port();
  auto write = [&](const std::string& size, const std::string& crt) {
    write_file(ini, "[howdah]\nuser = " + service_user().name + "\nlisten_addr = 127.0.0.1\n" +
                        "listen_port = " + std::to_string(port) + "\nunix_socket_dir =\n" +
                        "auth_type = trust\nauth_file = " + (directory / "userlist.txt") +
                        "\nadmin_users = admin\nclient_tls_sslmode = require\n" +
                        "client_tls_key_file = " + key + "\nclient_tls_cert_file = " + crt +
                        "\ndefault_pool_size = " + size + "\n[databases]\ndb = host=127.0.0.1\n");
  };
  write("7", world().server.crt);
  Process howdah({pooler_binary(), ini}, {.log = log, .environment = {}, .as_service_user = false});
  auto console = [&] {
    return Client("host=127.0.0.1 port=" + std::to_string(port) +
                  " dbname=pgbouncer user=admin sslmode=verify-full" + world().root);
  };
  eventually("it listens", [&] {
    if (!howdah.running()) throw std::runtime_error(read_file(log));
    try {
      return console().exec("SHOW VERSION").rows() == 1;
    } catch (const SqlError&) {
      return false;
    }
  });
  write("8", world().server.crt);
  CHECK_NOTHROW(console().exec("RELOAD"));
  CHECK(says(read_file(log), "client_tls: " + key + ": Permission denied; the certificate and key in force stay"));
  CHECK(says(read_file(log), "WARNING"));
  Result settings = console().exec("SHOW CONFIG");
  for (int row = 0; row < settings.rows(); ++row) {
    if (settings.at(row, 0) == "default_pool_size") CHECK(settings.at(row, 1) == "8");
  }
  // Another pair is asked for: the old one is not what was meant.
  write("9", world().wrong_name.crt);
  CHECK_THROWS_AS(console().exec("RELOAD"), SqlError);
  CHECK(says(read_file(log), "TLS setup failed: client_tls: " + key));
  CHECK(console().exec("SHOW VERSION").rows() == 1);
  howdah.signal(SIGQUIT);
  CHECK(howdah.wait() == 0);
}

TEST_CASE("big results, COPY both ways and long queries pass TLS whole") {
  Pooler pooler(config("require"));
  Client client = pooler.connect("db", "postgres", "sslmode=require");
  Result rows = client.exec("select i, repeat(md5(i::text), 40) from generate_series(1, 20000) i");
  REQUIRE(rows.rows() == 20000);
  std::string all;
  for (int row = 0; row < rows.rows(); ++row) all += rows.at(row, 1);
  CHECK(client.query("select $1 = string_agg(repeat(md5(i::text), 40), '' order by i) "
                     "from generate_series(1, 20000) i",
                     {all})
            .at(0, 0) == "t");
  client.exec("begin; create temp table t(a int, b text)");
  client.exec("copy t from stdin");
  std::string line = "\t" + std::string(1000, 'x') + "\n";
  for (int i = 0; i < 20000; ++i) client.copy_put(std::to_string(i) + line);
  client.copy_end();
  CHECK(client.value("select count(*) || ' ' || sum(length(b)) from t") == "20000 20000000");
  client.exec("copy t to stdout");
  std::size_t got = 0;
  while (auto piece = client.copy_get()) got += piece->size();
  CHECK(got > 20000000);
  client.last();
  client.exec("rollback");
}

TEST_CASE("a cancel request is taken plain and inside TLS, also where TLS is required") {
  Pooler pooler(config("require"));
  Client client = pooler.connect("db", "postgres", "sslmode=require");
  client.send("select pg_sleep(60)");
  eventually("it runs", [&] {
    return primary().sql("select 1 from pg_stat_activity where query = 'select pg_sleep(60)'").rows() == 1;
  });
  CHECK(client.cancel());
  CHECK(client.last().error().code == "57014");
}

TEST_CASE("the handshake may come byte by byte, after SSLRequest or directly with ALPN") {
  Pooler pooler(config("require"));
  for (bool direct : {false, true}) {
    for (std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
      CAPTURE(direct);
      CAPTURE(piece);
      Socket socket(pooler.port());
      if (!direct) REQUIRE(ask(socket) == 'S');
      TlsEnd tls(socket.fd(), {.ca = world().ca.crt(), .alpn = "postgresql", .piece = piece});
      REQUIRE(tls.handshake());
      REQUIRE(tls.write(startup()));
      CHECK(tls.read().starts_with("R"));
    }
  }
}

TEST_CASE("direct TLS without ALPN, or for another protocol, is refused") {
  Pooler pooler(config("prefer"));
  for (std::string alpn : {"", "http/1.1"}) {
    Socket socket(pooler.port());
    TlsEnd tls(socket.fd(), {.alpn = alpn});
    if (tls.handshake()) {
      tls.write(startup());
      CHECK(tls.read().empty());
    }
  }
  eventually("the log says why",
             [&] { return pooler.logged("TLS handshake error: a direct TLS connection needs"); });
}

TEST_CASE("plain text before, instead of or around a handshake gets nobody in") {
  Pooler pooler(config("prefer"));
  {
    Socket together(pooler.port());  // in one segment: would be taken for a part of the session
    together.send(msg::ssl_request() + startup());
    CHECK(says(together.drain(), "received unencrypted data after SSL request"));
  }
  {
    Socket later(pooler.port());  // in place of the handshake
    REQUIRE(ask(later) == 'S');
    later.send(startup());
    CHECK(!says(later.drain(), "server_version"));
  }
  {
    Socket hello(pooler.port());  // a handshake that begins in the same segment
    TlsEnd tls(hello.fd(), {});
    hello.send(msg::ssl_request() + tls.first_flight());
    CHECK(says(hello.drain(), "received unencrypted data after SSL request"));
  }
  {
    Socket twice(pooler.port());
    REQUIRE(ask(twice) == 'S');
    TlsEnd tls(twice.fd(), {});
    REQUIRE(tls.handshake());
    tls.write(msg::ssl_request());
    CHECK(says(tls.read(), "encryption was asked for twice"));
  }
}

TEST_CASE("TLS 1.1 is too old by default") {
  Pooler pooler(config("require"));
  Socket socket(pooler.port());
  REQUIRE(ask(socket) == 'S');
  TlsEnd tls(socket.fd(), {.max_version = TLS1_1_VERSION});
  CHECK(!tls.handshake());
  eventually("the log says why", [&] { return pooler.logged("TLS handshake error: unsupported"); });
}

TEST_CASE("sessions are resumed by ticket, over a reload, but not with another certificate") {
  Pooler pooler(config("require"));
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> ticket(nullptr, SSL_SESSION_free);
  auto connect = [&] {
    Socket socket(pooler.port());
    REQUIRE(ask(socket) == 'S');
    TlsEnd tls(socket.fd(), {.session = ticket.get()});
    REQUIRE(tls.handshake());
    tls.write(startup());
    CHECK(tls.read().starts_with("R"));  // the ticket came before
    ticket.reset(tls.session());
    return tls.resumed();
  };
  CHECK(!connect());
  CHECK(connect());
  pooler.console("RELOAD");
  CHECK(connect());
  pooler.config().settings["client_tls_cert_file"] = world().wrong_name.crt;
  pooler.config().settings["client_tls_key_file"] = world().wrong_name.key;
  pooler.write_files();
  pooler.console("RELOAD");
  CHECK(!connect());
  CHECK(connect());
}

TEST_CASE("clients that never finish the handshake are cut off and hold up nobody") {
  PoolerConfig settings = config("require");
  settings.settings["client_login_timeout"] = "3";
  settings.settings["max_client_conn"] = "2000";
  Pooler pooler(settings);
  std::list<Socket> silent;
  TlsEnd example(-1, {});
  std::string hello = example.first_flight();
  int count = full_run() ? 1000 : 300;
  for (int i = 0; i < count; ++i) {
    Socket& socket = silent.emplace_back(pooler.port());
    if (i % 3 == 0) continue;
    REQUIRE(ask(socket) == 'S');
    if (i % 3 == 1) socket.send(std::string_view(hello).substr(0, 100));
  }
  CHECK(way_in(pooler, "sslmode=require") == "tls");
  for (Socket& socket : silent) socket.drain();  // to its end
  CHECK(way_in(pooler, "sslmode=require") == "tls");
}

TEST_CASE("a handshake that client_login_timeout ends takes no time to say goodbye") {
  PoolerConfig settings = config("require");
  settings.settings["client_login_timeout"] = "1";
  Pooler pooler(settings);
  TlsEnd example(-1, {});
  for (std::string begun : {std::string(), example.first_flight().substr(0, 100)}) {
    auto start = Clock::now();
    Socket socket(pooler.port());
    REQUIRE(ask(socket) == 'S');
    socket.send(begun);
    CHECK(socket.drain().empty());
    CHECK(Clock::now() - start < Millis{9000});  // others are given 10 s to take the error
  }
}

TEST_CASE("--check and the start judge certificates and keys") {
  auto check = [](const std::string& lines) {
    TempDir directory;
    write_file(directory / "howdah.ini",
               "[databases]\ndb = host=127.0.0.1\n[howdah]\nlisten_addr = 127.0.0.1\n" + lines);
    return run({pooler_binary(), "--check", directory / "howdah.ini"});
  };
  auto pair = [](const std::string& crt, const std::string& key) {
    return "client_tls_sslmode = require\nclient_tls_cert_file = " + crt +
           "\nclient_tls_key_file = " + key + "\n";
  };
  const World& w = world();
  CHECK(check(pair(w.server.crt, w.server.key)).status == 0);
  for (const std::string& lines :
       {pair(w.server.crt, w.client.key), pair(w.server.key, w.server.key),
        pair(w.server.crt, "/nonexistent"), std::string("client_tls_sslmode = require\n"),
        pair(w.server.crt, w.server.key) + "client_tls_ciphers = nonsense\n",
        pair(w.server.crt, w.server.key) + "client_tls_ecdhcurve = nonsense\n",
        pair(w.server.crt, w.server.key) + "client_tls_protocols = all:!all\n",
        "server_tls_ca_file = " + w.server.key + "\n"}) {
    Output output = check(lines);
    CHECK_MESSAGE(output.status == 1, lines << output.text);
    CHECK_MESSAGE(says(output.text, "_tls"), output.text);
  }
}

TEST_SUITE_END();
