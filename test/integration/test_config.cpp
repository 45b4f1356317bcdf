// The program's options and its judgement on configurations: every mistake at once, with file and line.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Output check_ini(const std::string& text, const std::string& userlist = "") {
  TempDir directory;
  if (!userlist.empty()) write_file(directory / "userlist.txt", userlist);
  std::string ini = text;
  for (std::size_t at; (at = ini.find("@DIR@")) != std::string::npos;) {
    ini.replace(at, 5, directory.path());
  }
  write_file(directory / "howdah.ini", ini);
  return run({pooler_binary(), "--check", directory / "howdah.ini"});
}

bool says(const Output& output, const std::string& text) {
  return output.text.find(text) != std::string::npos;
}

}  // namespace

TEST_SUITE_BEGIN("config" * doctest::skip(on_pgbouncer()));

TEST_CASE("--check accepts a good file and needs no server") {
  Output output = check_ini(
      "[databases]\n"
      "acs = host=10.0.0.1,10.0.0.2 port=5432 dbname=acs pool_size=5 connect_query='select 1'\n"
      "* = host=db.example.com\n"
      "[users]\n"
      "app = pool_mode=session max_user_connections=7\n"
      "[pgbouncer]\n"
      "; a comment\n"
      "listen_addr = 127.0.0.1\n"
      "listen_port = 6432\n"
      "auth_type = scram-sha-256\n"
      "auth_file = @DIR@/userlist.txt\n"
      "pool_mode = transaction\n"
      "server_reset_query = DISCARD ALL; SELECT 1\n",
      "\"app\" \"secret\"\n");
  CHECK_MESSAGE(output.status == 0, output.text);
  CHECK(!says(output, "secret"));
}

TEST_CASE("--check tells ten mistakes at once, each with its line") {
  Output output = check_ini(
      "[databases]\n"                      // 1
      "a = host=x port=0\n"                // 2
      "b = hots=x\n"                       // 3
      "c = host='unclosed\n"               // 4
      "d = pool_mode=sometimes\n"          // 5
      "[users]\n"                          // 6
      "u = no_such_key=1\n"                // 7
      "[pgbouncer]\n"                      // 8
      "default_pool_size = many\n"         // 9
      "no_such_setting = 1\n"              // 10
      "auth_type = kerberos\n"             // 11
      "pool_mode = never\n"                // 12
      "query_timeout = soon\n"             // 13
      "listen_port = 99999999\n"           // 14
      "[nonsense]\n");                     // 15
  CHECK(output.status == 1);
  for (int line : {2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14, 15}) {
    CAPTURE(line);
    CHECK_MESSAGE(says(output, "howdah.ini:" + std::to_string(line)), output.text);
  }
}

TEST_CASE("a file with mistakes does not start, and says the same") {
  TempDir directory;
  write_file(directory / "howdah.ini", "[pgbouncer]\nno_such_setting = 1\n");
  Output output = run({pooler_binary(), directory / "howdah.ini"});
  CHECK(output.status == 1);
  CHECK(says(output, "howdah.ini:2"));
  CHECK(says(output, "no_such_setting"));
}

TEST_CASE("a missing file, a missing argument, an unknown option") {
  CHECK(run({pooler_binary(), "/nonexistent.ini"}).status == 1);
  CHECK(run({pooler_binary(), "--check", "/nonexistent.ini"}).status == 1);
  CHECK(run({pooler_binary()}).status == 1);
  CHECK(run({pooler_binary(), "--no-such-option", "x.ini"}).status == 1);
}

TEST_CASE("--version and --help say what it is and exit 0") {
  for (const char* option : {"--version", "-V"}) {
    Output output = run({pooler_binary(), option});
    CHECK(output.status == 0);
    CHECK(says(output, "PgBouncer 1."));
    CHECK(says(output, "howdah"));
  }
  for (const char* option : {"--help", "-h"}) {
    Output output = run({pooler_binary(), option});
    CHECK(output.status == 0);
    CHECK(says(output, "--check"));
  }
}

TEST_CASE("it refuses to run as root unless it is told whom to become") {
  if (::getuid() != 0) return;
  TempDir directory;
  std::string ini = "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " +
                    std::to_string(free_port()) + "\nunix_socket_dir = " + directory.path() + "\n";
  write_file(directory / "howdah.ini", ini);
  Process::Options options;
  options.as_service_user = false;
  options.log = directory / "log";
  Process process({pooler_binary(), directory / "howdah.ini"}, options);
  CHECK(process.wait() == 1);
  CHECK(read_file(options.log).find("root") != std::string::npos);
  write_file(directory / "howdah.ini", ini + "user = " + service_user().name + "\n");
  Process other({pooler_binary(), directory / "howdah.ini"}, options);
  eventually("it runs as that user", [&] {
    std::string status = read_file("/proc/" + std::to_string(other.pid()) + "/status");
    return status.find("Uid:\t" + std::to_string(service_user().uid) + "\t") != std::string::npos ||
           !other.running();
  });
  CHECK(other.running());
  eventually("it knows its signals", [&] {
    return read_file(options.log).find("process up") != std::string::npos || !other.running();
  });
  other.signal(SIGQUIT);
  CHECK(other.wait() == 0);
}

