// Time is an argument: machines are told `now` and say their deadline; nobody below `net` asks a
// clock. The unit is the microsecond of CLOCK_MONOTONIC.
#pragma once

#include <chrono>

namespace howdah::base {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::microseconds;
using TimePoint = std::chrono::time_point<Clock, Duration>;

inline constexpr TimePoint kNever = TimePoint::max();

inline TimePoint monotonic_now() {
  return std::chrono::time_point_cast<Duration>(Clock::now());
}

// `from + after`, where a zero or negative duration means "no limit" (PgBouncer's 0 = off).
inline TimePoint deadline_after(TimePoint from, Duration after) {
  return after.count() > 0 ? from + after : kNever;
}

}  // namespace howdah::base
