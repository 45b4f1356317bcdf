#include "process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "janitor.h"

namespace howdah::test {

void eventually(std::string_view what, const std::function<bool()>& condition, Millis patience) {
  auto end = Clock::now() + patience;
  while (!condition()) {
    if (Clock::now() > end) throw std::runtime_error("still not true: " + std::string(what));
    std::this_thread::sleep_for(Millis{10});
  }
}

bool full_run() {
  const char* value = std::getenv("HOWDAH_FULL");
  return value && std::strcmp(value, "1") == 0;
}

int test_workers() {
  const char* value = std::getenv("HOWDAH_TEST_WORKERS");
  return value ? std::atoi(value) : 1;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::string& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
  if (::getuid() == 0 && ::chown(path.c_str(), service_user().uid, service_user().gid) != 0) {
    throw std::runtime_error("chown " + path);
  }
}

const ServiceUser& service_user() {
  static const ServiceUser user = [] {
    if (::getuid() != 0) {
      const passwd* self = ::getpwuid(::getuid());
      return ServiceUser{::getuid(), ::getgid(), self ? self->pw_name : "nobody"};
    }
    for (const char* name : {"postgres", "nobody"}) {
      if (const passwd* found = ::getpwnam(name)) {
        return ServiceUser{found->pw_uid, found->pw_gid, name};
      }
    }
    throw std::runtime_error("no user to run as: neither postgres nor nobody exists");
  }();
  return user;
}

TempDir::TempDir() {
  char path[] = "/tmp/howdah-test-XXXXXX";
  if (!::mkdtemp(path)) throw std::runtime_error("mkdtemp");
  path_ = path;
  janitor::register_directory(path_);
  if (::getuid() == 0 && ::chown(path, service_user().uid, service_user().gid) != 0) {
    throw std::runtime_error("chown");
  }
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  janitor::forget_directory(path_);
}

int free_port() {
  static std::mt19937 random{std::random_device{}()};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    int port = std::uniform_int_distribution<int>(10000, 29999)(random);
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (free) return port;
  }
  throw std::runtime_error("no free port");
}

namespace {

int decode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

[[noreturn]] void become(const std::vector<std::string>& argv, const Process::Options& options,
                         pid_t parent) {
  ::setpgid(0, 0);
  int out = options.log.empty() ? ::open("/dev/null", O_WRONLY)
                                : ::open(options.log.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644);
  int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (options.as_service_user && ::getuid() == 0) {
    const ServiceUser& user = service_user();
    if (::setgroups(0, nullptr) || ::setgid(user.gid) || ::setuid(user.uid)) ::_exit(126);
  }
  for (const auto& setting : options.environment) ::putenv(::strdup(setting.c_str()));
  // After the change of user, which would clear it.
  ::prctl(PR_SET_PDEATHSIG, options.death_signal);
  if (::getppid() != parent) ::_exit(126);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  ::dprintf(2, "cannot run %s: %s\n", words[0], std::strerror(errno));
  ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const Options& options) {
  service_user();  // look it up before the fork
  pid_t self = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) become(argv, options, self);
  janitor::register_process(pid_);
}

Process::~Process() {
  if (started()) kill_hard();
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    if (started()) kill_hard();
    pid_ = other.pid_;
    status_ = other.status_;
    other.pid_ = -1;
    other.status_.reset();
  }
  return *this;
}

bool Process::running() {
  if (pid_ <= 0 || status_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = decode(status);
  janitor::forget_process(pid_);
  return false;
}

void Process::signal(int number) {
  if (running()) ::kill(pid_, number);
}

int Process::wait(Millis patience) {
  eventually("the process ends", [this] { return !running(); }, patience);
  return status_.value_or(-1);
}

void Process::kill_hard() {
  if (running()) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    status_ = decode(status);
    janitor::forget_process(pid_);
  }
  pid_ = -1;
}

long Process::memory_kb(std::string_view field) const {
  std::istringstream lines(read_file("/proc/" + std::to_string(pid_) + "/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(std::string(field) + ":")) {
      return std::stol(line.substr(field.size() + 1));
    }
  }
  throw std::runtime_error("no memory figure for the process");
}

Output run(const std::vector<std::string>& argv, Millis patience,
           const std::vector<std::string>& environment) {
  TempDir directory;
  Process::Options options;
  options.log = directory / "output";
  options.environment = environment;
  write_file(options.log, "");
  Process process(argv, options);
  int status = process.wait(patience);
  return {status, read_file(options.log)};
}

std::string pg_bin() {
  static const std::string directory = [] {
    for (const char* version : {"15", "16", "17", "18"}) {
      std::string bin = std::string("/usr/lib/postgresql/") + version + "/bin";
      if (std::filesystem::exists(bin + "/initdb")) return bin;
    }
    throw std::runtime_error("no PostgreSQL server programs under /usr/lib/postgresql");
  }();
  return directory;
}

}  // namespace howdah::test
