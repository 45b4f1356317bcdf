// What the auth_query said of users, for all workers: answers that are young enough, and which
// questions are being asked, so that a thousand logins of one user ask the server once.
//
//   find() -> known            an answer as young as the caller wants
//          -> ask              nobody asks: the caller must ask, and then finish()
//          -> (neither)        somebody asks: the caller is among those that finish() or slow() names
//
// A caller may take an older answer (`or_old`) where a new one is not to be had soon: its question
// fails, or is under way for so long that slow() was called.
//
// Bounded: 10,000 users found and 1,000 not found; the oldest answer goes first. Secrets are wiped
// when the last one lets go of an answer. Thread: any (one mutex, pure calls).
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/mutex.h"
#include "howdah/base/result.h"
#include "howdah/base/time.h"
#include "howdah/pool/ledger.h"
#include "howdah/session/login_plan.h"

namespace howdah::worker {

using base::Duration;
using base::TimePoint;

struct UserAnswer {
  session::FoundUser user;
  TimePoint asked{};    // when the question was put
  bool failed = false;  // no answer: never kept
};

class UserCache {
 public:
  static constexpr Duration kUnknownTtl = std::chrono::seconds(1);
  struct Found {
    std::shared_ptr<const UserAnswer> known;
    bool ask = false;
  };
  struct Told : pool::Waiter {
    std::shared_ptr<const UserAnswer> answer;
    bool kept = false;  // an older one, for want of a better
  };
  // `not_before`: an answer to an older question is not wanted, but see `or_old`.
  Found find(const std::string& key, pool::Waiter who, TimePoint now, Duration ttl,
             TimePoint not_before = {}, bool or_old = false);
  // Keeps the answer and gives those who wait for it.
  std::vector<Told> finish(const std::string& key, std::shared_ptr<const UserAnswer> answer,
                           TimePoint now = {}, Duration ttl = {});
  // The question takes its time: gives those who are content with what is known, as will be those
  // who come before it is answered.
  std::vector<Told> slow(const std::string& key, TimePoint now, Duration ttl);
  // Drops what is older than `ttl`.
  void expire(TimePoint now, Duration ttl);
  // Drops all answers (RELOAD), also those under way: they are told to who asked, not kept.
  void clear();
  std::size_t size() const;

 private:
  struct Kept {
    std::shared_ptr<const UserAnswer> answer;
    std::list<std::string>::iterator place;
  };
  struct Store {  // oldest question first in `order`
    std::size_t limit;
    std::map<std::string, Kept, std::less<>> kept{};
    std::list<std::string> order{};
    void drop(std::string_view key);
    void keep(const std::string& key, std::shared_ptr<const UserAnswer> answer);
    void expire(TimePoint before);
  };
  struct Waiting : pool::Waiter {
    bool or_old = false;
  };
  struct Asking {
    std::vector<Waiting> waiters;
    bool keep = true, slow = false;
  };
  std::shared_ptr<const UserAnswer> kept(const std::string& key, TimePoint now, Duration ttl) const
      REQUIRES(mutex_);
  mutable base::Mutex mutex_;
  Store found_ GUARDED_BY(mutex_){.limit = 10000};
  Store unknown_ GUARDED_BY(mutex_){.limit = 1000};
  std::map<std::string, Asking, std::less<>> asking_ GUARDED_BY(mutex_);
};

}  // namespace howdah::worker
