// Listening: addresses, the unix socket's file, what accepted sockets inherit, running out of
// descriptors.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/text.h"
#include "net_fixture.h"

using namespace howdah::net;
using howdah::base::cat;

namespace {

int option_of(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(fd, level, name, &value, &size);
  return value;
}

struct stat stat_of(const std::string& path) {
  struct stat result {};
  REQUIRE(::lstat(path.c_str(), &result) == 0);
  return result;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// A unix socket that was bound once and whose process has died.
void leave_dead_socket(const std::string& path) {
  int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
}

// Connects once and gives the accepted descriptor.
int accept_one(Loop& loop, Listener& listener) {
  int accepted = -1;
  bool connected = false;
  std::unique_ptr<Transport> client;
  User user([&](bool, bool) {
    connected = true;
    client->watch(false, false);
    if (accepted >= 0) loop.stop();
  });
  listener.start(
      *loop.reactor,
      [&](int fd, const Address&) {
        accepted = fd;
        if (connected) loop.stop();
      },
      [](int error) { FAIL("accept: ", error); });
  client = loop.reactor->connect(listener.address(), {}, user);
  loop.run();
  return accepted;
}

}  // namespace

TEST_CASE("* means every address of the machine, with one port, and no warning without IPv6") {
  std::vector<std::string> warnings;
  auto all = Listener::tcp("*", 0, {}, warnings);
  CHECK(warnings.empty());
  REQUIRE(!all.empty());
  CHECK(all[0]->address().host == "0.0.0.0");
  CHECK(all[0]->address().port != 0);
  if (all.size() > 1) {
    CHECK(all[1]->address().host == "::");
    CHECK(all[1]->address().port == all[0]->address().port);
    CHECK(option_of(all[1]->fd(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
  }
}

TEST_CASE("a name listens on what it means, and what fails is said and skipped") {
  std::vector<std::string> warnings;
  auto local = Listener::tcp("localhost", 0, {}, warnings);
  CHECK(!local.empty());
  warnings.clear();
  auto taken = loopback();
  auto port = taken->address().port;
  CHECK(Listener::tcp("127.0.0.1", port, {}, warnings).empty());
  CHECK(warnings ==
        std::vector{cat("cannot listen on 127.0.0.1:", port, ": bind(): Address already in use")});
  warnings.clear();
  CHECK(Listener::tcp("no..such..name", 1, {}, warnings).empty());
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("cannot listen on no..such..name: getaddrinfo(): ") == 0);
}

TEST_CASE("so_reuseport lets two listeners share a port") {
  Listener::Options options;
  options.reuse_port = true;
  auto one = loopback(options);
  std::vector<std::string> warnings;
  auto two = Listener::tcp("127.0.0.1", one->address().port, options, warnings);
  CHECK(two.size() == 1);
}

TEST_CASE("accepted sockets have the options, are non-blocking and closed by exec") {
  Loop loop;
  Listener::Options options;
  options.tcp.keepidle = 77;
  options.tcp.keepintvl = 11;
  options.tcp.keepcnt = 5;
  options.tcp.user_timeout_ms = 4321;
  options.defer_accept = 0;
  auto listener = loopback(options);
  int fd = accept_one(loop, *listener);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 11);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT) == 5);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 4321);
  CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  ::close(fd);

  auto second = loopback(options);
  options.tcp.keepalive = false;
  options.tcp.user_timeout_ms = 1234;
  options.defer_accept = 45;
  second->retune(options);
  CHECK(option_of(second->fd(), IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
  options.defer_accept = 0;
  second->retune(options);
  CHECK(option_of(second->fd(), IPPROTO_TCP, TCP_DEFER_ACCEPT) == 0);
  fd = accept_one(loop, *second);
  CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 0);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 1234);
  ::close(fd);
}

TEST_CASE("a unix socket has its mode and group, and its file goes with it") {
  Scratch scratch;
  std::string path = scratch.path + "/.s.PGSQL.6432";
  Listener::Options options;
  options.unix_mode = 0640;
  options.unix_group = std::to_string(::getgid());
  {
    auto listener = Listener::unix_socket(scratch.path, 6432, options);
    REQUIRE(listener.ok());
    CHECK((*listener)->address() == Address{Address::Family::Unix, path, 6432});
    CHECK((stat_of(path).st_mode & 07777) == 0640);
    CHECK(stat_of(path).st_gid == ::getgid());
  }
  CHECK_FALSE(exists(path));
  options.unix_group = "no-such-group-here";
  auto refused = Listener::unix_socket(scratch.path, 6432, options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().text.find("no-such-group-here") != std::string::npos);
  CHECK_FALSE(exists(path));
}

