// One line of an HBA file, understood; and the reading of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/ident_map.h"
#include "auth/ip_range.h"
#include "auth/pattern.h"
#include "auth/rule_lines.h"
#include "howdah/auth/access.h"

namespace howdah::auth {

struct NameRule {
  enum class Kind { All, SameUser, Replication, Name, Pattern } kind = Kind::Name;
  std::string name;
  std::shared_ptr<const Pattern> pattern;
};

struct AddressRule {
  enum class Kind { All, Ranges, HostName, DomainSuffix } kind = Kind::All;
  std::vector<IpRange> ranges;
  std::string name;  // lower case; the suffix with its dot
};

struct Rule {
  enum class Type { Any, Local, Host, HostSsl, HostNoSsl } type = Type::Any;
  std::vector<NameRule> databases, users;
  AddressRule address;
  std::shared_ptr<const Grant> grant;
};

// What lines mean. Mistakes go to the reader's problems, doubtful things to `warnings`.
struct RuleContext {
  const Sources& sources;
  const IdentMaps& maps;
  std::string pam_service;
  std::vector<std::string>& warnings;
};
std::vector<Rule> read_rules(const std::vector<RuleLine>& lines, const RuleContext& context,
                             RuleReader& reader);

}  // namespace howdah::auth
