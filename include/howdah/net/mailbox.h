// A thread's mailbox: any thread posts, the owner drains. Messages of one poster arrive in order.
#pragma once

#include <utility>
#include <vector>

#include "howdah/base/mutex.h"
#include "howdah/net/transport.h"

namespace howdah::net {

template <typename Message>
class Mailbox {
 public:
  explicit Mailbox(Waker& waker) : waker_(waker) {}

  // Any thread. Wakes the owner only when the box was empty.
  void post(Message message) EXCLUDES(mutex_) {
    bool first;
    {
      base::Lock lock(mutex_);
      first = waiting_.empty();
      waiting_.push_back(std::move(message));
    }
    if (first) waker_.wake();
  }
  // Owner only: everything posted so far, in order.
  void drain(std::vector<Message>& into) EXCLUDES(mutex_) {
    into.clear();
    base::Lock lock(mutex_);
    into.swap(waiting_);
  }

 private:
  Waker& waker_;
  base::Mutex mutex_;
  std::vector<Message> waiting_ GUARDED_BY(mutex_);
};

}  // namespace howdah::net
