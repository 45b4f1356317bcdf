// The workers' side of the simulated system: SimReactor and SimTransport; see sim_reactor.h.
#include "sim/sim_reactor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "howdah/base/text.h"

namespace howdah::sim {

using base::cat;
using net::Address;
using net::IoResult;

// --- SimReactor -----------------------------------------------------------------------------------

void SimReactor::used(const char* call) const {
  if (stopped_) world_.fail(cat("contract: ", call, " on a reactor that has stopped"));
  if (world_.running_ && world_.running_ != this)
    world_.fail(cat("contract: ", call, " on another thread's reactor"));
}

// A loop reads its clock once an iteration, so callbacks may see a time a little old.
TimePoint SimReactor::now() {
  if (clock_ == TimePoint{}) clock_ = world_.now;
  return clock_;
}

void SimReactor::set_timer(TimePoint at) {
  used("set_timer");
  timer_ = at;
}

std::unique_ptr<net::Transport> SimReactor::adopt(int fd, const Address&) {
  used("adopt");
  auto found = world_.dialled_.find(fd);
  if (found == world_.dialled_.end()) {
    world_.fail("contract: adopt of an unknown descriptor");
    return nullptr;
  }
  auto wire = std::move(found->second);
  world_.dialled_.erase(found);
  wire->state = Wire::State::Open;
  return std::make_unique<SimTransport>(world_, std::move(wire));
}

std::unique_ptr<net::Transport> SimReactor::connect(const Address& to, const net::TcpOptions&,
                                                    net::TransportUser& user) {
  used("connect");
  auto wire = world_.make_wire(to);
  auto place = world_.places_.find(to.text());
  wire->place = place == world_.places_.end() ? nullptr : place->second;
  bool slow = world_.random.chance(15);
  wire->decided = world_.now + microseconds(world_.random.between(0, slow ? 60'000 : 3000));
  auto made = std::make_unique<SimTransport>(world_, wire);
  made->reactor_ = this;
  made->user_ = &user;
  made->watch_write_ = true;
  return made;
}

void SimReactor::resolve(const std::string& host, std::uint16_t port,
                         std::function<void(net::Resolved)> done) {
  used("resolve");
  net::Resolved answer;
  auto found = world_.names_.find(host);
  if (found == world_.names_.end()) {
    answer.error = "Name or service not known";
  } else {
    answer.addresses = found->second;
    for (Address& address : answer.addresses) address.port = port;
    std::size_t turn = world_.random.below(answer.addresses.size());
    std::rotate(answer.addresses.begin(), answer.addresses.begin() + static_cast<long>(turn),
                answer.addresses.end());
  }
  if (world_.random.chance(30)) {
    done(std::move(answer));  // from the cache, before return
    return;
  }
  tasks_.push_back({world_.now + microseconds(world_.random.between(0, 5000)),
                    [done = std::move(done), answer = std::move(answer)] { done(answer); }});
}

void SimReactor::reverse(const Address& address,
                         std::function<void(net::ReverseResolved)> done) {
  used("reverse");
  net::ReverseResolved answer;
  for (const auto& [name, addresses] : world_.names_) {
    for (const Address& one : addresses) {
      if (one.host == address.host) answer.name = name;
    }
  }
  tasks_.push_back({world_.now + microseconds(world_.random.between(0, 5000)),
                    [done = std::move(done), answer = std::move(answer)] { done(answer); }});
}

void SimReactor::work(std::function<void()> job, std::function<void()> done) {
  used("work");
  tasks_.push_back({world_.now + microseconds(world_.random.between(0, 4000)),
                    [job = std::move(job), done = std::move(done)] {
                      job();
                      done();
                    }});
}

void SimReactor::defer(std::function<void()> task) {
  used("defer");
  tasks_.push_back({TimePoint{}, std::move(task)});
}

bool SimReactor::time_left() {
  used("time_left");
  return world_.random.chance(70);
}

// --- SimTransport -----------------------------------------------------------------------------------

SimTransport::SimTransport(SimWorld& world, std::shared_ptr<Wire> wire)
    : world_(world), wire_(std::move(wire)) {
  wire_->transport = this;
}

SimTransport::~SimTransport() {
  if (reactor_ && world_.running_ && world_.running_ != reactor_)
    world_.fail("contract: an attached transport destroyed on another thread");
  wire_->transport = nullptr;
  wire_->inner_closed = true;
  // Closing with unread input sends a reset, and what was under way may be lost with it.
  bool unread = !wire_->down.arrived.empty() || !wire_->down.flying.empty();
  wire_->up.end = unread ? Pipe::End::Reset : Pipe::End::Fin;
  if (unread && world_.random.chance(30)) wire_->up.flying.clear();
  if (wire_->state == Wire::State::Connecting) wire_->outer_closed = true;
}

void SimTransport::used(const char* call) const {
  if (!reactor_)
    world_.fail(cat("contract: ", call, " on a detached transport"));
  else if (world_.running_ && world_.running_ != reactor_)
    world_.fail(cat("contract: ", call, " on another thread's transport"));
}

bool SimTransport::readable() const {
  const Pipe& pipe = wire_->down;
  return wire_->state == Wire::State::Open && (!pipe.arrived.empty() || pipe.end_arrived);
}

bool SimTransport::writable() const {
  if (wire_->state == Wire::State::Connecting) return false;
  if (wire_->state == Wire::State::Refused || wire_->outer_closed) return true;
  return wire_->up.space() > 0;
}

IoResult SimTransport::recv(std::span<char> into) {
  used("recv");
  if (wire_->state == Wire::State::Refused) return {IoResult::Kind::Failed, 0, ECONNREFUSED};
  if (wire_->state == Wire::State::Connecting) return {IoResult::Kind::Again};
  Pipe& pipe = wire_->down;
  if (into.empty() || world_.random.chance(3)) return {IoResult::Kind::Again};
  if (!pipe.arrived.empty()) {
    std::size_t count = world_.piece(std::min(into.size(), pipe.arrived.size()));
    std::memcpy(into.data(), pipe.arrived.data(), count);
    pipe.arrived.erase(0, count);
    return {IoResult::Kind::Bytes, count};
  }
  if (!pipe.end_arrived) return {IoResult::Kind::Again};
  if (pipe.end == Pipe::End::Fin) return {IoResult::Kind::Eof};
  return {IoResult::Kind::Failed, 0, ECONNRESET};
}

IoResult SimTransport::send(std::span<const std::string_view> pieces) {
  used("send");
  if (wire_->state == Wire::State::Refused) return {IoResult::Kind::Failed, 0, ECONNREFUSED};
  if (wire_->state == Wire::State::Connecting) return {IoResult::Kind::Again};
  std::string all;
  for (std::string_view piece : pieces) all += piece;
  if (wire_->outer_closed) {  // the first is taken, and answered by a reset
    if (wire_->late_sends++ == 0 && world_.random.chance(60))
      return {IoResult::Kind::Bytes, all.size()};
    return {IoResult::Kind::Failed, 0, EPIPE};
  }
  std::size_t most = std::min(all.size(), wire_->up.space());
  if (most == 0 || world_.random.chance(3))
    return {all.empty() ? IoResult::Kind::Bytes : IoResult::Kind::Again};
  std::size_t count = world_.random.chance(70) ? most : world_.piece(most);
  wire_->up.flying.append(all, 0, count);
  return {IoResult::Kind::Bytes, count};
}

// Nobody is given a context here, so nobody may want this.
void SimTransport::start_tls(std::shared_ptr<const net::TlsContext>, const net::TlsStart&) {
  world_.fail("contract: start_tls in a world without TLS");
}

void SimTransport::watch(bool readable, bool writable) {
  used("watch");
  watch_read_ = readable;
  watch_write_ = writable;
}

int SimTransport::connect_error() {
  used("connect_error");
  return wire_->state == Wire::State::Refused ? ECONNREFUSED : 0;
}

Address SimTransport::local() const {
  return {Address::Family::Inet, "10.1.0.1", static_cast<std::uint16_t>(wire_->number)};
}

void SimTransport::detach() {
  used("detach");
  reactor_ = nullptr;
  user_ = nullptr;
}

void SimTransport::attach(net::Reactor& reactor, net::TransportUser& user) {
  auto& to = static_cast<SimReactor&>(reactor);
  if (reactor_ && reactor_ != &to) world_.fail("contract: attach without detach");
  to.used("attach");
  reactor_ = &to;
  user_ = &user;
  watch_read_ = true;
  watch_write_ = false;
}

}  // namespace howdah::sim
