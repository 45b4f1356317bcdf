// The log's sinks (log_sinks.h).
#include "base/log_sinks.h"

#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "howdah/base/text.h"

namespace howdah::base {

namespace {

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return "FATAL";
    case spdlog::level::err:
      return "ERROR";
    case spdlog::level::warn:
      return "WARNING";
    case spdlog::level::info:
      return "LOG";
    case spdlog::level::debug:
      return "DEBUG";
    default:
      return "NOISE";
  }
}

int syslog_priority(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return LOG_CRIT;
    case spdlog::level::err:
      return LOG_ERR;
    case spdlog::level::warn:
      return LOG_WARNING;
    default:
      return LOG_INFO;
  }
}

// `YYYY-MM-DD HH:MM:SS.mmm TZ [pid] LEVEL `
std::string prefix(const spdlog::details::log_msg& message) {
  auto since = message.time.time_since_epoch();
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  time_t seconds = static_cast<time_t>(millis / 1000);
  struct tm parts {};
  ::localtime_r(&seconds, &parts);
  char text[64];
  std::size_t size = ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03d", static_cast<int>(millis % 1000));
  return cat(text, ' ', parts.tm_zone ? parts.tm_zone : "UTC", " [", ::getpid(), "] ",
             level_name(message.level), ' ');
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::string result;
  result.reserve(text.size() < limit ? text.size() : limit);
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bool newline = c == '\n';
    if (result.size() + (newline ? 2 : 1) > limit) {
      // Not in the middle of a UTF-8 character.
      if ((byte & 0xC0) == 0x80) {
        while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xC0) == 0x80)
          result.pop_back();
        if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xC0) result.pop_back();
      }
      break;
    }
    result += (byte < 0x20 && c != '\t' && !newline) || byte == 0x7F ? '?' : c;
    if (newline) result += '\t';
  }
  return result;
}

DescriptorSink::~DescriptorSink() {
  if (owned_) ::close(fd_);
}

void DescriptorSink::sink_it_(const spdlog::details::log_msg& message) {
  std::string line = prefix(message);
  std::string_view text(message.payload.data(), message.payload.size());
  line += clean_text(text, kLineLimit - 1 - line.size());
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    ssize_t wrote = ::write(fd_, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    // A full disk or a closed pipe must not stop the service; the line is lost.
    if (wrote <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void SyslogSink::sink_it_(const spdlog::details::log_msg& message) {
  if (message.level < spdlog::level::info) return;
  std::string_view text(message.payload.data(), message.payload.size());
  ::syslog(syslog_priority(message.level), "%s", clean_text(text, kLineLimit).c_str());
}

int syslog_facility(std::string_view name) {
  static constexpr struct {
    std::string_view name;
    int value;
  } kFacilities[] = {
      {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON},
      {"user", LOG_USER},     {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
      {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},     {"local4", LOG_LOCAL4},
      {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7},
  };
  for (const auto& facility : kFacilities)
    if (iequal(facility.name, name)) return facility.value;
  return -1;
}

}  // namespace howdah::base
