// Whole loads: from disk, many errors at once, real files, changes between two configurations.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "unit/config/files.h"

using namespace howdah::config;
using namespace std::chrono_literals;

namespace {

// A directory of its own, gone at the end.
struct TempDir {
  std::filesystem::path path;
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "howdah-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
};

std::shared_ptr<const Config> databases(const std::string& lines) {
  return good("[howdah]\n[databases]\n" + lines);
}

}  // namespace

TEST_CASE("a configuration that is wrong in ten ways reports ten problems at their lines") {
  auto found =
      bad("[howdah]\n"                          // 1
          "listen_prot = 6432\n"                // 2: unknown key
          "max_client_conn = lots\n"            // 3: no number
          "pool_mode = sometimes\n"             // 4: unknown word
          "query_timeout = 5 parsecs\n"         // 5: unknown unit
          "just words\n"                        // 6: no =
          "%include gone.ini\n"                 // 7: no file
          "[databases]\n"                       // 8
          "pgbouncer = host=h\n"                // 9: reserved
          "db1 = host=h pool_sise=3\n"          // 10: unknown key
          "db2 = host=h connect_query='open\n"  // 11: open quote
          "[nonsense]\n"                        // 12: unknown section
          "a = b\n"
          "[users]\n"
          "u = pool_size=1\n");
  INFO(text_of(found));
  REQUIRE(found.size() == 10);
  const int lines[] = {2, 3, 4, 5, 6, 7, 9, 10, 11, 12};
  for (int i = 0; i < 10; ++i) CHECK(found[i].where == "main.ini:" + std::to_string(lines[i]));
}

// The keys of Debian's /etc/pgbouncer/pgbouncer.ini that are not commented out.
TEST_CASE("the configuration that Debian installs for PgBouncer loads without a warning") {
  auto config = good(
      ";;; comments\n"
      "[databases]\n"
      ";foodb =\n"
      "[users]\n"
      ";user1 = pool_mode=transaction max_user_connections=10\n"
      "[pgbouncer]\n"
      "logfile = /var/log/postgresql/pgbouncer.log\n"
      "pidfile = /var/run/postgresql/pgbouncer.pid\n"
      "listen_addr = localhost\n"
      "listen_port = 6432\n"
      "unix_socket_dir = /var/run/postgresql\n"
      "auth_type = md5\n"
      "auth_file = /etc/pgbouncer/userlist.txt\n"
      ";%include /etc/pgbouncer/pgbouncer-other.ini\n",
      {{"/etc/pgbouncer/userlist.txt", ""}});
  CHECK(config->warnings.empty());
  CHECK(config->databases.empty());
  CHECK(config->settings.listen_addr == std::vector<std::string>{"localhost"});
  CHECK(config->settings.pidfile == "/var/run/postgresql/pgbouncer.pid");
  CHECK(config->settings.unix_socket_dir == "/var/run/postgresql");
}

// The same file with its examples in use.
TEST_CASE("the examples in Debian's file load when they are switched on") {
  auto config = good(
      "[databases]\n"
      "foodb =\n"
      "bardb = host=localhost dbname=bazdb\n"
      "forcedb = host=localhost port=300 user=baz password=foo client_encoding=UNICODE "
      "datestyle=ISO connect_query='SELECT 1'\n"
      "nondefaultdb = pool_size=50 reserve_pool=10\n"
      "* = host=testserver\n"
      "[users]\n"
      "user1 = pool_mode=transaction max_user_connections=10\n"
      "[pgbouncer]\n"
      "unix_socket_mode = 0777\nunix_socket_group =\nserver_check_query = select 1\n"
      "ignore_startup_parameters = extra_float_digits\nadmin_users = user2, someadmin, otheradmin\n"
      "stats_users = stats, root\nserver_reset_query = DISCARD ALL\ntcp_defer_accept = 0\n"
      "tcp_socket_buffer = 0\nverbose = 0\nsyslog = 0\njob_name = pgbouncer\n"
      "disable_pqexec = 0\nso_reuseport = 0\npkt_buf = 4096\nsbuf_loopcnt = 5\n");
  CHECK(config->warnings.empty());
  CHECK(config->databases.at("forcedb")->user == "baz");
  CHECK(config->databases.at("nondefaultdb")->reserve_pool_size == 10);
  CHECK(config->settings.admin_users.size() == 3);
}

