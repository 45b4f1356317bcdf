// The rows of SHOW VERSION, STATE, CONFIG, DATABASES, USERS, PEERS, LISTS.
#include "run.h"

namespace {

using namespace howdah;
using test::FakeControl;
using test::run;

// A config with databases of every kind; the tests change what they are about.
struct Fixture {
  Fixture() {
    config->settings.listen_port = 6432;
    config->settings.default_pool_size = 20;
    config->settings.reserve_pool_size = 3;
    config->settings.server_lifetime = std::chrono::seconds(3600);
    add({.name = "app", .dbname = "app_db", .hosts = {{"db1", 5433}}, .user = "owner"});
    add({.name = "local", .dbname = "local", .hosts = {{"/tmp", 5432}}, .unix_default = true});
    add({.name = "many",
         .dbname = "many",
         .hosts = {{"a", 5432}, {"b", 5432}},
         .pool_size = 7,
         .reserve_pool_size = 1,
         .max_db_connections = 50,
         .pool_mode = config::PoolMode::Transaction});
    control.state.config = config;
  }
  void add(config::Database database) {
    std::string name = database.name;
    config->databases[name] = std::make_shared<config::Database>(std::move(database));
  }
  std::shared_ptr<config::Config> config = std::make_shared<config::Config>();
  FakeControl control;
};

TEST_CASE("SHOW VERSION is the first line of --version") {
  FakeControl control;
  CHECK(run(control, "SHOW VERSION").cell(0, "version") == "PgBouncer 1.25.2 (howdah 0.1.0)");
}

TEST_CASE("SHOW STATE is the global state only") {
  FakeControl control;
  auto values = [&] {
    std::string text;
    for (const auto& row : run(control, "SHOW STATE").rows) text += *row[0] + "=" + *row[1] + " ";
    return text;
  };
  CHECK(values() == "active=yes paused=no suspended=no ");
  control.state.paused_databases = {"app"};
  CHECK(values() == "active=yes paused=no suspended=no ");
  control.state.paused = true;
  CHECK(values() == "active=no paused=yes suspended=no ");
}

TEST_CASE("SHOW CONFIG lists the rows of the config; unset strings are NULL") {
  Fixture f;
  f.config->rows = {{"auth_user", std::nullopt, std::nullopt, true},
                    {"listen_port", "7000", "6432", false}};
  auto answer = run(f.control, "SHOW CONFIG");
  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.cell(0, "value") == "<null>");
  CHECK(answer.cell(0, "default") == "<null>");
  CHECK(answer.cell(0, "changeable") == "yes");
  CHECK(answer.cell(1, "key") == "listen_port");
  CHECK(answer.cell(1, "value") == "7000");
  CHECK(answer.cell(1, "default") == "6432");
  CHECK(answer.cell(1, "changeable") == "no");
}

