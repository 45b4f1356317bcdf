// The log: `YYYY-MM-DD HH:MM:SS.mmm TZ [pid] LEVEL message` (PgBouncer's line), to any of stderr, a
// file and syslog. Thread-safe. Embedded newlines become newline + tab; lines are cut at 2 kB.
// Hides spdlog. Secrets are never passed to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "howdah/base/result.h"

namespace howdah::base {

enum class Level { Fatal, Error, Warning, Log, Debug, Noise };

struct LogTargets {
  bool to_stderr = true;
  std::string file;            // empty = none
  bool syslog = false;
  std::string syslog_ident = "howdah";
  std::string syslog_facility = "daemon";
  int verbose = 0;             // 1 shows Debug, 2 Noise
  bool operator==(const LogTargets&) const = default;
};

class Log {
 public:
  Log();
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Opens (or reopens: log rotation) the targets. On error the old targets stay in use.
  Status open(const LogTargets& targets);
  bool enabled(Level level) const;
  void write(Level level, std::string_view text) const;
  void error(std::string_view text) const { write(Level::Error, text); }
  void warning(std::string_view text) const { write(Level::Warning, text); }
  void info(std::string_view text) const { write(Level::Log, text); }
  void debug(std::string_view text) const {
    if (enabled(Level::Debug)) write(Level::Debug, text);
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::base
