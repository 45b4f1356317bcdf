// Logins yield to queries; see worker_impl.h.
//
// A storm of thousands who log in at once must not hold up who is in already. Whatever is part of a
// login waits until the rest of the loop's iteration is done, and then gets about a millisecond of it
// (Reactor::time_left): what comes over a connection that is not logged in, TLS handshakes included
// (Transport::yield_to_others), and these messages. First come, first served among themselves.
#include <utility>
#include <variant>

#include "worker/worker_impl.h"

namespace howdah::worker {

bool can_wait(const Message& message) {
  return std::holds_alternative<NewClient>(message) ||
         std::holds_alternative<UserAnswered>(message) ||
         std::holds_alternative<LoginTurn>(message) || std::holds_alternative<Hashed>(message);
}

void WorkerImpl::put_off_logins() {
  if (logins_.empty() || std::exchange(logins_put_off_, true)) return;
  reactor_.defer([this] {
    logins_put_off_ = false;
    go_on_with_logins();
  });
}

void WorkerImpl::go_on_with_logins() {
  Turn turn(*this);
  while (!logins_.empty() && reactor_.time_left()) {
    Message message = std::move(logins_.front());
    logins_.pop_front();
    handle(message);
    if (!actions_.empty() || !gives_.empty()) end_turn();
  }
  put_off_logins();
}

}  // namespace howdah::worker
