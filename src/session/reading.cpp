// What the meaning of a text depends on; see the header.
#include "howdah/session/reading.h"

namespace howdah::session {

namespace {
// Those that servers do not report. What a plan depends on (roles, row_security) PostgreSQL itself
// minds.
constexpr std::string_view kUnreported[] = {
    "search_path",   "array_nulls", "backslash_quote",        "escape_string_warning",
    "intervalstyle", "lc_monetary", "timezone_abbreviations", "transform_null_equals",
    "xmloption"};
}  // namespace

std::string Reading::key() const {
  std::string key;
  if (state) {
    for (std::string_view name : kUnreported) {
      const std::string* value = state->find(name);
      if (!value) continue;
      key += name;
      key += '=';
      key += *value;
      key += '\0';
    }
  }
  if (!parameters) return key;
  for (std::size_t i = 0; i < parameters->size(); ++i) {
    key += '\0';
    const std::string* value = parameters->get(i);
    if (value && i != TrackedNames::kApplicationName) key += *value;
  }
  return key;
}

}  // namespace howdah::session
