// The real Reactor (uv_loop.h).
#include "net/uv_loop.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "net/uv_transport.h"

namespace howdah::net {

namespace {
constexpr std::uint64_t kRetryMs = 10;
// What can wait gets so much of an iteration, so that queries under way wait little longer than that.
constexpr base::Duration kSlice = std::chrono::milliseconds(1);
// Against loops, whose nice value is the process's: a storm of passwords to stretch must not take
// the processor from queries.
constexpr int kHelperNice = 10;

// Once a helper thread; the value is Linux's per-thread one. Without effect if the system says no.
void lower_priority() {
  thread_local bool lowered = false;
  if (std::exchange(lowered, true)) return;
  auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  errno = 0;
  int present = ::getpriority(PRIO_PROCESS, thread);
  if (errno == 0) ::setpriority(PRIO_PROCESS, thread, std::min(present + kHelperNice, 19));
}
}  // namespace

// A job on libuv's helper threads. `loop` is null once the loop is being destroyed.
struct UvLoop::Work {
  uv_work_t request{};
  UvLoop* loop = nullptr;
  std::function<void()> job, done;
};

std::unique_ptr<UvReactor> UvReactor::make() {
  auto loop = std::make_unique<UvLoop>();
  if (loop->open() < 0) return nullptr;
  return loop;
}

int UvLoop::open() {
  if (int status = uv_loop_init(&loop_); status < 0) return status;
  opened_ = true;
  int status = async_.make(this, [this](uv_async_t* handle) {
    return uv_async_init(&loop_, handle, [](uv_async_t* h) {
      auto& self = Handle<uv_async_t>::owner_of<UvLoop>(h);
      if (self.user_) self.user_->on_wake();
    });
  });
  if (status < 0) return status;
  // None of these can fail.
  prepare_.make(this, [this](uv_prepare_t* handle) { return uv_prepare_init(&loop_, handle); });
  check_.make(this, [this](uv_check_t* handle) { return uv_check_init(&loop_, handle); });
  idle_.make(this, [this](uv_idle_t* handle) { return uv_idle_init(&loop_, handle); });
  timer_.make(this, [this](uv_timer_t* handle) { return uv_timer_init(&loop_, handle); });
  retry_timer_.make(this, [this](uv_timer_t* handle) { return uv_timer_init(&loop_, handle); });
  uv_prepare_start(prepare_.uv(), [](uv_prepare_t* h) {
    auto& self = Handle<uv_prepare_t>::owner_of<UvLoop>(h);
    self.run_deferred();
    self.time_known_ = false;
  });
  uv_check_start(check_.uv(), [](uv_check_t* h) {
    auto& self = Handle<uv_check_t>::owner_of<UvLoop>(h);
    self.slice_end_ = {};
    self.run_deferred();
    self.time_known_ = false;
  });
  return 0;
}

UvLoop::~UvLoop() {
  if (!opened_) return;
  // What the tasks hold may be transports of this loop: they go first.
  deferred_.clear();
  for (auto* list : {&telling_, &retrying_})
    for (UvTransport* transport : *list)
      if (transport) transport->loop_gone();
  for (UvTransport* transport : yielding_)
    if (transport) transport->loop_gone();
  resolver_.close();
  for (Work* work : works_) {
    work->loop = nullptr;
    work->done = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&work->request));
  }
  signals_.clear();
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (handle->data) static_cast<HandleBase*>(handle->data)->close();
      },
      nullptr);
  while (uv_loop_close(&loop_) == UV_EBUSY) uv_run(&loop_, UV_RUN_DEFAULT);
}

void UvLoop::run() {
  running_ = true;
  time_known_ = false;
  uv_run(&loop_, UV_RUN_DEFAULT);
  running_ = false;
}

base::TimePoint UvLoop::now() {
  if (!time_known_ || !running_) {
    time_ = base::monotonic_now();
    time_known_ = true;
  }
  return time_;
}

// libuv's clock is the same CLOCK_MONOTONIC in whole milliseconds, rounded down. A deadline rounded
// up to its next millisecond is therefore past when libuv finds it due: no early, spinning call.
void UvLoop::set_timer(base::TimePoint at) {
  if (at == timer_at_) return;
  timer_at_ = at;
  if (at == base::kNever) {
    uv_timer_stop(timer_.uv());
    return;
  }
  std::int64_t us = std::max<std::int64_t>(at.time_since_epoch().count(), 0);
  std::uint64_t due = static_cast<std::uint64_t>(us / 1000 + (us % 1000 != 0));
  std::uint64_t present = uv_now(&loop_);
  uv_timer_start(
      timer_.uv(), [](uv_timer_t* h) { Handle<uv_timer_t>::owner_of<UvLoop>(h).fire_timer(); },
      due > present ? due - present : 0, 0);
}

void UvLoop::fire_timer() {
  base::TimePoint due = timer_at_;
  timer_at_ = base::kNever;
  if (now() < due) return set_timer(due);
  if (user_) user_->on_timer();
}

void UvLoop::defer(std::function<void()> task) { deferred_.push_back(std::move(task)); }

