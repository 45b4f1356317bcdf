// How often a replica is sampled while somebody waits for it to be fresh: every freshness_interval
// as long as it advances, else half as often each time, down to health_check_interval.
#pragma once

#include <algorithm>

#include "howdah/route/host.h"

namespace howdah::probe {

struct Pace {
  route::TimePoint due{};  // of the next sample
  route::Duration gap{};   // zero: as short as it may be
  bool asked = false;      // waits for its primary's answer, then for its own
  route::TimePoint since{};  // asked

  void answered(bool advanced, route::TimePoint sent, const route::HealthPolicy& policy) {
    asked = false;
    gap = advanced ? policy.freshness
                   : std::min(std::max(gap, policy.freshness) * 2, policy.interval);
    due = sent + gap;
  }
};

}  // namespace howdah::probe
