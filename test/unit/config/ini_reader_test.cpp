// The syntax of ini files, up to what the sections make of it.
#include "unit/config/files.h"

using namespace howdah::config;
using namespace std::string_literals;
using Words = std::vector<std::string>;

TEST_CASE("a host list of 5,000 bytes arrives whole") {
  std::string list;
  while (list.size() < 5000) list += "replica-" + std::to_string(list.size()) + ".example.net,";
  list += "last";
  auto config = good("[howdah]\n[databases]\ndb = host=" + list + " port=5433\n");
  const auto& hosts = config->databases.at("db")->hosts;
  CHECK(hosts.size() > 150);
  CHECK(hosts.back() == Host{"last", 5433});
  std::string again;
  for (const auto& host : hosts) again += (again.empty() ? "" : ",") + host.name;
  CHECK(again == list);
}

TEST_CASE("a long value of a setting arrives whole") {
  std::string query = "SELECT " + std::string(70000, '1');
  CHECK(good("[howdah]\nserver_check_query = " + query)->settings.server_check_query == query);
}

TEST_CASE("a value of any length around inih's line arrives whole, under short and long names") {
  for (std::size_t length = 120; length < 260; ++length) {
    std::string dir(length, 'd');
    auto config = good("[howdah]\nlogfile = " + dir + "\nignore_startup_parameters = " + dir);
    CHECK(config->settings.logfile == dir);
    CHECK(config->settings.ignore_startup_parameters[0] == dir);
  }
}

TEST_CASE("indented keys are keys, not continuations") {
  auto config = good(
      "[howdah]\n"
      "listen_port = 7000\n"
      "   admin_users = a\n"
      "\tstats_users\t=\tb \n"
      "  [databases]\n"
      "    db = host=h\n");
  CHECK(config->settings.listen_port == 7000);
  CHECK(config->settings.admin_users == Words{"a"});
  CHECK(config->settings.stats_users == Words{"b"});
  CHECK(config->databases.count("db") == 1);
}

TEST_CASE("; and # comment out only whole lines") {
  auto config = good(
      "; first\n"
      "# second\n"
      "   ; third\n"
      "[howdah]\n"
      "server_check_query = SELECT 1 ; -- # not a comment\n"
      "admin_users = a ;b, #c\n");
  CHECK(config->settings.server_check_query == "SELECT 1 ; -- # not a comment");
  CHECK(config->settings.admin_users == Words{"a ;b", "#c"});
}

TEST_CASE("; : = and quotes are ordinary in values") {
  auto config = good(
      "[howdah]\n"
      "server_reset_query = SET a = 'b:c'; \"x\" = [1]\n"
      "[databases]\n"
      "db = host=h password=a:b;c=d connect_query='SELECT 1; SELECT ''='':2'\n");
  CHECK(config->settings.server_reset_query == "SET a = 'b:c'; \"x\" = [1]");
  CHECK(config->databases.at("db")->password->view() == "a:b;c=d");
  CHECK(config->databases.at("db")->connect_query == "SELECT 1; SELECT '=':2");
}

TEST_CASE("names with ; : = or blanks are quoted, doubly or singly") {
  auto config = good(
      "[howdah]\n[databases]\n"
      "\"a;b:c=d\" = host=one\n"
      "'e f' = host=two\n"
      "\"say \"\"hi\"\"\" = host=three\n"
      "\"plain\"=host=four\n"
      "[users]\n"
      "\"; me = you\" = pool_size=3\n");
  CHECK(config->databases.at("a;b:c=d")->hosts[0].name == "one");
  CHECK(config->databases.at("e f")->hosts[0].name == "two");
  CHECK(config->databases.at("say \"hi\"")->hosts[0].name == "three");
  CHECK(config->databases.at("plain")->hosts[0].name == "four");
  CHECK(config->users.at("; me = you").pool_size == 3);
}

TEST_CASE("unquoted names are letters, digits and _ . - *") {
  auto config = good("[howdah]\n[databases]\nA.b-c_9 = host=h\n");
  CHECK(config->databases.count("A.b-c_9") == 1);
  for (auto line : {"a:b = host=h", "a b = host=h", "a;b = host=h", "db: host=h", "= host=h"}) {
    auto found = bad("[howdah]\n[databases]\n"s + line + "\n");
    CHECK_MESSAGE(found[0].where == "main.ini:3", line);
  }
}

TEST_CASE("a name of up to 63 bytes arrives whole, with its value") {
  std::string name(63, 'n');
  auto config = good("[howdah]\n[databases]\n" + name + " = host=h\n");
  CHECK(config->databases.count(name) == 1);
}

TEST_CASE("empty values of settings are legal, also @ alone is itself") {
  auto config = good("[howdah]\nadmin_users =\nserver_check_query=\nunix_socket_dir = @\n");
  CHECK(config->settings.admin_users.empty());
  CHECK(config->settings.server_check_query.empty());
  CHECK(config->settings.unix_socket_dir == "@");
}

