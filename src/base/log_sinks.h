// The log's places to write to, as spdlog sinks. Private to base: spdlog is named only here and in
// log.cpp. A sink formats without state, so it needs no lock; one write(2) gives one whole line.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <string>
#include <string_view>

namespace howdah::base {

inline constexpr std::size_t kLineLimit = 2048;

// Embedded newlines become newline + tab, other control bytes '?': what a peer calls itself must
// not forge a line or steer a terminal. Trailing newlines go. At most `limit` bytes, whole UTF-8.
std::string clean_text(std::string_view text, std::size_t limit);

// A descriptor: stderr (not owned) or the log file (owned).
class DescriptorSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  DescriptorSink(int fd, bool owned) : fd_(fd), owned_(owned) {}
  ~DescriptorSink() override;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  const int fd_;
  const bool owned_;
};

// syslog(3). Debug levels never go there. openlog() and closelog() are the Log's business, as they
// are the process's.
class SyslogSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
};

// The syslog facility of that name, or -1.
int syslog_facility(std::string_view name);

}  // namespace howdah::base
