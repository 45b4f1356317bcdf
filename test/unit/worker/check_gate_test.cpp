// CheckGate: few at a time, first come first served, nobody forgotten.
#include <doctest/doctest.h>

#include "howdah/worker/check_gate.h"

using howdah::worker::CheckGate;

TEST_CASE("as many as may be are let in at once, the others are named in the order they came") {
  constexpr std::size_t kAtOnce = 2;
  CheckGate gate(kAtOnce);
  for (std::size_t i = 0; i < kAtOnce; ++i) CHECK(gate.enter({0, i}));
  for (std::uint64_t id = 10; id < 15; ++id) CHECK_FALSE(gate.enter({1, id}));
  for (std::uint64_t id = 10; id < 15; ++id) {
    auto next = gate.leave();
    REQUIRE(next);
    CHECK(next->worker == 1);
    CHECK(next->client == id);
  }
  for (std::size_t i = 0; i < kAtOnce; ++i) CHECK_FALSE(gate.leave());
  CHECK(gate.enter({0, 1}));
}
