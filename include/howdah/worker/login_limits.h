// Limits on what has not proved itself yet, over all workers: how many log in at once, and how long
// an address waits for the refusal of a wrong password. Thread: any (one mutex each, pure calls).
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <vector>

#include "howdah/base/ip.h"
#include "howdah/base/mutex.h"
#include "howdah/base/time.h"
#include "howdah/pool/ledger.h"

namespace howdah::worker {

using base::Duration;
using base::TimePoint;

// max_login_conn: a login is counted from its start-up packet to its welcome or its end. The others
// wait for a place in the order they came.
class LoginGate {
 public:
  // True: it may go on, and owes a leave(). False: it waits, and is told by the one who leaves.
  bool enter(pool::Waiter who, std::size_t limit);  // 0 = no limit
  // Gives back a place, or gives up waiting. Those named may go on and owe a leave() now.
  std::vector<pool::Waiter> leave(pool::Waiter who, std::size_t limit);
  std::size_t inside() const;
  std::size_t waiting() const;

 private:
  mutable base::Mutex mutex_;
  std::size_t inside_ GUARDED_BY(mutex_) = 0;
  std::list<pool::Waiter> queue_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::list<pool::Waiter>::iterator> places_ GUARDED_BY(mutex_);
};

// auth_failure_delay: the first wrong password of an address waits for that long, each further one
// twice as long, up to kMostDoublings. A failure is forgotten after kForget without another. IPv6
// addresses are one by their first 64 bits. Bounded: of more than kMost addresses the one that has
// been quiet for longest is forgotten.
class FailureTable {
 public:
  static constexpr unsigned kMostDoublings = 6;
  static constexpr Duration kForget = std::chrono::seconds(60);
  static constexpr std::size_t kMost = 10000;

  // Counts a failure and gives the delay before it is told.
  Duration failed(const base::Ip& ip, TimePoint now, Duration base);
  std::size_t size() const;

 private:
  struct Entry {
    unsigned failures = 0;
    TimePoint last{};
    std::list<base::Ip>::iterator place;
  };
  mutable base::Mutex mutex_;
  std::map<base::Ip, Entry> entries_ GUARDED_BY(mutex_);
  std::list<base::Ip> order_ GUARDED_BY(mutex_);  // quiet for longest first
};

}  // namespace howdah::worker
