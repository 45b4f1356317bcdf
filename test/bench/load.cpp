// The closed-loop load generator: one thread, epoll, 10,000 connections and more. Each client sends
// its next query as soon as the answer to the last one is whole.
// Readiness is edge-triggered: clients are then read in the order in which their answers came,
// while a level-triggered epoll puts what it has just reported back into its queue.
//
//   Connecting --all are ready--> Warming --time, and all had an answer--> Measuring
//              --time or number of queries--> Draining --all are idle--> done
//
// CPU of the pooler is read at both ends of Measuring, its memory when all clients are connected
// and none has asked anything ("fresh") and when all are idle again ("after").
#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <time.h>

#include "histogram.h"
#include "load_client.h"
#include "load_options.h"
#include "load_tls.h"
#include "process_usage.h"
#include "sockets.h"

namespace {

using namespace howdah::bench;
using State = LoadClient::State;

std::int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : o_(options),
        address_(address_of(options.host, options.port)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        startup_(startup_packet(options)),
        prepare_(prepare_bytes(options)),
        query_(query_bytes(options)),
        per_step_(queries_per_step(options)),
        clients_(options.clients),
        deadline_(now_ns() + options.timeout_ns) {
    if (epoll_ < 0) die("epoll_create1");
  }

  int run();

 private:
  enum class Phase { kConnecting, kWarming, kMeasuring, kDraining, kDone };

  // Connects in flight: a pooler's listen backlog (often 128) must never overflow, or the
  // kernel's retransmission of SYN (1 s) would be measured.
  static constexpr int kConnectsInFlight = 64;
  // A queue that is fair makes those wait equally long who wait at the same time. Over seconds the
  // pace of a small machine drifts, and with it all waits; within a window it does not.
  static constexpr std::int64_t kWindowNs = 100'000'000;
  static constexpr std::uint64_t kWindowLeast = 500;  // answers; fewer have no p99
  static constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;

  void poll_once();
  void advance(std::int64_t now);
  void connect_more();
  void connect(LoadClient& c);
  void serve(LoadClient& c, std::uint32_t ready);
  bool handshake(LoadClient& c);
  bool receive(LoadClient& c);
  void turn(LoadClient& c, std::int64_t now);
  void start_step(LoadClient& c);
  void finish_step(LoadClient& c, std::int64_t now);
  bool send_bytes(LoadClient& c, std::string_view bytes);
  void lose(LoadClient& c, const char* why);
  void hang_up(LoadClient& c);
  bool budget_left() const {
    return phase_ != Phase::kMeasuring || o_.queries == 0 || issued_ < o_.queries;
  }
  void begin_measuring(std::int64_t now);
  void end_measuring(std::int64_t now);
  void add_to_window(std::uint64_t latency, std::int64_t now);
  void report() const;

  LoadOptions o_;
  TlsMaker tls_;
  sockaddr_in address_;
  int epoll_;
  std::string startup_;
  std::string prepare_;
  std::string query_;
  int per_step_;
  std::vector<LoadClient> clients_;
  std::int64_t deadline_;

  Phase phase_ = Phase::kConnecting;
  std::size_t next_to_connect_ = 0;
  int connecting_ = 0;
  std::size_t ready_ = 0;    // clients that were logged in once (not in connect mode)
  std::size_t reached_ = 0;  // clients that had a first answer
  std::size_t running_ = 0;  // clients that are not idle
  std::size_t lost_ = 0;

  Histogram latencies_;
  Histogram window_;                // of the present kWindowNs
  std::int64_t window_until_ = 0;
  std::vector<double> spreads_;     // p99/p50 of each window
  std::uint64_t issued_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t errors_ = 0;
  std::string first_error_;
  std::int64_t warm_until_ = 0;
  std::int64_t measured_from_ = 0;
  std::int64_t measured_until_ = 0;
  std::int64_t oldest_waiting_ns_ = 0;
  std::optional<std::uint64_t> cpu_from_;
  std::optional<std::uint64_t> cpu_until_;
  std::uint64_t memory_fresh_kb_ = 0;
  std::uint64_t memory_after_kb_ = 0;
  std::vector<epoll_event> events_ = std::vector<epoll_event>(1024);
  std::vector<char> scratch_ = std::vector<char>(1 << 18);
};

int Load::run() {
  if (o_.mode == Mode::kConnect) {
    phase_ = Phase::kWarming;
    warm_until_ = now_ns() + o_.warmup_ns;
    if (o_.pid != 0) memory_fresh_kb_ = memory_kb_of(o_.pid);
    for (LoadClient& c : clients_) start_step(c);
  }
  while (phase_ != Phase::kDone) {
    const std::int64_t now = now_ns();
    if (now > deadline_) {
      std::fprintf(stderr,
                   "bench_load: timeout: %zu of %zu clients ready, %zu answered, %zu busy\n",
                   ready_, clients_.size(), reached_, running_);
      return 1;
    }
    advance(now);
    if (phase_ != Phase::kDone) poll_once();
  }
  if (o_.pid != 0) memory_after_kb_ = memory_kb_of(o_.pid);
  for (LoadClient& c : clients_) hang_up(c);
  report();
  if (o_.pid != 0 && (!cpu_from_ || !cpu_until_)) {
    std::fprintf(stderr, "bench_load: no such process: %d\n", static_cast<int>(o_.pid));
    return 1;
  }
  return errors_ == 0 && done_ > 0 ? 0 : 1;
}

void Load::advance(std::int64_t now) {
  const bool all_lost = lost_ == clients_.size();
  switch (phase_) {
    case Phase::kConnecting:
      connect_more();
      if (ready_ + lost_ < clients_.size()) return;
      if (o_.pid != 0) memory_fresh_kb_ = memory_kb_of(o_.pid);
      phase_ = all_lost ? Phase::kDone : Phase::kWarming;
      warm_until_ = now + o_.warmup_ns;
      if (o_.warmup_ns == 0) begin_measuring(now);
      for (LoadClient& c : clients_) {
        if (c.state == State::kIdle && budget_left()) start_step(c);
      }
      return;
    case Phase::kWarming:
      if (all_lost)
        phase_ = Phase::kDone;
      else if (now >= warm_until_ && reached_ + lost_ >= clients_.size())
        begin_measuring(now);
      return;
    case Phase::kMeasuring:
      if (running_ == 0 || (o_.run_ns != 0 && now >= measured_from_ + o_.run_ns) ||
          (o_.queries != 0 && done_ >= o_.queries)) {
        end_measuring(now);
      }
      return;
    case Phase::kDraining:
      if (running_ == 0) phase_ = Phase::kDone;
      return;
    case Phase::kDone:
      return;
  }
}

void Load::begin_measuring(std::int64_t now) {
  phase_ = Phase::kMeasuring;
  latencies_.clear();
  window_.clear();
  spreads_.clear();
  window_until_ = now + kWindowNs;
  done_ = bytes_ = 0;
  issued_ = running_ * static_cast<std::uint64_t>(per_step_);
  for (LoadClient& c : clients_) c.queries = 0;
  if (o_.pid != 0) cpu_from_ = cpu_ns_of(o_.pid);
  measured_from_ = now;
}

void Load::end_measuring(std::int64_t now) {
  if (o_.pid != 0) cpu_until_ = cpu_ns_of(o_.pid);
  measured_until_ = now;
  for (const LoadClient& c : clients_) {
    if (c.state != State::kIdle && c.state != State::kClosed)
      oldest_waiting_ns_ = std::max(oldest_waiting_ns_, now - c.step_started_ns);
  }
  phase_ = Phase::kDraining;
}

void Load::add_to_window(std::uint64_t latency, std::int64_t now) {
  if (now >= window_until_) {
    if (window_.total() >= kWindowLeast) {
      spreads_.push_back(static_cast<double>(window_.percentile(0.99)) /
                         static_cast<double>(std::max<std::uint64_t>(window_.percentile(0.5), 1)));
    }
    window_.clear();
    window_until_ = now + kWindowNs;
  }
  window_.add(latency);
}

void Load::poll_once() {
  const int n = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 20);
  if (n < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < n; ++i) {
    auto& c = *static_cast<LoadClient*>(events_[i].data.ptr);
    if (c.state != State::kClosed) serve(c, events_[i].events);
  }
}

