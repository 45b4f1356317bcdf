// Makes conversations from a seed: the same script for the same seed and features everywhere.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compare/script.h"
#include "compare/statements.h"
#include "sim/random.h"

namespace howdah::compare {

// What conversations may be made of. disconnect and cancel are clients of their own (chaos.h).
enum Feature : std::uint32_t {
  kSimple = 1u << 0,
  kUnnamed = 1u << 1,  // Parse to Execute in one batch
  kSplit = 1u << 2,    // the unnamed statement of one batch used in a later one
  kNamed = 1u << 3,
  kSqlPrepare = 1u << 4,
  kPortals = 1u << 5,
  kCopy = 1u << 6,
  kErrors = 1u << 7,
  kTransactions = 1u << 8,
  kFunctions = 1u << 9,
  kFlush = 1u << 10,
  kUnsynced = 1u << 11,  // a Query or FunctionCall into a batch without Sync
  kSettings = 1u << 12,
  kDiscard = 1u << 13,
  kPipeline = 1u << 14,  // several Syncs in one step
  kReuse = 1u << 15,     // a conversation on the connection of the one before, after DISCARD ALL
  kDisconnect = 1u << 16,
  kCancel = 1u << 17,
  kLongNames = 1u << 18,  // longer than PostgreSQL keeps
  kRebind = 1u << 19,     // the unnamed statement bound in its own batch, and again in a later one
  kNested = 1u << 20,     // a named statement that is an EXECUTE of another
};
inline constexpr std::uint32_t kAllFeatures = (1u << 21) - 1;
inline constexpr std::uint32_t kDefaultFeatures = kAllFeatures;

// "all", or names with commas, "-name" to take one away; 0 when a name is unknown.
std::uint32_t parse_features(std::string_view list);
std::string feature_names();

class Generator {
 public:
  Generator(std::uint64_t seed, std::uint32_t features) : random_(seed), features_(features) {}
  Script make(int slot, bool first);

 private:
  bool has(std::uint32_t feature) const { return (features_ & feature) != 0; }
  bool chance(int percent) { return random_.chance(percent); }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[random_.below(from.size())];
  }

  void add(std::string message) { step_.messages.push_back(std::move(message)); }
  void end_step();

  const Statement& any_statement(bool simple);
  std::string text_of(const Statement& statement);
  std::string simple_text(const Statement& statement);
  const std::string& name() { return pick(names_); }
  bool names_executes(std::string_view name) const;
  std::string sql_name();
  std::string binding(const std::string& portal, const std::string& statement,
                      std::string_view types);
  void add_parse(const std::string& name, const Statement& statement);
  void add_execute(const std::string& portal);

  void part();
  void simple();
  void unnamed();
  void split();
  void named();
  void named_use();
  void portals();
  void copy_in();
  void copy_out();
  void function();
  void flushed();
  void unsynced();
  void settings();

  sim::Random random_;
  std::uint32_t features_;
  int slot_ = 0;
  std::vector<std::string> names_;            // of this conversation
  std::map<std::string, std::string> known_;  // name to types of parameters; "" is the unnamed one
  bool parsed_alone_ = false;                 // the unnamed statement waits for its first Bind
  Script script_;
  Step step_;
};

}  // namespace howdah::compare
