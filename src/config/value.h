// Single values as text: numbers, times, sizes. Reading accepts what PgBouncer does and units on
// top; writing is the form of SHOW CONFIG.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/time.h"

namespace howdah::config {

// C style: decimal, 0x hex, leading-0 octal, a sign; the whole text. nullopt on anything else.
std::optional<std::int64_t> read_int(std::string_view text);

// A non-negative decimal number of `unit`s, fractions allowed, or a number with one of the units
// us, ms, s, min, h, d. At most 100 years.
std::optional<base::Duration> read_time(std::string_view text, base::Duration unit);

// Bytes as read_int does, or a whole number with one of the units B, kB, MB, GB, TB (1024 each).
std::optional<std::int64_t> read_size(std::string_view text);

// "0.25", "3600": seconds, short.
std::string time_text(base::Duration value);

// Comma separated; blanks around pieces and empty pieces are dropped.
std::vector<std::string> read_list(std::string_view text);

}  // namespace howdah::config
