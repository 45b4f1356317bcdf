// A simulated operating system for workers: several reactors in one thread, a virtual clock, and byte
// pipes that fragment, delay, fill up, break. One seed is one history.
//
//   worker -> SimTransport --\                        /-- SimSocket <- a fake client or PostgreSQL
//                             +---- Wire: two Pipes --+
//
//   Pipe:  unsent -> flying -> arrived -> read       (the peer's `unsent` is its own buffer)
//
// Each step runs one event, chosen at random among all that could happen now: a callback of one
// reactor, a delivery in one pipe, a peer's turn. When nothing can happen, time jumps to the next
// deadline. Breaches of net's contract by a worker are recorded as the world's failure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/net/transport.h"
#include "sim/random.h"

namespace howdah::sim {

using base::Duration;
using base::TimePoint;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class SimWorld;
class SimReactor;
class SimTransport;
class SimSocket;

// Who owns the outer end of a connection. Called outside of every reactor.
class PeerUser {
 public:
  virtual ~PeerUser() = default;
  virtual void on_input(std::string_view bytes) = 0;
  virtual void on_end(bool reset) = 0;  // no more input comes
};

// Where a worker may connect to.
class Place {
 public:
  enum class Fate { Accept, Refuse, BlackHole };
  virtual ~Place() = default;
  virtual Fate fate() = 0;
  virtual void accept(std::shared_ptr<SimSocket> socket) = 0;  // sets the socket's user
};

struct Pipe {
  enum class End { None, Fin, Reset };
  std::string flying, arrived;
  TimePoint due{};
  End end = End::None;
  bool end_arrived = false;
  std::size_t capacity = 65536;
  std::size_t space() const {
    std::size_t used = flying.size() + arrived.size();
    return used < capacity ? capacity - used : 0;
  }
};

struct Wire {
  enum class State { Connecting, Open, Refused } state = State::Connecting;
  Pipe up, down;  // up: from the worker to the peer
  std::uint64_t number = 0;
  bool inner_closed = false, outer_closed = false, outer_shut = false;
  int late_sends = 0;
  net::Address address;                // the peer's, as the worker sees it
  TimePoint decided{};                 // when the connect is answered
  Place* place = nullptr;              // Connecting
  SimTransport* transport = nullptr;
  SimSocket* socket = nullptr;
};

// The outer end. Destroying it closes it.
class SimSocket {
 public:
  SimSocket(SimWorld& world, std::shared_ptr<Wire> wire);
  ~SimSocket();
  void set_user(PeerUser* user) { user_ = user; }
  void send(std::string_view bytes);      // never refused; see unsent()
  std::size_t unsent() const { return unsent_.size(); }
  void close_when_sent();                 // no input is given any more
  void close();
  void reset();
  void half_close();                      // after what is unsent
  void set_reading(bool reading) { reading_ = reading; }
  bool closed() const { return wire_->outer_closed; }
  // The worker's end is still open.
  bool held() const { return !wire_->inner_closed; }
  std::uint64_t number() const { return wire_->number; }

 private:
  friend class SimWorld;
  SimWorld& world_;
  std::shared_ptr<Wire> wire_;
  PeerUser* user_ = nullptr;
  std::string unsent_;
  bool reading_ = true, closing_ = false, shutting_ = false, ended_ = false;
};

class SimTransport final : public net::Transport {
 public:
  SimTransport(SimWorld& world, std::shared_ptr<Wire> wire);
  ~SimTransport() override;
  net::IoResult recv(std::span<char> into) override;
  net::IoResult send(std::span<const std::string_view> pieces) override;
  void start_tls(std::shared_ptr<const net::TlsContext>, const net::TlsStart&) override;
  net::TlsStatus tls() const override { return {}; }
  void watch(bool readable, bool writable) override;
  void yield_to_others(bool) override {}  // whose turn it is is chance here anyway
  int connect_error() override;
  const net::Address& peer() const override { return wire_->address; }
  net::Address local() const override;
  net::PeerCredentials credentials() const override { return {}; }
  void detach() override;
  void attach(net::Reactor& reactor, net::TransportUser& user) override;

