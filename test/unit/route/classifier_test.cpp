// The caches in front of the catalogue: what is asked when, how long answers hold, what cannot be
// pushed out.
#include <doctest/doctest.h>

#include "howdah/route/classifier.h"
#include "route/answers.h"
#include "route/kept_map.h"

namespace howdah::route {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Rows = std::vector<AnswerRow>;

constexpr base::TimePoint kStart{seconds(1000)};

struct Caches {
  Classifier classifier{{}, 42};
  ScopePtr scope = classifier.scope("db", "app", std::nullopt);
  base::TimePoint now = kStart;

  Known classify(std::string_view sql) { return classifier.classify(sql, scope, now); }
  // Asks once; `rows` for the places of the names as they were wanted.
  bool answer(const Rows& rows) {
    auto question = classifier.question(scope, now);
    if (!question) return false;
    classifier.learn(scope, question->id, rows, now);
    return true;
  }
  // A table t and a database without fault: "SELECT * FROM t" wants the database, then t.
  void know_t() {
    classify("SELECT * FROM t");
    REQUIRE(answer({{"1", "r", "rp"}}));
    now += milliseconds(60);
    REQUIRE(classify("SELECT * FROM t").cls == Class::Read);
  }
};

}  // namespace

TEST_CASE("a read is one once the catalogue has answered for every name") {
  Caches caches;
  Known known = caches.classify("SELECT * FROM t");
  CHECK(known.cls == Class::Write);
  CHECK(known.reason == Reason::Unknown);
  auto question = caches.classifier.question(caches.scope, caches.now);
  REQUIRE(question);
  CHECK_NE(question->sql.find("'t'::pg_catalog.name"), std::string::npos);
  CHECK_FALSE(caches.classifier.question(caches.scope, caches.now));  // one at a time
  caches.classifier.learn(caches.scope, question->id, Rows{{"1", "r", "rp"}}, caches.now);
  caches.now += milliseconds(60);
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Read);
  CHECK(caches.classify("SELECT count(*) FROM t").cls == Class::Write);
  CHECK(caches.answer({}));  // count: no function of a user's
  caches.now += milliseconds(60);
  CHECK(caches.classify("SELECT count(*) FROM t").cls == Class::Read);
}

TEST_CASE("what needs no name is known at once") {
  Caches caches;
  CHECK(caches.classify("DELETE FROM t").cls == Class::Write);
  CHECK(caches.classify("SET x = 1").cls == Class::Local);
  CHECK(caches.classify("BEGIN").cls == Class::Local);
  CHECK(caches.classify("BEGIN READ ONLY").cls == Class::Read);
  CHECK(caches.classify("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY").cls == Class::Local);
  CHECK_FALSE(caches.classifier.question(caches.scope, caches.now));
}

TEST_CASE("an answer is asked anew after 45 s and void after 60 s") {
  Caches caches;
  caches.know_t();
  caches.now = kStart + seconds(44);
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Read);
  CHECK_FALSE(caches.classifier.question(caches.scope, caches.now));
  caches.now = kStart + seconds(46);
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Read);
  SUBCASE("refreshed in time, nothing is noticed") {
    CHECK(caches.answer({{"0", "r", "rp"}, {"1", "r", "rp"}}) == true);
  }
  SUBCASE("without an answer it ends") {
    REQUIRE(caches.classifier.question(caches.scope, caches.now));
    caches.now = kStart + seconds(59);
    CHECK(caches.classify("SELECT * FROM t").cls == Class::Read);
    caches.now = kStart + seconds(60);
    CHECK(caches.classify("SELECT * FROM t").cls == Class::Write);
  }
}

TEST_CASE("an answer that comes late counts from its question") {
  Caches caches;
  caches.classify("SELECT * FROM t");
  auto question = caches.classifier.question(caches.scope, caches.now);
  caches.classifier.learn(caches.scope, question->id, Rows{{"1", "r", "rp"}},
                          caches.now + seconds(9));
  caches.now += seconds(61);
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Write);
}

TEST_CASE("forget voids classes, answers, and answers on their way") {
  Caches caches;
  caches.know_t();
  caches.classifier.forget("other");
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Read);
  caches.classifier.forget("db");
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Write);
  auto question = caches.classifier.question(caches.scope, caches.now);
  REQUIRE(question);
  caches.classifier.forget("db");
  caches.classifier.learn(caches.scope, question->id, Rows{{"1", "r", "rp"}}, caches.now);
  caches.now += milliseconds(60);
  CHECK(caches.classify("SELECT * FROM t").reason == Reason::Unknown);
}

TEST_CASE("classes are of one database, user and search_path") {
  Caches caches;
  caches.know_t();
  auto& classifier = caches.classifier;
  CHECK(classifier.scope("db", "app", std::nullopt) == caches.scope);
  for (const ScopePtr& other :
       {classifier.scope("db2", "app", std::nullopt), classifier.scope("db", "app2", std::nullopt),
        classifier.scope("db", "app", "x"), classifier.scope("db", "app", "")}) {
    CHECK(other != caches.scope);
    CHECK(classifier.classify("SELECT * FROM t", other, caches.now).cls == Class::Write);
  }
  CHECK(caches.classify("SELECT * FROM t").cls == Class::Read);
}

