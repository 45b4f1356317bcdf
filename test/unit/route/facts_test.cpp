#include "howdah/route/facts.h"

#include <doctest/doctest.h>

#include "route/grammar.h"
#include "unit/route/corpus.h"

namespace howdah::route {

TEST_CASE("plain texts are seen by the cheap scan and by the grammar") {
  for (std::string_view sql : plain_texts()) {
    CAPTURE(sql);
    CHECK(surely_plain(sql));
    CHECK_EQ(facts_by_grammar(sql).touch, 0);
    CHECK(facts_by_grammar(sql).names.empty());
    CHECK_EQ(facts(sql).single, facts_by_grammar(sql).single);
  }
}

TEST_CASE("harmless texts touch nothing, whoever says so") {
  for (std::string_view sql : harmless_texts()) {
    CAPTURE(sql);
    CHECK_FALSE(surely_plain(sql));
    CHECK_EQ(facts_by_grammar(sql).touch, 0);
    CHECK(facts_by_grammar(sql).names.empty());
    CHECK_EQ(facts(sql).single, facts_by_grammar(sql).single);
  }
}

TEST_CASE("texts touch what they touch, and no more") {
  for (const Sample& sample : touching_texts()) {
    CAPTURE(sample.sql);
    CHECK_FALSE(surely_plain(sample.sql));
    CHECK_EQ(facts(sample.sql).touch, sample.touch);
    CHECK_EQ(facts_by_grammar(sample.sql).touch, sample.touch);
  }
}

TEST_CASE("settings with a dot that are set are told, in lower case") {
  CHECK_EQ(facts("SET MyApp.Uid = 1; SET a.\"B\" FROM CURRENT; RESET a.c; SET a.d TO DEFAULT")
               .custom_settings,
           std::vector<std::string>{"myapp.uid", "a.b"});
  CHECK_EQ(facts("SELECT set_config('A.b', $1, false)").custom_settings,
           std::vector<std::string>{"a.b"});
  CHECK(facts("SET x = 'a.b'; SET LOCAL a.b = 1; SELECT set_config('a.b', '', true)")
            .custom_settings.empty());
}

TEST_CASE("more than one statement is told, empty ones don't count") {
  CHECK(facts("").single);
  CHECK(facts("; SELECT 1 ;;").single);
  CHECK(facts("; SET x = 1 ;;").single);
  CHECK(facts(";COMMIT;").single);
  CHECK_FALSE(facts("SELECT 1; SELECT 2").single);
  CHECK_FALSE(facts("SET x = 1; SET y = 1").single);
  CHECK_FALSE(facts("COMMIT; BEGIN").single);
  CHECK_FALSE(facts("SELEC 1").single);
}

TEST_CASE("a transaction's end is told only of the first statement") {
  CHECK_EQ(facts("COMMIT; SET x = 1").touch, kExit | kSettings);
  CHECK_EQ(facts("SET x = 1; COMMIT").touch, kSettings);
  CHECK_EQ(facts("SELECT 1; ROLLBACK").touch, 0);
}

}  // namespace howdah::route
