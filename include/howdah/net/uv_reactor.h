// The real Reactor: one libuv loop, own descriptors polled with uv_poll_t (architecture section 5).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/net/transport.h"

namespace howdah::net {

class UvReactor : public Reactor {
 public:
  // null when the system refuses a loop (no descriptors left).
  static std::unique_ptr<UvReactor> make();
  // Runs on the calling thread until stop(). Transports must be gone before the destructor.
  virtual void run() = 0;
  virtual void stop() = 0;  // from this loop's thread
  // Unix signals, on this loop. Used by the supervisor only.
  virtual void on_signal(int number, std::function<void()> handler) = 0;
};

// A listening socket. Made (bound and listening) on any thread, then attached to a reactor.
class Listener {
 public:
  struct Options {
    int backlog = 128;
    bool reuse_port = false;
    int defer_accept = 0;          // TCP_DEFER_ACCEPT seconds; 0 = off
    TcpOptions tcp;                // each accepted socket has them
    std::uint32_t unix_mode = 0777;
    std::string unix_group;        // name or gid; empty = leave
  };
  using Accepted = std::function<void(int fd, const Address& peer)>;

  virtual ~Listener() = default;  // closes; removes the unix socket's file if it is still ours
  // `done` gets each accepted descriptor and owns it. When accept fails for want of descriptors
  // listening pauses for 5 s and `failed` is told why. Both may destroy the listener. Called again,
  // it moves to that reactor (same thread as the old one, or the old one's loop has ended).
  virtual void start(UvReactor& reactor, Accepted done, std::function<void(int error)> failed) = 0;
  virtual void pause() = 0;   // stop accepting, keep the socket
  virtual void resume() = 0;
  // After a reload: `tcp` and `defer_accept` for the sockets accepted from now on.
  virtual void retune(const Options& options) = 0;
  virtual const Address& address() const = 0;  // with the port really bound
  virtual int fd() const = 0;

  // `name` is "*", a host name or an address; one Listener per address it means. IPv6 sockets are
  // V6ONLY. Addresses that fail are reported in `warnings` ("cannot listen on a: bind(): why").
  static std::vector<std::unique_ptr<Listener>> tcp(const std::string& name, std::uint16_t port,
                                                    const Options& options,
                                                    std::vector<std::string>& warnings);
  // `dir`/.s.PGSQL.<port>, "@dir" = abstract. A dead socket's file is replaced; a live one is an
  // error ("unix socket is in use, cannot continue").
  static base::Result<std::unique_ptr<Listener>> unix_socket(const std::string& dir,
                                                             std::uint16_t port,
                                                             const Options& options);
  // A listening socket somebody else made (systemd). Its file, if any, is never removed.
  static base::Result<std::unique_ptr<Listener>> inherit(int fd, const Options& options);
};

// Raises RLIMIT_NOFILE to the hard limit; gives the limit now in force.
std::uint64_t raise_descriptor_limit();

}  // namespace howdah::net
