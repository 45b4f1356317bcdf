// The budget of second runs; see the header.
#include "howdah/worker/retries.h"

#include <algorithm>

namespace howdah::worker {

namespace {
constexpr base::Duration kDistrust = std::chrono::seconds(60);
}

void RecentCount::clear_to(std::int64_t second) {
  std::int64_t from = std::max(second_ + 1, second - kSeconds + 1);
  for (std::int64_t i = from; i <= second; ++i) counts_[static_cast<std::size_t>(i % kSeconds)] = 0;
  second_ = second;
}

std::uint64_t RecentCount::sum(base::TimePoint now) {
  turn_to(now);
  std::uint64_t all = 0;
  for (std::uint32_t count : counts_) all += count;
  return all;
}

bool RetryBook::take(pool::PoolId pool, std::uint64_t text, std::uint64_t statements, int pool_size,
                     base::TimePoint now) {
  base::Lock lock(mutex_);
  if (auto found = texts_.find(text); found != texts_.end() && found->second > now) return false;
  RecentCount& taken = taken_[pool];
  std::uint64_t limit = std::max<std::uint64_t>(statements / 10, static_cast<unsigned>(pool_size));
  if (pool_size != 0 && taken.sum(now) >= limit) return false;
  taken.add(now);
  return true;
}

void RetryBook::lost_again(std::uint64_t text, base::TimePoint now) {
  base::Lock lock(mutex_);
  std::erase_if(texts_, [&](const auto& one) { return one.second <= now; });
  if (texts_.size() >= kMaxTexts) texts_.erase(texts_.begin());
  texts_[text] = now + kDistrust;
}

void RetryBook::forget(pool::PoolId pool) {
  base::Lock lock(mutex_);
  taken_.erase(pool);
}

}  // namespace howdah::worker
