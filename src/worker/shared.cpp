// The stores that all workers share; see the header. Each call is one look-up under its mutex.
#include "howdah/worker/shared.h"

namespace howdah::worker {

using base::Lock;

std::shared_ptr<const Welcome> WelcomeStore::find(pool::PoolId pool) const {
  Lock lock(mutex_);
  auto found = welcomes_.find(pool);
  return found == welcomes_.end() ? nullptr : found->second;
}

std::shared_ptr<const Welcome> WelcomeStore::keep(pool::PoolId pool,
                                                  std::shared_ptr<const Welcome> welcome) {
  Lock lock(mutex_);
  return welcomes_.emplace(pool, std::move(welcome)).first->second;
}

void WelcomeStore::forget(pool::PoolId pool) {
  Lock lock(mutex_);
  welcomes_.erase(pool);
}

std::shared_ptr<session::PoolStatements> PoolStatementsStore::of(pool::PoolId pool) {
  Lock lock(mutex_);
  auto& known = pools_[pool];
  if (!known) known = std::make_shared<session::PoolStatements>();
  return known;
}

void PoolStatementsStore::forget(pool::PoolId pool) {
  Lock lock(mutex_);
  pools_.erase(pool);
}

CredentialStore::Entry CredentialStore::find(const std::string& database,
                                             const std::string& user) const {
  Lock lock(mutex_);
  auto found = entries_.find({database, user});
  return found == entries_.end() ? Entry{} : found->second;
}

void CredentialStore::remember(const std::string& database, const std::string& user,
                               const Entry& entry) {
  Lock lock(mutex_);
  Entry& kept = entries_[{database, user}];
  if (entry.keys) kept.keys = entry.keys;
  if (!entry.password.empty()) kept.password = entry.password;
  if (!entry.stored.empty()) kept.stored = entry.stored;
}

void CredentialStore::forget(const std::set<std::string>& users) {
  Lock lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) { return users.contains(entry.first.second); });
}

}  // namespace howdah::worker
