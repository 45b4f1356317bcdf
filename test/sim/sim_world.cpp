// The scheduler and the outer ends of the simulated system; see sim_reactor.h.
#include <algorithm>
#include <cstdio>

#include "howdah/base/text.h"
#include "sim/sim_reactor.h"

namespace howdah::sim {

using base::cat;

// --- SimSocket ------------------------------------------------------------------------------------

SimSocket::SimSocket(SimWorld& world, std::shared_ptr<Wire> wire)
    : world_(world), wire_(std::move(wire)) {
  wire_->socket = this;
}

SimSocket::~SimSocket() {
  close();
  wire_->socket = nullptr;
}

void SimSocket::send(std::string_view bytes) {
  if (wire_->outer_closed || wire_->outer_shut || shutting_ || closing_) return;
  unsent_ += bytes;
}

void SimSocket::close_when_sent() {
  closing_ = true;
  user_ = nullptr;
  if (unsent_.empty()) close();
}

void SimSocket::close() {
  user_ = nullptr;
  if (wire_->outer_closed) return;
  bool unread = !wire_->up.arrived.empty() || !wire_->up.flying.empty() || !unsent_.empty();
  wire_->outer_closed = true;
  unsent_.clear();
  wire_->up.flying.clear();
  wire_->up.arrived.clear();
  if (wire_->down.end == Pipe::End::None)
    wire_->down.end = unread ? Pipe::End::Reset : Pipe::End::Fin;
}

void SimSocket::reset() {
  if (wire_->outer_closed) return;
  close();
  wire_->down.end = Pipe::End::Reset;
  if (world_.random.chance(50)) wire_->down.flying.clear();
}

void SimSocket::half_close() { shutting_ = true; }

// --- SimWorld -------------------------------------------------------------------------------------

SimWorld::SimWorld(std::uint64_t seed) : random(seed) {}
SimWorld::~SimWorld() = default;

SimReactor& SimWorld::add_reactor() {
  reactors_.push_back(std::make_unique<SimReactor>(*this));
  return *reactors_.back();
}

std::shared_ptr<Wire> SimWorld::make_wire(const net::Address& address) {
  auto wire = std::make_shared<Wire>();
  wire->address = address;
  wire->number = next_wire_++;
  // Small ones show what happens when a peer takes no more.
  for (Pipe* pipe : {&wire->up, &wire->down})
    pipe->capacity = random.chance(30) ? static_cast<std::size_t>(random.between(50, 2000))
                                       : static_cast<std::size_t>(random.between(2000, 65536));
  wires_.push_back(wire);
  return wire;
}

std::shared_ptr<SimSocket> SimWorld::dial(int& fd, const net::Address& from) {
  auto wire = make_wire(from);
  fd = next_fd_++;
  dialled_[fd] = wire;
  return std::make_shared<SimSocket>(*this, wire);
}

void SimWorld::at(TimePoint when, std::function<void()> run) {
  plain_.emplace(std::max(when, now), std::move(run));
}

void SimWorld::fail(std::string text) {
  if (failure_.empty()) failure_ = std::move(text);
}

std::size_t SimWorld::transports() const {
  return static_cast<std::size_t>(std::count_if(
      wires_.begin(), wires_.end(), [](const auto& wire) { return wire->transport != nullptr; }));
}

// 1 byte, a few, or much of what there is.
std::size_t SimWorld::piece(std::size_t most) {
  if (most <= 1) return most;
  std::uint64_t reach = std::uint64_t{1} << random.below(18);
  return std::min<std::size_t>(most, 1 + random.below(reach));
}

bool SimWorld::movable(const Pipe& pipe) const {
  return !pipe.flying.empty() || (pipe.end != Pipe::End::None && !pipe.end_arrived);
}

bool SimWorld::sendable(const Wire& wire) const {
  const SimSocket* socket = wire.socket;
  if (!socket || wire.outer_closed) return false;
  if (!socket->unsent_.empty()) return wire.down.space() > 0 || wire.inner_closed;
  return socket->closing_ || (socket->shutting_ && !wire.outer_shut);
}

void SimWorld::gather() {
  using Kind = Choice::Kind;
  choices_.clear();
  for (std::size_t i = 0; i < reactors_.size(); ++i) {
    const SimReactor& reactor = *reactors_[i];
    if (reactor.stopped_) continue;
    if (reactor.timer_ <= now) choices_.push_back({Kind::Timer, i, 0});
    if (reactor.woken_) choices_.push_back({Kind::Wake, i, 0});
    for (std::size_t t = 0; t < reactor.tasks_.size(); ++t)
      if (reactor.tasks_[t].due <= now) choices_.push_back({Kind::Task, i, t});
  }
  for (std::size_t i = 0; i < wires_.size(); ++i) {
    const Wire& wire = *wires_[i];
    if (const SimTransport* inner = wire.transport; inner && inner->reactor_) {
      bool ready = (inner->watch_read_ && inner->readable()) ||
                   (inner->watch_write_ && inner->writable());
      if (ready && !inner->reactor_->stopped_) choices_.push_back({Kind::Ready, i, 0});
    }
    if (wire.state == Wire::State::Connecting) {
      if (wire.place && wire.transport && wire.decided <= now)
        choices_.push_back({Kind::Connect, i, 0});
      if (!wire.transport && wire.socket && movable(wire.up)) choices_.push_back({Kind::Deliver, i, 0});
    } else if (wire.up.due <= now && movable(wire.up)) {
      choices_.push_back({Kind::Deliver, i, 0});
    }
    if ((wire.down.due <= now && movable(wire.down)) || sendable(wire))
      choices_.push_back({Kind::Deliver, i, 1});
    const SimSocket* outer = wire.socket;
    if (outer && outer->user_ && outer->reading_ &&
        (!wire.up.arrived.empty() || (wire.up.end_arrived && !outer->ended_)))
      choices_.push_back({Kind::Input, i, 0});
  }
  if (!plain_.empty() && plain_.begin()->first <= now) choices_.push_back({Kind::Plain, 0, 0});
}

TimePoint SimWorld::next_time() const {
  TimePoint next = base::kNever;
  for (const auto& reactor : reactors_) {
    if (reactor->stopped_) continue;
    next = std::min(next, reactor->timer_);
    for (const auto& task : reactor->tasks_) next = std::min(next, task.due);
  }
  for (const auto& wire : wires_) {
    if (wire->state == Wire::State::Connecting && wire->place && wire->transport)
      next = std::min(next, wire->decided);
    if (wire->state == Wire::State::Open && movable(wire->up)) next = std::min(next, wire->up.due);
    if (movable(wire->down)) next = std::min(next, wire->down.due);
  }
  if (!plain_.empty()) next = std::min(next, plain_.begin()->first);
  return next;
}

bool SimWorld::step(TimePoint limit) {
  ++events;
  if (events % 64 == 0) {
    std::erase_if(wires_, [](const auto& wire) {
      return !wire->transport && !wire->socket && wire.use_count() == 1;
    });
  }
  gather();
  if (choices_.empty()) {
    TimePoint next = next_time();
    if (next > limit || next == base::kNever) return false;
    now = std::max(now, next);
    gather();
    if (choices_.empty()) return true;
  }
  now += microseconds(random.below(20));
  run(choices_[random.below(choices_.size())]);
  return true;
}

void SimWorld::run_until(TimePoint limit, const std::function<void()>& each_step) {
  while (now < limit && failure_.empty()) {
    if (!step(limit)) {
      now = limit;
      break;
    }
    each_step();
  }
}

void SimWorld::enter(SimReactor& reactor, const std::function<void()>& call) {
  // The clock is read after the wait for events, so it is old by no more than the iteration.
  if (now - reactor.clock_ > milliseconds(1) || random.chance(80)) reactor.clock_ = now;
  running_ = &reactor;
  call();
  // What was deferred runs before the loop looks at anything else, most of the time.
  while (random.chance(90)) {
    auto& tasks = reactor.tasks_;
    auto first = std::find_if(tasks.begin(), tasks.end(),
                              [](const auto& task) { return task.due == TimePoint{}; });
    if (first == tasks.end()) break;
    auto task = std::move(first->run);
    tasks.erase(first);
    task();
  }
  running_ = nullptr;
}

void SimWorld::run(Choice choice) {
  switch (choice.kind) {
    case Choice::Kind::Timer: {
      SimReactor& reactor = *reactors_[choice.index];
      reactor.clock_ = now;  // a timer is never early
      reactor.timer_ = base::kNever;
      enter(reactor, [&] { reactor.user_->on_timer(); });
      break;
    }
    case Choice::Kind::Wake: {
      SimReactor& reactor = *reactors_[choice.index];
      reactor.woken_ = false;
      enter(reactor, [&] { reactor.user_->on_wake(); });
      break;
    }
    case Choice::Kind::Task: {
      SimReactor& reactor = *reactors_[choice.index];
      auto task = std::move(reactor.tasks_[choice.part].run);
      reactor.tasks_.erase(reactor.tasks_.begin() + static_cast<long>(choice.part));
      enter(reactor, task);
      break;
    }
    case Choice::Kind::Ready: {
      SimTransport& inner = *wires_[choice.index]->transport;
      bool read = inner.watch_read_ && inner.readable();
      bool write = inner.watch_write_ && inner.writable();
      enter(*inner.reactor_, [&] { inner.user_->on_ready(read, write); });
      break;
    }
    case Choice::Kind::Deliver: {
      auto wire = wires_[choice.index];
      if (choice.part == 0) {
        deliver(wire->up);
        break;
      }
      SimSocket* outer = sendable(*wire) ? wire->socket : nullptr;
      if (outer && !outer->unsent_.empty()) {
        std::size_t count = std::min(outer->unsent_.size(), wire->down.space());
        if (wire->inner_closed) count = outer->unsent_.size();
        if (!wire->inner_closed) wire->down.flying.append(outer->unsent_, 0, count);
        outer->unsent_.erase(0, count);
      }
      if (outer && outer->unsent_.empty() && outer->closing_) {
        outer->close();
      } else if (outer && outer->unsent_.empty() && outer->shutting_ && !wire->outer_shut) {
        wire->outer_shut = true;
        wire->down.end = Pipe::End::Fin;
      }
      if (wire->down.due <= now) deliver(wire->down);
      break;
    }
    case Choice::Kind::Input:
      input(*wires_[choice.index]);
      break;
    case Choice::Kind::Connect:
      settle_connect(wires_[choice.index]);
      break;
    case Choice::Kind::Plain: {
      auto first = plain_.begin();
      auto task = std::move(first->second);
      plain_.erase(first);
      task();
      break;
    }
  }
}

void SimWorld::deliver(Pipe& pipe) {
  if (!pipe.flying.empty()) {
    std::size_t count = random.chance(60) ? pipe.flying.size() : piece(pipe.flying.size());
    pipe.arrived.append(pipe.flying, 0, count);
    pipe.flying.erase(0, count);
  }
  if (pipe.flying.empty() && pipe.end != Pipe::End::None && random.chance(70))
    pipe.end_arrived = true;
  if (random.chance(delay_percent)) pipe.due = now + microseconds(random.between(1, 2000));
}

void SimWorld::settle_connect(const std::shared_ptr<Wire>& wire) {
  Place& place = *wire->place;
  wire->place = nullptr;
  switch (place.fate()) {
    case Place::Fate::Refuse:
      wire->state = Wire::State::Refused;
      wire->outer_closed = true;
      break;
    case Place::Fate::BlackHole:
      break;  // nobody will ever answer
    case Place::Fate::Accept:
      wire->state = Wire::State::Open;
      place.accept(std::make_shared<SimSocket>(*this, wire));
      break;
  }
}

void SimWorld::input(Wire& wire) {
  SimSocket& outer = *wire.socket;
  if (!wire.up.arrived.empty()) {
    std::size_t count = random.chance(50) ? wire.up.arrived.size() : piece(wire.up.arrived.size());
    std::string bytes = wire.up.arrived.substr(0, count);
    wire.up.arrived.erase(0, count);
    outer.user_->on_input(bytes);
  } else if (wire.up.end_arrived) {
    outer.ended_ = true;
    outer.user_->on_end(wire.up.end == Pipe::End::Reset);
  }
}

}  // namespace howdah::sim
