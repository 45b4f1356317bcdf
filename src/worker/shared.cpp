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

CredentialStore::Entry CredentialStore::find(std::string_view user) const {
  Lock lock(mutex_);
  auto found = entries_.find(user);
  return found == entries_.end() ? Entry{} : found->second;
}

void CredentialStore::remember(std::string_view user, const auth::ScramKeys& keys) {
  Lock lock(mutex_);
  entries_[std::string(user)].keys = keys;
}

void CredentialStore::remember(std::string_view user, const base::Secret& password) {
  Lock lock(mutex_);
  entries_[std::string(user)].password = password;
}

void CredentialStore::clear() {
  Lock lock(mutex_);
  entries_.clear();
}

}  // namespace howdah::worker
