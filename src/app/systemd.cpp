// systemd's two protocols; see the header.
#include "app/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "howdah/base/text.h"
#include "howdah/base/time.h"

namespace howdah::app {

void notify(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  (void)sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  close(fd);
}

void notify_reloading() {
  notify(base::cat("RELOADING=1\nMONOTONIC_USEC=",
                   static_cast<std::int64_t>(base::monotonic_now().time_since_epoch().count())));
}

std::vector<int> passed_sockets() {
  constexpr int kFirst = 3;
  std::vector<int> sockets;
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  std::int64_t ours = 0, number = 0;
  if (pid && count && base::parse_int(pid, ours) && base::parse_int(count, number) &&
      ours == getpid() && number > 0 && number <= 100) {
    for (int fd = kFirst; fd < kFirst + number; ++fd) {
      int flags = fcntl(fd, F_GETFD);
      if (flags < 0) continue;
      (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
      sockets.push_back(fd);
    }
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return sockets;
}

}  // namespace howdah::app
