// Clients that behave badly beside those that are compared: they leave at any byte, or cancel their
// own query. What they are told is not compared, but must have nobody else's mark in it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "compare/connection.h"
#include "compare/generator.h"
#include "compare/world.h"
#include "sim/random.h"

namespace howdah::compare {

class Chaos {
 public:
  // `slot` is for these clients alone.
  Chaos(World& world, std::uint64_t seed, std::uint32_t features, int slot);
  // A turn of the driver: may begin, go on with or end such a client. Gives what went wrong.
  std::optional<std::string> turn();
  void restart();  // all servers were ended
  int left() const { return left_; }
  int cancelled() const { return cancelled_; }

 private:
  enum class State { None, Talking, Sleeping, Cancelling };
  void begin();
  std::optional<std::string> listen();

  World& world_;
  sim::Random random_;
  Generator generator_;
  std::uint32_t features_;
  int slot_;
  State state_ = State::None;
  Connection client_, canceller_;
  std::string heard_;
  std::uint64_t turns_ = 0;  // until the next thing happens
  int left_ = 0, cancelled_ = 0;
};

}  // namespace howdah::compare
