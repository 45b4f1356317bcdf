// password_file= of [databases]: the secret of a forced user in a file of its own, which whoever
// rotates it writes. Looked at (stat) for each new server connection and read again when it is
// another file or has changed; so a rotation needs no reload.
//
// The file: the secret, and at most one line break behind it. Thread: any; the mutex is never held
// while the disk is asked.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "howdah/base/mutex.h"
#include "howdah/base/result.h"
#include "howdah/base/secret.h"

namespace howdah::worker {

class PasswordFiles {
 public:
  struct Current {
    base::Secret secret;        // empty: it could never be read
    std::uint64_t version = 0;  // another one for another secret
    std::string problem;        // why it could not be read now; `secret` is then the last good one
  };
  // `afresh`: whatever stat says.
  Current read(const std::string& path, bool afresh = false);

 private:
  struct Seen {  // what stat tells of a file
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;
    bool operator==(const Seen&) const = default;
  };
  struct Kept {
    Seen seen;
    base::Secret secret;
    std::uint64_t version = 0;
  };
  mutable base::Mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_ GUARDED_BY(mutex_);
};

}  // namespace howdah::worker
