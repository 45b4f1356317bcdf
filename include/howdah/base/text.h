// Small text helpers. g++ 12 has no std::format; messages are made with cat().
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace howdah::base {

inline void cat_one(std::string& to, std::string_view piece) { to += piece; }
inline void cat_one(std::string& to, char piece) { to += piece; }
template <typename N>
  requires(std::integral<N> && !std::same_as<N, char> && !std::same_as<N, bool>)
inline void cat_one(std::string& to, N number) {
  char digits[24];
  auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  to.append(digits, end);
}

// cat("port ", 5432, " is taken") -> "port 5432 is taken"
template <typename... Pieces>
std::string cat(const Pieces&... pieces) {
  std::string text;
  (cat_one(text, pieces), ...);
  return text;
}

std::string_view trim(std::string_view text);                 // blanks, tabs, CR at both ends
std::string lower(std::string_view text);                     // ASCII only
bool iequal(std::string_view a, std::string_view b);          // ASCII case-insensitive
// Pieces are trimmed and may be empty; a blank text has none.
std::vector<std::string_view> split(std::string_view text, char separator);
// Whole text as a decimal integer; false (and `out` untouched) on anything else or overflow.
bool parse_int(std::string_view text, std::int64_t& out);
std::string hex(std::string_view bytes);                      // lower case
std::string quote_literal(std::string_view text);             // SQL literal, E'' when it has a backslash
std::string quote_ident(std::string_view text);               // SQL identifier, always quoted

}  // namespace howdah::base
