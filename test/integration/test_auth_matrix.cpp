// The whole product: how a client proves itself x what the pooler has stored of its user x what
// PostgreSQL asks the pooler for x TLS on either side. Every cell is a login and a query through a
// pool of its own, and its outcome is computed from the rules below, so a cell that works by
// mistake fails the test, too.
//
// Towards the client (compat 2.2)
//   trust, any, cert      need no secret of the user. cert needs TLS: the certificate is the proof.
//   plain, md5            can be proved against every kind of secret: a typed password is compared
//   with
//                         whatever is stored, and md5 becomes SCRAM for a user with a SCRAM
//                         verifier.
//   scram-sha-256         can't be proved against an md5 secret, which SCRAM keys can't be made of.
//   hba                   is what the line says that fits: here SCRAM inside TLS, md5 outside.
//   A user without a secret proves nothing by any password.
// Towards PostgreSQL (compat 2.2, "Passwords towards the server")
//   A hostssl line is not for plain connections, whatever the secret; a host line is for both.
//   trust                 asks for nothing.
//   Whatever is asked can be answered with the password itself: from the userlist, or as the client
//   typed it (plain). Else: password              can't be answered. md5, scram-sha-256    what is
//   asked depends on what PostgreSQL has stored of the role: with md5 text it
//                         asks for md5 (only under md5), which an md5 secret answers; with a SCRAM
//                         verifier for SCRAM (under both), which the keys of the client's own SCRAM
//                         proof answer, if our verifier is PostgreSQL's (pass-through). No keys, no
//                         answer.
//   Under scram-sha-256 a role stored as md5 is let in by nothing: PostgreSQL itself refuses.
//   A forced user (any) has no proof of a client to pass on.
#include <doctest/doctest.h>

#include <array>

#include "support/pooler.h"
#include "support/tls.h"

using namespace howdah::test;

TEST_SUITE_BEGIN("auth_matrix" * doctest::skip(on_pgbouncer()));

namespace {

enum class Proof { Trust, Any, Plain, Md5, Scram, Cert, Hba };
enum class Secret { Plain, Md5, Scram, None };
enum class Ask { Trust, Password, Md5, Scram };

constexpr std::array kProofs{Proof::Trust, Proof::Any,  Proof::Plain, Proof::Md5,
                             Proof::Scram, Proof::Cert, Proof::Hba};
constexpr std::array kSecrets{Secret::Plain, Secret::Md5, Secret::Scram, Secret::None};
constexpr std::array kAsks{Ask::Trust, Ask::Password, Ask::Md5, Ask::Scram};

std::string name_of(Proof proof) {
  return std::array{
      "trust", "any", "plain", "md5", "scram-sha-256", "cert", "hba"}[static_cast<std::size_t>(
      proof)];
}
std::string name_of(Ask ask) {
  return std::array{"trust", "password", "md5", "scram-sha-256"}[static_cast<std::size_t>(ask)];
}
// The role whose secret the pooler has in this form.
std::string user_of(Secret secret) {
  return std::array{"m_plain", "m_md5", "m_scram", "m_none"}[static_cast<std::size_t>(secret)];
}

struct Cell {
  Proof proof;
  Secret secret;
  Ask ask;
  bool hostssl;  // the line in pg_hba.conf; else host
  bool client_tls, server_tls;

