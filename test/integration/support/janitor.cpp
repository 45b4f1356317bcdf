#include "janitor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>

namespace howdah::test::janitor {

namespace {

struct Duties {
  std::set<pid_t> processes;
  std::set<std::string> directories;

  void hear(const std::string& line) {
    std::string what = line.substr(2);
    switch (line[0]) {
      case 'P': processes.insert(std::stoi(what)); break;
      case 'p': processes.erase(std::stoi(what)); break;
      case 'D': directories.insert(what); break;
      case 'd': directories.erase(what); break;
    }
  }

  void tidy() {
    for (pid_t pid : processes) ::kill(pid, SIGQUIT);
    for (int i = 0; i < 50 && any_left(); ++i) ::usleep(100000);
    for (pid_t pid : processes) ::kill(pid, SIGKILL);
    ::usleep(200000);
    std::error_code ignored;
    for (const auto& directory : directories) std::filesystem::remove_all(directory, ignored);
  }

  bool any_left() const {
    for (pid_t pid : processes) {
      if (::kill(pid, 0) == 0) return true;
    }
    return false;
  }
};

[[noreturn]] void listen(int in) {
  ::setsid();
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  for (int fd = 0; fd < 1024; ++fd) {
    if (fd != in) ::close(fd);
  }
  Duties duties;
  std::string pending;
  char buffer[4096];
  for (ssize_t got; (got = ::read(in, buffer, sizeof buffer)) > 0;) {
    pending.append(buffer, got);
    for (std::size_t end; (end = pending.find('\n')) != std::string::npos;) {
      duties.hear(pending.substr(0, end));
      pending.erase(0, end + 1);
    }
  }
  duties.tidy();
  ::_exit(0);
}

// Twice forked, so that nobody who kills our descendants finds it.
int hire() {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    if (::fork() == 0) {
      ::close(pipe[1]);
      listen(pipe[0]);
    }
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
  ::close(pipe[0]);
  return pipe[1];
}

void tell(char what, const std::string& text) {
  static const int pipe = hire();
  std::string line = std::string(1, what) + " " + text + "\n";
  if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::abort();
}

}  // namespace

void register_process(pid_t pid) { tell('P', std::to_string(pid)); }
void forget_process(pid_t pid) { tell('p', std::to_string(pid)); }
void register_directory(const std::string& path) { tell('D', path); }
void forget_directory(const std::string& path) { tell('d', path); }

}  // namespace howdah::test::janitor
