// Processes, temporary directories and waiting, for tests that run real programs.
//
// Whatever a test starts or makes is gone when the test is: by destructors, and by the janitor, a
// process outside our process group that tidies up when this one dies in any way.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace howdah::test {

using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;

// How long a condition may take on a busy machine, under a sanitizer.
inline constexpr Millis kPatience{60000};

// Polls until `condition` is true; throws std::runtime_error naming `what` after `patience`.
void eventually(std::string_view what, const std::function<bool()>& condition,
                Millis patience = kPatience);

// HOWDAH_FULL=1: the numbers of the issues, not the small ones of `make check`.
bool full_run();
// HOWDAH_TEST_WORKERS, 1 when unset.
int test_workers();

std::string read_file(const std::string& path);  // "" when there is none
// Readable for the service user.
void write_file(const std::string& path, std::string_view text);

// The user that programs run as: ourselves, or `postgres` (else `nobody`) when we are root, because
// PostgreSQL and howdah refuse to be root.
struct ServiceUser {
  uid_t uid;
  gid_t gid;
  std::string name;
};
const ServiceUser& service_user();

// Below /tmp, owned by the service user, removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempDir& operator=(TempDir&&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// A free TCP port of the loopback, outside the range the kernel takes for outgoing connections.
int free_port();

// A child process that runs as the service user and dies with us. Start it from the main thread:
// the kernel ties it to the thread that made it.
class Process {
 public:
  struct Options {
    std::string log;          // standard output and error, appended
    std::vector<std::string> environment;  // "NAME=value", added to ours
    int death_signal = 9;     // what the child gets when we die
    bool as_service_user = true;
  };
  Process() = default;
  Process(const std::vector<std::string>& argv, const Options& options);
  ~Process();
  Process(Process&& other) noexcept { *this = std::move(other); }
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool started() const { return pid_ > 0; }
  bool running();  // false once it has ended; then exit_status() is set
  void signal(int number);
  // Waits for the end; its exit code, or 128 + signal.
  int wait(Millis patience = kPatience);
  void kill_hard();  // SIGKILL, and waits
  // A field of /proc/PID/status in kB, as "VmRSS".
  long memory_kb(std::string_view field) const;

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct Output {
  int status;
  std::string text;
};
// Runs a program to its end and gives back what it printed (both streams).
Output run(const std::vector<std::string>& argv, Millis patience = Millis{300000},
           const std::vector<std::string>& environment = {});

// Directory of PostgreSQL's server programs, as "/usr/lib/postgresql/15/bin".
std::string pg_bin();

}  // namespace howdah::test
