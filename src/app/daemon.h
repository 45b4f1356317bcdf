// What a daemon does with its process: user, pid file, background, descriptors, CPUs.
#pragma once

#include <string>

#include "howdah/base/result.h"

namespace howdah::app {

// Becomes `user`. Root must name one; others may name only themselves. Empty and not root: nothing.
base::Status become_user(const std::string& user);

// The pid file: refused while the process it names lives; a stale one is replaced.
class PidFile {
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {}
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  base::Status check() const;
  base::Status write();

 private:
  std::string path_;
  bool written_ = false;
};

// Forks twice; the parent leaves. Standard streams go to /dev/null.
base::Status daemonize();

// CPUs this process may use: affinity and cgroup v2 or v1 quota, at least 1.
int usable_cpus();

}  // namespace howdah::app
