// The log (howdah/base/log.h) over spdlog: levels, fan-out and error handling are spdlog's, the
// line and the places are ours.
#include "howdah/base/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <system_error>
#include <vector>

#include "base/log_sinks.h"
#include "howdah/base/mutex.h"
#include "howdah/base/text.h"

namespace howdah::base {

namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Fatal:
      return spdlog::level::critical;
    case Level::Error:
      return spdlog::level::err;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Log:
      return spdlog::level::info;
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Noise:
      return spdlog::level::trace;
  }
  return spdlog::level::info;
}

Level quietest_shown(int verbose) {
  return verbose >= 2 ? Level::Noise : verbose == 1 ? Level::Debug : Level::Log;
}

std::shared_ptr<spdlog::logger> make_logger(std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>("howdah", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::trace);  // Log::enabled() has already decided
  return logger;
}

}  // namespace

struct Log::Impl {
  std::atomic<Level> shown{Level::Log};
  mutable Mutex mutex;
  std::shared_ptr<spdlog::logger> logger GUARDED_BY(mutex);
  // syslog(3) keeps a pointer to its ident, and a writer may still be using an older one.
  std::deque<std::string> idents GUARDED_BY(mutex);

  std::shared_ptr<spdlog::logger> current() const EXCLUDES(mutex) {
    Lock lock(mutex);
    return logger;
  }
};

Log::Log() : impl_(std::make_unique<Impl>()) {
  Lock lock(impl_->mutex);
  impl_->logger = make_logger({std::make_shared<DescriptorSink>(STDERR_FILENO, false)});
}

Log::~Log() {
  Lock lock(impl_->mutex);
  if (!impl_->idents.empty()) ::closelog();
}

Status Log::open(const LogTargets& targets) {
  std::vector<spdlog::sink_ptr> sinks;
  int facility = 0;
  if (targets.syslog) {
    facility = syslog_facility(targets.syslog_facility);
    if (facility < 0)
      return Error{"config", cat("unknown syslog facility \"", targets.syslog_facility, "\"")};
  }
  if (targets.to_stderr) sinks.push_back(std::make_shared<DescriptorSink>(STDERR_FILENO, false));
  if (!targets.file.empty()) {
    int fd =
        ::open(targets.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0) {
      return Error{"io", cat("could not open the log file \"", targets.file,
                             "\": ", std::generic_category().message(errno))};
    }
    sinks.push_back(std::make_shared<DescriptorSink>(fd, true));
  }
  if (targets.syslog) sinks.push_back(std::make_shared<SyslogSink>());

  auto fresh = make_logger(std::move(sinks));
  {
    Lock lock(impl_->mutex);
    if (targets.syslog) {
      if (impl_->idents.empty() || impl_->idents.back() != targets.syslog_ident)
        impl_->idents.push_back(targets.syslog_ident);
      ::openlog(impl_->idents.back().c_str(), LOG_PID, facility);
    }
    impl_->logger.swap(fresh);
  }
  impl_->shown.store(quietest_shown(targets.verbose), std::memory_order_relaxed);
  return Done{};
}

bool Log::enabled(Level level) const {
  return level <= impl_->shown.load(std::memory_order_relaxed);
}

void Log::write(Level level, std::string_view text) const {
  if (!enabled(level)) return;
  impl_->current()->log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace howdah::base
