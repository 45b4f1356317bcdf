// The harvest: what a server's rows mean for its client.
#include "howdah/session/harvest.h"

#include <doctest/doctest.h>

#include "howdah/base/text.h"

using namespace howdah::session;

namespace {

Row row(std::string kind, std::string_view name, std::optional<std::string> value) {
  return {std::move(kind), howdah::base::hex(name),
          value ? std::optional(howdah::base::hex(*value)) : std::nullopt};
}

std::vector<Row> rows(std::vector<Row> more, const std::string& role = "none",
                      const std::string& user = "login") {
  more.push_back(row("i", "role", role));
  more.push_back(row("i", "session_authorization", user));
  return more;
}

StateRef after(std::vector<Row> found, const StateRef& start = nullptr,
               std::vector<std::string> set_now = {}) {
  auto harvest = read_harvest(found);
  REQUIRE(harvest);
  return state_after(*harvest, start.get(), "login", set_now,
                     [](std::string_view name) { return name == "timezone"; });
}

}  // namespace

TEST_CASE("a session in which nothing is set has no state") {
  CHECK(after(rows({})) == nullptr);
  CHECK(after(rows({row("s", "TimeZone", "UTC"), row("s", "transaction_isolation", "serializable"),
                    row("c", "app.unknown", std::nullopt)})) == nullptr);
}

TEST_CASE("what is set is found, names in lower case, values as they are") {
  StateRef state = after(rows({row("s", "DateStyle", "it's \xc3\xbc"), row("c", "app.x", "")},
                              "app", "bob"));
  CHECK(same(state, SessionState::make({{"datestyle", "it's \xc3\xbc"},
                                        {"app.x", ""},
                                        {"role", "app"},
                                        {"session_authorization", "bob"}})));
}

TEST_CASE("what is not set any more goes back to its start-up value") {
  StateRef start = SessionState::make({{"work_mem", "64MB"}, {"role", "r"}, {"app.x", "5"}});
  CHECK(same(after(rows({}), start), start));
  CHECK(same(after(rows({row("s", "work_mem", "1"), row("c", "app.x", "7")}, "r"), start),
             SessionState::make({{"work_mem", "1"}, {"role", "r"}, {"app.x", "7"}})));
  // RESET of a custom setting leaves an empty text; so does SET to one, which must not bring 5 back.
  CHECK(same(after(rows({row("c", "app.x", "")}), start), start));
  CHECK(*after(rows({row("c", "app.x", "")}), start, {"app.x"})->find("app.x") == "");
}

TEST_CASE("pins are the reasons that rows tell") {
  auto harvest = read_harvest(rows({{"p", "1", std::nullopt}, {"p", "8", std::nullopt}}));
  REQUIRE(harvest);
  CHECK(harvest->pins == (kPinListen | kPinAdvisory));
  CHECK(pin_text(harvest->pins) == "LISTEN, advisory locks");
  CHECK(pin_text(0).empty());
  CHECK(read_harvest(rows({}))->pins == 0);
}

TEST_CASE("an answer that is no harvest is not taken for one") {
  using Rows = std::vector<Row>;
  for (Rows bad : {Rows{}, Rows{{}}, rows({{"s", "6", "31"}}), rows({{"s", "zz", "31"}}),
                   rows({{"s", "61", std::nullopt}}), rows({{"p", "x", std::nullopt}}),
                   rows({{"p", "999", std::nullopt}}), rows({{"q", "61", "31"}}),
                   rows({{std::nullopt, "61", "31"}}), rows({{"s", "61"}})}) {
    CHECK_FALSE(read_harvest(bad));
  }
}

TEST_CASE("the patient form knows the client's own statement_timeout") {
  CHECK(harvest_sql({{}, false, true}).find("SHOW statement_timeout") != std::string::npos);
  CHECK(harvest_sql({{}, false, false}).find("statement_timeout") == std::string::npos);
  StateRef state = after(rows({{"1ms"}, row("s", "statement_timeout", "0")}));
  CHECK(*state->find("statement_timeout") == "1ms");
}

TEST_CASE("the query does not look through the client's search_path") {
  std::string sql = harvest_sql({{"app.x", "it's"}, true, false});
  // Each '=' and each function is named by schema.
  for (std::size_t at = sql.find('='); at != std::string::npos; at = sql.find('=', at + 1)) {
    if (sql.compare(at - 6, 6, "LOCAL ") == 0) continue;
    CHECK(sql.compare(at - 20, 20, "OPERATOR(pg_catalog.") == 0);
  }
  for (std::string_view name : {"encode(", "convert_to(", "current_setting(", "pg_settings",
                                "pg_my_temp_schema(", "pg_locks", "pg_cursors", "pg_depend",
                                "pg_listening_channels(", "pg_backend_pid(", "getdatabaseencoding("}) {
    for (std::size_t at = sql.find(name); at != std::string::npos; at = sql.find(name, at + 1)) {
      CHECK(sql.compare(at - 11, 11, "pg_catalog.") == 0);
    }
  }
  CHECK(sql.find("it's") == std::string::npos);
}
