// %env(NAME) in values; see environment.h.
#include "config/environment.h"

#include <cstdlib>

#include "howdah/base/text.h"

namespace howdah::config {

namespace {
constexpr std::string_view kOpen = "%env(";

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name) {
    bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fits) return false;
  }
  return true;
}
}  // namespace

base::Result<std::string> expand_environment(std::string_view text) {
  std::string out;
  for (;;) {
    std::size_t at = text.find(kOpen);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + kOpen.size());
    std::size_t end = text.find(')');
    std::string_view name = text.substr(0, end);
    if (end == std::string_view::npos || !is_name(name)) {
      return base::Error{"config", "has a %env( without a variable's name and a closing )"};
    }
    const char* value = std::getenv(std::string(name).c_str());
    if (!value) {
      return base::Error{"config",
                         base::cat("names the environment variable ", name, ", which is not set")};
    }
    out += value;
    text.remove_prefix(end + 1);
  }
}

}  // namespace howdah::config
