// Results of HashJobs, so that a password is stretched once and not once per login. Keyed by a MAC
// of (password, salt, iterations) under a key of this process; values are wiped when dropped.
// Bounded (least recently used goes first). Thread: any (one mutex, pure calls).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "howdah/auth/exchange.h"

namespace howdah::auth {

class HashCache {
 public:
  explicit HashCache(std::size_t entries = 10000);
  ~HashCache();
  std::optional<Key> find(const HashJob& job);
  void store(const HashJob& job, const Key& salted_password);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::auth
