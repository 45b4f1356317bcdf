// The stores that all workers share; see the header. Each call is one look-up under its mutex.
#include "howdah/worker/shared.h"

#include "howdah/base/text.h"

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

// --- Session state --------------------------------------------------------------------------------

namespace {
std::string accepted_key(std::string_view name, std::string_view value) {
  return base::cat(base::lower(name), '=', value);
}
}  // namespace

std::optional<std::string> AcceptedValues::find(pool::PoolId pool, std::string_view name,
                                                std::string_view value) const {
  if (value.size() > kMaxValue) return std::nullopt;
  std::string key = accepted_key(name, value);
  Lock lock(mutex_);
  auto of_pool = pools_.find(pool);
  if (of_pool == pools_.end()) return std::nullopt;
  auto found = of_pool->second.find(key);
  if (found == of_pool->second.end()) return std::nullopt;
  return found->second;
}

void AcceptedValues::keep(pool::PoolId pool, std::string_view name, std::string_view value,
                          std::string_view reported) {
  if (value.size() > kMaxValue || reported.size() > kMaxValue) return;
  std::string key = accepted_key(name, value);
  Lock lock(mutex_);
  if (entries_ >= kMaxEntries) {
    pools_.clear();
    entries_ = 0;
  }
  if (pools_[pool].insert_or_assign(std::move(key), std::string(reported)).second) ++entries_;
}

void AcceptedValues::forget(pool::PoolId pool) {
  Lock lock(mutex_);
  auto found = pools_.find(pool);
  if (found == pools_.end()) return;
  entries_ -= found->second.size();
  pools_.erase(found);
}

session::StateRef FirstStates::find(pool::PoolId pool) const {
  Lock lock(mutex_);
  auto found = states_.find(pool);
  return found == states_.end() ? nullptr : found->second;
}

void FirstStates::keep(pool::PoolId pool, session::StateRef state) {
  Lock lock(mutex_);
  if (state) {
    states_[pool] = std::move(state);
  } else {
    states_.erase(pool);
  }
}

bool PinBudget::take(pool::PoolId pool, int limit) {
  Lock lock(mutex_);
  auto found = pinned_.find(pool);
  if ((found == pinned_.end() ? 0 : found->second) >= limit) return false;
  ++pinned_[pool];
  return true;
}

void PinBudget::give(pool::PoolId pool) {
  Lock lock(mutex_);
  auto found = pinned_.find(pool);
  if (found != pinned_.end() && --found->second == 0) pinned_.erase(found);
}

}  // namespace howdah::worker
