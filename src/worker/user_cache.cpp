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

std::shared_ptr<const UserAnswer> UserCache::kept(const std::string& key, TimePoint now,
                                                  Duration ttl) const {
  for (const Store* store : {&found_, &unknown_}) {
    auto kept = store->kept.find(key);
    if (kept == store->kept.end()) continue;
    Duration limit = store == &unknown_ ? std::min(ttl, kUnknownTtl) : ttl;
    if (kept->second.answer->asked + limit > now) return kept->second.answer;
  }
  return nullptr;
}

UserCache::Found UserCache::find(const std::string& key, pool::Waiter who, TimePoint now,
                                 Duration ttl, TimePoint not_before, bool or_old) {
  Lock lock(mutex_);
  auto answer = kept(key, now, ttl);
  if (answer && answer->asked >= not_before) return {answer, false};
  auto [asking, first] = asking_.try_emplace(key);
  if (answer && or_old && asking->second.slow) return {answer, false};
  asking->second.waiters.push_back({who, or_old});
  return {nullptr, first};
}

std::vector<UserCache::Told> UserCache::finish(const std::string& key,
                                               std::shared_ptr<const UserAnswer> answer,
                                               TimePoint now, Duration ttl) {
  Lock lock(mutex_);
  auto asking = asking_.find(key);
  if (asking == asking_.end()) return {};
  bool keep = asking->second.keep && !answer->failed;
  auto old = answer->failed ? kept(key, now, ttl) : nullptr;
  std::vector<Told> told;
  told.reserve(asking->second.waiters.size());
  for (const Waiting& one : asking->second.waiters) {
    bool content = old && one.or_old;
    told.push_back({one, content ? old : answer, content});
  }
  asking_.erase(asking);
  if (!keep) return told;
  bool unknown = answer->user.secret.kind == auth::StoredSecret::Kind::Missing;
  (unknown ? found_ : unknown_).drop(key);
  (unknown ? unknown_ : found_).keep(key, std::move(answer));
  return told;
}

std::vector<UserCache::Told> UserCache::slow(const std::string& key, TimePoint now, Duration ttl) {
  Lock lock(mutex_);
  auto asking = asking_.find(key);
  if (asking == asking_.end()) return {};
  asking->second.slow = true;
  auto old = kept(key, now, ttl);
  if (!old) return {};
  std::vector<Told> told;
  std::erase_if(asking->second.waiters, [&](const Waiting& one) {
    if (one.or_old) told.push_back({one, old, true});
    return one.or_old;
  });
  return told;
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
