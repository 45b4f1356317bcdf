// Reads the process CPU clock (the scheduler's own sum over all threads, the same counter as
// /proc/PID/task/*/schedstat but without losing ended threads) and /proc for memory and children.
#include "process_usage.h"

#include <dirent.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace howdah::bench {
namespace {

pid_t parent_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);
  // The command's name may hold spaces and parentheses: the fields start after the last one.
  const std::size_t end = line.rfind(')');
  char state = 0;
  int parent = 0;
  if (end == std::string::npos ||
      std::sscanf(line.c_str() + end + 1, " %c %d", &state, &parent) != 2)
    return 0;
  return parent;
}

std::vector<pid_t> with_descendants(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  if (DIR* proc = opendir("/proc")) {
    while (const dirent* entry = readdir(proc)) {
      const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
      if (pid > 0) children.emplace(parent_of(pid), pid);
    }
    closedir(proc);
  }
  std::vector<pid_t> found{root};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto it = first; it != last; ++it) found.push_back(it->second);
  }
  return found;
}

// The number of kB after `key` in a file of /proc, or 0.
std::uint64_t kilobytes(const std::string& path, const char* key) {
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind(key, 0) == 0) return std::strtoull(line.c_str() + std::strlen(key), nullptr, 10);
  }
  return 0;
}

}  // namespace

std::optional<std::uint64_t> cpu_ns_of(pid_t pid) {
  std::optional<std::uint64_t> sum;
  for (const pid_t p : with_descendants(pid)) {
    clockid_t clock{};
    timespec spent{};
    if (clock_getcpuclockid(p, &clock) != 0 || clock_gettime(clock, &spent) != 0) {
      if (p == pid) return std::nullopt;
      continue;
    }
    sum = sum.value_or(0) + static_cast<std::uint64_t>(spent.tv_sec) * 1'000'000'000 +
          static_cast<std::uint64_t>(spent.tv_nsec);
  }
  return sum;
}

std::uint64_t memory_kb_of(pid_t pid) {
  const std::vector<pid_t> pids = with_descendants(pid);
  if (pids.size() == 1) return kilobytes("/proc/" + std::to_string(pid) + "/status", "VmRSS:");
  std::uint64_t sum = 0;
  for (const pid_t p : pids) {
    sum += kilobytes("/proc/" + std::to_string(p) + "/smaps_rollup", "Pss:");
  }
  return sum;
}

}  // namespace howdah::bench
