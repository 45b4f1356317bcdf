// What a daemon does with its process; see the header.
#include "app/daemon.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "howdah/base/text.h"

namespace howdah::app {

using base::cat;
using base::Done;
using base::Error;
using base::Status;

namespace {
Error failed(std::string_view what) {
  return {"io", cat(what, ": ", std::string_view(std::strerror(errno)))};
}
}  // namespace

Status become_user(const std::string& user) {
  if (user.empty()) {
    if (geteuid() != 0) return Done{};
    return Error{"config", "howdah should not run as root: name another user with -u or user="};
  }
  const passwd* entry = getpwnam(user.c_str());
  if (!entry) return Error{"config", cat("user \"", user, "\" does not exist")};
  if (geteuid() == entry->pw_uid) {
    if (entry->pw_uid == 0) {
      return Error{"config", "howdah should not run as root: name another user with -u or user="};
    }
    return Done{};
  }
  if (geteuid() != 0) {
    return Error{"config", cat("only root can become user \"", user, "\"")};
  }
  if (initgroups(entry->pw_name, entry->pw_gid) != 0) return failed("initgroups");
  if (setgid(entry->pw_gid) != 0) return failed("setgid");
  if (setuid(entry->pw_uid) != 0) return failed("setuid");
  return Done{};
}

Status PidFile::check() const {
  if (path_.empty()) return Done{};
  std::ifstream file(path_);
  long pid = 0;
  if (file >> pid && pid > 0 && (kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM)) {
    return Error{"config", cat("pidfile '", path_, "' exists, another instance running?")};
  }
  return Done{};
}

Status PidFile::write() {
  if (path_.empty()) return Done{};
  std::ofstream file(path_, std::ios::trunc);
  file << getpid() << "\n";
  file.close();
  if (!file) return failed(cat("cannot write pidfile '", path_, "'"));
  written_ = true;
  return Done{};
}

PidFile::~PidFile() {
  if (written_) unlink(path_.c_str());
}

Status daemonize() {
  for (int round = 0; round < 2; ++round) {
    pid_t pid = fork();
    if (pid < 0) return failed("fork");
    if (pid > 0) _exit(0);
    if (round == 0 && setsid() < 0) return failed("setsid");
  }
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return failed("open /dev/null");
  for (int fd : {0, 1, 2}) dup2(null, fd);
  if (null > 2) close(null);
  return Done{};
}

namespace {

// "max 100000" or "200000 100000" (cgroup v2 cpu.max); the two v1 files likewise. 0 = no quota.
int quota_cpus() {
  double quota = 0, period = 0;
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string word;
  if (v2 >> word >> period) {
    if (word == "max") return 0;
    quota = std::atof(word.c_str());
  } else {
    std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(q >> quota) || !(p >> period)) return 0;
  }
  if (quota <= 0 || period <= 0) return 0;
  return std::max(1, static_cast<int>(quota / period + 0.5));
}

}  // namespace

int usable_cpus() {
  cpu_set_t set;
  int cpus = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = std::max(1, CPU_COUNT(&set));
  int quota = quota_cpus();
  return quota > 0 ? std::min(cpus, quota) : cpus;
}

}  // namespace howdah::app
