// What holds for every text, over the corpus, its prefixes and its mutations.
#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "howdah/route/facts.h"
#include "route/depth.h"
#include "route/grammar.h"
#include "unit/route/corpus.h"

namespace howdah::route {
namespace {

std::vector<std::string_view> all_texts() {
  std::vector<std::string_view> all = plain_texts();
  for (std::string_view sql : harmless_texts()) all.push_back(sql);
  for (const Sample& sample : touching_texts()) all.push_back(sample.sql);
  for (std::string_view sql :
       {"PREPARE foo (int) AS SELECT f(1)", "EXECUTE \"Foo \"\"bar\"\"\" (1, 2); EXECUTE U&\"a\"",
        "EXPLAIN (VERBOSE) CREATE TABLE t AS EXECUTE foo", "DEALLOCATE PREPARE ALL"}) {
    all.push_back(sql);
  }
  return all;
}

void check_place(std::string_view sql, const Facts& facts) {
  CHECK_EQ((facts.touch & kNames) != 0, !facts.names.empty());
  std::size_t before = 0;
  for (const StatementName& name : facts.names) {
    REQUIRE_GE(name.at, before);
    REQUIRE_LE(name.end, sql.size());
    REQUIRE_LE(name.at, name.end);
    REQUIRE_LE(name.size, name.end - name.at);
    CHECK((name.end == sql.size() || sql[name.end] == ';'));
    before = name.end;
  }
}

// Plain must mean that the grammar, if it takes the text, finds nothing.
void check_plain(const std::string& sql) {
  if (!surely_plain(sql)) return;
  auto statements = parse_statements(sql, false);
  if (!statements) return;
  CAPTURE(sql);
  bool first = true;
  for (const GrammarStatement& statement : *statements) {
    CHECK_EQ(statement.touch & ~(first ? 0 : kExit), 0);
    CHECK_FALSE(statement.name);
    first = false;
  }
}

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  // The same to PostgreSQL, outside of strings and quoted names.
  std::string dress(std::string_view sql) {
    std::string result;
    char quote = 0;
    for (std::size_t i = 0; i < sql.size(); ++i) {
      char c = sql[i];
      if (quote == 0 && c == ' ' && below(3) == 0) {
        static constexpr std::string_view kBlanks[] = {"\t",       "\n",      "  ",
                                                       "/* ' */ ", " --';\n", "/*/**/*/ "};
        result += kBlanks[below(std::size(kBlanks))];
        continue;
      }
      if (c == quote) {
        quote = 0;
      } else if (quote == 0 && (c == '\'' || c == '"' || c == '$' || c == '/' || c == '-')) {
        quote = c == '\'' || c == '"' ? c : '\1';  // after the others nothing is changed
      }
      if (quote == 0 && c >= 'a' && c <= 'z' && below(2) == 0) c = static_cast<char>(c - 32);
      result += c;
    }
    return result;
  }

  // Anything: bytes lost, doubled, replaced, and pieces of another text put in.
  std::string maul(std::string_view sql, std::string_view other) {
    std::string result(sql);
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      std::size_t at = below(result.size() + 1);
      switch (below(4)) {
        case 0:
          result.erase(at, 1 + below(4));
          break;
        case 1: {
          static constexpr std::string_view kPieces[] = {
              ";",        "'",        "\"",       "(",
              ")",        "$$",       "/*",       "*/",
              "--",       "\n",       "E'",       "\\",
              ".",        ",",        " f(1) ",   " into ",
              " over",    " on ",     " as ",     " join ",
              " filter",  "conflict", " with ",   "::",
              "(select ", " temp ",   "execute ", " set_config('a', 'b', false) ",
              "\"f\"(1)"};
          result.insert(at, kPieces[below(std::size(kPieces))]);
          break;
        }
        case 2: {
          std::size_t from = below(other.size() + 1);
          result.insert(at, other.substr(from, below(40)));
          break;
        }
        default:
          if (at < result.size()) result[at] = static_cast<char>(1 + below(255));
      }
    }
    return result;
  }

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

