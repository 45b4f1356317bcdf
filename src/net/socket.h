// Descriptors and addresses: the system calls that need no loop. Private to net.
#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "howdah/net/transport.h"

namespace howdah::net {

// An Address as the kernel takes it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// 0 or an errno: EINVAL (no numeric address), ENAMETOOLONG (a unix path over 107 bytes).
int to_socket_address(const Address& address, SocketAddress& out);
// For Unix the host is the path ("@name" if abstract) and the port is that of the file's name.
Address from_socket_address(const SocketAddress& address);
// The address of a numeric host ("10.0.0.1", "::1", "fe80::1%eth0"); nothing for names.
std::optional<Address> numeric_address(const std::string& host, std::uint16_t port);
// Those of a getaddrinfo(3) answer, each once, with port 0.
std::vector<Address> addresses_in(const addrinfo* list);
// `dir`/.s.PGSQL.<port>; dir may be "@name".
Address unix_address(const std::string& dir, std::uint16_t port);

// A non-blocking, close-on-exec stream socket of the address's family; -1 and errno.
int open_socket(const Address& address);
// Options are best effort: a kernel without one of them still serves. TCP_NODELAY always.
void set_tcp_options(int fd, const TcpOptions& options);
// The address the socket is bound to; Family::None when it can't be told.
Address local_address(int fd);

}  // namespace howdah::net
