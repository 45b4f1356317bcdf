// Runs conversations and compares: first each client of a round directly, then all of them through
// the pooler, their steps interleaved at random.
#pragma once

#include <poll.h>

#include <optional>
#include <string>
#include <vector>

#include "compare/chaos.h"
#include "compare/connection.h"
#include "compare/outstanding.h"
#include "compare/script.h"
#include "compare/world.h"
#include "sim/random.h"

namespace howdah::compare {

// All that the clients of one round say: one list of scripts a client.
using Round = std::vector<std::vector<Script>>;

struct Answer {
  std::string bytes;
  int messages = 0;
  bool closed = false;  // by the other side, behind these bytes
};

struct Difference {
  std::size_t client = 0, script = 0, step = 0;
  std::string what;
  Answer wanted, got;
};

class Runner {
 public:
  Runner(World& world, int stall_milliseconds) : world_(world), stall_(stall_milliseconds) {}
  // Nothing when all answers were the same. `chaos` may be null.
  std::optional<Difference> run(const Round& round, sim::Random& random, Chaos* chaos);
  void set_stall(int milliseconds) { stall_ = milliseconds; }
  // Forgets all connections: the next round begins with new ones.
  void reset();
  // The script made PostgreSQL itself wait for ever, or said what the protocol doesn't know: no
  // conversation. Only a script that the shrinker cut can do that.
  bool nonsense() const { return nonsense_; }
  // Where the clients of the direct side were then.
  const std::string& places() const { return places_; }

 private:
  struct Lane {
    Connection connection;
    std::size_t script = 0, step = 0;
    std::size_t fragment = 0;  // bytes of the step already sent, when it is sent in pieces
    bool waiting = false, hidden = false, readable = false;
    Outstanding outstanding;
    std::vector<std::vector<Answer>> answers;
  };
  void begin(Lane& lane) const;
  bool finished(const Lane& lane, const std::vector<Script>& scripts) const {
    return lane.script == scripts.size();
  }
  void next_step(Lane& lane, const std::vector<Script>& scripts) const;
  void run_direct(const Round& round);
  std::string direct_places(const Round& round) const;
  void direct_say(Lane& lane, const std::vector<Script>& scripts);
  bool direct_hear(Lane& lane);
  void wait(std::vector<Lane>& lanes, int milliseconds);
  std::optional<Difference> run_pooled(const Round& round, sim::Random& random, Chaos* chaos);
  void say(std::size_t client, const Round& round, sim::Random& random);
  // Takes what came; true when the step is answered.
  bool hear(std::size_t client);
  std::optional<Difference> check(std::size_t client, const Round& round, const char* why);

  World& world_;
  int stall_;
  bool nonsense_ = false;
  std::string places_;
  std::vector<Lane> direct_, pooled_;
  std::vector<pollfd> polls_;
};

}  // namespace howdah::compare
