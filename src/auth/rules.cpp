// The meaning of HBA lines; see rules.h.
#include "auth/rules.h"

#include <algorithm>
#include <set>

#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;

namespace {

constexpr std::pair<std::string_view, RuleMethod> kMethods[] = {
    {"trust", RuleMethod::Trust},     {"reject", RuleMethod::Reject},
    {"password", RuleMethod::Password}, {"plain", RuleMethod::Password},
    {"md5", RuleMethod::Md5},         {"scram-sha-256", RuleMethod::Scram},
    {"cert", RuleMethod::Cert},       {"peer", RuleMethod::Peer},
    {"ldap", RuleMethod::Ldap},       {"pam", RuleMethod::Pam}};

// Reads one line; the first mistake ends it.
class LineParser {
 public:
  LineParser(const RuleLine& line, const RuleContext& context, RuleReader& reader)
      : line_(line), context_(context), reader_(reader) {}

  bool parse(Rule& rule) {
    auto grant = std::make_shared<Grant>();
    grant->source = line_.place();
    bool good = take_type(rule) && take_names("database", true, rule.databases) &&
                take_names("user", false, rule.users) &&
                (rule.type == Rule::Type::Local || take_address(rule.address)) &&
                take_method(rule, *grant) && take_options(rule, *grant);
    rule.grant = std::move(grant);
    return good;
  }

 private:
  bool wrong(std::string text) {
    reader_.problem(line_, std::move(text));
    return false;
  }

  const Field* next() { return at_ < line_.fields.size() ? &line_.fields[at_++] : nullptr; }

  // The next field as one word; null (and said) if it is not there or a list.
  const Word* next_word(std::string_view what) {
    const Field* field = next();
    if (!field) {
      wrong(cat("the line ends before its ", what,
                "; it should be: TYPE DATABASE USER [ADDRESS] METHOD [OPTIONS]"));
      return nullptr;
    }
    if (field->size() != 1) {
      wrong(cat("the ", what, " cannot be a list"));
      return nullptr;
    }
    return &field->front();
  }

  bool take_type(Rule& rule) {
    const Word* word = next_word("type");
    if (!word) return false;
    if (word->quoted) return wrong(cat("the type ", shown(word->text), " is quoted"));
    if (word->text == "local") {
      rule.type = Rule::Type::Local;
    } else if (word->text == "host") {
      rule.type = Rule::Type::Host;
    } else if (word->text == "hostssl") {
      rule.type = Rule::Type::HostSsl;
    } else if (word->text == "hostnossl") {
      rule.type = Rule::Type::HostNoSsl;
    } else if (word->text == "hostgssenc" || word->text == "hostnogssenc") {
      return wrong(cat(word->text, ": howdah has no GSSAPI encryption; use host"));
    } else {
      return wrong(cat("unknown type ", shown(word->text),
                       "; known are local, host, hostssl, hostnossl"));
    }
    return true;
  }

  bool take_names(std::string_view what, bool database, std::vector<NameRule>& names) {
    const Field* field = next();
    if (!field) {
      return wrong(cat("the line ends before its ", what,
                       "; it should be: TYPE DATABASE USER [ADDRESS] METHOD [OPTIONS]"));
    }
    bool good = true;
    for (const Word& word : reader_.with_files(*field, line_)) {
      NameRule rule;
      good = name_rule(word, what, database, rule) && good;
      names.push_back(std::move(rule));
    }
    return good;
  }

  bool name_rule(const Word& word, std::string_view what, bool database, NameRule& rule) {
    const std::string& text = word.text;
    if (text.empty()) return wrong(cat("the name of a ", what, " is empty"));
    rule.name = text;
    if (text[0] == '/') {
      auto pattern = Pattern::make(std::string_view(text).substr(1));
      if (!pattern) return wrong(cat(shown(text), ": ", pattern.error().text));
      rule.kind = NameRule::Kind::Pattern;
      rule.pattern = std::move(*pattern);
      return true;
    }
    if (word.quoted) return true;
    if (text == "all") {
      rule.kind = NameRule::Kind::All;
    } else if (database && text == "sameuser") {
      rule.kind = NameRule::Kind::SameUser;
    } else if (database && text == "replication") {
      rule.kind = NameRule::Kind::Replication;
    } else if (database && (text == "samerole" || text == "samegroup")) {
      return wrong(cat(text, ": howdah does not know who is a member of a role; write the names "
                             "(a database of that name is written in quotes)"));
    } else if (!database && text[0] == '+') {
      return wrong(cat(shown(text), ": howdah does not know who is a member of a role; write the "
                                    "names (a user of that name is written in quotes)"));
    } else if (text == "@") {
      return wrong("@ without the name of a file");
    }
    return true;
  }

  bool take_address(AddressRule& rule) {
    const Word* word = next_word("address");
    if (!word) return false;
    const std::string& text = word->text;
    if (!word->quoted && text == "all") {
      rule.kind = AddressRule::Kind::All;
      return true;
    }
    rule.kind = AddressRule::Kind::Ranges;
    if (!word->quoted && (text == "samehost" || text == "samenet")) {
      for (const Interface& one : context_.sources.interfaces()) {
        auto range = parse_masked(one.address, one.mask);
        if (!range) continue;
        if (text == "samehost") range->length = range->base.bits();
        rule.ranges.push_back(*range);
      }
      return true;
    }
    if (text.find('/') != std::string::npos) return take_range(parse_cidr(text), rule);
    if (parse_ip(text)) {
      const Word* mask = next_word("mask");
      return mask && take_range(parse_masked(text, mask->text), rule);
    }
    bool suffix = text.starts_with('.');
    rule.kind = suffix ? AddressRule::Kind::DomainSuffix : AddressRule::Kind::HostName;
    rule.name = base::lower(text);
    if (rule.name.size() > 1 && rule.name.ends_with('.')) rule.name.pop_back();
    return good_host_name(rule.name) ||
           wrong(cat(shown(text), " is no address (10.0.0.0/8, or with its mask behind it), no host "
                                  "name and none of all, samehost, samenet"));
  }

