// [databases], [users] and [peers]: keys, inheritance, effective values.
#include "config/entries.h"
#include "unit/config/files.h"

using namespace howdah::config;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

std::shared_ptr<const Config> databases(const std::string& lines,
                                        const std::string& settings = "") {
  return good("[howdah]\n" + settings + "[databases]\n" + lines);
}

std::shared_ptr<const Database> one(const std::string& value, const std::string& settings = "") {
  return databases("db = " + value, settings)->databases.at("db");
}

std::string problem(const std::string& section, const std::string& line) {
  auto found = bad("[howdah]\n[" + section + "]\n" + line);
  INFO(line << "\n" << text_of(found));
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini:3");
  return found[0].text;
}

}  // namespace

TEST_CASE("an entry with nothing after = is the unix socket and the same name") {
  auto db = one("", "unix_socket_dir = /run/pg\n");
  CHECK(db->name == "db");
  CHECK(db->dbname == "db");
  CHECK(db->unix_default);
  CHECK(db->hosts == std::vector<Host>{{"/run/pg", 5432}});
  CHECK_FALSE(db->user);
  CHECK_FALSE(db->password);
  CHECK(db->source == "main.ini:4");
}

TEST_CASE("the socket directory that is set after [databases] counts too") {
  auto config = good("[databases]\ndb = port=6000\n[howdah]\nunix_socket_dir = /run/pg\n");
  CHECK(config->databases.at("db")->hosts == std::vector<Host>{{"/run/pg", 6000}});
}

TEST_CASE("without host and without socket directory an entry can't work, and says so") {
  auto found = bad("[howdah]\nunix_socket_dir =\n[databases]\ndb =\nother = host=h\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini:4");
}

TEST_CASE("every key of a database reaches its field") {
  auto db = one(
      "dbname=d host=h1,h2 port=1,2 user=u password=p auth_user=au auth_query='SELECT 1, 2' "
      "auth_dbname=ad pool_size=5 min_pool_size=2 reserve_pool_size=3 pool_mode=Transaction "
      "max_db_connections=50 max_db_client_connections=60 server_lifetime=7 query_wait_timeout=8 "
      "load_balance_hosts=disable connect_query='SELECT ''x''' client_encoding=UTF8 "
      "datestyle=ISO timezone='Europe/Tallinn' application_name=app");
  CHECK(db->dbname == "d");
  CHECK(db->hosts == std::vector<Host>{{"h1", 1}, {"h2", 2}});
  CHECK_FALSE(db->unix_default);
  CHECK(db->user == "u");
  CHECK(db->password->view() == "p");
  CHECK(db->auth_user == "au");
  CHECK(db->auth_query == "SELECT 1, 2");
  CHECK(db->auth_dbname == "ad");
  CHECK(db->pool_size == 5);
  CHECK(db->min_pool_size == 2);
  CHECK(db->reserve_pool_size == 3);
  CHECK(db->pool_mode == PoolMode::Transaction);
  CHECK(db->max_db_connections == 50);
  CHECK(db->max_db_client_connections == 60);
  CHECK(db->server_lifetime == 7s);
  CHECK(db->query_wait_timeout == 8s);
  CHECK(db->load_balance_hosts == LoadBalance::Disable);
  CHECK(db->connect_query == "SELECT 'x'");
  CHECK(db->startup_parameters ==
        std::vector<std::pair<std::string, std::string>>{{"client_encoding", "UTF8"},
                                                         {"datestyle", "ISO"},
                                                         {"timezone", "Europe/Tallinn"},
                                                         {"application_name", "app"}});
}

TEST_CASE("the last of duplicate keys wins, also for the alias reserve_pool") {
  CHECK(one("port=1 port=2 host=h")->hosts[0].port == 2);
  CHECK(one("reserve_pool_size=1 reserve_pool=2")->reserve_pool_size == 2);
  CHECK(one("timezone=a timezone=b")->startup_parameters.size() == 1);
  CHECK(one("timezone=a timezone=b")->startup_parameters[0].second == "b");
}