 private:
  friend class SimWorld;
  friend class SimReactor;
  void used(const char* call) const;  // by its reactor's thread?
  bool readable() const;
  bool writable() const;
  SimWorld& world_;
  std::shared_ptr<Wire> wire_;
  SimReactor* reactor_ = nullptr;
  net::TransportUser* user_ = nullptr;
  bool watch_read_ = false, watch_write_ = false;
};

class SimReactor final : public net::Reactor, public net::Waker {
 public:
  explicit SimReactor(SimWorld& world) : world_(world) {}
  void set_user(net::ReactorUser& user) override { user_ = &user; }
  TimePoint now() override;
  void set_timer(TimePoint at) override;
  net::Waker& waker() override { return *this; }
  void wake() override { woken_ = true; }
  std::unique_ptr<net::Transport> adopt(int fd, const net::Address& peer) override;
  std::unique_ptr<net::Transport> connect(const net::Address& to, const net::TcpOptions& options,
                                          net::TransportUser& user) override;
  void resolve(const std::string& host, std::uint16_t port,
               std::function<void(net::Resolved)> done) override;
  void reverse(const net::Address& address,
               std::function<void(net::ReverseResolved)> done) override;
  void set_dns_ttl(Duration, Duration) override {}
  void work(std::function<void()> job, std::function<void()> done) override;
  void defer(std::function<void()> task) override;
  bool time_left() override;
  // The loop has ended: nothing is called any more.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  friend class SimWorld;
  friend class SimTransport;
  struct Task {
    TimePoint due;
    std::function<void()> run;
  };
  void used(const char* call) const;
  SimWorld& world_;
  net::ReactorUser* user_ = nullptr;
  TimePoint timer_ = base::kNever, clock_{};
  bool woken_ = false, stopped_ = false;
  std::vector<Task> tasks_;
};

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed);
  ~SimWorld();
  SimReactor& add_reactor();
  void listen(const net::Address& at, Place& place) { places_[at.text()] = &place; }
  // Names without an entry do not resolve.
  void name(const std::string& host, std::vector<net::Address> addresses) {
    names_[host] = std::move(addresses);
  }
  // A connection that a listener has accepted: its descriptor, and the outer end.
  std::shared_ptr<SimSocket> dial(int& fd, const net::Address& from);
  void at(TimePoint when, std::function<void()> run);
  void after(Duration delay, std::function<void()> run) { at(now + delay, std::move(run)); }

  // Runs one event that is due by `limit`. False: there is none.
  bool step(TimePoint limit);
  // Runs all that happens until then.
  void run_until(TimePoint limit, const std::function<void()>& each_step);
  void fail(std::string text);
  const std::string& failure() const { return failure_; }
  // Transports that workers hold: connects of theirs, and all.
  std::size_t transports() const;

  Random random;
  TimePoint now{seconds(1000)};
  int delay_percent = 20;   // deliveries that take a while
  bool trace = false;
  std::uint64_t events = 0;

 private:
  friend class SimReactor;
  friend class SimTransport;
  friend class SimSocket;
  struct Choice {
    enum class Kind { Timer, Wake, Task, Ready, Deliver, Input, Connect, Plain } kind;
    std::size_t index, part;
  };
  std::shared_ptr<Wire> make_wire(const net::Address& address);
  void gather();
  TimePoint next_time() const;
  void run(Choice choice);
  void enter(SimReactor& reactor, const std::function<void()>& call);
  void deliver(Pipe& pipe);
  void settle_connect(const std::shared_ptr<Wire>& wire);
  void input(Wire& wire);
  bool movable(const Pipe& pipe) const;
  bool sendable(const Wire& wire) const;
  std::size_t piece(std::size_t most);

  std::vector<std::unique_ptr<SimReactor>> reactors_;
  std::vector<std::shared_ptr<Wire>> wires_;
  std::map<int, std::shared_ptr<Wire>> dialled_;
  std::map<std::string, Place*> places_;
  std::map<std::string, std::vector<net::Address>> names_;
  std::multimap<TimePoint, std::function<void()>> plain_;
  std::vector<Choice> choices_;
  SimReactor* running_ = nullptr;
  int next_fd_ = 1'000'000'000;
  std::uint64_t next_wire_ = 1;
  std::string failure_;
};

}  // namespace howdah::sim
