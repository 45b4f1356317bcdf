// SHOW ROUTES and SHOW ROUTE 'sql'.
#include <doctest/doctest.h>

#include "howdah/admin/routes.h"
#include "support/console_answer.h"

namespace howdah::test {

using admin::RouteCount;
using route::Reason;

TEST_CASE("SHOW ROUTES sums what all workers have counted, without rows of nothing") {
  auto bytes = admin::routes_answer({{"b", Reason::Function, 3, 0},
                                     {"a", Reason::Read, 1, 10},
                                     {"a", Reason::Modifies, 7, 0},
                                     {"a", Reason::Read, 2, 20},
                                     {"a", Reason::Cast, 0, 0}});
  ConsoleAnswer answer = read_answer(bytes.view());
  CHECK(answer.valid);
  CHECK(answer.tag == "SHOW");
  REQUIRE(answer.rows.size() == 3);
  using Row = decltype(answer.rows)::value_type;
  CHECK(answer.rows[0] == Row{"a", "read", "3", "30"});
  CHECK(answer.rows[1] == Row{"a", "modifies", "7", "0"});
  CHECK(answer.rows[2] == Row{"b", "function", "3", "0"});
}

TEST_CASE("every reason has a name of its own") {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < route::kReasons; ++i) {
    std::string_view name = to_string(static_cast<Reason>(i));
    for (std::string_view other : names) CHECK(name != other);
    names.push_back(name);
  }
}

TEST_CASE("SHOW ROUTE takes one quoted text") {
  CHECK(admin::routed_text("SHOW ROUTE 'SELECT 1'") == "SELECT 1");
  CHECK(admin::routed_text(" show\troute 'SELECT ''x'';' ; ") == "SELECT 'x';");
  CHECK(admin::routed_text("SHOW ROUTE''") == "");
  for (const char* other :
       {"SHOW ROUTES", "SHOW ROUTE", "SHOW ROUTE 'x", "SHOW ROUTE 'x' y", "SHOW ROUTE 'x'; SHOW y",
        "SHOW ROUTE x", "SHOWROUTE 'x'", "ROUTE 'x'", "", "SHOW ROUTE 'x''", "SHOW ROUTES 'x'"}) {
    CAPTURE(other);
    CHECK_FALSE(admin::routed_text(other));
  }
}

TEST_CASE("SHOW ROUTE explains each entry's class") {
  auto bytes = admin::route_answer(
      {{"a",
        {route::Kind::Read, route::Class::Write, Reason::Function, "nextval",
         route::Wish::Replica}},
       {"b", {route::Kind::Read, route::Class::Read, Reason::Read, "", route::Wish::Auto}}});
  ConsoleAnswer answer = read_answer(bytes.view());
  CHECK(answer.valid);
  REQUIRE(answer.rows.size() == 2);
  using Row = decltype(answer.rows)::value_type;
  CHECK(answer.rows[0] == Row{"a", "write", "function", "nextval", "replica"});
  CHECK(answer.rows[1] == Row{"b", "read", "read", std::nullopt, std::nullopt});
}

}  // namespace howdah::test