TEST_CASE("load reads the file, its includes and the userlist from disk") {
  TempDir dir;
  auto users = dir.write("users.txt", "\"a\" \"x\"\n");
  auto more = dir.write("more.ini", "[databases]\ndb = host=h\n");
  auto main =
      dir.write("howdah.ini", "[howdah]\nauth_file = " + users + "\n%include " + more + "\n");
  auto loaded = load(main);
  INFO(text_of(loaded.problems));
  REQUIRE(loaded.config);
  CHECK(loaded.config->file == main);
  CHECK(loaded.config->userlist.at("a").view() == "x");
  CHECK(loaded.config->databases.at("db")->source == more + ":2");
  CHECK(load(main, {{"listen_port", "7"}}).config->settings.listen_port == 7);
}

TEST_CASE("a file that can't be read is one problem with the system's reason") {
  TempDir dir;
  for (auto path : {dir.path.string() + "/gone.ini", dir.path.string()}) {
    auto loaded = load(path);
    CHECK(loaded.config == nullptr);
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].where == path);
    CHECK(has(loaded.problems[0].text, "cannot be read"));
  }
}

TEST_CASE("with_setting changes one setting and its row, in a copy") {
  auto before = databases("db = host=h\n");
  auto changed = with_setting(*before, "max_client_conn", " 7 ");
  REQUIRE(changed.ok());
  CHECK((*changed)->settings.max_client_conn == 7);
  CHECK((*changed)->find_row("max_client_conn")->value == "7");
  CHECK((*changed)->find_row("max_client_conn")->fallback == "100");
  CHECK((*changed)->databases.count("db") == 1);
  CHECK(before->settings.max_client_conn == 100);
}

TEST_CASE("with_setting on a key that needs a restart succeeds and changes nothing") {
  auto before = databases("");
  auto changed = with_setting(*before, "listen_port", "7");
  REQUIRE(changed.ok());
  CHECK((*changed)->settings.listen_port == 6432);
  CHECK((*changed)->find_row("listen_port")->value == "6432");
}

TEST_CASE("with_setting refuses unknown keys, wrong values and what does not work yet") {
  auto before = databases("");
  for (auto [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"nonsense", "1"},
                                                        {"max_client_conn", "x"},
                                                        {"listen_port", "x"},
                                                        {"auth_type", "nonsense"},
                                                        {"client_tls_sslmode", "require"}})
    CHECK_FALSE(with_setting(*before, key, value).ok());
}

TEST_CASE("a command is for the file alone: who may use the console may not run programs") {
  CHECK(good("[howdah]\nswitchover_command = a; b 'c d' # e\n")->settings.switchover_command ==
        "a; b 'c d' # e");
  auto refused = with_setting(*databases(""), "switchover_command", "true");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().text == "switchover_command can only be set in the configuration file");
}

TEST_CASE("with_setting warns once of a key that does not work yet") {
  auto once = with_setting(*databases(""), "dns_zone_check_period", "5");
  REQUIRE(once.ok());
  auto twice = with_setting(**once, "dns_zone_check_period", "6");
  REQUIRE(twice.ok());
  CHECK(*(*twice)->find_row("dns_zone_check_period")->value == "6");
  CHECK((*twice)->warnings.size() == 1);
}

