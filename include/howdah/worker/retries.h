// How many reads may be run once more after their server was lost, and which may not: shared by all
// workers.
//
// A pool may run again a tenth of what it ran in the last 10 s, and always pool_size (a host that dies
// takes no more with it). A text whose second run lost its server too is not run again for 60 s: what
// crashes PostgreSQL must not walk through the hosts. The first loss alone says nothing of a text: a
// host takes all with it that runs there.
// Thread: any; one mutex, taken when a server was lost only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "howdah/base/mutex.h"
#include "howdah/base/time.h"
#include "howdah/pool/ledger.h"

namespace howdah::worker {

// Counts what happened in the last 10 s, by the second. Owner: one thread.
class RecentCount {
 public:
  void add(base::TimePoint now) {
    turn_to(now);
    ++counts_[static_cast<std::size_t>(second_ % kSeconds)];
  }
  std::uint64_t sum(base::TimePoint now);

 private:
  static constexpr std::int64_t kSeconds = 10;
  void turn_to(base::TimePoint now) {
    auto second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    if (second != second_) clear_to(second);
  }
  void clear_to(std::int64_t second);
  std::array<std::uint32_t, kSeconds> counts_{};
  std::int64_t second_ = 0;
};

class RetryBook {
 public:
  // May this text, which ran in this pool, be run once more? Counts it if so. `statements`: of the
  // pool in the last 10 s; `pool_size` 0: without limit.
  bool take(pool::PoolId pool, std::uint64_t text, std::uint64_t statements, int pool_size,
            base::TimePoint now);
  // Its second run has lost its server, too.
  void lost_again(std::uint64_t text, base::TimePoint now);
  void forget(pool::PoolId pool);

 private:
  static constexpr std::size_t kMaxTexts = 1000;
  base::Mutex mutex_;
  std::map<pool::PoolId, RecentCount> taken_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, base::TimePoint> texts_ GUARDED_BY(mutex_);  // until when
};

}  // namespace howdah::worker