TEST_CASE("numbers that mean inherit leave the field unset") {
  CHECK_FALSE(one("pool_size=-1")->pool_size);
  CHECK(one("pool_size=0")->pool_size == 0);
  CHECK_FALSE(one("min_pool_size=-1")->min_pool_size);
  CHECK_FALSE(one("max_db_connections=0")->max_db_connections);
  CHECK_FALSE(one("max_db_client_connections=-5")->max_db_client_connections);
  CHECK_FALSE(one("server_lifetime=0")->server_lifetime);
  CHECK(one("query_wait_timeout=0")->query_wait_timeout == 0s);
  CHECK_FALSE(one("query_wait_timeout=-1")->query_wait_timeout);
  CHECK(one("server_lifetime=30min")->server_lifetime == 30min);
}

TEST_CASE("a wrong database line says what is wrong with it") {
  CHECK(has(problem("databases", "db = hots=h"), "unknown key 'hots', did you mean host"));
  CHECK(has(problem("databases", "db = query_routing=1"), "must be off, split or shadow"));
  CHECK(has(problem("databases", "db = read_your_writes=on"), "must be causal, session or off"));
  CHECK(has(problem("databases", "db = host=a query_routing=split target_session_attrs=primary"),
            "cannot both be given"));
  CHECK(has(problem("databases", "db = target_session_attrs=master"), "prefer-standby"));
  CHECK(has(problem("databases", "db = max_replica_lag=much"), "like 16MB"));
  CHECK(has(problem("databases", "db = max_replica_lag_time=-1"), "like 5 or 500ms"));
  CHECK(has(problem("databases", "db = pool_size=many"), "pool_size must be a whole number"));
  CHECK(has(problem("databases", "db = server_lifetime=x"), "server_lifetime must be seconds"));
  CHECK(has(problem("databases", "db = pool_mode=x"), "session, transaction or statement"));
  CHECK(has(problem("databases", "db = load_balance_hosts=x"), "random or least-connections"));
  CHECK(has(problem("databases", "db = port=0"), "1 to 65535"));
  CHECK(has(problem("databases", "db = host=h port=99999"), "1 to 65535"));
  CHECK(has(problem("databases", "db = host=h:1"), "port="));
  CHECK(has(problem("databases", "db = password=''"), "'password' is empty"));
  CHECK(has(problem("databases", "db = auth_dbname=pgbouncer"), "auth_dbname must not"));
  CHECK(has(problem("databases", "db = user=" + std::string(128, 'u')), "127"));
  CHECK(has(problem("databases", "\"\" = host=h"), "empty"));
  CHECK(has(problem("databases", "\"" + std::string(64, 'n') + "\" = host=h"), "63"));
}

TEST_CASE("all that is wrong with one line is said, each by itself") {
  auto found = bad("[howdah]\n[databases]\ndb = x=1 pool_size=a y=2 port=0 pool_mode=b\n");
  CHECK(found.size() == 5);
}

TEST_CASE("the console's names are reserved") {
  for (auto name : {"pgbouncer", "howdah"}) {
    CHECK(has(problem("databases", name + " = host=h"s), "reserved"));
    CHECK(databases("* = host=h")->find_database(name) == nullptr);
  }
}

TEST_CASE("the rest of a password without quotes is not repeated") {
  CHECK_FALSE(has(problem("databases", "db = password=my hunter2=x"), "hunter2"));
}

TEST_CASE("a second line for a name replaces the first, with a warning") {
  auto config = databases("db = host=a pool_size=3\ndb = host=b\n");
  CHECK(config->databases.at("db")->hosts[0].name == "b");
  CHECK_FALSE(config->databases.at("db")->pool_size);
  REQUIRE(config->warnings.size() == 1);
  CHECK(has(config->warnings[0], "main.ini:4: "));
  CHECK(has(config->warnings[0], "main.ini:3"));
}

