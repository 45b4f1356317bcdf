// The null PostgreSQL server: one thread, epoll, trust authentication, every query answered at
// once. It makes the pooler the only thing worth measuring. The protocol is in null_session.h.
//
//   bench_null_server PORT [--rows N] [--row-bytes N]          (loopback)
#include <memory>
#include <unordered_map>
#include <vector>

#include "null_session.h"
#include "sockets.h"

namespace {

using namespace howdah::bench;

struct Connection {
  Connection(int fd_in, const NullAnswer& answer, std::uint32_t pid)
      : fd(fd_in), session(answer, pid) {}
  int fd;
  NullSession session;
  std::string rest;     // an incomplete message
  std::string pending;  // answers the socket did not take; reading waits until it has
};

class NullServer {
 public:
  NullServer(int port, const NullAnswer& answer)
      : answer_(answer),
        listener_(listen_on("127.0.0.1", port)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) die("epoll_create1");
    watch(epoll_, EPOLL_CTL_ADD, listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    std::vector<epoll_event> events(256);
    for (;;) {
      const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (n < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < n; ++i) {
        auto* connection = static_cast<Connection*>(events[i].data.ptr);
        if (connection == nullptr) {
          accept_all();
        } else if (!serve(*connection, events[i].events)) {
          close(connection->fd);
          connections_.erase(connection);
        }
      }
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      set_nodelay(fd);
      auto owned = std::make_unique<Connection>(fd, answer_, ++last_pid_);
      Connection* connection = owned.get();
      connections_.emplace(connection, std::move(owned));
      watch(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
  }

  // False when the connection is over.
  bool serve(Connection& c, std::uint32_t ready) {
    if ((ready & EPOLLOUT) != 0) {
      const ssize_t sent = send(c.fd, c.pending.data(), c.pending.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      c.pending.erase(0, sent);
      if (!c.pending.empty()) return true;
      watch(epoll_, EPOLL_CTL_MOD, c.fd, EPOLLIN, &c);
      return !c.session.closed();
    }
    if (!c.pending.empty()) return false;  // hung up while it owed us reading
    const ssize_t got = recv(c.fd, scratch_, sizeof scratch_, 0);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    out_.clear();
    if (c.rest.empty()) {
      const std::size_t used = c.session.feed({scratch_, static_cast<std::size_t>(got)}, out_);
      c.rest.assign(scratch_ + used, scratch_ + got);
    } else {
      c.rest.append(scratch_, got);
      c.rest.erase(0, c.session.feed(c.rest, out_));
    }
    return answer(c);
  }

  bool answer(Connection& c) {
    if (out_.empty()) return !c.session.closed();
    const ssize_t sent = send(c.fd, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(out_.size())) return !c.session.closed();
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    c.pending.assign(out_, sent > 0 ? sent : 0);
    watch(epoll_, EPOLL_CTL_MOD, c.fd, EPOLLOUT, &c);
    return true;
  }

  NullAnswer answer_;
  int listener_;
  int epoll_;
  std::uint32_t last_pid_ = 0;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::string out_;
  char scratch_[65536];
};

}  // namespace

int main(int argc, char** argv) {
  NullAnswer answer;
  int port = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--rows" && i + 1 < argc) {
      answer.rows = static_cast<int>(parse_number(arg, argv[++i], 0, 1000000));
    } else if (arg == "--row-bytes" && i + 1 < argc) {
      answer.row_bytes = static_cast<int>(parse_number(arg, argv[++i], 0, 100 << 20));
    } else if (port == 0 && !arg.empty() && arg[0] != '-') {
      port = static_cast<int>(parse_number("PORT", argv[i], 1, 65535));
    } else {
      port = 0;
      break;
    }
  }
  if (port == 0) {
    std::fprintf(stderr, "usage: %s PORT [--rows N] [--row-bytes N]\n", argv[0]);
    return 2;
  }
  raise_descriptor_limit();
  const auto server = std::make_unique<NullServer>(port, answer);
  server->run();
}