  std::string entry() const {
    return user_of(secret) + "_" + name_of(ask) + (hostssl ? "_hostssl" : "_host") +
           (client_tls ? "_tls" : "_plain") + (server_tls ? "_tls" : "_plain");
  }
  bool odd() const {
    int sum = static_cast<int>(proof) + static_cast<int>(secret) + static_cast<int>(ask);
    return ((sum + hostssl + client_tls + server_tls) & 1) != 0;
  }
  std::string text() const { return name_of(proof) + ": " + entry(); }
};

struct Expected {
  std::string code, text;  // both empty: the login works
};
constexpr const char* kNothingToSay = "server login failed: wrong password type";

// SCRAM is what this client is asked for, so its proof leaves keys if the secret is a verifier.
bool by_scram(const Cell& cell) {
  return cell.proof == Proof::Scram || (cell.proof == Proof::Hba && cell.client_tls) ||
         ((cell.proof == Proof::Md5 || cell.proof == Proof::Hba) && cell.secret == Secret::Scram);
}

Expected at_the_pooler(const Cell& cell) {
  switch (cell.proof) {
    case Proof::Trust:
    case Proof::Any:
      return {};
    case Proof::Cert:
      return cell.client_tls ? Expected{} : Expected{"28000", "SSL required"};
    case Proof::Plain:
    case Proof::Md5:
    case Proof::Scram:
    case Proof::Hba:
      break;
  }
  if (cell.secret == Secret::None || (cell.secret == Secret::Md5 && by_scram(cell))) {
    return {"28P01", "password authentication failed for user \"" + user_of(cell.secret) + "\""};
  }
  return {};
}

Expected at_postgres(const Cell& cell) {
  std::string user = user_of(cell.secret);
  if (cell.hostssl && !cell.server_tls) {
    return {"28000", "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"" + user +
                         "\", database \"postgres\", no encryption"};
  }
  if (cell.ask == Ask::Trust) return {};
  bool has_password = cell.secret == Secret::Plain || cell.proof == Proof::Plain;
  bool role_has_md5 = cell.secret == Secret::Md5;
  if (has_password) {
    if (role_has_md5 && cell.ask == Ask::Scram) {
      return {"28P01", "password authentication failed for user \"" + user + "\""};
    }
    return {};
  }
  if (cell.ask == Ask::Password) return {"28P01", kNothingToSay};
  bool asked_for_md5 = cell.ask == Ask::Md5 && role_has_md5;
  if (asked_for_md5 && cell.secret == Secret::Md5) return {};
  if (!asked_for_md5 && cell.secret == Secret::Scram && by_scram(cell)) return {};
  return {"28P01", kNothingToSay};
}

Expected expected(const Cell& cell) {
  Expected refused = at_the_pooler(cell);
  return refused.code.empty() ? at_postgres(cell) : refused;
}

std::string hash(Client& client, const std::string& user, const char* encryption) {
  std::unique_ptr<char, decltype(&PQfreemem)> made(
      PQencryptPasswordConn(client.raw(), "pencil", user.c_str(), encryption), PQfreemem);
  REQUIRE(made);
  return made.get();
}

class World {
 public:
  World() {
    Client client = cluster.connect();
    for (Secret secret : kSecrets) {
      std::string user = user_of(secret);
      std::string stored = hash(client, user, secret == Secret::Md5 ? "md5" : "scram-sha-256");
      client.exec("create role " + user + " login password '" + stored + "'");
      switch (secret) {
        case Secret::Plain:
          userlist.emplace_back(user, "pencil");
          break;
        case Secret::Md5:
        case Secret::Scram:
          userlist.emplace_back(user, stored);
          break;
        case Secret::None:
          userlist.emplace_back(user, "");
          break;
      }
      users.push_back(ca.issue(user, user));
    }
    userlist.emplace_back("admin", "admin-password");
    write_file(hba,
               "local pgbouncer admin trust\n"
               "hostssl all all all scram-sha-256\n"
               "hostnossl all all all md5\n");
  }

  std::unique_ptr<Pooler> make(Proof proof) {
    PoolerConfig made;
    // cert is switched on below: the harness starts with a console login without certificate.
    made.settings = {{"auth_type", proof == Proof::Cert ? "trust" : name_of(proof)},
                     {"auth_hba_file", hba},
                     {"client_tls_sslmode", "prefer"},
                     {"client_tls_cert_file", server.crt},
                     {"client_tls_key_file", server.key},
                     {"client_tls_ca_file", ca.crt()},
                     {"server_tls_ca_file", ca.crt()},
                     {"pool_mode", "transaction"},
                     {"server_lifetime", "0"},
                     {"log_connections", "0"},
                     {"log_disconnections", "0"}};
    made.userlist = userlist;
    each([&](Cell cell) {
      made.databases.push_back(entry(cell.entry(), cluster, "postgres",
                                     std::string("server_tls_sslmode=") +
                                         (cell.server_tls ? "verify-full" : "disable") +
                                         (proof == Proof::Any ? forced(cell.secret) : "")));
    });
    auto pooler = std::make_unique<Pooler>(std::move(made));
    if (proof == Proof::Cert) {
      pooler->console("SET client_tls_sslmode = 'verify-full'");
      pooler->console("SET auth_type = 'cert'");
    }
    return pooler;
  }

  // With auth_type any nobody reads auth_file: the secret is in the entry.
  std::string forced(Secret secret) const {
    auto& [user, stored] = userlist[static_cast<std::size_t>(secret)];
    return " user=" + user + (stored.empty() ? "" : " password=" + stored);
  }

  // Every cell but for the client's proof.
  template <class F>
  static void each(F visit) {
    for (Ask ask : kAsks) {
      for (bool hostssl : {false, true}) each_of(ask, hostssl, visit);
    }
  }
  template <class F>
  static void each_of(Ask ask, bool hostssl, F visit) {
    for (Secret secret : kSecrets) {
      for (bool client_tls : {false, true}) {
        for (bool server_tls : {false, true}) {
          visit(Cell{{}, secret, ask, hostssl, client_tls, server_tls});
        }
      }
    }
  }