TEST_CASE(
    "lines end with LF or CRLF, the last may end with neither; a byte order mark is skipped") {
  auto config = good("\xEF\xBB\xBF[howdah]\r\nlisten_port = 7000\r\n\r\nmax_client_conn = 7");
  CHECK(config->settings.listen_port == 7000);
  CHECK(config->settings.max_client_conn == 7);
}

TEST_CASE("[pgbouncer] and [howdah] are one section, and a later line wins") {
  auto config = good(
      "[pgbouncer]\nlisten_port = 1\nmax_client_conn = 5\nworker_threads = 3\n"
      "[howdah]\nlisten_port = 2\n"
      "[pgbouncer]\nstats_period = 9\n");
  CHECK(config->settings.listen_port == 2);
  CHECK(config->settings.max_client_conn == 5);
  CHECK(config->settings.worker_threads == 3);
  CHECK(config->settings.stats_period == std::chrono::seconds(9));
}

TEST_CASE("one of the two sections must be there, even if it has no keys") {
  good("[howdah]");
  good("[pgbouncer]\n");
  auto found = bad("[databases]\ndb =\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini");
  CHECK(has(found[0].text, "[howdah]"));
}

TEST_CASE("an unknown section is one problem, its keys are not more") {
  auto found = bad("[howdah]\n[database]\na = b\nc = d\n[users]\nu = pool_size=1\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini:2");
  CHECK(has(found[0].text, "databases"));
  CHECK(bad("[Howdah]\n[howdah]\n").size() == 1);
}

TEST_CASE("broken lines are problems with their numbers") {
  auto found =
      bad("before = any section\n"
          "[howdah\n"
          "[howdah] x\n"
          "[]\n"
          "no equals sign\n"
          "\"open = 1\n"
          "\"name\" 1\n"
          "%includex y\n"
          "%include\n"
          "[howdah]\n");
  REQUIRE(found.size() == 9);
  for (int i = 0; i < 9; ++i) CHECK(found[i].where == "main.ini:" + std::to_string(i + 1));
}

TEST_CASE("a zero byte is a problem, not the end of the line") {
  auto found = bad("[howdah]\nlogfile = /a\0b\n"s);
  REQUIRE(found.size() == 1);
  CHECK(has(found[0].text, "zero byte"));
}

TEST_CASE("%include reads another file in place, and its section carries on") {
  auto config = good("[howdah]\n%include one.ini\ndb2 = host=b\n  %include\ttwo dir/two.ini  \n",
                     {{"one.ini", "listen_port = 7000\n[databases]\ndb1 = host=a"},
                      {"two dir/two.ini", "db3 = host=c\n[users]\n"}});
  CHECK(config->settings.listen_port == 7000);
  CHECK(config->databases.size() == 3);
  CHECK(config->databases.at("db1")->source == "one.ini:3");
  CHECK(config->databases.at("db2")->source == "main.ini:3");
}

TEST_CASE("a problem in an included file names its file, its line and the chain") {
  auto found = bad("[howdah]\n\n%include a\n", {{"a", "\n%include b\n"}, {"b", "x = 1\n"}});
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "b:1");
  CHECK(has(found[0].text, "(included from a:2, included from main.ini:3)"));
}

TEST_CASE("an include that is not there is a problem of its line; the rest is still checked") {
  auto found = bad("[howdah]\n%include gone.ini\nlisten_prot = 1\n");
  REQUIRE(found.size() == 2);
  CHECK(found[0].where == "main.ini:2");
  CHECK(has(found[0].text, "'gone.ini'"));
  CHECK(has(found[0].text, "No such file"));
  CHECK(found[1].where == "main.ini:3");
}

TEST_CASE("includes nest ten deep and not more") {
  Files files;
  for (int i = 1; i < 10; ++i)
    files["f" + std::to_string(i)] = "%include f" + std::to_string(i + 1) + "\n";
  files["f10"] = "listen_port = 7000\n";
  CHECK(good("[howdah]\n%include f1\n", files)->settings.listen_port == 7000);
  files["f10"] = "%include f11\n";
  files["f11"] = "listen_port = 7000\n";
  auto found = bad("[howdah]\n%include f1\n", files);
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "f10:1");
  CHECK(has(found[0].text, "from main.ini:2"));
}

TEST_CASE("a file that includes itself, many times, ends with one problem") {
  std::string text = "[howdah]\n";
  for (int i = 0; i < 50; ++i) text += "%include main.ini\n";
  CHECK(bad(text, {{"main.ini", text}}).size() == 1);
}

TEST_CASE("files that include each other without end in sight are stopped by number") {
  Files files;
  std::string many;
  for (int level = 0; level < 9; ++level) {
    many.clear();
    for (int i = 0; i < 20; ++i) many += "%include l" + std::to_string(level + 1) + "\n";
    files["l" + std::to_string(level)] = many;
  }
  files["l9"] = "";
  auto found = bad("[howdah]\n%include l0\n", files);
  REQUIRE(found.size() == 1);
  CHECK(has(found[0].text, "10000"));
}
