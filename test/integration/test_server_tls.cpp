// TLS between the pooler and PostgreSQL: modes, certificates, channel binding, direct negotiation,
// cancel, reload, and servers that cheat.
#include <doctest/doctest.h>

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

TEST_SUITE_END();
