// The real Reactor: a uv_loop_t with one timer, a waker, deferred tasks and helper-thread work.
//
// One iteration: timers -> [prepare: deferred tasks] -> epoll, on_ready calls -> [check: deferred
// tasks]. The cached time is dropped after each of the two and read again when somebody asks.
#pragma once

#include <uv.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "howdah/net/uv_reactor.h"
#include "net/handle.h"
#include "net/resolver.h"

namespace howdah::net {

class UvTransport;

class UvLoop final : public UvReactor {
 public:
  UvLoop() : waker_(*this), resolver_(*this) {}
  ~UvLoop() override;
  int open();  // once, before all else; 0 or a negative UV_E*

  void run() override;
  void stop() override { uv_stop(&loop_); }
  void on_signal(int number, std::function<void()> handler) override;

  void set_user(ReactorUser& user) override { user_ = &user; }
  base::TimePoint now() override;
  void set_timer(base::TimePoint at) override;
  Waker& waker() override { return waker_; }
  std::unique_ptr<Transport> adopt(int fd, const Address& peer) override;
  std::unique_ptr<Transport> connect(const Address& to, const TcpOptions& options,
                                     TransportUser& user) override;
  void resolve(const std::string& host, std::uint16_t port,
               std::function<void(Resolved)> done) override;
  void reverse(const Address& address, std::function<void(ReverseResolved)> done) override;
  void set_dns_ttl(base::Duration ttl, base::Duration negative_ttl) override;
  void work(std::function<void()> job, std::function<void()> done) override;
  void defer(std::function<void()> task) override;
  bool time_left() override;

  // For the other classes of src/net.
  uv_loop_t* uv() { return &loop_; }
  void tell_soon(UvTransport& transport);  // transport.tell() after the present callback
  void retry(UvTransport& transport);      // try its connect again in a moment
  void put_off(UvTransport& transport, int events);  // transport.go_on() when others are served
  void forget(UvTransport& transport);     // drop it from all lists

 private:
  class LoopWaker final : public Waker {
   public:
    explicit LoopWaker(UvLoop& loop) : loop_(loop) {}
    void wake() override { uv_async_send(loop_.async_.uv()); }

   private:
    UvLoop& loop_;
  };
  struct Work;
  struct Signal {
    Handle<uv_signal_t> handle;
    std::function<void()> handler;
  };

  void fire_timer();
  void run_deferred();
  void tell_transports();
  void go_on_with_yielding();
  void retry_connects();

  uv_loop_t loop_{};
  bool opened_ = false;
  bool running_ = false;
  bool time_known_ = false;
  base::TimePoint slice_end_{};  // of time_left(); zero: not begun in this iteration
  base::TimePoint time_{};
  ReactorUser* user_ = nullptr;

  LoopWaker waker_;
  Handle<uv_async_t> async_;
  Handle<uv_prepare_t> prepare_;
  Handle<uv_check_t> check_;
  Handle<uv_idle_t> idle_;  // runs while deferred tasks must keep the loop from blocking
  Handle<uv_timer_t> timer_;
  Handle<uv_timer_t> retry_timer_;
  base::TimePoint timer_at_ = base::kNever;

  std::vector<std::function<void()>> deferred_, running_tasks_;
  std::vector<UvTransport*> telling_, retrying_;  // null = forgotten meanwhile
  std::deque<UvTransport*> yielding_;             // the same; who waits longest comes first
  std::vector<Work*> works_;
  std::unordered_map<int, std::unique_ptr<Signal>> signals_;
  Resolver resolver_;
};

}  // namespace howdah::net
