// Addresses to and from the kernel's form, and socket options (socket.h).
#include "net/socket.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "howdah/base/text.h"

namespace howdah::net {

namespace {

constexpr std::size_t kPathAt = offsetof(sockaddr_un, sun_path);
constexpr std::string_view kSocketName = "/.s.PGSQL.";

void set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

std::uint16_t port_of_path(std::string_view path) {
  std::size_t at = path.rfind(kSocketName);
  std::int64_t port = 0;
  if (at == std::string_view::npos) return 0;
  if (!base::parse_int(path.substr(at + kSocketName.size()), port)) return 0;
  return port >= 0 && port <= 65535 ? static_cast<std::uint16_t>(port) : 0;
}

int unix_to_socket_address(const std::string& path, SocketAddress& out) {
  auto* to = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (path.empty()) return EINVAL;
  to->sun_family = AF_UNIX;
  // A path ends with a zero byte; an abstract name starts with one.
  if (path.size() + (path[0] == '@' ? 0 : 1) > sizeof to->sun_path) return ENAMETOOLONG;
  std::memcpy(to->sun_path, path.data(), path.size());
  if (path[0] == '@') {
    to->sun_path[0] = '\0';
    out.size = static_cast<socklen_t>(kPathAt + path.size());
  } else {
    out.size = static_cast<socklen_t>(kPathAt + path.size() + 1);
  }
  return 0;
}

}  // namespace

std::string Address::text() const {
  switch (family) {
    case Family::None:
      return "";
    case Family::Inet:
      return base::cat(host, ':', port);
    case Family::Inet6:
      return base::cat('[', host, "]:", port);
    case Family::Unix:
      return base::cat("unix:", port);
  }
  return "";
}

int to_socket_address(const Address& address, SocketAddress& out) {
  out = {};
  switch (address.family) {
    case Address::Family::None:
      return EINVAL;
    case Address::Family::Inet: {
      auto* to = reinterpret_cast<sockaddr_in*>(&out.storage);
      to->sin_family = AF_INET;
      to->sin_port = htons(address.port);
      out.size = sizeof *to;
      return ::inet_pton(AF_INET, address.host.c_str(), &to->sin_addr) == 1 ? 0 : EINVAL;
    }
    case Address::Family::Inet6: {
      auto* to = reinterpret_cast<sockaddr_in6*>(&out.storage);
      std::string host = address.host;
      if (std::size_t percent = host.find('%'); percent != std::string::npos) {
        std::string scope = host.substr(percent + 1);
        host.resize(percent);
        std::int64_t number = 0;
        to->sin6_scope_id = base::parse_int(scope, number) ? static_cast<std::uint32_t>(number)
                                                           : ::if_nametoindex(scope.c_str());
        if (to->sin6_scope_id == 0) return EINVAL;
      }
      to->sin6_family = AF_INET6;
      to->sin6_port = htons(address.port);
      out.size = sizeof *to;
      return ::inet_pton(AF_INET6, host.c_str(), &to->sin6_addr) == 1 ? 0 : EINVAL;
    }
    case Address::Family::Unix:
      return unix_to_socket_address(address.host, out);
  }
  return EINVAL;
}

Address from_socket_address(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  Address result;
  switch (address.storage.ss_family) {
    case AF_INET: {
      auto* from = reinterpret_cast<const sockaddr_in*>(&address.storage);
      ::inet_ntop(AF_INET, &from->sin_addr, text, sizeof text);
      result = {Address::Family::Inet, text, ntohs(from->sin_port)};
      break;
    }
    case AF_INET6: {
      auto* from = reinterpret_cast<const sockaddr_in6*>(&address.storage);
      ::inet_ntop(AF_INET6, &from->sin6_addr, text, sizeof text);
      result = {Address::Family::Inet6, text, ntohs(from->sin6_port)};
      if (from->sin6_scope_id != 0) result.host += base::cat('%', from->sin6_scope_id);
      break;
    }
    case AF_UNIX: {
      auto* from = reinterpret_cast<const sockaddr_un*>(&address.storage);
      std::size_t size = address.size > kPathAt ? address.size - kPathAt : 0;
      std::string path(from->sun_path, size < sizeof from->sun_path ? size : sizeof from->sun_path);
      if (!path.empty() && path[0] == '\0')
        path[0] = '@';
      else
        path.resize(::strnlen(path.data(), path.size()));
      result = {Address::Family::Unix, path, port_of_path(path)};
      break;
    }
    default:
      break;
  }
  return result;
}

std::optional<Address> numeric_address(const std::string& host, std::uint16_t port) {
  SocketAddress ignored;
  for (auto family : {Address::Family::Inet, Address::Family::Inet6}) {
    Address address{family, host, port};
    if (to_socket_address(address, ignored) == 0) return address;
  }
  return std::nullopt;
}

std::vector<Address> addresses_in(const addrinfo* list) {
  std::vector<Address> result;
  for (; list; list = list->ai_next) {
    SocketAddress raw;
    if (list->ai_addrlen > sizeof raw.storage) continue;
    std::memcpy(&raw.storage, list->ai_addr, list->ai_addrlen);
    raw.size = list->ai_addrlen;
    Address address = from_socket_address(raw);
    address.port = 0;
    if (address.family != Address::Family::None &&
        std::find(result.begin(), result.end(), address) == result.end())
      result.push_back(address);
  }
  return result;
}

Address unix_address(const std::string& dir, std::uint16_t port) {
  return {Address::Family::Unix, base::cat(dir, kSocketName, port), port};
}

int open_socket(const Address& address) {
  int family = address.family == Address::Family::Inet    ? AF_INET
               : address.family == Address::Family::Inet6 ? AF_INET6
                                                          : AF_UNIX;
  return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void set_tcp_options(int fd, const TcpOptions& options) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, options.keepalive ? 1 : 0);
  if (options.keepalive) {
    if (options.keepcnt > 0) set(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keepcnt);
    if (options.keepidle > 0) set(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepidle);
    if (options.keepintvl > 0) set(fd, IPPROTO_TCP, TCP_KEEPINTVL, options.keepintvl);
  }
  if (options.socket_buffer > 0) {
    set(fd, SOL_SOCKET, SO_SNDBUF, options.socket_buffer);
    set(fd, SOL_SOCKET, SO_RCVBUF, options.socket_buffer);
  }
  if (options.user_timeout_ms > 0) set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms);
}

Address local_address(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.size) != 0) return {};
  return from_socket_address(address);
}

}  // namespace howdah::net