  bool take_range(base::Result<IpRange> range, AddressRule& rule) {
    if (!range) return wrong(range.error().text);
    if (range->has_host_bits()) {
      context_.warnings.push_back(
          cat(line_.place(), ": the address has bits set outside of its mask; they do not count"));
    }
    rule.ranges.push_back(*range);
    return true;
  }

  static bool good_host_name(std::string_view name) {
    if (name.starts_with('.')) name.remove_prefix(1);
    bool letter = false, empty = true;
    for (char c : name) {
      bool alpha = (c >= 'a' && c <= 'z') || c == '_';
      bool digit = c >= '0' && c <= '9';
      if (c == '.' ? empty : !alpha && !digit && c != '-') return false;
      empty = c == '.';
      letter = letter || alpha;
    }
    return letter && !empty && name.size() <= 253;
  }

  bool take_method(const Rule& rule, Grant& grant) {
    const Word* word = next_word("method");
    if (!word) return false;
    std::string method = base::lower(word->text);
    auto known = std::find_if(std::begin(kMethods), std::end(kMethods),
                              [&](const auto& one) { return one.first == method; });
    if (known == std::end(kMethods)) {
      std::string names;
      for (const auto& [text, value] : kMethods) names += (names.empty() ? "" : ", ") + std::string(text);
      return wrong(cat("unknown method ", shown(word->text), "; known are ", names));
    }
    grant.method = known->second;
    bool local = rule.type == Rule::Type::Local;
    if (grant.method == RuleMethod::Peer && !local) {
      return wrong("peer asks the system who is at the other end of a unix socket; it is for local "
                   "lines only");
    }
    if (grant.method == RuleMethod::Cert && (local || rule.type == Rule::Type::HostNoSsl)) {
      return wrong("cert needs TLS; use it on hostssl lines");
    }
    if (grant.method == RuleMethod::Pam) grant.pam_service = context_.pam_service;
    return true;
  }

  bool take_options(const Rule& rule, Grant& grant) {
    std::string ldap;
    std::set<std::string> seen;
    while (const Field* field = next()) {
      std::string text = joined(*field);
      auto equals = text.find('=');
      if (equals == std::string::npos || equals == 0) {
        return wrong(cat("behind the method come options as name=value, and the ",
                         seen.size() + 1, ". is none"));
      }
      std::string key = text.substr(0, equals), value = text.substr(equals + 1);
      if (!seen.insert(key).second) return wrong(cat("option ", shown(key), " is there twice"));
      if (grant.method == RuleMethod::Ldap && key.starts_with("ldap")) {
        ldap += (ldap.empty() ? "" : " ") + quoted_option(key, value);
      } else if (!take_option(rule, key, value, grant)) {
        return false;
      }
    }
    if (grant.method == RuleMethod::Ldap) {
      auto options = parse_ldap_options(ldap);
      if (!options) return wrong(cat("ldap: ", options.error().text));
      grant.ldap = std::make_shared<const LdapOptions>(std::move(*options));
    }
    base::wipe(ldap.data(), ldap.size());
    return true;
  }

  static std::string quoted_option(const std::string& key, const std::string& value) {
    std::string text = cat(key, "=\"");
    for (char c : value) text += c == '"' ? "\"\"" : std::string(1, c);
    return text + "\"";
  }

  bool take_option(const Rule& rule, const std::string& key, const std::string& value,
                   Grant& grant) {
    bool cert = grant.method == RuleMethod::Cert;
    if (key == "map" && (cert || grant.method == RuleMethod::Peer)) {
      auto map = context_.maps.find(value);
      if (map == context_.maps.end()) {
        return wrong(cat("there is no map ", shown(value), " in auth_ident_file"));
      }
      grant.map = map->second;
    } else if (key == "clientcert" && rule.type == Rule::Type::HostSsl) {
      if (value == "verify-full") {
        grant.client_cert = Grant::ClientCert::VerifyFull;
      } else if (value == "verify-ca" && !cert) {
        grant.client_cert = Grant::ClientCert::VerifyCa;
      } else {
        return wrong(cat("clientcert is ", cert ? "verify-full with cert" : "verify-ca or verify-full",
                         ", not ", shown(value)));
      }
    } else if (key == "clientname" && rule.type == Rule::Type::HostSsl) {
      if (value != "CN" && value != "DN") {
        return wrong(cat("clientname is CN or DN, not ", shown(value)));
      }
      grant.by_distinguished_name = value == "DN";
    } else if (key == "pamservice" && grant.method == RuleMethod::Pam) {
      if (value.empty() || value.find('/') != std::string::npos) {
        return wrong("pamservice is the name of a file in /etc/pam.d");
      }
      grant.pam_service = value;
    } else {
      return wrong(cat("option ", shown(key), " is unknown, or not for this type and method"));
    }
    return true;
  }

  const RuleLine& line_;
  const RuleContext& context_;
  RuleReader& reader_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view name(RuleMethod method) {
  if (method == RuleMethod::Password) return "password";
  for (const auto& [text, value] : kMethods) {
    if (value == method) return text;
  }
  return "?";
}

std::vector<Rule> read_rules(const std::vector<RuleLine>& lines, const RuleContext& context,
                             RuleReader& reader) {
  std::vector<Rule> rules;
  for (const RuleLine& line : lines) {
    Rule rule;
    if (LineParser(line, context, reader).parse(rule)) rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace howdah::auth
