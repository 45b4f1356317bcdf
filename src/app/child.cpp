// A program of the operator's; see the header.
#include "app/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "howdah/base/text.h"

namespace howdah::app {

using base::cat;

namespace {
constexpr std::size_t kLongestLine = 1000, kReadAtOnce = 64 * 1024;

std::vector<std::string> reduced(const Child::Environment& more) {
  std::vector<std::string> made;
  for (const char* name : {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ"})
    if (const char* value = std::getenv(name)) made.push_back(cat(name, "=", value));
  for (const auto& [name, value] : more) made.push_back(cat(name, "=", value));
  return made;
}
}  // namespace

base::Result<std::unique_ptr<Child>> Child::run(const std::string& text,
                                                const Environment& environment) {
  auto failed = [](int error) {
    return base::Error{"io", cat("cannot start it: ", std::string_view(::strerror(error)))};
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed(errno);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  posix_spawn_file_actions_adddup2(&files, ends[1], 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setsigdefault(&how, &all);
  posix_spawnattr_setpgroup(&how, 0);
  posix_spawnattr_setflags(&how,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> variables = reduced(environment);
  std::vector<char*> pointers;
  for (std::string& variable : variables) pointers.push_back(variable.data());
  pointers.push_back(nullptr);
  std::string shell = "sh", option = "-c", command = text;
  char* words[] = {shell.data(), option.data(), command.data(), nullptr};
  pid_t pid = -1;
  int error = ::posix_spawn(&pid, "/bin/sh", &files, &how, words, pointers.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&how);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return failed(error);
  }
  return std::unique_ptr<Child>(new Child(pid, ends[0]));
}

Child::~Child() { ::close(output_); }

void Child::read_output(std::vector<std::string>& lines) {
  char bytes[4096];
  auto end_line = [&] {
    if (!line_.empty()) lines.push_back(std::move(line_));
    line_.clear();
  };
  for (std::size_t sum = 0; sum < kReadAtOnce;) {
    ssize_t got = ::read(output_, bytes, sizeof bytes);
    if (got <= 0) break;
    sum += static_cast<std::size_t>(got);
    for (ssize_t i = 0; i < got; ++i) {
      if (bytes[i] == '\n') {
        end_line();
      } else if (line_.size() < kLongestLine) {
        bool control = static_cast<unsigned char>(bytes[i]) < ' ' || bytes[i] == 127;
        line_ += control ? ' ' : bytes[i];
      }
    }
  }
  if (exit_) end_line();
}

std::optional<int> Child::look(std::vector<std::string>& lines) {
  int status = 0;
  if (!exit_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  read_output(lines);
  return exit_;
}

void Child::signal(int number) {
  if (!exit_) ::kill(-pid_, number);
}

}  // namespace howdah::app
