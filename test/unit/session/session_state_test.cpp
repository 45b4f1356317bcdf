// Session state: which query leads from one to another, what a lone statement amends.
#include "howdah/session/session_state.h"

#include <doctest/doctest.h>

using namespace howdah::session;

namespace {
std::string sql(const StateRef& from, const StateRef& to) { return switch_sql(from.get(), to.get()); }
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }
}  // namespace

TEST_CASE("nothing set is no object, and equal states need no query") {
  CHECK(SessionState::make({}) == nullptr);
  StateRef one = SessionState::make({{"work_mem", "1"}, {"role", "x"}});
  StateRef two = SessionState::make({{"role", "x"}, {"work_mem", "1"}});
  CHECK(same(one, two));
  CHECK(same(nullptr, nullptr));
  CHECK_FALSE(same(one, nullptr));
  CHECK_FALSE(same(nullptr, one));
  CHECK(sql(one, two).empty());
  CHECK(sql(nullptr, nullptr).empty());
  CHECK_FALSE(same(one, SessionState::make({{"role", "work_mem"}, {"x", "1"}})));
}

TEST_CASE("only what differs is changed, and what is not wanted is reset") {
  StateRef from = SessionState::make({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  StateRef to = SessionState::make({{"a", "1"}, {"b", "9"}, {"d", ""}});
  CHECK(sql(from, to) ==
        "SELECT pg_catalog.set_config('c', NULL, false), pg_catalog.set_config('b', '9', false), "
        "pg_catalog.set_config('d', '', false)");
}

TEST_CASE("role and authorization are given back first and taken last, authorization before role") {
  StateRef from = SessionState::make({{"role", "a"}, {"session_authorization", "b"}, {"x", "1"}});
  StateRef to = SessionState::make({{"role", "c"}, {"session_authorization", "d"}, {"x", "2"}});
  CHECK(sql(from, to) ==
        "RESET SESSION AUTHORIZATION;RESET ROLE;SELECT pg_catalog.set_config('x', '2', false), "
        "pg_catalog.set_config('session_authorization', 'd', false), "
        "pg_catalog.set_config('role', 'c', false)");
  CHECK(sql(SessionState::make({{"role", "a"}}), nullptr) == "RESET ROLE;");
  // The same role on both sides: still, its rights are not those that the setting was made with.
  CHECK(sql(SessionState::make({{"role", "a"}}), SessionState::make({{"role", "a"}, {"x", "1"}})) ==
        "RESET ROLE;SELECT pg_catalog.set_config('x', '1', false), "
        "pg_catalog.set_config('role', 'a', false)");
}

TEST_CASE("settings of the one before cannot fail the query that takes them away") {
  std::string text = sql(SessionState::make({{"statement_timeout", "1"},
                                             {"default_transaction_isolation", "serializable"}}),
                         nullptr);
  CHECK(text.find("SET TRANSACTION ISOLATION LEVEL READ COMMITTED;SET LOCAL statement_timeout = 0;") ==
        0);
}

TEST_CASE("literals are plain ASCII whatever the value") {
  CHECK(ascii_literal("ISO, MDY") == "'ISO, MDY'");
  CHECK(ascii_literal("") == "''");
  for (std::string_view value : {"it's", "back\\slash", "gr\xc3\xbc\xc3\x9f", "new\nline", "\x7f"}) {
    std::string text = ascii_literal(value);
    CHECK(text.find("pg_catalog.convert_from(pg_catalog.decode('") == 0);
    for (char c : text) CHECK((c >= ' ' && c <= '~' && c != '\\'));
    CHECK_FALSE(has(text, "it's"));
  }
  StateRef quoted = SessionState::make({{"x', false); DROP TABLE t; --", "1"}});
  CHECK_FALSE(has(sql(nullptr, quoted), "DROP"));
}

TEST_CASE("a lone statement amends the setting it names") {
  using What = Amends::What;
  struct Case {
    const char* sql;
    What what;
    const char* name;
  };
  for (const Case& c : std::vector<Case>{
           {"RESET ROLE", What::Setting, "role"},
           {" reset role ; ", What::Setting, "role"},
           {"SET ROLE NONE", What::Setting, "role"},
           {"set role 'other'", What::Setting, "role"},
           {"SET SESSION ROLE \"Some One\";", What::Setting, "role"},
           {"RESET SESSION AUTHORIZATION", What::Authorization, ""},
           {"SET SESSION AUTHORIZATION DEFAULT", What::Authorization, ""},
           {"SET SESSION SESSION AUTHORIZATION bob", What::Authorization, ""},
           {"RESET session_authorization", What::Authorization, ""},
           {"DISCARD ALL", What::Everything, ""},
           {"RESET ALL;", What::AllSettings, ""},
           {"RESET Search_Path", What::Setting, "search_path"},
           {"SET search_path TO a, \"b\", 'c'", What::Setting, "search_path"},
           {"SET search_path = a", What::Setting, "search_path"},
           {"SET app.Tenant = '5'", What::Setting, "app.tenant"},
           {"SET TIME ZONE 'UTC'", What::Setting, "timezone"},
           {"SET geqo_seed = -0.5", What::Setting, "geqo_seed"},
           // Not alone, not beyond the transaction, or something else.
           {"RESET ROLE; SELECT 1", What::Nothing, ""},
           {"RESET ROLE /* ; */", What::Nothing, ""},
           {"RESET ROLE --", What::Nothing, ""},
           {"SET LOCAL ROLE x", What::Nothing, ""},
           {"SET TRANSACTION READ ONLY", What::Nothing, ""},
           {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", What::Nothing, ""},
           {"SET x = $$;$$", What::Nothing, ""},
           {"SET x = 'a", What::Nothing, ""},
           {"SELECT 1", What::Nothing, ""},
           {"DISCARD ALL; SELECT 1", What::Nothing, ""},
           {"DISCARD TEMP", What::Nothing, ""},
           {"RESET ROLE x", What::Nothing, ""},
           {"RESET", What::Nothing, ""},
           {"", What::Nothing, ""},
       }) {
    CAPTURE(c.sql);
    Amends found = amends(c.sql);
    CHECK(found.what == c.what);
    CHECK(found.name == c.name);
  }
}

TEST_CASE("what is amended is left out, the rest stays") {
  using What = Amends::What;
  StateRef all = SessionState::make({{"role", "r"}, {"session_authorization", "s"}, {"x", "1"}});
  auto text = [&](Amends amends) { return sql(nullptr, without(all, amends)); };
  CHECK(same(without(all, {}), all));
  CHECK(same(without(all, {What::Setting, "y"}), all));
  CHECK_FALSE(has(text({What::Setting, "role"}), "'role'"));
  CHECK(has(text({What::Setting, "role"}), "'session_authorization'"));
  CHECK(same(without(all, {What::Authorization, {}}), SessionState::make({{"x", "1"}})));
  CHECK_FALSE(has(text({What::AllSettings, {}}), "'x'"));
  CHECK(has(text({What::AllSettings, {}}), "'role'"));
  CHECK(without(all, {What::Everything, {}}) == nullptr);
  CHECK(without(nullptr, {What::Everything, {}}) == nullptr);
}
