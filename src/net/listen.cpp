// Makes listening sockets: TCP per address, unix sockets with their file's life (compat 4.6).
//
// TCP options are set on the listening socket: on Linux every accepted socket inherits them, which
// saves a handful of system calls per client.
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "howdah/base/text.h"
#include "net/socket.h"
#include "net/uv_listener.h"

namespace howdah::net {

namespace {

std::string why(int error) { return std::generic_category().message(error); }

// A descriptor that closes itself unless taken.
struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int take() { return std::exchange(fd, -1); }
  int fd;
};

void set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

void tune_tcp(int fd, const Listener::Options& options) {
  set_tcp_options(fd, options.tcp);
  set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options.defer_accept);
}

// null = failed; then `call` and `error` say how.
std::unique_ptr<Listener> listen_tcp(const Address& at, const Listener::Options& options,
                                     const char*& call, int& error) {
  SocketAddress raw;
  error = to_socket_address(at, raw);
  call = "bind";
  if (error != 0) return nullptr;
  auto failed = [&](const char* name) {
    call = name;
    error = errno;
    return nullptr;
  };
  Descriptor socket(open_socket(at));
  if (socket.fd < 0) return failed("socket");
  set(socket.fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.family == Address::Family::Inet6) set(socket.fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  int one = 1;
  if (options.reuse_port &&
      ::setsockopt(socket.fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
    return failed("setsockopt");
  tune_tcp(socket.fd, options);
  if (::bind(socket.fd, raw.get(), raw.size) != 0) return failed("bind");
  if (::listen(socket.fd, options.backlog) != 0) return failed("listen");
  Address bound = local_address(socket.fd);
  return std::make_unique<UvListener>(socket.take(), bound, SocketFile{});
}

std::vector<Address> addresses_of(const std::string& name, std::uint16_t port,
                                  std::string& failure) {
  if (name == "*")
    return {{Address::Family::Inet, "0.0.0.0", port}, {Address::Family::Inet6, "::", port}};
  if (auto address = numeric_address(name, port)) return {*address};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  int status = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (status != 0) {
    failure = status == EAI_SYSTEM ? why(errno) : ::gai_strerror(status);
    return {};
  }
  std::vector<Address> result = addresses_in(list);
  for (Address& address : result) address.port = port;
  ::freeaddrinfo(list);
  return result;
}

// Does anybody listen on this unix socket? A full queue is a yes.
bool is_live(const SocketAddress& raw) {
  Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.fd < 0) return true;
  return ::connect(probe.fd, raw.get(), raw.size) == 0 ||
         (errno != ECONNREFUSED && errno != ENOENT);
}

base::Result<gid_t> find_group(const std::string& group) {
  std::int64_t number = 0;
  if (base::parse_int(group, number) && number >= 0 && number < 0xFFFFFFFF)
    return static_cast<gid_t>(number);
  struct group entry {};
  struct group* found = nullptr;
  std::vector<char> space(1024);
  int status;
  while ((status = ::getgrnam_r(group.c_str(), &entry, space.data(), space.size(), &found)) ==
             ERANGE &&
         space.size() < (1U << 20))
    space.resize(space.size() * 2);
  if (found) return found->gr_gid;
  return base::Error{"config", base::cat("unix_socket_group: there is no group \"", group, "\"")};
}

}  // namespace

std::vector<std::unique_ptr<Listener>> Listener::tcp(const std::string& name, std::uint16_t port,
                                                     const Options& options,
                                                     std::vector<std::string>& warnings) {
  std::vector<std::unique_ptr<Listener>> result;
  std::string failure;
  std::vector<Address> addresses = addresses_of(name, port, failure);
  if (!failure.empty())
    warnings.push_back(base::cat("cannot listen on ", name, ": getaddrinfo(): ", failure));
  for (Address& at : addresses) {
    // Port 0 means "any": all addresses of one name get the same.
    if (port == 0 && !result.empty()) at.port = result[0]->address().port;
    const char* call = "";
    int error = 0;
    if (auto listener = listen_tcp(at, options, call, error)) {
      result.push_back(std::move(listener));
      continue;
    }
    bool no_ipv6 = error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
    if (name == "*" && at.family == Address::Family::Inet6 && no_ipv6 && !result.empty()) continue;
    warnings.push_back(base::cat("cannot listen on ", at.text(), ": ", call, "(): ", why(error)));
  }
  return result;
}

base::Result<std::unique_ptr<Listener>> Listener::unix_socket(const std::string& dir,
                                                              std::uint16_t port,
                                                              const Options& options) {
  Address at = unix_address(dir, port);
  const std::string& path = at.host;
  bool abstract = path[0] == '@';
  auto failed = [&](std::string_view call, int error) {
    return base::Error{"io", base::cat("cannot listen on ", path, ": ", call, "(): ", why(error))};
  };
  SocketAddress raw;
  if (int error = to_socket_address(at, raw); error != 0) return failed("bind", error);

  struct stat file {};
  if (!abstract) {
    if (::lstat(base::cat(path, ".lock").c_str(), &file) == 0)
      return base::Error{"io", base::cat("unix port ", port, " is in use")};
    if (::lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode)) {
      if (is_live(raw)) return base::Error{"io", "unix socket is in use, cannot continue"};
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("unlink", errno);
    }
  }
  gid_t group = static_cast<gid_t>(-1);
  if (!abstract && !options.unix_group.empty()) {
    auto found = find_group(options.unix_group);
    if (!found) return found.error();
    group = *found;
  }

  Descriptor socket(open_socket(at));
  if (socket.fd < 0) return failed("socket", errno);
  if (::bind(socket.fd, raw.get(), raw.size) != 0) {
    if (abstract && errno == EADDRINUSE)
      return base::Error{"io", "unix socket is in use, cannot continue"};
    return failed("bind", errno);
  }
  SocketFile ours;
  auto undo = [&](std::string_view call, int error) {
    if (!abstract) ::unlink(path.c_str());
    return failed(call, error);
  };
  if (!abstract) {
    // Nobody gets in before listen(), so the file never serves with the wrong rights.
    if (::lstat(path.c_str(), &file) != 0) return undo("stat", errno);
    ours = {path, file.st_dev, file.st_ino};
    if (group != static_cast<gid_t>(-1) &&
        ::chown(path.c_str(), static_cast<uid_t>(-1), group) != 0)
      return undo("chown", errno);
    if (::chmod(path.c_str(), options.unix_mode) != 0) return undo("chmod", errno);
  }
  if (::listen(socket.fd, options.backlog) != 0) return undo("listen", errno);
  return std::unique_ptr<Listener>(std::make_unique<UvListener>(socket.take(), at, ours));
}

base::Result<std::unique_ptr<Listener>> Listener::inherit(int fd, const Options& options) {
  auto failed = [&](std::string_view text) {
    return base::Error{"io", base::cat("inherited descriptor ", fd, ": ", text)};
  };
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0)
    return failed(why(errno));
  int type = 0;
  size = sizeof type;
  ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  if (!listening || type != SOCK_STREAM) return failed("not a listening stream socket");
  Address at = local_address(fd);
  if (at.family == Address::Family::None) return failed("neither TCP nor a unix socket");
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (at.family != Address::Family::Unix) tune_tcp(fd, options);
  return std::unique_ptr<Listener>(std::make_unique<UvListener>(fd, at, SocketFile{}));
}

void UvListener::retune(const Options& options) {
  if (address_.family != Address::Family::Unix) tune_tcp(fd_, options);
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit raised{limit.rlim_max, limit.rlim_max};
  if (limit.rlim_cur != limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

}  // namespace howdah::net
