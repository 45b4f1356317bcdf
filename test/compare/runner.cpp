// Runs conversations and compares; see the header.
#include "compare/runner.h"

#include <poll.h>

#include <stdexcept>

#include "compare/statements.h"
#include "support/raw.h"

namespace howdah::compare {

namespace msg = howdah::test::msg;
using test::Clock;
using test::Millis;

namespace {}  // namespace

// Waits until a lane that waits has something to read, and marks those that do.
void Runner::wait(std::vector<Lane>& lanes, int milliseconds) {
  polls_.clear();
  for (Lane& lane : lanes) {
    lane.readable = false;
    if (!lane.waiting) continue;
    short events = lane.connection.unsent() ? POLLIN | POLLOUT : POLLIN;
    polls_.push_back({lane.connection.fd(), events, 0});
  }
  if (::poll(polls_.data(), polls_.size(), milliseconds) <= 0) return;
  auto found = polls_.begin();
  for (Lane& lane : lanes) {
    if (lane.waiting) lane.readable = (found++)->revents != 0;
  }
}

void Runner::reset() {
  direct_.clear();
  pooled_.clear();
}

void Runner::begin(Lane& lane) const {
  lane.script = lane.step = lane.fragment = 0;
  lane.waiting = lane.hidden = lane.readable = false;
  lane.outstanding = {};
  lane.answers.assign(1, {});
}

void Runner::next_step(Lane& lane, const std::vector<Script>& scripts) const {
  lane.waiting = false;
  lane.fragment = 0;
  // The other side hung up: the rest of the script has nobody to talk to.
  bool over = lane.answers.back().back().closed;
  if (!over && ++lane.step < scripts[lane.script].steps.size()) return;
  ++lane.script;
  lane.step = 0;
  lane.answers.emplace_back();
}

std::optional<Difference> Runner::run(const Round& round, sim::Random& random, Chaos* chaos) {
  direct_.resize(round.size());
  pooled_.resize(round.size());
  nonsense_ = false;
  run_direct(round);
  if (nonsense_) {
    places_ = direct_places(round);
    reset();
    return {};
  }
  return run_pooled(round, random, chaos);
}

// Sends the next step of a direct connection.
void Runner::direct_say(Lane& lane, const std::vector<Script>& scripts) {
  const Script& script = scripts[lane.script];
  lane.waiting = true;
  if (!lane.connection.is_open()) {
    world_.open_direct(lane.connection);
  } else if (script.fresh && lane.step == 0 && !lane.hidden) {
    // Stands for a new connection, which would cost more. The state may be any when a shrunk script
    // went before.
    lane.hidden = true;
    for (const std::string& message :
         {msg::copy_fail("end"), msg::sync(), msg::query("rollback"), msg::query("discard all")}) {
      lane.connection.send(message);
      lane.outstanding.sent(message[0]);
    }
    lane.connection.flush();
    return;
  }
  lane.hidden = false;
  lane.answers.back().emplace_back();
  for (const std::string& message : script.steps[lane.step].messages) {
    lane.connection.send(message);
    lane.outstanding.sent(message[0]);
  }
  lane.connection.flush();
}

// Takes what came; true when the step is answered.
bool Runner::direct_hear(Lane& lane) {
  lane.connection.flush();
  bool open = lane.connection.fill();
  while (true) {
    std::string_view message = lane.connection.next();
    if (message.empty()) break;
    lane.outstanding.got(message[0]);
    if (lane.hidden) continue;
    Answer& answer = lane.answers.back().back();
    answer.bytes += message;
    ++answer.messages;
  }
  nonsense_ = nonsense_ || lane.outstanding.confused();
  if (!open) {
    lane.connection.close();
    lane.outstanding = {};
    if (lane.hidden) throw std::runtime_error("PostgreSQL closed at DISCARD ALL");
    lane.answers.back().back().closed = true;
  }
  return !open || lane.outstanding.done();
}

void Runner::run_direct(const Round& round) {
  for (Lane& lane : direct_) begin(lane);
  auto last = Clock::now();
  while (true) {
    bool all = true, progress = false;
    for (std::size_t i = 0; i < round.size(); ++i) {
      Lane& lane = direct_[i];
      while (!finished(lane, round[i])) {
        bool silent = lane.waiting && !lane.hidden && lane.outstanding.done();
        if (lane.waiting && !silent && (!lane.readable || !direct_hear(lane))) break;
        progress = true;
        lane.readable = false;
        if (lane.waiting && !lane.hidden) {
          next_step(lane, round[i]);
        } else {
          direct_say(lane, round[i]);
        }
      }
      all = all && finished(lane, round[i]);
    }
    if (all) return;
    if (progress) last = Clock::now();
    if (nonsense_ || Clock::now() - last > Millis{stall_}) {
      nonsense_ = true;
      return;
    }
    wait(direct_, 100);
  }
}

std::string Runner::direct_places(const Round& round) const {
  std::string out;
  for (std::size_t i = 0; i < direct_.size(); ++i) {
    const Lane& lane = direct_[i];
    if (finished(lane, round[i])) continue;
    out += "client " + std::to_string(i) + ", step " + std::to_string(lane.step) +
           (lane.outstanding.confused() ? ", out of step\n" : "\n") +
           readable(round[i][lane.script]) + "  got\n" +
           readable_answers(lane.answers.back().empty() ? "" : lane.answers.back().back().bytes);
  }
  return out;
}

// Sends the next step of a client, or a piece of it.
void Runner::say(std::size_t client, const Round& round, sim::Random& random) {
  Lane& lane = pooled_[client];
  const Script& script = round[client][lane.script];
  if (lane.step == 0 && lane.fragment == 0 && (script.fresh || !lane.connection.is_open())) {
    lane.connection.close();
    world_.open_pooled(lane.connection);
  }
  if (lane.fragment == 0) lane.answers.back().emplace_back();
  std::string bytes = script.steps[lane.step].bytes();
  std::size_t size = bytes.size() - lane.fragment;
  bool cut = size > 1 && random.chance(15);
  if (cut) size = 1 + random.below(size - 1);
  lane.connection.send(std::string_view(bytes).substr(lane.fragment, size));
  lane.connection.flush();
  lane.fragment += size;
  lane.waiting = !cut;
}

bool Runner::hear(std::size_t client) {
  Lane& lane = pooled_[client];
  const Answer& wanted = direct_[client].answers[lane.script][lane.step];
  Answer& answer = lane.answers.back().back();
  // What comes behind the last message is left for the next step, which then differs.
  auto take = [&] {
    while (answer.messages < wanted.messages || wanted.closed) {
      std::string_view message = lane.connection.next();
      if (message.empty()) break;
      answer.bytes += message;
      ++answer.messages;
    }
  };
  take();
  if (answer.messages < wanted.messages || wanted.closed) {
    if (!lane.readable) return false;
    lane.connection.flush();
    if (!lane.connection.fill()) answer.closed = true;
    take();
  }
  if (answer.closed) lane.connection.close();
  return answer.closed || (answer.messages >= wanted.messages && !wanted.closed);
}

std::optional<Difference> Runner::check(std::size_t client, const Round& round, const char* why) {
  Lane& lane = pooled_[client];
  const Answer& wanted = direct_[client].answers[lane.script][lane.step];
  const Answer& got = lane.answers.back().back();
  std::string what = why;
  int slot = round[client][lane.script].slot;
  if (what.empty() && foreign_mark(got.bytes, slot) >= 0) what = "bytes of another client";
  if (what.empty() && got.closed != wanted.closed) what = "closed";
  if (what.empty() && got.bytes != wanted.bytes) what = "other bytes";
  if (what.empty()) return {};
  return Difference{client, lane.script, lane.step, what, wanted, got};
}

std::optional<Difference> Runner::run_pooled(const Round& round, sim::Random& random,
                                             Chaos* chaos) {
  for (Lane& lane : pooled_) begin(lane);
  auto last = Clock::now();
  std::vector<std::size_t> ready;
  while (true) {
    ready.clear();
    bool all = true, progress = false;
    for (std::size_t i = 0; i < round.size(); ++i) {
      Lane& lane = pooled_[i];
      if (lane.waiting && hear(i)) {
        if (auto difference = check(i, round, "")) return difference;
        next_step(lane, round[i]);
        progress = true;
      }
      if (finished(lane, round[i])) continue;
      all = false;
      if (!lane.waiting) ready.push_back(i);
    }
    if (all) return {};
    if (!ready.empty()) say(ready[random.below(ready.size())], round, random);
    if (chaos) {
      if (auto wrong = chaos->turn()) return Difference{0, 0, 0, *wrong, {}, {}};
    }
    if (progress || !ready.empty()) last = Clock::now();
    wait(pooled_, !ready.empty() ? 0 : chaos ? 1 : 100);
    if (Clock::now() - last < Millis{stall_}) continue;
    for (std::size_t i = 0; i < round.size(); ++i) {
      if (pooled_[i].waiting) return check(i, round, "no answer");
    }
  }
}

}  // namespace howdah::compare
