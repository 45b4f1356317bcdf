// Ident maps: which system user (of a unix socket, or named by a certificate) may be which database
// user.
//
//   MAP  SYSTEM-USER  DATABASE-USER
//   staff  /^(.*)@example\.net$   \1        a regular expression, and what its parenthesis matched
//   staff  root                   all
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/pattern.h"
#include "auth/rule_lines.h"

namespace howdah::auth {

class IdentMap {
 public:
  struct Line {
    std::string system;                      // the name itself,
    std::shared_ptr<const Pattern> pattern;  // or what it must look like
    enum class To { Name, Template, Pattern, All } to = To::Name;
    std::string user;  // Template: \1 stands for the first group
    std::shared_ptr<const Pattern> user_pattern;
  };
  void add(Line line) { lines_.push_back(std::move(line)); }
  bool admits(std::string_view system, std::string_view user) const;

 private:
  std::vector<Line> lines_;
};

using IdentMaps = std::map<std::string, std::shared_ptr<const IdentMap>, std::less<>>;

IdentMaps read_ident_maps(const std::vector<RuleLine>& lines, RuleReader& reader);

}  // namespace howdah::auth