TEST_CASE("* makes entries for any other name of up to 63 bytes") {
  auto config = databases("db = host=a\n* = host=b pool_size=7\n");
  CHECK(config->databases.count("*") == 0);
  auto known = config->find_database("db");
  CHECK_FALSE(known->automatic);
  CHECK(known->hosts[0].name == "a");
  auto made = config->find_database("other");
  REQUIRE(made);
  CHECK(made->automatic);
  CHECK(made->name == "other");
  CHECK(made->dbname == "other");
  CHECK(made->hosts[0].name == "b");
  CHECK(made->pool_size == 7);
  CHECK(config->find_database(std::string(63, 'n')) != nullptr);
  CHECK(config->find_database(std::string(64, 'n')) == nullptr);
  CHECK(config->find_database("") == nullptr);
  CHECK(databases("* = dbname=fixed")->find_database("x")->dbname == "fixed");
  CHECK(databases("db = host=a")->find_database("other") == nullptr);
}

TEST_CASE("every key of a user reaches its field, and 0 means inherit but for query_wait_timeout") {
  auto config = good(
      "[howdah]\n[users]\n"
      "a = pool_mode=statement pool_size=1 reserve_pool_size=2 max_user_connections=3 "
      "max_user_client_connections=4 query_timeout=5 query_wait_timeout=6 "
      "idle_transaction_timeout=7 transaction_timeout=8 client_idle_timeout=9\n"
      "b = pool_size=0 reserve_pool_size=0 max_user_connections=0 max_user_client_connections=-1 "
      "query_timeout=0 query_wait_timeout=0 idle_transaction_timeout=0 transaction_timeout=0 "
      "client_idle_timeout=0\n"
      "c =\n");
  const User* a = config->find_user("a");
  REQUIRE(a);
  CHECK(a->pool_mode == PoolMode::Statement);
  CHECK(a->pool_size == 1);
  CHECK(a->reserve_pool_size == 2);
  CHECK(a->max_user_connections == 3);
  CHECK(a->max_user_client_connections == 4);
  CHECK(a->query_timeout == 5s);
  CHECK(a->query_wait_timeout == 6s);
  CHECK(a->idle_transaction_timeout == 7s);
  CHECK(a->transaction_timeout == 8s);
  CHECK(a->client_idle_timeout == 9s);
  const User* b = config->find_user("b");
  REQUIRE(b);
  CHECK_FALSE(b->pool_size);
  CHECK_FALSE(b->reserve_pool_size);
  CHECK_FALSE(b->max_user_connections);
  CHECK_FALSE(b->max_user_client_connections);
  CHECK_FALSE(b->query_timeout);
  CHECK(b->query_wait_timeout == 0s);
  CHECK_FALSE(b->idle_transaction_timeout);
  CHECK_FALSE(b->transaction_timeout);
  CHECK_FALSE(b->client_idle_timeout);
  CHECK(config->find_user("c") != nullptr);
  CHECK(config->find_user("d") == nullptr);
}

TEST_CASE("user and peer lines that are wrong say so") {
  CHECK(has(problem("users", "u = host=h"), "unknown key 'host'"));
  CHECK(has(problem("users", "\"" + std::string(128, 'u') + "\" = pool_size=1"), "127"));
  CHECK(has(problem("peers", "0 = host=h"), "1 to 16383"));
  CHECK(has(problem("peers", "x = host=h"), "1 to 16383"));
  CHECK(has(problem("peers", "1 = port=1"), "needs host="));
  CHECK(has(problem("peers", "1 = host=a,b"), "one host"));
  CHECK(has(problem("peers", "1 = host=a port=0"), "port must be"));
  CHECK(has(problem("peers", "1 = host=a user=b"), "unknown key 'user'; known are host"));
}

