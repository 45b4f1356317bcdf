// Who may have a password judged by LDAP or PAM now: few at a time, so that slow directories leave
// helper threads (libuv has four) for name look-ups and hashes. First come first served.
#pragma once

#include <deque>
#include <optional>

#include "howdah/base/mutex.h"
#include "howdah/pool/ledger.h"

namespace howdah::worker {

class CheckGate {
 public:
  explicit CheckGate(std::size_t at_once) : at_once_(at_once) {}
  bool enter(pool::Waiter who);  // false: it is in line, and leave() will name it
  // One is done. The next one, who is in now and has to be told.
  std::optional<pool::Waiter> leave();

 private:
  const std::size_t at_once_;
  base::Mutex mutex_;
  std::size_t inside_ GUARDED_BY(mutex_) = 0;
  std::deque<pool::Waiter> line_ GUARDED_BY(mutex_);
};

}  // namespace howdah::worker