TEST_CASE("SHOW DATABASES shows effective numbers, NULL for what is inherited or absent") {
  Fixture f;
  f.control.state.paused_databases = {"many"};
  f.control.state.disabled_databases = {"local"};
  auto answer = run(f.control, "SHOW DATABASES");
  REQUIRE(answer.rows.size() == 4);

  std::size_t app = answer.row_of("app");
  CHECK(answer.cell(app, "host") == "db1");
  CHECK(answer.cell(app, "port") == "5433");
  CHECK(answer.cell(app, "database") == "app_db");
  CHECK(answer.cell(app, "force_user") == "owner");
  CHECK(answer.cell(app, "pool_size") == "20");
  CHECK(answer.cell(app, "reserve_pool_size") == "3");
  CHECK(answer.cell(app, "server_lifetime") == "3600");
  CHECK(answer.cell(app, "pool_mode") == "<null>");
  CHECK(answer.cell(app, "load_balance_hosts") == "<null>");
  CHECK(answer.cell(app, "current_connections") == "0");
  CHECK(answer.cell(app, "paused") == "0");
  CHECK(answer.cell(app, "disabled") == "0");

  std::size_t local = answer.row_of("local");
  CHECK(answer.cell(local, "host") == "<null>");
  CHECK(answer.cell(local, "force_user") == "<null>");
  CHECK(answer.cell(local, "disabled") == "1");

  std::size_t many = answer.row_of("many");
  CHECK(answer.cell(many, "host") == "a,b");
  CHECK(answer.cell(many, "pool_size") == "7");
  CHECK(answer.cell(many, "reserve_pool_size") == "1");
  CHECK(answer.cell(many, "pool_mode") == "transaction");
  CHECK(answer.cell(many, "load_balance_hosts") == "round-robin");
  CHECK(answer.cell(many, "max_connections") == "50");
  CHECK(answer.cell(many, "paused") == "1");

  std::size_t console = answer.row_of("pgbouncer");
  CHECK(answer.cell(console, "host") == "<null>");
  CHECK(answer.cell(console, "port") == "6432");
  CHECK(answer.cell(console, "database") == "pgbouncer");
  CHECK(answer.cell(console, "force_user") == "pgbouncer");
  CHECK(answer.cell(console, "pool_size") == "2");
  CHECK(answer.cell(console, "pool_mode") == "statement");
}

TEST_CASE("SHOW DATABASES counts servers by the ledger and clients by the budget") {
  Fixture f;
  pool::Ledger ledger(f.config, 1);
  pool::ClientBudget budget;
  f.control.state.ledger = &ledger;
  f.control.state.clients = &budget;
  auto first = budget.database("app", 0), second = budget.database("app", 0);
  auto user = budget.user("ann", 0);
  pool::Actions actions;
  pool::PoolId pool = ledger.pool(f.config->databases["app"], "owner");
  ledger.checkout(pool, {0, 1}, base::TimePoint(std::chrono::seconds(5)), actions);

  auto databases = run(f.control, "SHOW DATABASES");
  std::size_t app = databases.row_of("app");
  CHECK(databases.cell(app, "current_connections") == "1");
  CHECK(databases.cell(app, "current_client_connections") == "2");
  auto users = run(f.control, "SHOW USERS");
  CHECK(users.cell(users.row_of("owner"), "current_connections") == "1");
  CHECK(users.cell(users.row_of("owner"), "current_client_connections") == "0");
  auto lists = run(f.control, "SHOW LISTS");
  CHECK(lists.cell(lists.row_of("used_servers"), "items") == "1");
}

TEST_CASE("a database made from the * line is listed when it has a pool or a mark") {
  Fixture f;
  f.config->wildcard = std::make_shared<config::Database>(
      config::Database{.name = "*", .hosts = {{"auto", 5432}}, .automatic = true});
  CHECK(run(f.control, "SHOW DATABASES").rows.size() == 4);
  f.control.state.paused_databases = {"tenant_1"};
  auto answer = run(f.control, "SHOW DATABASES");
  REQUIRE(answer.rows.size() == 5);
  CHECK(answer.cell(answer.row_of("tenant_1"), "host") == "auto");
  CHECK(answer.cell(answer.row_of("tenant_1"), "database") == "tenant_1");

  // Without the line the mark of a removed database is not a database.
  f.config->wildcard = nullptr;
  CHECK(run(f.control, "SHOW DATABASES").rows.size() == 4);
}

TEST_CASE(
    "SHOW USERS lists configured, userlist, pool and logged-in users, and the console, once") {
  Fixture f;
  f.config->users["boss"] = {.name = "boss",
                             .pool_mode = config::PoolMode::Statement,
                             .pool_size = 5,
                             .reserve_pool_size = 12};
  f.config->userlist["ann"] = base::Secret("secret");
  f.config->userlist["boss"] = base::Secret("secret");
  admin::WorkerReport worker;
  worker.pools[1] = {.database = "app", .user = "found_by_query"};
  worker.clients.push_back({.user = "behind_forced_user", .state = "idle"});
  worker.clients.push_back({.user = "intruder", .state = "login"});
  f.control.state.workers = {worker};

  auto answer = run(f.control, "SHOW USERS");
  std::string names;
  for (const auto& row : answer.rows) names += *row[0] + " ";
  CHECK(names == "ann behind_forced_user boss found_by_query pgbouncer ");
  std::size_t boss = answer.row_of("boss"), ann = answer.row_of("ann");
  CHECK(answer.cell(boss, "pool_size") == "        5");
  CHECK(answer.cell(boss, "reserve_pool_size") == "       12");
  CHECK(answer.cell(boss, "pool_mode") == "statement");
  CHECK(answer.cell(ann, "pool_size") == "");
  CHECK(answer.cell(ann, "pool_mode") == "<null>");
}