TEST_CASE("peers are read") {
  auto config = good("[howdah]\n[peers]\n1 = host=a\n2 = host=/run/p port=7 pool_size=3\n");
  REQUIRE(config->peers.size() == 2);
  CHECK(config->peers.at(1).port == 6432);
  CHECK_FALSE(config->peers.at(1).pool_size);
  CHECK(config->peers.at(2).host == "/run/p");
  CHECK(config->peers.at(2).port == 7);
  CHECK(config->peers.at(2).pool_size == 3);
  CHECK(config->warnings.empty());
}

TEST_CASE("pool sizes and mode: user before database before global") {
  auto config = good(
      "[howdah]\ndefault_pool_size=1\nmin_pool_size=2\nreserve_pool_size=3\npool_mode=session\n"
      "max_db_connections=4\nmax_db_client_connections=5\nmax_user_connections=6\n"
      "max_user_client_connections=7\nserver_lifetime=8\n"
      "[databases]\nplain = host=h\n"
      "own = host=h pool_size=11 min_pool_size=12 reserve_pool_size=13 pool_mode=transaction "
      "max_db_connections=14 max_db_client_connections=15 server_lifetime=18\n"
      "[users]\nu = pool_size=21 reserve_pool_size=23 pool_mode=statement max_user_connections=26 "
      "max_user_client_connections=27\n");
  const auto& plain = *config->databases.at("plain");
  const auto& own = *config->databases.at("own");
  CHECK(config->pool_size(plain, "x") == 1);
  CHECK(config->pool_size(own, "x") == 11);
  CHECK(config->pool_size(own, "u") == 21);
  CHECK(config->min_pool_size(plain) == 2);
  CHECK(config->min_pool_size(own) == 12);
  CHECK(config->reserve_pool_size(plain, "x") == 3);
  CHECK(config->reserve_pool_size(own, "x") == 13);
  CHECK(config->reserve_pool_size(own, "u") == 23);
  CHECK(config->pool_mode(plain, "x") == PoolMode::Session);
  CHECK(config->pool_mode(own, "x") == PoolMode::Transaction);
  CHECK(config->pool_mode(own, "u") == PoolMode::Statement);
  CHECK(config->max_db_connections(plain) == 4);
  CHECK(config->max_db_connections(own) == 14);
  CHECK(config->max_db_client_connections(plain) == 5);
  CHECK(config->max_db_client_connections(own) == 15);
  CHECK(config->max_user_connections("x") == 6);
  CHECK(config->max_user_connections("u") == 26);
  CHECK(config->max_user_client_connections("x") == 7);
  CHECK(config->max_user_client_connections("u") == 27);
  CHECK(config->server_lifetime(plain) == 8s);
  CHECK(config->server_lifetime(own) == 18s);
}

TEST_CASE("times: user before database before global") {
  auto config = good(
      "[howdah]\nquery_wait_timeout=1\nquery_timeout=2\nidle_transaction_timeout=3\n"
      "transaction_timeout=4\nclient_idle_timeout=5\n"
      "[databases]\nplain = host=h\nown = host=h query_wait_timeout=11\n"
      "[users]\nu = query_wait_timeout=0 query_timeout=22 idle_transaction_timeout=23 "
      "transaction_timeout=24 client_idle_timeout=25\n");
  const auto& plain = *config->databases.at("plain");
  const auto& own = *config->databases.at("own");
  CHECK(config->query_wait_timeout(plain, "x") == 1s);
  CHECK(config->query_wait_timeout(own, "x") == 11s);
  CHECK(config->query_wait_timeout(own, "u") == 0s);
  CHECK(config->query_timeout("x") == 2s);
  CHECK(config->query_timeout("u") == 22s);
  CHECK(config->idle_transaction_timeout("x") == 3s);
  CHECK(config->idle_transaction_timeout("u") == 23s);
  CHECK(config->transaction_timeout("x") == 4s);
  CHECK(config->transaction_timeout("u") == 24s);
  CHECK(config->client_idle_timeout("x") == 5s);
  CHECK(config->client_idle_timeout("u") == 25s);
}
