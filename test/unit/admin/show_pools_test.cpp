// The rows of SHOW POOLS and of the statistics.
#include "run.h"

namespace {

using namespace howdah;
using test::FakeControl;
using test::run;

base::TimePoint at(std::int64_t us) { return base::TimePoint(base::Duration(us)); }

std::shared_ptr<config::Config> one_database(int pool_size) {
  auto config = std::make_shared<config::Config>();
  config->settings.default_pool_size = pool_size;
  config->databases["app"] = std::make_shared<config::Database>(
      config::Database{.name = "app",
                       .dbname = "app",
                       .hosts = {{"h", 5432}, {"i", 5432}},
                       .pool_mode = config::PoolMode::Transaction});
  return config;
}

TEST_CASE("SHOW POOLS always has the console's pool, and is sorted by database, then user") {
  FakeControl control;
  admin::WorkerReport worker;
  worker.pools[1] = {.database = "zoo", .user = "a"};
  worker.pools[2] = {.database = "app", .user = "b"};
  worker.pools[3] = {.database = "app", .user = "a"};
  control.state.workers = {worker};
  auto answer = run(control, "SHOW POOLS");
  std::string names;
  for (const auto& row : answer.rows) names += *row[0] + "/" + *row[1] + " ";
  CHECK(names == "app/a app/b pgbouncer/pgbouncer zoo/a ");
  CHECK(answer.cell(2, "pool_mode") == "statement");
  CHECK(answer.cell(2, "load_balance_hosts") == "<null>");
}

TEST_CASE("SHOW POOLS adds up the socket states of all workers") {
  FakeControl control;
  control.state.config = one_database(20);
  admin::WorkerPool pool{.database = "app",
                         .user = "u",
                         .cl_active = 1,
                         .cl_active_cancel_req = 2,
                         .cl_waiting_cancel_req = 3,
                         .sv_active = 4,
                         .sv_active_cancel = 5,
                         .sv_being_canceled = 6,
                         .sv_idle = 7,
                         .sv_used = 8,
                         .sv_tested = 9};
  admin::WorkerReport one, two;
  one.pools[1] = pool;
  two.pools[1] = pool;
  two.pools[1].sv_idle = 100;
  control.state.workers = {one, two};
  auto answer = run(control, "SHOW POOLS");
  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.cell(0, "cl_active") == "2");
  CHECK(answer.cell(0, "cl_active_cancel_req") == "4");
  CHECK(answer.cell(0, "cl_waiting_cancel_req") == "6");
  CHECK(answer.cell(0, "sv_active") == "8");
  CHECK(answer.cell(0, "sv_active_cancel") == "10");
  CHECK(answer.cell(0, "sv_being_canceled") == "12");
  CHECK(answer.cell(0, "sv_idle") == "107");
  CHECK(answer.cell(0, "sv_used") == "16");
  CHECK(answer.cell(0, "sv_tested") == "18");
  CHECK(answer.cell(0, "pool_mode") == "transaction");
  CHECK(answer.cell(0, "load_balance_hosts") == "round-robin");
}

TEST_CASE("SHOW POOLS takes waiters and connecting servers from the ledger, not from workers") {
  auto config = one_database(1);
  pool::Ledger ledger(config, 2);
  FakeControl control;
  control.state.config = config;
  control.state.ledger = &ledger;
  pool::PoolId pool = ledger.pool(config->databases["app"], "u");
  pool::Actions actions;
  ledger.checkout(pool, {0, 1}, at(1'000'000), actions);
  ledger.checkout(pool, {1, 2}, at(2'000'000), actions);
  admin::WorkerReport worker;
  worker.pools[pool] = {.database = "app",
                        .user = "u",
                        .cl_active = 3,
                        .cl_waiting = 77,
                        .sv_login = 77,
                        .max_wait_us = 77};
  control.state.workers = {worker};
  control.state.now = at(3'500'042);

  auto answer = run(control, "SHOW POOLS");
  CHECK(answer.cell(0, "cl_active") == "3");
  CHECK(answer.cell(0, "cl_waiting") == "2");
  CHECK(answer.cell(0, "sv_login") == "1");
  CHECK(answer.cell(0, "maxwait") == "2");
  CHECK(answer.cell(0, "maxwait_us") == "500042");
}

TEST_CASE("a pool that nobody waits for has maxwait 0, also with a clock before its waiter's") {
  auto config = one_database(1);
  pool::Ledger ledger(config, 1);
  FakeControl control;
  control.state.config = config;
  control.state.ledger = &ledger;
  pool::PoolId pool = ledger.pool(config->databases["app"], "u");
  auto answer = run(control, "SHOW POOLS");
  CHECK(answer.cell(0, "database") == "app");
  CHECK(answer.cell(0, "maxwait") == "0");
  CHECK(answer.cell(0, "maxwait_us") == "0");

  pool::Actions actions;
  ledger.checkout(pool, {0, 1}, at(1'000'000), actions);
  control.state.now = at(5);
  CHECK(run(control, "SHOW POOLS").cell(0, "maxwait_us") == "0");
}