TEST_CASE("settings that do nothing yet are named once, not ignored in silence") {
  primary();
  Pooler pooler({.settings = {{"so_reuseport", "1"}, {"peer_id", "3"}, {"dns_zone_check_period", "5"}},
                 .databases = {entry("db", primary(), "postgres")}});
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("section [howdah] and console name howdah are the same as PgBouncer's") {
  TempDir directory;
  int port = free_port();
  write_file(directory / "userlist.txt", "\"admin\" \"\"\n");
  write_file(directory / "howdah.ini",
             "[howdah]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port) +
                 "\nunix_socket_dir =\nauth_type = trust\nadmin_users = admin\nauth_file = " +
                 (directory / "userlist.txt") + "\n");
  Process::Options options;
  options.log = directory / "log";
  Process process({pooler_binary(), directory / "howdah.ini"}, options);
  eventually("the console answers", [&] {
    REQUIRE_MESSAGE(process.running(), read_file(options.log));
    try {
      return Client("host=127.0.0.1 port=" + std::to_string(port) + " user=admin dbname=howdah")
                 .exec("SHOW VERSION")
                 .rows() == 1;
    } catch (const SqlError&) {
      return false;
    }
  });
  process.signal(SIGQUIT);
  CHECK(process.wait() == 0);
}

TEST_CASE("%include, and a max_client_conn beyond the descriptor limit is said at start") {
  TempDir directory;
  int port = free_port();
  write_file(directory / "userlist.txt", "\"admin\" \"\"\n");
  write_file(directory / "more.ini", "auth_type = trust\nadmin_users = admin\n");
  write_file(directory / "howdah.ini",
             "[pgbouncer]\nmax_client_conn = 5000000\nlisten_addr = 127.0.0.1\nlisten_port = " +
                 std::to_string(port) + "\nunix_socket_dir =\nauth_file = " +
                 (directory / "userlist.txt") + "\n%include " + (directory / "more.ini") + "\n");
  Process::Options options;
  options.log = directory / "log";
  Process process({pooler_binary(), directory / "howdah.ini"}, options);
  eventually("the console answers", [&] {
    REQUIRE_MESSAGE(process.running(), read_file(options.log));
    try {
      Client client("host=127.0.0.1 port=" + std::to_string(port) + " user=admin dbname=pgbouncer");
      return true;
    } catch (const SqlError&) {
      return false;
    }
  });
  CHECK(read_file(options.log).find("5000000") != std::string::npos);
  process.signal(SIGQUIT);
  CHECK(process.wait() == 0);
}

TEST_CASE("a second instance on the same port says so and ends") {
  Pooler pooler({.databases = {entry("db", primary(), "postgres")}});
  Output output = run({pooler_binary(), pooler.ini_path()});
  CHECK(output.status == 1);
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("-d: a daemon with a pid file, which goes when it ends") {
  TempDir directory;
  int port = free_port();
  write_file(directory / "userlist.txt", "\"admin\" \"\"\n");
  std::string pidfile = directory / "pid";
  write_file(directory / "howdah.ini",
             "[pgbouncer]\nauth_type = trust\nadmin_users = admin\nlisten_addr = 127.0.0.1\n"
             "unix_socket_dir =\nlisten_port = " + std::to_string(port) + "\npidfile = " + pidfile +
                 "\nlogfile = " + (directory / "log") + "\nauth_file = " +
                 (directory / "userlist.txt") + "\n");
  Output output = run({pooler_binary(), "-d", directory / "howdah.ini"});
  CHECK_MESSAGE(output.status == 0, output.text);
  std::string console =
      "host=127.0.0.1 port=" + std::to_string(port) + " user=admin dbname=pgbouncer";
  eventually("the daemon answers", [&] {
    try {
      return Client(console).exec("SHOW VERSION").rows() == 1;
    } catch (const SqlError&) {
      return false;
    }
  });
  int pid = std::stoi(read_file(pidfile));
  CHECK(::kill(pid, 0) == 0);
  CHECK(run({pooler_binary(), "-d", directory / "howdah.ini"}).status == 1);  // one is running
  try {
    Client(console).send("SHUTDOWN");
  } catch (const std::runtime_error&) {
  }
  eventually("it is gone, and its pid file too",
             [&] { return ::kill(pid, 0) != 0 && read_file(pidfile).empty(); });
}

TEST_SUITE_END();
