// Places for clients: counted, limited, given back.
#include <doctest/doctest.h>

#include <vector>

#include "howdah/pool/client_budget.h"

namespace howdah::pool {

TEST_CASE("a place is refused at the limit and free again after its client") {
  ClientBudget budget;
  auto first = budget.connection(2);
  {
    auto second = budget.connection(2);
    CHECK(second);
    CHECK_FALSE(budget.connection(2));
    CHECK_EQ(budget.connections(), 2);
  }
  CHECK_EQ(budget.connections(), 1);
  CHECK(budget.connection(2));
}

TEST_CASE("limit 0 is none, and force counts without asking") {
  ClientBudget budget;
  std::vector<ClientBudget::Place> places;
  for (int i = 0; i < 10; ++i) places.push_back(budget.database("d", 0));
  CHECK_EQ(budget.connections_of_database("d"), 10);
  CHECK_FALSE(budget.database("d", 3));
  places.push_back(budget.database("d", 3, true));
  CHECK(places.back());
  CHECK_EQ(budget.connections_of_database("d"), 11);
}

TEST_CASE("names are counted apart, users and databases too") {
  ClientBudget budget;
  auto a = budget.user("x", 1);
  CHECK_FALSE(budget.user("x", 1));
  CHECK(budget.user("y", 1));
  CHECK(budget.database("x", 1));
  CHECK_EQ(budget.connections_of_user("x"), 1);
  CHECK_EQ(budget.connections_of_user("nobody"), 0);
  CHECK_EQ(budget.connections(), 0);
}

TEST_CASE("a place moves and is given back once") {
  ClientBudget budget;
  auto a = budget.user("x", 0);
  auto b = std::move(a);
  CHECK_FALSE(a);
  auto c = budget.user("x", 0);
  CHECK_EQ(budget.connections_of_user("x"), 2);
  c = std::move(b);
  CHECK_EQ(budget.connections_of_user("x"), 1);
  c = ClientBudget::Place{};
  CHECK_EQ(budget.connections_of_user("x"), 0);
}

TEST_CASE("names without clients are swept out, those with clients stay counted") {
  ClientBudget budget;
  auto kept = budget.database("kept", 0);
  for (int i = 0; i < 5000; ++i) budget.database("d" + std::to_string(i), 0);
  CHECK_EQ(budget.connections_of_database("kept"), 1);
  CHECK_FALSE(budget.database("kept", 1));
}

}  // namespace howdah::pool
