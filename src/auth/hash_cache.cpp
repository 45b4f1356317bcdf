// HashCache: a list in order of use and an index into it. The MAC is made outside the lock.
#include "howdah/auth/hash_cache.h"

#include <cstring>
#include <list>
#include <unordered_map>
#include <utility>

#include "auth/crypto.h"
#include "howdah/base/mutex.h"
#include "howdah/base/text.h"

namespace howdah::auth {
namespace {

// A MAC is evenly spread already, and nobody outside can choose it.
struct Spread {
  std::size_t operator()(const Key& mac) const {
    std::size_t out = 0;
    std::memcpy(&out, mac.data(), sizeof out);
    return out;
  }
};
struct Entry {
  Key mac;
  WipedKey salted;
};

}  // namespace

struct HashCache::Impl {
  explicit Impl(std::size_t entries) : limit(entries), secret(random_key()) {}

  // The salt is hashed first, so that it has one length and no two jobs make the same text.
  Key mac_of(const HashJob& job) const {
    WipedKey salt = sha256(job.salt);
    WipedKey password = hmac_sha256(secret.view(), job.password.view());
    return hmac_sha256(secret.view(), base::cat(salt.view(), password.view(), job.iterations))
        .value;
  }

  const std::size_t limit;
  const WipedKey secret;
  base::Mutex mutex;
  std::list<Entry> recent GUARDED_BY(mutex);  // used last comes first
  std::unordered_map<Key, std::list<Entry>::iterator, Spread> index GUARDED_BY(mutex);
  std::unordered_map<Key, std::vector<Who>, Spread> waiting GUARDED_BY(mutex);  // jobs under way
};

HashCache::HashCache(std::size_t entries) : impl_(std::make_unique<Impl>(entries)) {}
HashCache::~HashCache() = default;

std::optional<Key> HashCache::find(const HashJob& job) {
  Key mac = impl_->mac_of(job);
  base::Lock lock(impl_->mutex);
  auto it = impl_->index.find(mac);
  if (it == impl_->index.end()) return std::nullopt;
  impl_->recent.splice(impl_->recent.begin(), impl_->recent, it->second);
  return it->second->salted.value;
}

void HashCache::store(const HashJob& job, const Key& salted_password) {
  if (impl_->limit == 0) return;
  Key mac = impl_->mac_of(job);
  base::Lock lock(impl_->mutex);
  auto it = impl_->index.find(mac);
  if (it != impl_->index.end()) {
    it->second->salted = WipedKey(salted_password);
    impl_->recent.splice(impl_->recent.begin(), impl_->recent, it->second);
    return;
  }
  if (impl_->index.size() >= impl_->limit) {
    impl_->index.erase(impl_->recent.back().mac);
    impl_->recent.pop_back();
  }
  impl_->recent.push_front({mac, WipedKey(salted_password)});
  impl_->index.emplace(mac, impl_->recent.begin());
}

bool HashCache::begin(const HashJob& job, Who who) {
  Key mac = impl_->mac_of(job);
  base::Lock lock(impl_->mutex);
  auto [under_way, first] = impl_->waiting.try_emplace(mac);
  if (!first) under_way->second.push_back(who);
  return first;
}

std::vector<HashCache::Who> HashCache::finish(const HashJob& job, const Key& salted_password) {
  store(job, salted_password);
  Key mac = impl_->mac_of(job);
  base::Lock lock(impl_->mutex);
  auto under_way = impl_->waiting.extract(mac);
  return under_way ? std::move(under_way.mapped()) : std::vector<Who>{};
}

}  // namespace howdah::auth
