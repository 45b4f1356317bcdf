// Which rule fits; see access.h. Pure.
#include <utility>

#include "auth/rules.h"
#include "howdah/base/text.h"

namespace howdah::auth {

namespace {

bool fits(Rule::Type type, const Origin& origin) {
  switch (type) {
    case Rule::Type::Any:
      return true;
    case Rule::Type::Local:
      return origin.is_unix;
    case Rule::Type::Host:
      return !origin.is_unix;
    case Rule::Type::HostSsl:
      return !origin.is_unix && origin.tls;
    case Rule::Type::HostNoSsl:
      return !origin.is_unix && !origin.tls;
  }
  return false;
}

// A physical replication connection is of no database: only the word `replication` means it.
bool fits_database(const std::vector<NameRule>& rules, const Origin& origin) {
  bool physical = origin.replication == Origin::Replication::Physical;
  for (const NameRule& rule : rules) {
    if (physical != (rule.kind == NameRule::Kind::Replication)) continue;
    switch (rule.kind) {
      case NameRule::Kind::Replication:
      case NameRule::Kind::All:
        return true;
      case NameRule::Kind::SameUser:
        if (origin.database == origin.user) return true;
        break;
      case NameRule::Kind::Name:
        if (rule.name == origin.database) return true;
        break;
      case NameRule::Kind::Pattern:
        if (rule.pattern->found_in(origin.database)) return true;
        break;
    }
  }
  return false;
}

bool fits_user(const std::vector<NameRule>& rules, const Origin& origin) {
  for (const NameRule& rule : rules) {
    switch (rule.kind) {
      case NameRule::Kind::All:
        return true;
      case NameRule::Kind::Name:
        if (rule.name == origin.user) return true;
        break;
      case NameRule::Kind::Pattern:
        if (rule.pattern->found_in(origin.user)) return true;
        break;
      case NameRule::Kind::SameUser:
      case NameRule::Kind::Replication:
        break;
    }
  }
  return false;
}

enum class Fit { No, Yes, Ask };

Fit fits_name(const AddressRule& rule, const Origin& origin, RuleMethod method) {
  switch (origin.host_state) {
    case Origin::HostName::NotAsked:
      return Fit::Ask;
    case Origin::HostName::Absent:
      return Fit::No;
    case Origin::HostName::Failed:
      // Nobody knows: a line that lets in does not fit, one that rejects does.
      return method == RuleMethod::Reject ? Fit::Yes : Fit::No;
    case Origin::HostName::Known:
      break;
  }
  std::string name = base::lower(origin.host_name);
  if (name.ends_with('.')) name.pop_back();
  bool suffix = rule.kind == AddressRule::Kind::DomainSuffix;
  bool same = suffix ? name.size() > rule.name.size() && name.ends_with(rule.name)
                     : name == rule.name;
  return same ? Fit::Yes : Fit::No;
}

Fit fits_address(const AddressRule& rule, const std::optional<IpAddress>& address,
                 const Origin& origin, RuleMethod method) {
  switch (rule.kind) {
    case AddressRule::Kind::All:
      return Fit::Yes;
    case AddressRule::Kind::Ranges:
      for (const IpRange& range : rule.ranges) {
        if (address && range.contains(*address)) return Fit::Yes;
      }
      return Fit::No;
    case AddressRule::Kind::HostName:
    case AddressRule::Kind::DomainSuffix:
      return fits_name(rule, origin, method);
  }
  return Fit::No;
}

}  // namespace

Access::Access(std::vector<Rule> rules) : rules_(std::move(rules)) {}
Access::~Access() = default;
std::size_t Access::size() const { return rules_.size(); }

Verdict Access::match(const Origin& origin) const {
  auto address = origin.is_unix ? std::nullopt : parse_ip(origin.address);
  if (!origin.is_unix && !address) return {};  // a reject line must not miss it
  for (const Rule& rule : rules_) {
    if (!fits(rule.type, origin) || !fits_database(rule.databases, origin) ||
        !fits_user(rule.users, origin)) {
      continue;
    }
    switch (fits_address(rule.address, address, origin, rule.grant->method)) {
      case Fit::No:
        break;
      case Fit::Ask:
        return {Verdict::Kind::NeedsHostName, nullptr};
      case Fit::Yes:
        return {Verdict::Kind::Use, rule.grant};
    }
  }
  return {};
}

bool same_address(std::string_view a, std::string_view b) {
  auto one = parse_ip(a);
  return one && one == parse_ip(b);
}

bool Grant::admits(std::string_view system_user, std::string_view user) const {
  if (system_user.empty() || user.empty()) return false;
  return map ? map->admits(system_user, user) : system_user == user;
}

bool Grant::certificate_admits(const Origin& origin) const {
  if (!origin.tls || !origin.certificate) return false;
  return admits(by_distinguished_name ? origin.distinguished_name : origin.common_name,
                origin.user);
}

bool Grant::certificate_suffices(const Origin& origin) const {
  switch (client_cert) {
    case ClientCert::NotNeeded:
      return true;
    case ClientCert::VerifyCa:
      return origin.tls && origin.certificate;
    case ClientCert::VerifyFull:
      return certificate_admits(origin);
  }
  return false;
}

}  // namespace howdah::auth
