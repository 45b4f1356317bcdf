// Makes a round that differs smaller while it still differs: clients, scripts, steps, messages.
#pragma once

#include "compare/runner.h"

namespace howdah::compare {

struct Shrunk {
  Round round;
  Difference difference;
  bool reproduced = false;  // else the round is as it was
  int runs = 0;
};

// Takes about `seconds` at most. The order of steps between clients is not the same in each of
// them, so one that depends on it may shrink less than it could.
Shrunk shrink(Runner& runner, World& world, Round round, const Difference& found, int seconds);

}  // namespace howdah::compare