TEST_CASE("a dead socket's file is replaced; a live socket, a lock and other files are not") {
  Scratch scratch;
  std::string path = scratch.path + "/.s.PGSQL.1";
  leave_dead_socket(path);
  {
    auto listener = Listener::unix_socket(scratch.path, 1, {});
    REQUIRE(listener.ok());
    auto rival = Listener::unix_socket(scratch.path, 1, {});
    REQUIRE_FALSE(rival.ok());
    CHECK(rival.error().text == "unix socket is in use, cannot continue");
    CHECK(exists(path));
  }
  std::ofstream(path) << "precious";
  CHECK_FALSE(Listener::unix_socket(scratch.path, 1, {}).ok());
  CHECK(exists(path));
  ::unlink(path.c_str());
  std::ofstream(path + ".lock") << "1\n";
  auto locked = Listener::unix_socket(scratch.path, 1, {});
  REQUIRE_FALSE(locked.ok());
  CHECK(locked.error().text == "unix port 1 is in use");
  auto nowhere = Listener::unix_socket(scratch.path + "/none", 2, {});
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().text.find("bind(): No such file or directory") != std::string::npos);
  auto abstract = Listener::unix_socket(cat("@howdah-live-", ::getpid()), 1, {});
  REQUIRE(abstract.ok());
  auto rival = Listener::unix_socket(cat("@howdah-live-", ::getpid()), 1, {});
  REQUIRE_FALSE(rival.ok());
  CHECK(rival.error().text == "unix socket is in use, cannot continue");
}

TEST_CASE("a listener leaves alone the file that has taken its file's place") {
  Scratch scratch;
  std::string path = scratch.path + "/.s.PGSQL.1";
  auto old = Listener::unix_socket(scratch.path, 1, {});
  REQUIRE(old.ok());
  ::unlink(path.c_str());
  auto fresh = Listener::unix_socket(scratch.path, 1, {});
  REQUIRE(fresh.ok());
  old->reset();
  CHECK(exists(path));
  fresh->reset();
  CHECK_FALSE(exists(path));
}

TEST_CASE("a paused listener accepts nobody, resumed it takes those who waited") {
  Loop loop;
  auto listener = loopback();
  int accepted = 0;
  listener->start(
      *loop.reactor,
      [&](int fd, const Address&) {
        ::close(fd);
        ++accepted;
        loop.stop();
      },
      [](int) {});
  listener->pause();
  std::unique_ptr<Transport> client;
  User user([&](bool, bool) {
    client->watch(false, false);
    loop.reactor->defer([&] { loop.reactor->defer([&] { loop.stop(); }); });
  });
  client = loop.reactor->connect(listener->address(), {}, user);
  loop.run();
  CHECK(accepted == 0);
  listener->resume();
  loop.run();
  CHECK(accepted == 1);
}

TEST_CASE("a listener may be destroyed by whom it tells, in the middle of a batch") {
  Loop loop;
  auto listener = loopback();
  int accepted = 0, connected = 0;
  std::vector<std::unique_ptr<Transport>> clients(3);
  std::vector<std::unique_ptr<User>> users;
  for (auto& client : clients) {
    users.push_back(std::make_unique<User>([&](bool, bool) {
      client->watch(false, false);
      if (++connected == 3) loop.stop();
    }));
    client = loop.reactor->connect(listener->address(), {}, *users.back());
  }
  loop.run();
  listener->start(
      *loop.reactor,
      [&](int fd, const Address&) {
        ::close(fd);
        ++accepted;
        listener.reset();
        loop.reactor->defer([&] { loop.stop(); });
      },
      [](int) {});
  loop.run();
  CHECK(accepted == 1);
}

TEST_CASE("without descriptors left a listener rests instead of spinning, and says so once") {
  Loop loop;
  auto listener = loopback();
  int failed = 0, error = 0, accepted = 0;
  std::unique_ptr<Transport> client;
  User user([&](bool, bool) {
    client->watch(false, false);
    loop.stop();
  });
  client = loop.reactor->connect(listener->address(), {}, user);
  loop.run();
  listener->start(
      *loop.reactor,
      [&](int fd, const Address&) {
        ::close(fd);
        ++accepted;
      },
      [&](int e) {
        ++failed;
        error = e;
      });
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  int lowest_free = ::dup(0);
  ::close(lowest_free);
  rlimit none{static_cast<rlim_t>(lowest_free), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds == 50) return loop.stop();
    loop.reactor->defer(again);
  };
  loop.reactor->defer(again);
  loop.run();
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(failed == 1);
  CHECK(error == EMFILE);
  CHECK(accepted == 0);
}

TEST_CASE("an inherited socket listens with its own address; others are refused") {
  Loop loop;
  auto maker = loopback();
  auto inherited = Listener::inherit(::dup(maker->fd()), {});
  REQUIRE(inherited.ok());
  CHECK((*inherited)->address() == maker->address());
  int fd = accept_one(loop, **inherited);
  CHECK(fd >= 0);
  ::close(fd);
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  CHECK_FALSE(Listener::inherit(pipes[0], {}).ok());
  ::close(pipes[0]);
  ::close(pipes[1]);
  int plain = ::socket(AF_INET, SOCK_STREAM, 0);
  CHECK_FALSE(Listener::inherit(plain, {}).ok());
  ::close(plain);
}

TEST_CASE("the descriptor limit is raised to the hard limit") {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  CHECK(raise_descriptor_limit() == limit.rlim_max);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  CHECK(limit.rlim_cur == limit.rlim_max);
}
