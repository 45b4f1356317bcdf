// Makes a round that differs smaller; see the header.
#include "compare/shrink.h"

#include <functional>

namespace howdah::compare {

namespace {

class Shrinker {
 public:
  Shrinker(Runner& runner, World& world, Shrunk& best, int seconds)
      : runner_(runner),
        world_(world),
        best_(best),
        end_(test::Clock::now() + std::chrono::seconds(seconds)) {}

  bool late() const { return test::Clock::now() > end_; }
  bool differs(const Round& round, int tries) {
    for (int i = 0; i < tries && !late(); ++i) {
      ++best_.runs;
      runner_.reset();
      world_.reset();
      sim::Random random(static_cast<std::uint64_t>(i) + 7);
      if (auto difference = runner_.run(round, random, nullptr)) {
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
    for (std::size_t c = 0; c < best_.round.size(); ++c) {
      for (std::size_t s = 0; s < best_.round[c].size(); ++s) {
        for (std::size_t i = best_.round[c][s].steps.size(); i-- > 0;) {
          smaller |=
              without([&](Round& round) { round[c][s].steps.erase(at(round[c][s].steps, i)); });
        }
        for (std::size_t i = best_.round[c][s].steps.size(); i-- > 0;) {
          for (std::size_t m = best_.round[c][s].steps[i].messages.size(); m-- > 0;) {
            smaller |= without([&](Round& round) {
              round[c][s].steps[i].messages.erase(at(round[c][s].steps[i].messages, m));
            });
          }
        }
      }
    }
    return smaller;
  }

 private:
  template <class T>
  static typename std::vector<T>::iterator at(std::vector<T>& list, std::size_t index) {
    return list.begin() + static_cast<std::ptrdiff_t>(index);
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
  test::Clock::time_point end_;
};

}  // namespace

Shrunk shrink(Runner& runner, World& world, Round round, const Difference& found, int seconds) {
  Shrunk best{std::move(round), found, false, 0};
  Shrinker shrinker(runner, world, best, seconds);
  // Alone it would be easiest to understand.
  Round alone{best.round[found.client]};
  if (!shrinker.differs(alone, 3) && !shrinker.differs(best.round, 5)) return best;
  while (!shrinker.late() && shrinker.pass()) {
  }
  return best;
}

}  // namespace howdah::compare
