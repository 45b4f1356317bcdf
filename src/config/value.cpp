// Reads and writes numbers, times and sizes.
#include "config/value.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "howdah/base/text.h"

namespace howdah::config {
namespace {

constexpr double kMaxMicroseconds = 100 * 365.25 * 86400 * 1e6;

struct TimeUnit {
  std::string_view name;
  double microseconds;
};
constexpr TimeUnit kTimeUnits[] = {{"us", 1},     {"ms", 1e3},   {"s", 1e6},
                                   {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}};

struct SizeUnit {
  std::string_view name;
  int shift;
};
constexpr SizeUnit kSizeUnits[] = {{"B", 0}, {"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};

// Splits "64 kB" into number and unit at the first letter that follows the number.
std::size_t unit_start(std::string_view text) {
  std::size_t at = text.size();
  while (at > 0 && ((text[at - 1] >= 'a' && text[at - 1] <= 'z') ||
                    (text[at - 1] >= 'A' && text[at - 1] <= 'Z')))
    --at;
  return at;
}

}  // namespace

std::optional<std::int64_t> read_int(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int radix = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    radix = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    radix = 8;
    text.remove_prefix(1);
  }
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, radix);
  if (error != std::errc{} || text.empty() || end != text.data() + text.size()) return {};
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
  auto value = static_cast<std::int64_t>(number);
  return negative ? -value : value;
}

std::optional<base::Duration> read_time(std::string_view text, base::Duration unit) {
  double number = 0;
  auto factor = static_cast<double>(unit.count());
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return {};
  auto rest = base::trim(text.substr(static_cast<std::size_t>(end - text.data())));
  if (!rest.empty()) {
    factor = 0;
    for (const auto& known : kTimeUnits) {
      if (known.name == rest) factor = known.microseconds;
    }
    if (factor == 0) return {};
  }
  double microseconds = number * factor;
  if (!std::isfinite(microseconds) || microseconds < 0 || std::signbit(number)) return {};
  if (microseconds > kMaxMicroseconds) return {};
  return base::Duration(std::llround(microseconds));
}

std::optional<std::int64_t> read_size(std::string_view text) {
  if (auto plain = read_int(text)) return plain;
  std::size_t at = unit_start(text);
  std::int64_t number = 0;
  auto digits = base::trim(text.substr(0, at));
  if (!base::parse_int(digits, number) || number < 0) return {};
  for (const auto& known : kSizeUnits) {
    if (known.name != text.substr(at)) continue;
    if (number > std::numeric_limits<std::int64_t>::max() >> known.shift) return {};
    return number << known.shift;
  }
  return {};
}

std::string time_text(base::Duration value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value.count()) / 1e6);
  return text;
}

std::vector<std::string> read_list(std::string_view text) {
  std::vector<std::string> list;
  for (auto piece : base::split(text, ',')) {
    if (!piece.empty()) list.emplace_back(piece);
  }
  return list;
}

}  // namespace howdah::config
