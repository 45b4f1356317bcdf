// How often replicas are sampled while somebody waits for them.
#include <doctest/doctest.h>

#include "probe/pace.h"

using namespace howdah::probe;
using namespace std::chrono_literals;

TEST_CASE("a replica that gets on is sampled every freshness_interval, another one less and less") {
  howdah::route::HealthPolicy policy;
  howdah::route::TimePoint now{1000s};
  Pace pace;
  pace.answered(true, now, policy);
  CHECK(pace.due == now + 10ms);
  pace.answered(false, now, policy);
  CHECK(pace.due == now + 20ms);
  pace.answered(false, now, policy);
  CHECK(pace.due == now + 40ms);
  for (int i = 0; i < 10; ++i) pace.answered(false, now, policy);
  CHECK(pace.due == now + 1s);
  pace.answered(true, now, policy);
  CHECK(pace.due == now + 10ms);
}
