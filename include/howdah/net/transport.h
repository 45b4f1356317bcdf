// The seam between workers and the operating system. A worker sees only these interfaces; the real
// ones are in src/net over libuv, the simulated ones in test/sim.
//
// Thread: everything here belongs to the thread of its Reactor, except where said otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/base/time.h"
#include "howdah/net/tls.h"

namespace howdah::net {

// A resolved place to connect to or to have been reached from.
struct Address {
  enum class Family { None, Inet, Inet6, Unix } family = Family::None;
  std::string host;         // numeric address; for Unix the socket's path ("@name" = abstract)
  std::uint16_t port = 0;   // for Unix the number in the socket's file name
  bool operator==(const Address&) const = default;
  std::string text() const;  // "10.0.0.1:5432", "[::1]:5432", "unix:5432" (compat section 9)
};

// Who is at the other end of a unix socket (SO_PEERCRED).
struct PeerCredentials {
  std::int32_t pid = 0;
  std::uint32_t uid = 0, gid = 0;
  bool known = false;
};

struct IoResult {
  enum class Kind { Bytes, Again, Eof, Failed } kind;
  std::size_t count = 0;  // Bytes
  int error = 0;          // Failed: errno
};

// Who is told that a transport is ready. Level-triggered: not reading all is fine.
class TransportUser {
 public:
  virtual void on_ready(bool readable, bool writable) = 0;

 protected:
  ~TransportUser() = default;
};

struct TcpOptions {  // compat 1.2: tcp_*
  bool keepalive = true;
  int keepcnt = 0, keepidle = 0, keepintvl = 0;  // 0 = the system's
  int socket_buffer = 0;
  int user_timeout_ms = 0;
};

class Reactor;

// One stream socket. Destroying it closes it at once (and may be done inside its own on_ready).
class Transport {
 public:
  virtual ~Transport() = default;
  // Non-blocking; at most one system call each (with TLS: one for every 16 kB or so).
  virtual IoResult recv(std::span<char> into) = 0;
  // Pieces in order. Bytes: how many were taken (may be fewer than all). What was not taken must
  // be what the next call begins with.
  virtual IoResult send(std::span<const std::string_view> pieces) = 0;
  // From now on recv and send carry plain text inside TLS; all sent before must have been taken.
  // While the handshake runs they say Again; when it is over on_ready tells, as far as watched.
  // After a failed one they say Failed (EPROTO) and tls() says why.
  virtual void start_tls(std::shared_ptr<const TlsContext> context, const TlsStart& start) = 0;
  virtual TlsStatus tls() const = 0;
  // What on_ready is called for. A change costs an epoll change, so leave reading armed.
  virtual void watch(bool readable, bool writable) = 0;
  // A connection that can wait (somebody who logs in): what happens on it, a TLS handshake included,
  // is told after what happens on all others, as far as Reactor::time_left() goes.
  virtual void yield_to_others(bool yields) = 0;
  // 0, or the errno of the asynchronous connect, to be asked at the first writable.
  virtual int connect_error() = 0;
  virtual const Address& peer() const = 0;
  virtual Address local() const = 0;
  virtual PeerCredentials credentials() const = 0;
  // Hands the socket to another loop: detach here, then attach on the other reactor's thread.
  // Between the two no callback comes. After attach: reading is watched.
  virtual void detach() = 0;
  virtual void attach(Reactor& reactor, TransportUser& user) = 0;
};

struct Resolved {
  std::vector<Address> addresses;  // empty = failed, see error
  std::string error;
};

struct ReverseResolved {
  std::string name;     // empty: there is none, or error
  bool failed = false;  // the name service did not answer: nobody knows
};

// Wakes a reactor from any thread (the one thread-safe thing here).
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void wake() = 0;
};

class ReactorUser {
 public:
  virtual void on_timer() = 0;  // the time given to set_timer has come
  virtual void on_wake() = 0;   // somebody called wake(); wakes may be merged

 protected:
  ~ReactorUser() = default;
};

class Reactor {
 public:
  virtual ~Reactor() = default;
  virtual void set_user(ReactorUser& user) = 0;
  // The loop's cached time of this iteration.
  virtual base::TimePoint now() = 0;
  // One timer. kNever = none. Setting the same time again costs nothing.
  virtual void set_timer(base::TimePoint at) = 0;
  virtual Waker& waker() = 0;

  // Takes over a connected descriptor (accepted by a Listener).
  virtual std::unique_ptr<Transport> adopt(int fd, const Address& peer) = 0;
  // Starts a connect; `user` gets writable when it is done, one way or the other. Never null and
  // never throws: a refusal at once shows as writable + connect_error().
  virtual std::unique_ptr<Transport> connect(const Address& to, const TcpOptions& options,
                                             TransportUser& user) = 0;
  // Names to addresses, numeric and unix names at once (still by callback in a later iteration
  // or before return). The callback runs on this thread; not after the Reactor is gone. Answers
  // are cached `ttl` / `negative_ttl`; addresses rotate from one delivery to the next.
  virtual void resolve(const std::string& host, std::uint16_t port,
                       std::function<void(Resolved)> done) = 0;
  // The host name of a numeric address: a reverse look-up on a helper thread, whose answer is only a
  // claim until resolve() of the name leads back. Callback as with resolve(), never before return.
  virtual void reverse(const Address& address, std::function<void(ReverseResolved)> done) = 0;
  virtual void set_dns_ttl(base::Duration ttl, base::Duration negative_ttl) = 0;
  // Runs `job` on a helper thread, then `done` here. For work that would stall the loop (PBKDF2);
  // helper threads have a lower priority than loops.
  virtual void work(std::function<void()> job, std::function<void()> done) = 0;
  // Runs `task` on this thread after the present callback has returned.
  virtual void defer(std::function<void()> task) = 0;
  // Whether this iteration may take up another piece of what can wait; all such work together gets
  // about a millisecond. To be asked in a deferred task, between two pieces; the rest is deferred.
  virtual bool time_left() = 0;
};

}  // namespace howdah::net
