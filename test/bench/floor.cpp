// The yardstick: the least a proxy can do. One thread, one backend connection for each client,
// one recv and one send per readiness, no parsing, no pooling, no epoll change on the hot path.
//
//   bench_floor LISTEN_PORT BACKEND_PORT          (loopback on both sides)
#include <memory>
#include <unordered_map>
#include <vector>

#include "sockets.h"

namespace {

using namespace howdah::bench;

struct Pair;

struct Side {
  int fd = -1;
  Side* peer = nullptr;
  Pair* pair = nullptr;
  std::string pending;  // read from the peer, not yet taken by this socket
  std::uint32_t events = EPOLLIN;
};

struct Pair {
  Side client;
  Side backend;
  bool dead = false;
};

class Floor {
 public:
  Floor(int listen_port, int backend_port)
      : listener_(listen_on("127.0.0.1", listen_port)),
        backend_(address_of("127.0.0.1", backend_port)),
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
        auto* side = static_cast<Side*>(events[i].data.ptr);
        if (side == nullptr) {
          accept_all();
        } else if (!side->pair->dead) {
          serve(*side, events[i].events);
        }
      }
      // An event of the other side of a closed pair may still be in this batch: free only now.
      for (Pair* pair : dead_) pairs_.erase(pair);
      dead_.clear();
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int backend = start_connect(backend_);
      if (backend < 0) {
        close(fd);
        continue;
      }
      set_nodelay(fd);
      auto owned = std::make_unique<Pair>();
      Pair* pair = owned.get();
      pair->client = {fd, &pair->backend, pair, {}, EPOLLIN};
      pair->backend = {backend, &pair->client, pair, {}, EPOLLIN};
      pairs_.emplace(pair, std::move(owned));
      watch(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN, &pair->client);
      watch(epoll_, EPOLL_CTL_ADD, backend, EPOLLIN, &pair->backend);
    }
  }

  void serve(Side& side, std::uint32_t ready) {
    if ((ready & EPOLLOUT) != 0 && !flush(side)) return;
    if ((ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    if ((side.events & EPOLLIN) == 0) {
      if ((ready & (EPOLLHUP | EPOLLERR)) != 0) drop(*side.pair);
      return;
    }
    const ssize_t got = recv(side.fd, scratch_, sizeof scratch_, 0);
    if (got <= 0) {
      if (got == 0 || (errno != EAGAIN && errno != EINTR)) drop(*side.pair);
      return;
    }
    Side& peer = *side.peer;
    const ssize_t sent = send(peer.fd, scratch_, got, MSG_NOSIGNAL);
    if (sent == got) return;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return drop(*side.pair);
    peer.pending.assign(scratch_ + (sent > 0 ? sent : 0), scratch_ + got);
    rearm(peer, peer.events | EPOLLOUT);
    rearm(side, side.events & ~EPOLLIN);
  }

  // False when the pair is gone.
  bool flush(Side& side) {
    const ssize_t sent = send(side.fd, side.pending.data(), side.pending.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR) return true;
      drop(*side.pair);
      return false;
    }
    side.pending.erase(0, sent);
    if (side.pending.empty()) {
      side.pending.shrink_to_fit();
      rearm(side, side.events & ~EPOLLOUT);
      rearm(*side.peer, side.peer->events | EPOLLIN);
    }
    return true;
  }

  void rearm(Side& side, std::uint32_t events) {
    side.events = events;
    watch(epoll_, EPOLL_CTL_MOD, side.fd, events, &side);
  }

  void drop(Pair& pair) {
    close(pair.client.fd);
    close(pair.backend.fd);
    pair.dead = true;
    dead_.push_back(&pair);
  }

  int listener_;
  sockaddr_in backend_;
  int epoll_;
  std::unordered_map<Pair*, std::unique_ptr<Pair>> pairs_;
  std::vector<Pair*> dead_;
  char scratch_[65536];
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s LISTEN_PORT BACKEND_PORT\n", argv[0]);
    return 2;
  }
  raise_descriptor_limit();
  const auto floor =
      std::make_unique<Floor>(static_cast<int>(parse_number("LISTEN_PORT", argv[1], 1, 65535)),
                              static_cast<int>(parse_number("BACKEND_PORT", argv[2], 1, 65535)));
  floor->run();
}
