// Results of HashJobs, so that a password is stretched once and not once per login. Keyed by a MAC
// of (password, salt, iterations) under a key of this process; values are wiped when dropped.
// Bounded (least recently used goes first). Thread: any (one mutex, pure calls).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "howdah/auth/exchange.h"

namespace howdah::auth {

class HashCache {
 public:
  explicit HashCache(std::size_t entries = 10000);
  ~HashCache();
  std::optional<Key> find(const HashJob& job);
  void store(const HashJob& job, const Key& salted_password);

  // So that a thousand who come with the same password at once have it stretched once.
  struct Who {
    std::size_t worker;
    std::uint64_t client;
  };
  // True: nobody is at this job, the caller must run it and then finish(). False: `who` is among
  // those that finish() will name.
  bool begin(const HashJob& job, Who who);
  // store(), and gives those who wait.
  std::vector<Who> finish(const HashJob& job, const Key& salted_password);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::auth
