// The gate before LDAP and PAM; see the header. Each call is one decision under its mutex.
#include "howdah/worker/check_gate.h"

namespace howdah::worker {

using base::Lock;

bool CheckGate::enter(pool::Waiter who) {
  Lock lock(mutex_);
  if (inside_ < at_once_) {
    ++inside_;
    return true;
  }
  line_.push_back(who);
  return false;
}

std::optional<pool::Waiter> CheckGate::leave() {
  Lock lock(mutex_);
  if (line_.empty()) {
    --inside_;
    return std::nullopt;
  }
  pool::Waiter next = line_.front();
  line_.pop_front();
  return next;
}

}  // namespace howdah::worker
