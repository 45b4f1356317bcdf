// Makes a round that differs smaller; see the header.
#include "compare/shrink.h"

#include <algorithm>
#include <functional>

namespace howdah::compare {

namespace {

class Shrinker {
 public:
  Shrinker(Runner& runner, World& world, Shrunk& best, int seconds)
      : runner_(runner),
        world_(world),
        best_(best),
        what_(best.difference.what),
        end_(test::Clock::now() + std::chrono::seconds(seconds)) {}

  bool late() const { return test::Clock::now() > end_; }
  bool differs(const Round& round, int tries) {
    for (int i = 0; i < tries && !late(); ++i) {
      ++best_.runs;
      runner_.reset();
      world_.reset();
      sim::Random random(static_cast<std::uint64_t>(i) + 7);
      auto difference = runner_.run(round, random, nullptr);
      // Another one would lead away: on a busy machine an answer may just be late.
      if (difference && difference->what == what_) {
        best_.round = round;
        best_.difference = *difference;
        best_.reproduced = true;
        return true;
      }
    }
    return false;
  }

  // One pass over all that could go; true when something went.
  bool pass() {
    bool smaller = false;
    for (std::size_t c = best_.round.size(); c-- > 0;) {
      smaller |= without([&](Round& round) { round.erase(at(round, c)); });
    }
    for (std::size_t c = 0; c < best_.round.size(); ++c) {
      for (std::size_t s = best_.round[c].size(); s-- > 0;) {
        smaller |= without([&](Round& round) { round[c].erase(at(round[c], s)); });
      }
    }
    // Messages, many at a time first.
    for (std::size_t c = 0; c < best_.round.size(); ++c) {
      std::size_t size = count(best_.round[c]);
      while (size > 1 && c < best_.round.size()) {
        size = (size + 1) / 2;
        for (std::size_t end = count(best_.round[c]); end > 0;) {
          std::size_t from = end > size ? end - size : 0;
          smaller |= without([&](Round& round) { erase(round[c], from, end); });
          if (c >= best_.round.size()) break;
          end = std::min(from, count(best_.round[c]));
        }
        if (size == 1) break;
      }
    }
    return smaller;
  }

 private:
  template <class T>
  static typename std::vector<T>::iterator at(std::vector<T>& list, std::size_t index) {
    return list.begin() + static_cast<std::ptrdiff_t>(index);
  }
  static std::size_t count(const std::vector<Script>& scripts) {
    std::size_t messages = 0;
    for (const Script& script : scripts) {
      for (const Step& step : script.steps) messages += step.messages.size();
    }
    return messages;
  }
  // Messages by their number in the whole of a client's scripts.
  static void erase(std::vector<Script>& scripts, std::size_t from, std::size_t end) {
    std::size_t number = 0;
    for (Script& script : scripts) {
      for (Step& step : script.steps) {
        std::erase_if(step.messages, [&](const std::string&) {
          std::size_t mine = number++;
          return mine >= from && mine < end;
        });
      }
    }
  }
  bool without(const std::function<void(Round&)>& take) {
    Round candidate = best_.round;
    take(candidate);
    for (auto& scripts : candidate) {
      std::erase_if(scripts, [](Script& script) {
        std::erase_if(script.steps, [](const Step& step) { return step.messages.empty(); });
        return script.steps.empty();
      });
    }
    std::erase_if(candidate, [](const auto& scripts) { return scripts.empty(); });
    return !candidate.empty() && differs(candidate, candidate.size() > 1 ? 3 : 1);
  }
  Runner& runner_;
  World& world_;
  Shrunk& best_;
  std::string what_;
  test::Clock::time_point end_;
};

}  // namespace

Shrunk shrink(Runner& runner, World& world, Round round, const Difference& found, int seconds) {
  Shrunk best{std::move(round), found, false, 0};
  Shrinker shrinker(runner, world, best, seconds);
  // What the client would have said next has nothing to do with it.
  auto& scripts = best.round[found.client];
  scripts.resize(found.script + 1);
  scripts.back().steps.resize(found.step + 1);
  // Alone it would be easiest to understand.
  Round alone{scripts};
  if (!shrinker.differs(alone, 3) && !shrinker.differs(best.round, 5)) return best;
  while (!shrinker.late() && shrinker.pass()) {
  }
  return best;
}

}  // namespace howdah::compare
