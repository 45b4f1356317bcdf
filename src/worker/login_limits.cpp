// Limits before authentication; see the header.
#include "howdah/worker/login_limits.h"

#include <algorithm>

namespace howdah::worker {

using base::Lock;

bool LoginGate::enter(pool::Waiter who, std::size_t limit) {
  Lock lock(mutex_);
  if (limit == 0 || (inside_ < limit && queue_.empty())) {
    ++inside_;
    return true;
  }
  queue_.push_back(who);
  places_.emplace(who.client, std::prev(queue_.end()));
  return false;
}

std::vector<pool::Waiter> LoginGate::leave(pool::Waiter who, std::size_t limit) {
  Lock lock(mutex_);
  if (auto waiting = places_.find(who.client); waiting != places_.end()) {
    queue_.erase(waiting->second);
    places_.erase(waiting);
  } else if (inside_ > 0) {
    --inside_;
  }
  std::vector<pool::Waiter> next;
  while (!queue_.empty() && (limit == 0 || inside_ < limit)) {
    next.push_back(queue_.front());
    places_.erase(queue_.front().client);
    queue_.pop_front();
    ++inside_;
  }
  return next;
}

std::size_t LoginGate::inside() const {
  Lock lock(mutex_);
  return inside_;
}

std::size_t LoginGate::waiting() const {
  Lock lock(mutex_);
  return queue_.size();
}

Duration FailureTable::failed(const base::Ip& ip, TimePoint now, Duration base) {
  if (base.count() <= 0) return {};
  base::Ip key = ip.v4() ? ip : ip.prefix(64);
  Lock lock(mutex_);
  auto [found, added] = entries_.try_emplace(key);
  Entry& entry = found->second;
  if (added) {
    if (entries_.size() > kMost) {
      entries_.erase(order_.front());
      order_.pop_front();
    }
    entry.place = order_.insert(order_.end(), key);
  } else {
    order_.splice(order_.end(), order_, entry.place);
    auto quiet = std::max(now - entry.last, Duration{}) / kForget;
    entry.failures -= static_cast<unsigned>(std::min<std::int64_t>(quiet, entry.failures));
  }
  entry.last = now;
  unsigned doublings = std::min(entry.failures, kMostDoublings);
  entry.failures = doublings + 1;
  return base * (std::int64_t{1} << doublings);
}

std::size_t FailureTable::size() const {
  Lock lock(mutex_);
  return entries_.size();
}

}  // namespace howdah::worker
