// std::mutex with clang's thread-safety annotations. Compile with clang -Wthread-safety to check.
// House rule: nothing is called under a lock; a lock covers a pure decision.
#pragma once

#include <mutex>

#if defined(__clang__)
#define HOWDAH_TSA(x) __attribute__((x))
#else
#define HOWDAH_TSA(x)
#endif
#define GUARDED_BY(m) HOWDAH_TSA(guarded_by(m))
#define REQUIRES(m) HOWDAH_TSA(requires_capability(m))
#define EXCLUDES(m) HOWDAH_TSA(locks_excluded(m))

namespace howdah::base {

class HOWDAH_TSA(capability("mutex")) Mutex {
 public:
  void lock() HOWDAH_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() HOWDAH_TSA(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class HOWDAH_TSA(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& mutex) HOWDAH_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~Lock() HOWDAH_TSA(release_capability()) { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace howdah::base