void Load::connect_more() {
  while (next_to_connect_ < clients_.size() && connecting_ < kConnectsInFlight) {
    ++connecting_;
    connect(clients_[next_to_connect_++]);
  }
}

void Load::connect(LoadClient& c) {
  ++running_;
  c.restart_stream();
  ++c.connection;
  c.state = State::kConnecting;
  c.fd = start_connect(address_);
  if (c.fd < 0) return lose(c, std::strerror(errno));
  watch(epoll_, EPOLL_CTL_ADD, c.fd, kReading | EPOLLOUT, &c);
}

void Load::serve(LoadClient& c, std::uint32_t ready) {
  if ((ready & EPOLLOUT) != 0) {
    if (c.state == State::kConnecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return lose(c, std::strerror(error));
      c.state = o_.tls ? State::kHandshake : State::kStartup;
      c.unsent = o_.tls ? ssl_request() : startup_;
    }
    std::string rest;
    rest.swap(c.unsent);
    if (!send_bytes(c, rest)) return;
    if (c.unsent.empty()) watch(epoll_, EPOLL_CTL_MOD, c.fd, kReading, &c);
  }
  if ((ready & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;
  if (c.state == State::kHandshake && !handshake(c)) return;
  const bool to_the_end = (ready & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  // In connect mode an answer may lead to the next connection, with the same descriptor.
  const std::uint32_t connection = c.connection;
  while (c.connection == connection && c.state != State::kClosed && (receive(c) || to_the_end)) {
  }
}

// The answer to the SSLRequest, then TLS. True when the client may go on reading.
bool Load::handshake(LoadClient& c) {
  if (!c.tls) {
    char answer = 0;
    const ssize_t got = recv(c.fd, &answer, 1, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got != 1 || answer != 'S') return lose(c, "the pooler has no TLS"), false;
    c.tls = tls_.start(c.fd);
    if (!c.tls) return lose(c, "OpenSSL makes no connection"), false;
  }
  switch (shake(c.tls)) {
    case Handshake::kWaits:
      return false;
    case Handshake::kFailed:
      return lose(c, "the TLS handshake failed"), false;
    case Handshake::kDone:
      c.state = State::kStartup;
      return send_bytes(c, startup_);
  }
  return false;
}

// One recv. True when more may be waiting, which edge-triggered readiness will not repeat.
bool Load::receive(LoadClient& c) {
  const ssize_t got = c.tls ? tls_recv(c.tls, scratch_.data(), scratch_.size())
                            : recv(c.fd, scratch_.data(), scratch_.size(), 0);
  if (got < 0 && errno == EAGAIN) return false;
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return lose(c, got == 0 ? "closed by the pooler" : std::strerror(errno)), false;
  bytes_ += static_cast<std::uint64_t>(got);
  const std::uint32_t errors_before = c.errors;
  const int turns = c.feed({scratch_.data(), static_cast<std::size_t>(got)});
  if (c.errors != errors_before) {
    errors_ += c.errors - errors_before;
    if (first_error_.empty()) first_error_ = c.error;
  }
  if (c.refused) return lose(c, "login refused"), false;
  if (turns > 1) return lose(c, "more answers than questions"), false;
  if (turns == 1) turn(c, now_ns());
  // A TLS read gives one record.
  return c.tls || static_cast<std::size_t>(got) == scratch_.size();
}

// It is the client's turn: ReadyForQuery arrived.
void Load::turn(LoadClient& c, std::int64_t now) {
  switch (c.state) {
    case State::kStartup:
      if (o_.mode == Mode::kConnect) {
        c.state = State::kRunning;
        send_bytes(c, query_);
        return;
      }
      if (!prepare_.empty()) {
        c.state = State::kPreparing;
        send_bytes(c, prepare_);
        return;
      }
      [[fallthrough]];
    case State::kPreparing:
      c.state = State::kIdle;
      c.counted_ready = true;
      --running_;
      --connecting_;
      ++ready_;
      return;
    case State::kRunning:
      return finish_step(c, now);
    case State::kIdle:
    case State::kConnecting:
    case State::kHandshake:
    case State::kClosed:
      return lose(c, "an answer without a question");
  }
}

void Load::start_step(LoadClient& c) {
  issued_ += static_cast<std::uint64_t>(per_step_);
  c.step_started_ns = now_ns();
  if (o_.mode == Mode::kConnect) return connect(c);
  c.state = State::kRunning;
  ++running_;
  send_bytes(c, query_);
}

void Load::finish_step(LoadClient& c, std::int64_t now) {
  if (phase_ == Phase::kMeasuring) {
    done_ += static_cast<std::uint64_t>(per_step_);
    c.queries += static_cast<std::uint64_t>(per_step_);
    const auto latency = static_cast<std::uint64_t>(now - c.step_started_ns);
    latencies_.add(latency);
    add_to_window(latency, now);
  }
  if (!c.reached_once) {
    c.reached_once = true;
    ++reached_;
  }
  --running_;
  if (o_.mode == Mode::kConnect)
    hang_up(c);
  else
    c.state = State::kIdle;
  if (phase_ != Phase::kDraining && budget_left()) start_step(c);
}

// False when the client is lost.
bool Load::send_bytes(LoadClient& c, std::string_view bytes) {
  const ssize_t sent =
      c.tls ? tls_send(c.tls, bytes) : send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(bytes.size())) return true;
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    lose(c, std::strerror(errno));
    return false;
  }
  c.unsent = bytes.substr(sent > 0 ? static_cast<std::size_t>(sent) : 0);
  watch(epoll_, EPOLL_CTL_MOD, c.fd, kReading | EPOLLOUT, &c);
  return true;
}

// A client that lost its connection does not come back: the run has failed, and says so.
void Load::lose(LoadClient& c, const char* why) {
  ++errors_;
  ++lost_;
  if (first_error_.empty()) first_error_ = c.error.empty() ? why : c.error;
  if (c.state != State::kIdle) --running_;
  if (!c.counted_ready)
    --connecting_;
  else
    --ready_;
  if (c.reached_once) --reached_;
  c.tls.reset();
  if (c.fd >= 0) close(c.fd);
  c.fd = -1;
  c.state = State::kClosed;
}

void Load::hang_up(LoadClient& c) {
  if (c.fd < 0) return;
  static constexpr char kTerminate[] = {'X', 0, 0, 0, 4};
  if (c.tls) {
    tls_send(c.tls, {kTerminate, sizeof kTerminate});
    c.tls.reset();
  } else {
    (void)!send(c.fd, kTerminate, sizeof kTerminate, MSG_NOSIGNAL);
  }
  close(c.fd);
  c.fd = -1;
  c.state = State::kClosed;
}

void Load::report() const {
  std::vector<std::uint64_t> counts;
  for (const LoadClient& c : clients_) counts.push_back(c.queries);
  std::sort(counts.begin(), counts.end());
  const double seconds = static_cast<double>(measured_until_ - measured_from_) / 1e9;
  const double cpu = cpu_from_ && cpu_until_ ? static_cast<double>(*cpu_until_ - *cpu_from_) : 0;
  const auto done = static_cast<double>(done_);
  const char* separator = o_.json ? "{" : "";
  const auto number = [&](const char* name, double value, int digits) {
    std::printf(o_.json ? "%s\"%s\": %.*f" : "%s%s=%.*f", separator, name, digits, value);
    separator = o_.json ? ", " : " ";
  };
  const auto text = [&](const char* name, std::string value) {
    // Other programs read this: keep it one line and one quoted word.
    for (char& ch : value) {
      if (ch == '"' || ch == '\\' || static_cast<unsigned char>(ch) < 32) ch = '\'';
    }
    std::printf(o_.json ? "%s\"%s\": \"%s\"" : "%s%s=\"%s\"", separator, name, value.c_str());
    separator = o_.json ? ", " : " ";
  };
  text("mode", o_.mode_name);
  number("clients", static_cast<double>(clients_.size()), 0);
  number("queries", done, 0);
  number("seconds", seconds, 3);
  number("queries_per_s", seconds > 0 ? done / seconds : 0, 0);
  number("cpu_us_per_query", done_ != 0 ? cpu / 1e3 / done : 0, 4);
  number("cpu_s", cpu / 1e9, 4);
  number("mb_received", static_cast<double>(bytes_) / 1e6, 3);
  number("p50_us", static_cast<double>(latencies_.percentile(0.5)) / 1e3, 1);
  number("p99_us", static_cast<double>(latencies_.percentile(0.99)) / 1e3, 1);
  number("p999_us", static_cast<double>(latencies_.percentile(0.999)) / 1e3, 1);
  number("max_us", static_cast<double>(latencies_.max()) / 1e3, 1);
  std::vector<double> spreads = spreads_;
  std::sort(spreads.begin(), spreads.end());
  number("window_spread", spreads.empty() ? 0 : spreads[spreads.size() / 2], 3);
  number("oldest_waiting_us", static_cast<double>(oldest_waiting_ns_) / 1e3, 1);
  number("client_min", static_cast<double>(counts.front()), 0);
  number("client_median", static_cast<double>(counts[counts.size() / 2]), 0);
  number("client_max", static_cast<double>(counts.back()), 0);
  number("memory_fresh_kb", static_cast<double>(memory_fresh_kb_), 0);
  number("memory_after_kb", static_cast<double>(memory_after_kb_), 0);
  number("errors", static_cast<double>(errors_), 0);
  number("lost", static_cast<double>(lost_), 0);
  if (errors_ != 0) text("first_error", first_error_);
  std::printf(o_.json ? "}\n" : "\n");
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  raise_descriptor_limit();
  const LoadOptions options = read_options(argc, argv);
  return std::make_unique<Load>(options)->run();
}
