// Small text helpers (howdah/base/text.h).
#include "howdah/base/text.h"

namespace howdah::base {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
// Not the C library's: those follow the locale.
char lower_one(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void append_doubled(std::string& to, std::string_view text, char quote, bool backslashes) {
  for (char c : text) {
    if (c == quote || (backslashes && c == '\\')) to += c;
    to += c;
  }
}

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower_one(c);
  return result;
}

bool iequal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower_one(a[i]) != lower_one(b[i])) return false;
  return true;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  if (trim(text).empty()) return pieces;
  for (;;) {
    std::size_t at = text.find(separator);
    pieces.push_back(trim(text.substr(0, at)));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

bool parse_int(std::string_view text, std::int64_t& out) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stop != end) return false;
  out = value;
  return true;
}

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  result.reserve(bytes.size() * 2);
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    result += kDigits[byte >> 4];
    result += kDigits[byte & 15];
  }
  return result;
}

std::string quote_literal(std::string_view text) {
  // With E'' the meaning does not hang on the server's standard_conforming_strings.
  bool backslashes = text.find('\\') != std::string_view::npos;
  std::string result = backslashes ? "E'" : "'";
  append_doubled(result, text, '\'', backslashes);
  result += '\'';
  return result;
}

std::string quote_ident(std::string_view text) {
  std::string result = "\"";
  append_doubled(result, text, '"', false);
  result += '"';
  return result;
}

}  // namespace howdah::base