  TestCa ca;
  TestCa::Pair server = ca.issue("server", "localhost", "DNS:localhost,IP:127.0.0.1");
  std::vector<TestCa::Pair> users;  // by Secret
  std::vector<std::pair<std::string, std::string>> userlist;
  TempDir directory;
  std::string hba = directory / "hba.conf";
  PgCluster cluster{
      {"ssl = on", "ssl_cert_file = '" + server.crt + "'", "ssl_key_file = '" + server.key + "'"}};
};

void try_cell(const World& world, const Pooler& pooler, const Cell& cell) {
  std::string user = user_of(cell.secret), tls = " sslmode=disable";
  if (cell.client_tls) {
    const TestCa::Pair& pair = world.users[static_cast<std::size_t>(cell.secret)];
    tls = " sslmode=verify-full sslrootcert=" + world.ca.crt();
    if (cell.proof == Proof::Cert) tls += " sslcert=" + pair.crt + " sslkey=" + pair.key;
  }
  Expected wanted = expected(cell);
  std::string got;
  try {
    Client client(pooler.conninfo(cell.entry(), cell.proof == Proof::Any ? "anybody" : user,
                                  "password=pencil" + tls));
    got = client.value(
        "select current_user || case when ssl then ' by TLS' else ' in plain' end "
        "from pg_stat_ssl where pid = pg_backend_pid()");
    if ((PQsslInUse(client.raw()) == 1) != cell.client_tls) got += ", client not as asked";
    CHECK_MESSAGE(got == user + (cell.server_tls ? " by TLS" : " in plain"), cell.text());
    CHECK_MESSAGE(wanted.code.empty(), cell.text()
                                           << ": is let in, not refused by " << wanted.text);
  } catch (const SqlError& error) {
    const ErrorReport& report = error.report;
    got = report.code + " " + report.message;
    CHECK_MESSAGE(got == (wanted.code.empty() ? "let in" : wanted.code + " " + wanted.text),
                  cell.text());
    CHECK_MESSAGE(report.severity == "FATAL", cell.text());
  }
}

}  // namespace

TEST_CASE(
    "every proof of a client, kind of secret and demand of PostgreSQL, with and without TLS") {
  World world;
  std::vector<std::pair<Proof, std::unique_ptr<Pooler>>> poolers;
  for (Proof proof : kProofs) poolers.emplace_back(proof, world.make(proof));
  int cells = 0, in = 0;
  for (Ask ask : kAsks) {
    for (bool hostssl : {false, true}) {
      world.cluster.set_hba((hostssl ? "hostssl all all all " : "host all all all ") +
                            name_of(ask) + "\nhost all all all reject\n");
      for (auto& [proof, pooler] : poolers) {
        World::each_of(ask, hostssl, [&](Cell cell) {
          cell.proof = proof;
          if (!full_run() && cell.odd() != (test_workers() > 1)) return;
          try_cell(world, *pooler, cell);
          ++cells;
          in += expected(cell).code.empty();
        });
      }
    }
  }
  MESSAGE(cells << " cells, of which " << in << " let in");
  CHECK(cells == 7 * 4 * 4 * 2 * 2 * 2 / (full_run() ? 1 : 2));
  // The rules refuse and let in: neither half of the test is empty.
  CHECK(in > cells / 4);
  CHECK(in < cells * 3 / 4);
}

TEST_CASE(
    "a forced user's SCRAM verifier opens no server, though the client proved itself by SCRAM") {
  World world;
  world.cluster.set_hba("host all all all scram-sha-256\n");
  Pooler pooler({.settings = {{"auth_type", "scram-sha-256"}},
                 .databases = {entry("own", world.cluster, "postgres"),
                               entry("forced", world.cluster, "postgres", "user=m_scram")},
                 .userlist = world.userlist});
  CHECK(pooler.connect("own", "m_scram", "password=pencil").value("select current_user") ==
        "m_scram");
  ErrorReport report = refused(pooler.conninfo("forced", "m_scram", "password=pencil"));
  CHECK(report.code == "28P01");
  CHECK(report.message == kNothingToSay);
}

TEST_CASE(
    "psql itself, with verify-full and channel binding required on its side and SCRAM on ours") {
  World world;
  world.cluster.set_hba("hostssl all all all scram-sha-256\nhost all all all reject\n");
  PoolerConfig config;
  config.settings = {{"auth_type", "scram-sha-256"},
                     {"client_tls_sslmode", "require"},
                     {"client_tls_cert_file", world.server.crt},
                     {"client_tls_key_file", world.server.key},
                     {"server_tls_sslmode", "verify-full"},
                     {"server_tls_ca_file", world.ca.crt()}};
  config.databases = {"db = host=localhost port=" + std::to_string(world.cluster.port()) +
                      " dbname=postgres"};
  config.userlist = world.userlist;
  Pooler pooler(config);
  auto psql = [&](const std::string& host, const std::string& more) {
    return run(
        {"psql", "-XAtc", "select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()",
         "host=" + host + " port=" + std::to_string(pooler.port()) +
             " hostaddr=127.0.0.1 dbname=db user=m_scram password=pencil sslrootcert=" +
             world.ca.crt() + " sslmode=verify-full channel_binding=require " + more},
        kPatience, {"HOME=" + world.directory.path()});
  };
  Output in = psql("localhost", "");
  CHECK(in.status == 0);
  CHECK(in.text == "m_scram|t\n");
  Output elsewhere = psql("elsewhere.example", "");
  CHECK(elsewhere.status != 0);
  CHECK(elsewhere.text.find("does not match host name") != std::string::npos);
  Output wrong = psql("localhost", "password=wrong");
  CHECK(wrong.status != 0);
  CHECK(wrong.text.find("password authentication failed for user \"m_scram\"") !=
        std::string::npos);
}

TEST_SUITE_END();