TEST_CASE("a refused question is not put again for a while") {
  Caches caches;
  caches.classify("SELECT * FROM t");
  auto question = caches.classifier.question(caches.scope, caches.now);
  caches.classifier.learn(caches.scope, question->id, std::nullopt, caches.now);
  caches.now += seconds(1);
  caches.classify("SELECT * FROM t2");
  CHECK_FALSE(caches.classifier.question(caches.scope, caches.now));
  caches.now += seconds(5);
  CHECK(caches.classifier.question(caches.scope, caches.now));
  caches.now += seconds(11);  // no answer at all: given up
  caches.classify("SELECT * FROM t");
  CHECK(caches.classifier.question(caches.scope, caches.now));
}

TEST_CASE("rows that make no sense teach nothing") {
  for (const Rows& rows :
       {Rows{{"1", "r"}}, Rows{{"1", "r", "rp", "x"}}, Rows{{"99", "r", "rp"}},
        Rows{{"-1", "r", "rp"}}, Rows{{"x", "r", "rp"}}, Rows{{"1", "", "rp"}},
        Rows{{"1", "q", "rp"}}, Rows{{"1", "r", "rp"}, {"2", "r", "rp"}}, Rows{{"1", "f", "i"}}}) {
    Caches caches;
    caches.classify("SELECT * FROM t");
    REQUIRE(caches.answer(rows));
    caches.now += milliseconds(60);
    CHECK(caches.classify("SELECT * FROM t").cls == Class::Write);
  }
}

TEST_CASE("what a view, a policy or a default holds counts like the statement's own") {
  for (auto [definition, cls] : std::initializer_list<std::pair<const char*, Class>>{
           {"SELECT 1;", Class::Read},
           {"SELECT nextval('x')", Class::Write},
           {"SHOW x", Class::Local},
           {"SELECT * FROM t", Class::Read},  // itself
           {"DELETE FROM x", Class::Write},
           {"not sql", Class::Write},
           {"BEGIN READ ONLY", Class::Write},
           {"SELECT * FROM u", Class::Write}}) {  // not asked yet
    CAPTURE(definition);
    Caches caches;
    caches.classify("SELECT * FROM t");
    REQUIRE(caches.answer({{"1", "r", "vp"}, {"1", "d", definition}}));
    caches.now += milliseconds(60);
    CHECK(caches.classify("SELECT * FROM t").cls == cls);
  }
}

TEST_CASE("a function is what the worst of its overloads is, in pg_catalog or not") {
  auto verdict = [](const Name& name, const Rows& rows) {
    return read_rows({name}, rows)[0].verdict;
  };
  Name lower{Name::What::Function, {}, "lower"}, later{Name::What::Function, {}, "not_of_15"};
  CHECK(verdict(lower, {}) == Reason::Read);
  CHECK(verdict(lower, {{"0", "c", "i"}, {"0", "f", "s"}}) == Reason::Read);
  CHECK(verdict(lower, {{"0", "c", "i"}, {"0", "f", "v"}}) == Reason::Function);
  CHECK(verdict(lower, {{"0", "c", "v"}}) == Reason::Function);
  CHECK(verdict(later, {}) == Reason::Missing);
  CHECK(verdict(later, {{"0", "f", "s"}}) == Reason::Read);
  CHECK(verdict(later, {{"0", "c", "i"}}) == Reason::Read);
  CHECK(verdict(later, {{"0", "c", "s"}}) == Reason::Function);  // may tell of its server
  CHECK(verdict(later, {{"0", "c", "s"}, {"0", "f", "i"}}) == Reason::Function);
  CHECK(verdict({Name::What::Function, "s", "lower"}, {}) == Reason::Missing);
  Name column{Name::What::Attribute, {}, "a"};
  CHECK(verdict(column, {}) == Reason::Read);
  CHECK(verdict(column, {{"0", "f", "v"}}) == Reason::Function);
  CHECK(verdict(column, {{"0", "c", "v"}}) == Reason::Function);
}

TEST_CASE("a volatile operator of queries without a word, or a volatile cast, makes all writes") {
  for (const Rows& rows :
       {Rows{{"0", "o", "="}}, Rows{{"0", "k", "cast"}}, Rows{{"0", "o", "#"}}}) {
    Caches caches;
    caches.classify("SELECT * FROM t");
    Rows all = rows;
    all.push_back({"1", "r", "rp"});
    REQUIRE(caches.answer(all));
    caches.now += milliseconds(60);
    Class expected = rows[0][2] == "#" ? Class::Read : Class::Write;
    CHECK(caches.classify("SELECT * FROM t").cls == expected);
    CHECK(caches.classify("SELECT 1 FROM t").cls == expected);
    CHECK(caches.classify("SELECT 1").cls == Class::Read);
    CHECK(caches.classify("SELECT a # b FROM t").cls == Class::Write);
  }
}

