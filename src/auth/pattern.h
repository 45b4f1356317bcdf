// A regular expression of a rule: /PATTERN. ECMAScript notation without back references, searched
// for anywhere in the name, byte by byte. Matching takes time linear in the name whatever the
// pattern, as the name comes from a stranger.
#pragma once

#include <memory>
#include <regex>
#include <string>
#include <string_view>

#include "howdah/base/result.h"

namespace howdah::auth {

class Pattern {
 public:
  static base::Result<std::shared_ptr<const Pattern>> make(std::string_view text);
  explicit Pattern(std::regex regex) : regex_(std::move(regex)) {}
  // `first_group`, if wanted, gets what the first parenthesis matched.
  bool found_in(std::string_view name, std::string* first_group = nullptr) const;
  bool has_group() const { return regex_.mark_count() > 0; }

 private:
  std::regex regex_;
};

}  // namespace howdah::auth
