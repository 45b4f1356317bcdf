// Regular expressions of rules; see pattern.h.
#include "auth/pattern.h"

#include <algorithm>
#include <vector>

#include "howdah/base/text.h"

namespace howdah::auth {

namespace {

constexpr std::size_t kMaxLength = 500, kMaxWeight = 1000;

// About how many steps the pattern has once its {n} are written out. The standard library recurses
// that deep.
std::size_t weight(std::string_view text) {
  std::vector<std::size_t> open{0};  // sizes of the groups we are in
  std::size_t last = 0;              // of the last atom
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      ++i;
      open.back() += last = 1;
    } else if (c == '[') {
      // A ] that comes first is an ordinary one.
      for (i += 2; i < text.size() && text[i] != ']'; ++i) i += text[i] == '\\';
      open.back() += last = 1;
    } else if (c == '(') {
      open.push_back(1);
    } else if (c == ')') {
      last = open.back();
      if (open.size() > 1) open.pop_back();
      open.back() += last;
    } else if (c == '{') {
      std::size_t most = 0, number = 0;
      for (++i; i < text.size() && text[i] != '}'; ++i) {
        number = text[i] >= '0' && text[i] <= '9'
                     ? std::min(number * 10 + static_cast<std::size_t>(text[i] - '0'), kMaxWeight)
                     : 0;
        most = std::max(most, number);
      }
      open.back() += last *= most + 1;
    } else {
      open.back() += last = 1;
    }
    if (open.back() > kMaxWeight || last > kMaxWeight) return kMaxWeight + 1;
  }
  std::size_t sum = 0;
  for (std::size_t size : open) sum += size;
  return sum;
}

}  // namespace

base::Result<std::shared_ptr<const Pattern>> Pattern::make(std::string_view text) {
  if (text.empty()) return base::Error{"config", "the regular expression is empty"};
  if (text.size() > kMaxLength || weight(text) > kMaxWeight) {
    return base::Error{"config", "the regular expression is too long"};
  }
  try {
    // __polynomial: the one way to have libstdc++ not backtrack; it has no back references then.
    std::regex regex(text.data(), text.size(),
                     std::regex_constants::ECMAScript | std::regex_constants::__polynomial);
    return std::make_shared<const Pattern>(std::move(regex));
  } catch (const std::regex_error& error) {
    if (error.code() == std::regex_constants::error_complexity ||
        error.code() == std::regex_constants::error_backref) {
      return base::Error{"config", "the regular expression is too complex; back references within "
                                   "it are not supported"};
    }
    return base::Error{"config", base::cat("the regular expression cannot be read: ",
                                           std::string_view(error.what()))};
  }
}

bool Pattern::found_in(std::string_view name, std::string* first_group) const {
  std::match_results<std::string_view::const_iterator> match;
  if (!std::regex_search(name.begin(), name.end(), match, regex_)) return false;
  if (first_group) *first_group = match.size() > 1 ? match[1].str() : std::string();
  return true;
}

}  // namespace howdah::auth