// Runs the tasks there are; those they add wait for the next call, which the idle handle makes
// come soon.
void UvLoop::run_deferred() {
  if (!deferred_.empty()) {
    running_tasks_.swap(deferred_);
    for (auto& task : running_tasks_) task();
    running_tasks_.clear();
  }
  if (!telling_.empty()) tell_transports();
  if (!yielding_.empty()) go_on_with_yielding();
  bool more = !deferred_.empty() || !telling_.empty() || !yielding_.empty();
  auto* idle = reinterpret_cast<uv_handle_t*>(idle_.uv());
  if (more != (uv_is_active(idle) != 0)) {
    if (more)
      uv_idle_start(idle_.uv(), [](uv_idle_t*) {});
    else
      uv_idle_stop(idle_.uv());
  }
}

void UvLoop::tell_soon(UvTransport& transport) {
  transport.waiting = true;
  telling_.push_back(&transport);
}

void UvLoop::tell_transports() {
  std::size_t count = telling_.size();  // not those refused meanwhile
  for (std::size_t i = 0; i < count; ++i) {
    UvTransport* transport = std::exchange(telling_[i], nullptr);
    if (!transport) continue;
    transport->waiting = false;
    transport->tell();
  }
  std::erase(telling_, nullptr);
}

bool UvLoop::time_left() {
  base::TimePoint at = base::monotonic_now();
  if (slice_end_ == base::TimePoint{}) slice_end_ = at + kSlice;
  return at < slice_end_;
}

// Polling reports them again and again while they wait, which costs little: they are few or soon told.
void UvLoop::put_off(UvTransport& transport, int events) {
  if (transport.put_off == 0) yielding_.push_back(&transport);
  transport.put_off |= static_cast<std::uint8_t>(events);
}

void UvLoop::go_on_with_yielding() {
  // Not those that are put off meanwhile.
  for (std::size_t count = yielding_.size(); count > 0 && time_left(); --count) {
    UvTransport* transport = yielding_.front();
    yielding_.pop_front();
    if (transport) transport->go_on();
  }
}

void UvLoop::retry(UvTransport& transport) {
  transport.waiting = true;
  retrying_.push_back(&transport);
  auto* timer = retry_timer_.uv();
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(timer))) return;
  uv_timer_start(
      timer, [](uv_timer_t* h) { Handle<uv_timer_t>::owner_of<UvLoop>(h).retry_connects(); },
      kRetryMs, kRetryMs);
}

void UvLoop::retry_connects() {
  std::vector<UvTransport*> again;
  again.swap(retrying_);
  for (UvTransport* transport : again) {
    transport->waiting = false;
    if (!transport->try_connect()) {
      transport->waiting = true;
      retrying_.push_back(transport);
    }
  }
  if (retrying_.empty()) uv_timer_stop(retry_timer_.uv());
}

void UvLoop::forget(UvTransport& transport) {
  transport.waiting = false;
  transport.put_off = 0;
  std::replace(telling_.begin(), telling_.end(), &transport, static_cast<UvTransport*>(nullptr));
  std::replace(yielding_.begin(), yielding_.end(), &transport, static_cast<UvTransport*>(nullptr));
  std::erase(retrying_, &transport);
}

std::unique_ptr<Transport> UvLoop::adopt(int fd, const Address& peer) {
  return std::make_unique<UvTransport>(fd, peer);
}

std::unique_ptr<Transport> UvLoop::connect(const Address& to, const TcpOptions& options,
                                           TransportUser& user) {
  return std::make_unique<UvTransport>(*this, to, options, user);
}

void UvLoop::resolve(const std::string& host, std::uint16_t port,
                     std::function<void(Resolved)> done) {
  resolver_.resolve(host, port, std::move(done));
}

void UvLoop::reverse(const Address& address, std::function<void(ReverseResolved)> done) {
  resolver_.reverse(address, std::move(done));
}

void UvLoop::set_dns_ttl(base::Duration ttl, base::Duration negative_ttl) {
  resolver_.set_ttl(ttl, negative_ttl);
}

void UvLoop::work(std::function<void()> job, std::function<void()> done) {
  auto* work = new Work;
  work->loop = this;
  work->job = std::move(job);
  work->done = std::move(done);
  work->request.data = work;
  works_.push_back(work);
  int status = uv_queue_work(
      &loop_, &work->request,
      [](uv_work_t* request) {
        lower_priority();
        static_cast<Work*>(request->data)->job();
      },
      [](uv_work_t* request, int) {
        std::unique_ptr<Work> finished(static_cast<Work*>(request->data));
        if (!finished->loop) return;
        std::erase(finished->loop->works_, finished.get());
        if (finished->done) finished->done();
      });
  // libuv fails only when there is no job to do.
  assert(status == 0);
  static_cast<void>(status);
}

void UvLoop::on_signal(int number, std::function<void()> handler) {
  auto& signal = signals_[number];
  if (signal) {
    signal->handler = std::move(handler);
    return;
  }
  signal = std::make_unique<Signal>();
  signal->handler = std::move(handler);
  signal->handle.make(signal.get(),
                      [this](uv_signal_t* handle) { return uv_signal_init(&loop_, handle); });
  if (!signal->handle.open()) return;
  uv_signal_start(
      signal->handle.uv(),
      [](uv_signal_t* h, int) {
        // A copy: the handler may set another one for its signal.
        auto call = Handle<uv_signal_t>::owner_of<Signal>(h).handler;
        call();
      },
      number);
}

}  // namespace howdah::net