 private:
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("the corpus is large") { CHECK_GE(all_texts().size(), 250); }

TEST_CASE("every prefix of every text has facts, and plain ones touch nothing") {
  for (std::string_view sql : all_texts()) {
    for (std::size_t size = 0; size <= sql.size(); ++size) {
      std::string prefix(sql.substr(0, size));
      check_plain(prefix);
      if (size % 4 == 0 || size == sql.size()) check_place(prefix, facts(prefix));
    }
  }
}

TEST_CASE("comments, blanks and upper case change nothing") {
  Mutator mutator(1);
  for (int round = 0; round < 5; ++round) {
    for (std::string_view sql : all_texts()) {
      std::string dressed = mutator.dress(sql);
      CAPTURE(sql);
      CAPTURE(dressed);
      // After E'' a comment is in doubt.
      if (sql.find("E'") == sql.npos) CHECK_EQ(surely_plain(dressed), surely_plain(sql));
      Facts before = facts(sql), after = facts(dressed);
      if (before.touch != kEverything && sql.find("E'") == sql.npos) {
        CHECK_EQ(after.touch, before.touch);
        CHECK_EQ(after.single, before.single);
        REQUIRE_EQ(after.names.size(), before.names.size());
        for (std::size_t i = 0; i < after.names.size(); ++i) {
          CHECK_EQ(after.names[i].name, before.names[i].name);
        }
      }
      check_place(dressed, after);
    }
  }
}

TEST_CASE("a mauled text is never taken for plain when the grammar finds something in it") {
  std::vector<std::string_view> texts = all_texts();
  Mutator mutator(2);
  for (int round = 0; round < 30'000; ++round) {
    std::string_view sql = texts[mutator.below(texts.size())];
    std::string mauled = mutator.maul(sql, texts[mutator.below(texts.size())]);
    check_plain(mauled);
    if (round % 8 == 0) check_place(mauled, facts(mauled));
  }
}

TEST_CASE("texts that nest deeper than the grammar bears touch everything") {
  auto repeat = [](std::string_view piece, std::size_t times) {
    std::string text;
    while (times-- > 0) text += piece;
    return text;
  };
  constexpr std::size_t kMany = 100'000;
  for (std::string_view chain :
       {"+1", "::int", "[1]", ".a", " is null", " collate x", " at time zone 'x'", " join a on b",
        " union select f(1), 2", " join a on b and c", " || f(1, 2)"}) {
    std::string sql = "SELECT f(1), a" + repeat(chain, kMany / 10);
    CAPTURE(chain);
    CHECK_FALSE(is_shallow(sql));
    CHECK_EQ(facts(sql).touch, kEverything);
  }
  CHECK_EQ(facts("SELECT " + repeat("f(", kMany)).touch, kEverything);
  CHECK_EQ(facts("SELECT f" + repeat("(", kMany)).touch, kEverything);
  CHECK_EQ(facts("SELECT f(" + repeat("- ", kMany)).touch, kEverything);
  std::string cases = repeat("case when a then ", kMany / 10);
  CHECK_EQ(facts("SELECT f(1)," + cases + "1 " + repeat(" end", kMany / 10)).touch, kEverything);
  // Long, but flat.
  std::string values = "INSERT INTO t VALUES (1, f(2))" + repeat(", (1, 'abc', f(3))", 5000);
  CHECK_EQ(facts(values).touch, kHidden);
  CHECK_EQ(facts("SELECT f(1) WHERE a IN (1" + repeat(", 1", 20'000) + ")").touch, kHidden);
  CHECK_EQ(facts("SELECT f(1) WHERE a = 1" + repeat(" OR a = 1", 10'000)).touch, kHidden);
}

TEST_CASE("the deepest trees that are let through fit into a thread's stack") {
  auto nested = [](std::string_view open, std::string_view close) {
    std::string sql;
    for (std::size_t n = 0;; ++n) {
      std::string more = "SELECT ";
      for (std::size_t i = 0; i < n * 50; ++i) more += open;
      more += "f(1)";
      for (std::size_t i = 0; i < n * 50; ++i) more += close;
      if (!is_shallow(more)) return sql;
      sql = more;
    }
  };
  std::vector<std::string> deepest = {nested("", "+1"),      nested("f(", ")"),
                                      nested("f(1,", ")"),   nested("(SELECT ", ")"),
                                      nested("ARRAY[", "]"), nested("", " union select 1"),
                                      nested("- ", "")};
  std::thread thread([&] {
    for (const std::string& sql : deepest) {
      CHECK_GT(sql.size(), 100);
      CHECK_EQ(facts(sql).touch, kHidden);
    }
  });
  thread.join();
}

TEST_CASE("texts with a NUL or over the limit touch everything") {
  CHECK_EQ(facts(std::string_view("SELECT 1\0", 9)).touch, kEverything);
  CHECK_EQ(facts(std::string_view("SET '\0'", 7)).touch, kEverything);
  CHECK_EQ(facts("SELECT f('" + std::string(2'000'000, 'x') + "')").touch, kEverything);
  CHECK_EQ(facts("SELECT length('" + std::string(2'000'000, 'x') + "')").touch, 0);
}

TEST_CASE("only texts of ASCII-safe clients are readable, without standard strings those without backslash") {
  for (const char* encoding : {"UTF8", "LATIN1", "EUC_JP", "SQL_ASCII"}) {
    CHECK(readable(encoding, "on") == Readable::Yes);
    CHECK(readable(encoding, "off") == Readable::WithoutBackslash);
    CHECK(readable(encoding, "") == Readable::WithoutBackslash);
  }
  for (const char* encoding :
       {"SJIS", "sjis", "BIG5", "GBK", "GB18030", "UHC", "JOHAB", "SHIFT_JIS_2004"}) {
    CHECK(readable(encoding, "on") == Readable::No);
    CHECK(readable(encoding, "off") == Readable::No);
  }
}

}  // namespace howdah::route
