// The command line: PgBouncer's options and --check.
#pragma once

#include <optional>
#include <string>

namespace howdah::app {

inline constexpr const char* kVersion = "0.1.0";
// What SHOW VERSION and the first line of --version say; scripts look for the leading words.
inline constexpr const char* kCompatVersion = "PgBouncer 1.25.2";

struct Options {
  std::string config;
  bool daemon = false, quiet = false, check = false;
  int verbose = 0;
  std::string user;
};

// Fills `options`; or gives the exit code when there is nothing to run (help, version, a mistake).
std::optional<int> parse_options(int argc, char** argv, Options& options);

}  // namespace howdah::app