TEST_CASE("no SHOW prints a secret") {
  Fixture f;
  f.config->userlist["ann"] = base::Secret("tell-nobody");
  f.add({.name = "s", .dbname = "s", .hosts = {{"h", 1}}, .password = base::Secret("tell-nobody")});
  for (const char* query : {"SHOW USERS", "SHOW DATABASES", "SHOW CONFIG", "SHOW LISTS"}) {
    test::Answers answers;
    admin::run_command(query, admin::Rights::Admin, f.control, answers.receiver());
    REQUIRE(answers.bytes.size() == 1);
    CHECK(answers.bytes[0].find("tell-nobody") == std::string::npos);
  }
}

TEST_CASE("SHOW PEERS lists the peers of the config") {
  Fixture f;
  f.config->peers[1] = {.id = 1, .host = "p1", .port = 6001};
  f.config->peers[2] = {.id = 2, .host = "/tmp/p2", .port = 6002, .pool_size = 4};
  auto answer = run(f.control, "SHOW PEERS");
  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.cell(0, "pool_size") == "20");
  CHECK(answer.cell(1, "peer_id") == "2");
  CHECK(answer.cell(1, "host") == "/tmp/p2");
  CHECK(answer.cell(1, "port") == "6002");
  CHECK(answer.cell(1, "pool_size") == "4");
}

TEST_CASE("SHOW PEER_POOLS sums the workers' requests to each peer but ourselves") {
  Fixture f;
  f.config->settings.peer_id = 1;
  for (int id : {1, 2, 3}) f.config->peers[id] = {.id = id, .host = "p"};
  admin::WorkerReport one, two;
  one.peers[2] = {1, 2, 3, 4};
  two.peers[2] = {10, 20, 30, 40};
  f.control.state.workers = {one, two};
  auto answer = run(f.control, "SHOW PEER_POOLS");
  std::string text;
  for (const auto& row : answer.rows) {
    for (const auto& cell : row) text += *cell + " ";
  }
  CHECK(text == "2 11 22 33 44 3 0 0 0 0 ");
}

TEST_CASE("SHOW LISTS has its fourteen rows in order, summed over workers") {
  Fixture f;
  f.config->userlist["ann"] = base::Secret("x");
  f.config->peers[1] = {.id = 1, .host = "p"};
  f.config->peers[2] = {.id = 2, .host = "me"};
  f.config->settings.peer_id = 2;
  admin::WorkerReport one, two;
  one.login_clients = 2;
  one.dns_names = 3;
  one.pools[1] = {.database = "app", .user = "ann", .cl_active = 4, .cl_waiting = 1};
  two.login_clients = 1;
  two.dns_pending = 5;
  two.pools[1] = {.database = "app", .user = "ann", .cl_active = 10};
  f.control.state.workers = {one, two};
  auto answer = run(f.control, "SHOW LISTS");
  std::string text;
  for (const auto& row : answer.rows) text += *row[0] + "=" + *row[1] + " ";
  CHECK(text ==
        "databases=4 users=2 peers=2 pools=2 peer_pools=1 free_clients=0 used_clients=18 "
        "login_clients=3 free_servers=0 used_servers=0 dns_names=3 dns_zones=0 dns_queries=5 "
        "dns_pending=0 ");
}

}  // namespace