TEST_CASE("a text that a replica refused is a write until definitions change") {
  Caches caches;
  caches.know_t();
  caches.classifier.rescued("SELECT * FROM t", caches.scope);
  caches.now += seconds(100);
  CHECK(caches.classify("SELECT * FROM t").reason == Reason::Rescued);
  caches.classifier.rescued("SELECT * FROM never_seen", caches.scope);
  CHECK(caches.classify("SELECT * FROM never_seen").reason == Reason::Rescued);
  caches.classifier.forget("db");
  CHECK(caches.classify("SELECT * FROM t").reason == Reason::Unknown);
}

TEST_CASE("memory is bounded, and texts that come once don't push out those in use") {
  Classifier classifier({.texts = 1 << 20, .per_database = 1 << 18}, 7);
  ScopePtr scope = classifier.scope("db", "app", std::nullopt);
  base::TimePoint now = kStart;
  // The ones in use: analysed once, then kept.
  std::vector<std::string> hot;
  for (int i = 0; i < 100; ++i) hot.push_back("SELECT x FROM hot WHERE id = " + std::to_string(i));
  std::vector<const Shape*> shapes;
  for (int round = 0; round < 5; ++round) {
    shapes.clear();
    for (auto& sql : hot) shapes.push_back(classifier.classify(sql, scope, now).shape.get());
  }
  std::size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string sql = "SELECT y FROM t" + std::to_string(i) + " WHERE a = " + std::to_string(i);
    classifier.classify(sql, scope, now);
    if (i % 3 == 0) classifier.classify(sql, scope, now);  // some twice
    if (i % 50 == 0) {
      for (auto& h : hot) classifier.classify(h, scope, now);
    }
    most = std::max(most, classifier.bytes());
  }
  CHECK_LT(most, (1 << 20) + (1 << 18) + 100'000);
  for (std::size_t i = 0; i < hot.size(); ++i) {
    CHECK_EQ(classifier.classify(hot[i], scope, now).shape.get(), shapes[i]);
  }
}

TEST_CASE("one text in many scopes stays bounded and right") {
  Classifier classifier({.texts = 1 << 20, .per_database = 1 << 18}, 7);
  for (int i = 0; i < 2000; ++i) {
    ScopePtr scope = classifier.scope("db", "user" + std::to_string(i), std::nullopt);
    CHECK(classifier.classify("DELETE FROM t", scope, kStart).cls == Class::Write);
    CHECK(classifier.classify("SHOW x", scope, kStart).cls == Class::Local);
  }
  CHECK_LT(classifier.bytes(), (1 << 20) + (1 << 18));
}

TEST_CASE("a question fits a server: ASCII, quoted, at most 32 names") {
  Classifier classifier({}, 1);
  ScopePtr scope = classifier.scope("db", "app", "a'b, \"c\\d\"");
  std::string sql = "SELECT 1 FROM \"it's\", \"back\\slash\"";
  for (int i = 0; i < 100; ++i) sql += ", t" + std::to_string(i);
  classifier.classify(sql, scope, kStart);
  auto question = classifier.question(scope, kStart);
  REQUIRE(question);
  CHECK_NE(question->sql.find("'it''s'"), std::string::npos);
  CHECK_NE(question->sql.find("E'back\\\\slash'"), std::string::npos);
  CHECK_NE(question->sql.find("set_config('search_path', E'a''b, \"c\\\\d\"', true)"),
           std::string::npos);
  CHECK_NE(question->sql.find("(31::"), std::string::npos);
  CHECK_EQ(question->sql.find("(32::"), std::string::npos);
  CHECK_EQ(question->sql.find(" = "), std::string::npos);  // operators are qualified
}

TEST_CASE("KeptMap: who takes a place has used it more") {
  KeptMap<int> map(20'000, 3);
  auto fill = [&](const std::string& prefix, int count, int uses) {
    for (int i = 0; i < count; ++i) {
      std::string key = prefix + std::to_string(i);
      if (int* value = map.insert(key, 0)) *value = i;
      for (int use = 0; use < uses; ++use) map.find(key);
    }
  };
  fill("a", 40, 10);
  for (int i = 0; i < 100; ++i) {
    fill("b" + std::to_string(i) + "_", 10, 3);
    fill("a", 40, 1);
  }
  int left = 0;
  for (int i = 0; i < 40; ++i) left += map.find("a" + std::to_string(i)) != nullptr;
  CHECK_EQ(left, 40);
  CHECK_LE(map.bytes(), 20'000 + 8 * 1024);
  fill("c", 1000, 10);  // nobody uses the others any more
  left = 0;
  for (int i = 0; i < 40; ++i) left += map.find("a" + std::to_string(i)) != nullptr;
  CHECK_EQ(left, 0);
  CHECK(map.insert("large", 10'000) == nullptr);
  map.insert("grows", 0);
  CHECK(map.resize("grows", 1000));
  CHECK_FALSE(map.resize("grows", 10'000));
  CHECK(map.find("grows") == nullptr);
  map.clear();
  CHECK_EQ(map.size(), 0);
  CHECK(map.find("a0") == nullptr);
}

}  // namespace howdah::route
