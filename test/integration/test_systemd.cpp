// What a service manager sees: sd_notify(3) messages (compat 4.5), for units of Type=notify and
// notify-reload.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

// The manager's end: a datagram socket named in NOTIFY_SOCKET.
class Manager {
 public:
  Manager() : path_(directory_ / "notify"), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(chmod(path_.c_str(), 0777) == 0);
    setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~Manager() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  // Reads messages until one begins so.
  std::string wait_for(const std::string& start) {
    std::string message;
    eventually("the manager is told " + start, [&] {
      char bytes[4096];
      ssize_t count = recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
      message.assign(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
      return message.rfind(start, 0) == 0;
    });
    return message;
  }

 private:
  TempDir directory_;
  std::string path_;
  int fd_;
};

}  // namespace

TEST_SUITE_BEGIN("systemd" * doctest::skip(on_pgbouncer()));

TEST_CASE("the service manager is told of readiness, reload, status and the end") {
  Manager manager;
  primary().create_database("systemd");
  Pooler pooler({.settings = {{"stats_period", "1"}},
                 .databases = {entry("db", primary(), "systemd")}});
  manager.wait_for("READY=1");
  pooler.process().signal(SIGHUP);
  std::string reloading = manager.wait_for("RELOADING=1");
  CHECK(reloading.find("\nMONOTONIC_USEC=") != std::string::npos);
  manager.wait_for("READY=1");
  CHECK(manager.wait_for("STATUS=").find("xacts/s") != std::string::npos);
  pooler.console_close();
  pooler.process().signal(SIGTERM);
  manager.wait_for("STOPPING=1");
  CHECK(pooler.wait_exit() == 0);
}

TEST_SUITE_END();