TEST_CASE("clients of the console are counted in its pool") {
  FakeControl control;
  admin::WorkerReport worker;
  worker.pools[0] = {.database = "pgbouncer", .user = "pgbouncer", .cl_active = 2};
  control.state.workers = {worker, worker};
  auto answer = run(control, "SHOW POOLS");
  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.cell(0, "cl_active") == "4");
}

// Counters whose every field is another number: base + 0 ... base + 11, in the order of the
// columns.
metrics::Counters counters(std::uint64_t base) {
  return {base,     base + 1, base + 2, base + 3, base + 4,  base + 5,
          base + 6, base + 7, base + 8, base + 9, base + 10, base + 11};
}

struct StatsFixture {
  StatsFixture() {
    admin::WorkerReport one, two;
    one.pools[1] = {.database = "app", .user = "a", .counters = counters(1000)};
    one.pools[2] = {.database = "app", .user = "b", .counters = counters(2000)};
    two.pools[1] = {.database = "app", .user = "a", .counters = counters(3000)};
    two.pools[3] = {.database = "web", .user = "a", .counters = counters(100)};
    control.state.workers = {one, two};
    control.state.stats = &stats;
    control.state.now = at(60'000'000);
    stats.period({}, at(0));
    stats.period({{"app", counters(0)}}, at(30'000'000));
  }
  metrics::Stats stats;
  FakeControl control;
};

std::string numbers(const test::ConsoleAnswer& answer, std::size_t row, std::size_t from,
                    std::size_t count) {
  std::string text;
  for (std::size_t i = from; i < from + count; ++i) text += answer.rows[row][i].value() + " ";
  return text;
}

TEST_CASE("SHOW STATS adds up pools and workers per database, each counter in its column") {
  StatsFixture f;
  auto answer = run(f.control, "SHOW STATS");
  REQUIRE(answer.rows.size() == 3);
  CHECK(answer.cell(0, "database") == "app");
  CHECK(answer.cell(1, "database") == "pgbouncer");
  CHECK(answer.cell(2, "database") == "web");
  CHECK(numbers(answer, 0, 1, 12) ==
        "6000 6003 6006 6009 6012 6015 6018 6021 6024 6027 6030 6033 ");
  CHECK(numbers(answer, 2, 1, 12) == "100 101 102 103 104 105 106 107 108 109 110 111 ");
  CHECK(numbers(answer, 1, 1, 24) == "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ");
  // Compared with the start, 60 s ago: per second, and times per event.
  CHECK(numbers(answer, 0, 13, 12) == "100 100 100 100 100 1 1 1 100 100 100 100 ");
}

TEST_CASE("STATS_TOTALS and STATS_AVERAGES are the halves of STATS") {
  StatsFixture f;
  auto stats = run(f.control, "SHOW STATS");
  auto totals = run(f.control, "SHOW STATS_TOTALS");
  auto averages = run(f.control, "SHOW STATS_AVERAGES");
  REQUIRE(totals.rows.size() == stats.rows.size());
  REQUIRE(averages.rows.size() == stats.rows.size());
  for (std::size_t row = 0; row < stats.rows.size(); ++row) {
    CHECK(totals.rows[row][0] == stats.rows[row][0]);
    CHECK(averages.rows[row][0] == stats.rows[row][0]);
    CHECK(numbers(totals, row, 1, 12) == numbers(stats, row, 1, 12));
    CHECK(numbers(averages, row, 1, 12) == numbers(stats, row, 13, 12));
  }
}

TEST_CASE("SHOW TOTALS adds up all databases: totals, then averages") {
  StatsFixture f;
  auto answer = run(f.control, "SHOW TOTALS");
  std::string names;
  for (const auto& row : answer.rows) names += *row[0] + " ";
  CHECK(names ==
        "total_server_assignment_count total_xact_count total_query_count total_client_bytes "
        "total_server_bytes total_xact_time total_query_time total_wait_time "
        "total_ps_client_parse_count total_ps_server_parse_count total_ps_bind_count "
        "total_client_login_count "
        "avg_server_assignment_count avg_xact_count avg_query_count avg_client_bytes "
        "avg_server_bytes avg_xact_time avg_query_time avg_wait_time avg_ps_client_parse_count "
        "avg_ps_server_parse_count avg_ps_bind_count avg_client_login_count ");
  CHECK(answer.cell(answer.row_of("total_server_assignment_count"), "value") == "6100");
  CHECK(answer.cell(answer.row_of("total_client_login_count"), "value") == "6144");
  CHECK(answer.cell(answer.row_of("avg_xact_count"), "value") == "101");
}

TEST_CASE("a database with a pool in the ledger only has a row of zeros") {
  auto config = one_database(1);
  pool::Ledger ledger(config, 1);
  ledger.pool(config->databases["app"], "u");
  FakeControl control;
  control.state.config = config;
  control.state.ledger = &ledger;
  auto answer = run(control, "SHOW STATS_TOTALS");
  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.cell(0, "database") == "app");
}

}  // namespace