TEST_CASE("diff names removed entries and those whose servers are of no use any more") {
  auto before = databases("same = host=h\nmoved = host=h\ngone = host=h\nsized = host=h\n");
  auto after = databases("same = host=h\nmoved = host=other\nsized = host=h pool_size=3\nnew =\n");
  auto found = diff(*before, *after);
  CHECK(found.removed_databases == std::vector<std::string>{"gone"});
  CHECK(found.reconnect_databases == std::vector<std::string>{"moved"});
  CHECK_FALSE(found.wildcard_removed);
  CHECK_FALSE(found.wildcard_reconnect);
  CHECK(found.restart_keys.empty());
}

TEST_CASE("servers are of no use after a change of where and who, not of how many") {
  auto base = databases("db = host=h user=u password=p\n")->databases.at("db");
  auto needs = [&](const std::string& value) {
    return base->needs_reconnect(*databases("db = " + value)->databases.at("db"));
  };
  CHECK_FALSE(needs("host=h user=u password=other"));
  CHECK_FALSE(needs("host=h user=u pool_size=1 pool_mode=statement timezone=UTC"));
  for (auto value :
       {"host=h", "host=h user=v", "host=i user=u", "host=h port=1 user=u",
        "host=h user=u dbname=x", "host=h user=u connect_query=x", "host=h user=u auth_query=x",
        "host=h user=u auth_dbname=x", "host=h user=u load_balance_hosts=disable", "user=u"})
    CHECK_MESSAGE(needs(value), value);
}

TEST_CASE("an entry that * serves from now on is not removed") {
  auto before = databases("same = host=w\nmoved = host=h\n");
  auto found = diff(*before, *databases("* = host=w\n"));
  CHECK(found.removed_databases.empty());
  CHECK(found.reconnect_databases == std::vector<std::string>{"moved"});
}

TEST_CASE("diff tells of a removed and of a changed *") {
  auto before = databases("* = host=a\n");
  CHECK(diff(*before, *databases("")).wildcard_removed);
  CHECK(diff(*before, *databases("* = host=b\n")).wildcard_reconnect);
  CHECK_FALSE(diff(*before, *databases("* = host=a pool_size=1\n")).wildcard_reconnect);
  CHECK_FALSE(diff(*databases(""), *before).wildcard_reconnect);
}

TEST_CASE("a deleted line is back at its default, and restart-only keys are named") {
  auto before = good("[howdah]\nauth_user = x\nlisten_port = 1\nmax_client_conn = 5\n");
  auto after = good("[howdah]\n");
  CHECK_FALSE(after->find_row("auth_user")->value);
  CHECK(diff(*before, *after).restart_keys == std::vector<std::string>{"listen_port"});
}

TEST_CASE("random bytes and random pieces of configuration never crash the loader") {
  std::mt19937 random(20261123);
  const std::string pieces[] = {"[howdah]",
                                "[databases]",
                                "[users]",
                                "[peers]",
                                "\n",
                                "\n",
                                "=",
                                " ",
                                "%include main.ini",
                                "%include ",
                                "'",
                                "\"",
                                ";",
                                "#",
                                "@",
                                "db",
                                "host",
                                "listen_addr",
                                "port",
                                "unix_socket_dir",
                                "auth_type",
                                "*",
                                "1",
                                "-1",
                                "hba",
                                std::string(1, '\0'),
                                "\r",
                                std::string(300, 'x'),
                                "\xff",
                                "query_timeout",
                                "64kB",
                                ",",
                                ":",
                                "[",
                                "]",
                                "connect_query"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    int length = static_cast<int>(random() % 60);
    for (int i = 0; i < length; ++i) {
      if (round % 3 == 0) {
        text += static_cast<char>(random());
      } else {
        text += pieces[random() % std::size(pieces)];
      }
    }
    auto loaded = load_files(text, {{"main.ini", text}});
    CHECK((loaded.config == nullptr) == !loaded.problems.empty());
    std::vector<Problem> problems;
    read_userlist(text, "users", problems);
  }
}
