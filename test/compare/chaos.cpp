// Clients that behave badly; see the header.
#include "compare/chaos.h"

#include "compare/statements.h"
#include "support/raw.h"

namespace howdah::compare {

namespace msg = howdah::test::msg;

Chaos::Chaos(World& world, std::uint64_t seed, std::uint32_t features, int slot)
    : world_(world), random_(seed), generator_(seed, features), features_(features), slot_(slot) {
  turns_ = random_.below(200);
}

void Chaos::restart() {
  client_.close();
  state_ = State::None;
}

void Chaos::begin() {
  bool leave = (features_ & kDisconnect) != 0, cancel = (features_ & kCancel) != 0;
  if (!leave && !cancel) return;
  heard_.clear();
  world_.open_pooled(client_);
  if (cancel && (!leave || random_.chance(40))) {
    client_.send(msg::query("select pg_sleep(30), '" + mark(slot_) + "'"));
    state_ = State::Sleeping;
    turns_ = random_.below(20);
    return;
  }
  std::string all;
  for (const Step& step : generator_.make(slot_, true).steps) all += step.bytes();
  client_.send(std::string_view(all).substr(0, random_.below(all.size() + 1)));
  state_ = State::Talking;
  turns_ = random_.below(10);
}

std::optional<std::string> Chaos::listen() {
  bool open = client_.fill();
  while (true) {
    std::string_view message = client_.next();
    if (message.empty()) break;
    if (foreign_mark(message, slot_) >= 0) {
      return "a client that leaves or cancels was told: " + readable_answer(message);
    }
    if (state_ == State::Cancelling && message[0] == 'E') heard_ = message;
    if (state_ == State::Cancelling && message[0] == 'Z') {
      if (heard_.find("C57014") == std::string::npos) {
        return "a cancelled query was answered: " + readable_answer(heard_);
      }
      ++cancelled_;
      client_.close();
      state_ = State::None;
      turns_ = random_.below(400);
      return {};
    }
  }
  if (!open && state_ != State::Talking) return "a client that cancels was closed";
  return {};
}

std::optional<std::string> Chaos::turn() {
  if (state_ != State::None) {
    client_.flush();
    if (auto wrong = listen()) return wrong;
  }
  if (turns_ > 0) {
    --turns_;
    return {};
  }
  switch (state_) {
    case State::None:
      begin();
      break;
    case State::Talking:
      ++left_;
      client_.close();
      state_ = State::None;
      turns_ = random_.below(400);
      break;
    case State::Sleeping:
    case State::Cancelling:
      // Again and again: one that comes while the server is made ready is dropped.
      world_.cancel(canceller_, client_.key());
      state_ = State::Cancelling;
      turns_ = 2000;
      break;
  }
  return {};
}

}  // namespace howdah::compare
