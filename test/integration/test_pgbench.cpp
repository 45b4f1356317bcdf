// pgbench through the pooler: no error in any query mode, and TPC-B's sums agree with the history.
#include <doctest/doctest.h>

#include <regex>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

struct Scale {
  int scale, clients;
  std::vector<std::string> length;  // -t or -T
};

Scale scale() {
  if (full_run()) return {10, 200, {"-T", "20"}};
  return {1, 40, {"-t", "25"}};
}

Output pgbench(Pooler& pooler, std::vector<std::string> arguments) {
  std::vector<std::string> argv{pg_bin() + "/pgbench", "-h",  "127.0.0.1",
                                "-p",                  std::to_string(pooler.port()),
                                "-U",                  "postgres"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  argv.push_back("db");
  return run(argv, Millis{600000});
}

Pooler make_pooler(const std::string& mode, int size) {
  primary().create_database("bench");
  return Pooler({.settings = {{"pool_mode", mode},
                              {"default_pool_size", std::to_string(size)},
                              {"ignore_startup_parameters", "extra_float_digits"},
                              {"max_client_conn", "300"}},
                 .databases = {entry("db", primary(), "bench")}});
}

long number(const std::string& sql) { return std::stol(primary().sql(sql, "bench").at(0, 0)); }

// What pgbench says it did, after checking that all of it is in the tables.
void check_run(const Output& output, long history_before) {
  INFO(output.text);
  REQUIRE(output.status == 0);
  CHECK(output.text.find("number of failed transactions: 0 ") != std::string::npos);
  std::smatch found;
  REQUIRE(std::regex_search(output.text, found,
                            std::regex("number of transactions actually processed: ([0-9]+)")));
  CHECK(number("select count(*) from pgbench_history") - history_before == std::stol(found[1]));
  long delta = number("select coalesce(sum(delta), 0) from pgbench_history");
  for (const char* table : {"accounts:abalance", "branches:bbalance", "tellers:tbalance"}) {
    std::string name(table), column = name.substr(name.find(':') + 1);
    name.resize(name.find(':'));
    CHECK(number("select sum(" + column + ") from pgbench_" + name) == delta);
  }
}

}  // namespace

TEST_CASE("pgbench: initialisation, then simple and extended through a transaction pool of 10") {
  Pooler pooler = make_pooler("transaction", 10);
  Output made = pgbench(pooler, {"-i", "-q", "-s", std::to_string(scale().scale)});
  REQUIRE_MESSAGE(made.status == 0, made.text);
  CHECK(number("select count(*) from pgbench_accounts") == 100000L * scale().scale);
  for (const char* mode : {"simple", "extended"}) {
    CAPTURE(mode);
    long before = number("select count(*) from pgbench_history");
    std::vector<std::string> arguments{"-n", "-M", mode, "-j", "2", "-c",
                                       std::to_string(scale().clients)};
    for (const auto& word : scale().length) arguments.push_back(word);
    check_run(pgbench(pooler, arguments), before);
  }
  CHECK(primary().backends("bench") <= 11);  // and the one that counts
}

TEST_CASE("pgbench: prepared statements in session mode, 40 clients") {
  Pooler pooler = make_pooler("session", 40);
  REQUIRE(pgbench(pooler, {"-i", "-q", "-s", std::to_string(scale().scale)}).status == 0);
  long before = number("select count(*) from pgbench_history");
  std::vector<std::string> arguments{"-n", "-M", "prepared", "-j", "2", "-c", "40"};
  for (const auto& word : scale().length) arguments.push_back(word);
  check_run(pgbench(pooler, arguments), before);
}

TEST_CASE("pgbench: a new connection for every transaction") {
  Pooler pooler = make_pooler("transaction", 10);
  REQUIRE(pgbench(pooler, {"-i", "-q", "-s", "1"}).status == 0);
  Output output =
      pgbench(pooler, {"-n", "-C", "-S", "-j", "2", "-c", "20", "-t", full_run() ? "500" : "20"});
  CHECK_MESSAGE(output.status == 0, output.text);
  CHECK(output.text.find("number of failed transactions: 0 ") != std::string::npos);
}
