// Answers of the auth_query that all workers share; see the header.
#include "howdah/worker/user_cache.h"

#include <algorithm>
#include <utility>

namespace howdah::worker {

using base::Lock;

void UserCache::Store::drop(std::string_view key) {
  auto found = kept.find(key);
  if (found == kept.end()) return;
  order.erase(found->second.place);
  kept.erase(found);
}

void UserCache::Store::keep(const std::string& key, std::shared_ptr<const UserAnswer> answer) {
  drop(key);
  order.push_back(key);
  kept.emplace(key, Kept{std::move(answer), std::prev(order.end())});
  while (kept.size() > limit) drop(std::string(order.front()));
}

void UserCache::Store::expire(TimePoint before) {
  while (!order.empty() && kept.find(order.front())->second.answer->asked <= before) {
    drop(std::string(order.front()));
  }
}

UserCache::Found UserCache::find(const std::string& key, pool::Waiter who, TimePoint now,
                                 Duration ttl, TimePoint not_before) {
  Lock lock(mutex_);
  for (Store* store : {&found_, &unknown_}) {
    auto kept = store->kept.find(key);
    if (kept == store->kept.end()) continue;
    Duration limit = store == &unknown_ ? std::min(ttl, kUnknownTtl) : ttl;
    const auto& answer = kept->second.answer;
    if (answer->asked + limit > now && answer->asked >= not_before) return {answer, false};
  }
  auto [asking, first] = asking_.try_emplace(key);
  asking->second.waiters.push_back(who);
  return {nullptr, first};
}

std::vector<pool::Waiter> UserCache::finish(const std::string& key,
                                            std::shared_ptr<const UserAnswer> answer) {
  Lock lock(mutex_);
  auto asking = asking_.find(key);
  if (asking == asking_.end()) return {};
  bool keep = asking->second.keep && !answer->failed;
  std::vector<pool::Waiter> waiters = std::move(asking->second.waiters);
  asking_.erase(asking);
  if (!keep) return waiters;
  bool unknown = answer->user.secret.kind == auth::StoredSecret::Kind::Missing;
  (unknown ? found_ : unknown_).drop(key);
  (unknown ? unknown_ : found_).keep(key, std::move(answer));
  return waiters;
}

void UserCache::expire(TimePoint now, Duration ttl) {
  Lock lock(mutex_);
  found_.expire(now - ttl);
  unknown_.expire(now - std::min(ttl, kUnknownTtl));
}

void UserCache::clear() {
  Lock lock(mutex_);
  for (Store* store : {&found_, &unknown_}) {
    store->kept.clear();
    store->order.clear();
  }
  for (auto& [key, asking] : asking_) asking.keep = false;
}

std::size_t UserCache::size() const {
  Lock lock(mutex_);
  return found_.kept.size() + unknown_.kept.size();
}

}  // namespace howdah::worker
