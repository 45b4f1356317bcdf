// What looking at a text costs, in CPU time. Skipped unless asked for:
//   unit_route -ns -tc="*nanoseconds*" -s
#include <doctest/doctest.h>

#include <ctime>

#include "howdah/route/classifier.h"
#include "howdah/route/facts.h"
#include "unit/route/corpus.h"

namespace howdah::route {

TEST_CASE("nanoseconds" * doctest::skip()) {
  auto measure = [](const char* what, int rounds, auto&& round) {
    std::clock_t begin = std::clock();
    unsigned sum = 0;
    for (int i = 0; i < rounds; ++i) sum += round();
    double took = 1e9 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    MESSAGE(std::string(what) << ": " << took / rounds << " ns (" << sum << ")");
  };
  auto plain = [&](const char* what, std::string_view sql) {
    measure(what, 1'000'000, [&] { return surely_plain(sql) ? 1U : 0U; });
  };
  auto full = [&](const char* what, int rounds, std::string_view sql) {
    measure(what, rounds, [&] { return static_cast<unsigned>(facts(sql).touch); });
  };
  plain("surely_plain, pgbench select, 52 bytes",
        "SELECT abalance FROM pgbench_accounts WHERE aid = $1;");
  plain("surely_plain, pgbench update, 70 bytes",
        "UPDATE pgbench_accounts SET abalance = abalance + -1290 WHERE aid = 7;");
  plain("surely_plain, pgbench insert, 102 bytes",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -4, "
        "CURRENT_TIMESTAMP);");
  plain("surely_plain, BEGIN", "BEGIN");
  std::string large = "SELECT a.id, coalesce(a.name, 'none') AS name, count(*) FROM accounts a";
  for (int i = 0; large.size() < 2000; ++i) {
    std::string n = std::to_string(i);
    large +=
        " LEFT JOIN orders o" + n + " ON o" + n + ".account_id = a.id AND o" + n + ".total > 10";
  }
  plain("surely_plain, SELECT of 2 kB", large);
  full("facts, COMMIT", 1'000'000, "COMMIT");
  full("facts, SET", 50'000, "SET statement_timeout = 5000");
  full("facts, EXECUTE", 50'000, "EXECUTE foo(1, 2)");
  full("facts, SELECT with an own function", 50'000, "SELECT my_function(a) FROM t WHERE b = $1");
  full("facts, SELECT of 2 kB with an own function", 5'000, large + " WHERE f(a)");
  std::string bulk = "INSERT INTO t (a, b, c) VALUES (1, 'abcdefgh', f(3))";
  while (bulk.size() < 128'000) bulk += ", (1, 'abcdefgh', f(3))";
  full("facts, INSERT of 128 kB with own functions", 20, bulk);

  auto shape = [&](const char* what, int rounds, std::string_view sql) {
    measure(what, rounds, [&] { return static_cast<unsigned>(analyse(sql)->names.size()); });
  };
  shape("analyse, pgbench select", 20'000, "SELECT abalance FROM pgbench_accounts WHERE aid = $1;");
  shape("analyse, BEGIN", 20'000, "BEGIN");
  shape("analyse, SELECT of 2 kB", 2'000, large);
  std::string list = "SELECT * FROM t WHERE id IN (1";
  while (list.size() < kLargestRead - 10) list += ", 123";
  shape("analyse, IN list of 16 kB", 200, list + ")");
  shape("analyse, over 16 kB", 100'000, std::string(20'000, ' ') + "SELECT 1");

  Classifier classifier({}, 1);
  ScopePtr scope = classifier.scope("db", "app", std::nullopt);
  base::TimePoint now{std::chrono::seconds(1)};
  auto seen = [&](const char* what, std::string_view sql) {
    classifier.classify(sql, scope, now);
    while (auto question = classifier.question(scope, now)) {
      std::vector<AnswerRow> rows;  // every name a table
      for (int i = 0; i < 32; ++i) {
        std::string place = "(" + std::to_string(i) + "::pg_catalog.int4, 'r'";
        if (question->sql.find(place) != question->sql.npos) {
          rows.push_back({std::to_string(i), "r", "rp"});
        }
      }
      classifier.learn(scope, question->id, rows, now);
      now += std::chrono::milliseconds(100);
    }
    const Known& known = classifier.classify(sql, scope, now);
    measure(what, 1'000'000,
            [&] { return static_cast<unsigned>(classifier.classify(sql, scope, now).cls); });
    CHECK(known.cls == Class::Read);
  };
  seen("classify, seen before, pgbench select",
       "SELECT abalance FROM pgbench_accounts WHERE aid = $1;");
  seen("classify, seen before, 2 kB", large);
  for (int i = 0; i < 10'000; ++i) {
    classifier.classify("SELECT abalance FROM t WHERE aid = " + std::to_string(i), scope, now);
  }
  std::vector<std::string> many;
  for (int i = 0; i < 5'000; ++i) {
    many.push_back("SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(i));
    classifier.classify(many.back(), scope, now);
  }
  std::size_t next = 0;
  measure("classify, seen before, one of 5,000 texts", 1'000'000, [&] {
    return static_cast<unsigned>(classifier.classify(many[next++ % many.size()], scope, now).cls);
  });
}

}  // namespace howdah::route
