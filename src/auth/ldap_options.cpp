// The options of LDAP; see ldap.h. Their texts may hold the password of ldapbinddn: no message
// repeats a value.
#include <ldap.h>

#include <map>
#include <memory>

#include "auth/rule_lines.h"
#include "howdah/auth/directory.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;
using base::Error;

namespace {

constexpr std::string_view kNames[] = {
    "ldapserver", "ldapport",   "ldapscheme",     "ldaptls",
    "ldapurl",    "ldapprefix", "ldapsuffix",     "ldapbasedn",
    "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter"};

struct FreeUrl {
  void operator()(LDAPURLDesc* url) const { ldap_free_urldesc(url); }
};

// A word of LDAP: what an attribute is called.
bool is_attribute(std::string_view text) {
  for (char c : text) {
    bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '-' || c == '.' || c == ';' || c == '_';
    if (!good) return false;
  }
  return !text.empty();
}

base::Status take_url(const std::string& text, LdapOptions& options) {
  LDAPURLDesc* raw = nullptr;
  if (ldap_url_parse(text.c_str(), &raw) != LDAP_URL_SUCCESS) {
    return Error{"config", "ldapurl cannot be read; it should be "
                           "ldap[s]://host[:port]/basedn[?[attribute][?[scope][?[filter]]]]"};
  }
  std::unique_ptr<LDAPURLDesc, FreeUrl> url(raw);
  options.scheme = url->lud_scheme ? url->lud_scheme : "";
  if (url->lud_host && *url->lud_host) options.servers = {url->lud_host};
  if (text.find("://") != std::string::npos && url->lud_port > 0) options.port = url->lud_port;
  if (url->lud_dn) options.base = url->lud_dn;
  if (url->lud_attrs && url->lud_attrs[0]) {
    if (url->lud_attrs[1]) return Error{"config", "ldapurl names more than one attribute"};
    options.attribute = url->lud_attrs[0];
  }
  if (url->lud_filter) options.filter = url->lud_filter;
  switch (url->lud_scope) {
    case LDAP_SCOPE_ONELEVEL:
      options.scope = LdapOptions::Scope::One;
      break;
    case LDAP_SCOPE_SUBTREE:
      options.scope = LdapOptions::Scope::Subtree;
      break;
    case LDAP_SCOPE_BASE:
    case LDAP_SCOPE_DEFAULT:
      options.scope = LdapOptions::Scope::Base;
      break;
    default:
      return Error{"config", "the scope of ldapurl is base, one or sub"};
  }
  return base::Done{};
}

base::Status check(const LdapOptions& options, bool prefixed) {
  if (options.scheme != "ldap" && options.scheme != "ldaps") {
    return Error{"config", "the scheme is ldap or ldaps"};
  }
  if (options.start_tls && options.scheme == "ldaps") {
    return Error{"config", "ldaptls=1 and ldaps exclude each other"};
  }
  if (options.search && prefixed) {
    return Error{"config", "ldapprefix and ldapsuffix cannot be used with ldapbasedn, ldapbinddn, "
                           "ldapbindpasswd, ldapsearchattribute, ldapsearchfilter or ldapurl"};
  }
  if (!options.search && !prefixed) {
    return Error{"config", "one of ldapbasedn, ldapprefix or ldapsuffix must be there"};
  }
  if (options.search && options.base.empty()) return Error{"config", "ldapbasedn is missing"};
  if (!options.search && options.servers.empty()) return Error{"config", "ldapserver is missing"};
  if (!options.filter.empty() && options.filter.find("$username") == std::string::npos) {
    return Error{"config", "the filter must have $username in it: without it everybody would be "
                           "the same entry"};
  }
  if (!is_attribute(options.attribute)) return Error{"config", "the attribute is no attribute name"};
  return base::Done{};
}

}  // namespace

base::Result<LdapOptions> parse_ldap_options(std::string_view text) {
  auto fields = read_fields(text, false);
  if (!fields) return fields.error();
  std::map<std::string, std::string, std::less<>> given;
  for (const Field& field : *fields) {
    std::string option = joined(field);
    auto equals = option.find('=');
    std::string key = option.substr(0, equals);
    bool known = false;
    for (std::string_view name : kNames) known = known || name == key;
    // What does not look like an option may be a part of a password: it is not repeated.
    if (equals == std::string::npos || !known) {
      return Error{"config", "options are name=value with the names ldapserver, ldapport, "
                             "ldapscheme, ldaptls, ldapurl, ldapprefix, ldapsuffix, ldapbasedn, "
                             "ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter; a "
                             "value with blanks is put in double quotes"};
    }
    if (!given.emplace(key, option.substr(equals + 1)).second) {
      return Error{"config", cat(key, " is there twice")};
    }
  }
  LdapOptions options;
  auto has = [&](std::string_view key) { return given.find(key) != given.end(); };
  auto get = [&](std::string_view key) { return has(key) ? given.find(key)->second : std::string(); };
  if (has("ldapurl")) {
    for (auto key : {"ldapserver", "ldapport", "ldapscheme", "ldapbasedn", "ldapsearchattribute",
                     "ldapsearchfilter"}) {
      if (has(key)) return Error{"config", cat("ldapurl and ", key, " exclude each other")};
    }
    if (auto taken = take_url(get("ldapurl"), options); !taken) return taken.error();
  }
  const std::string servers = get("ldapserver");
  for (auto host : base::split(servers, ' ')) {
    if (!host.empty()) options.servers.emplace_back(host);
  }
  if (has("ldapport")) {
    std::int64_t port = 0;
    if (!base::parse_int(get("ldapport"), port) || port < 1 || port > 65535) {
      return Error{"config", "ldapport is a number from 1 to 65535"};
    }
    options.port = static_cast<int>(port);
  }
  if (has("ldapscheme")) options.scheme = get("ldapscheme");
  if (has("ldaptls")) {
    if (get("ldaptls") != "1" && get("ldaptls") != "0") {
      return Error{"config", "ldaptls is 0 or 1"};
    }
    options.start_tls = get("ldaptls") == "1";
  }
  options.prefix = get("ldapprefix");
  options.suffix = get("ldapsuffix");
  if (has("ldapbasedn")) options.base = get("ldapbasedn");
  options.bind_name = get("ldapbinddn");
  options.bind_password = base::Secret(get("ldapbindpasswd"));
  if (has("ldapsearchattribute") && has("ldapsearchfilter")) {
    return Error{"config", "ldapsearchattribute and ldapsearchfilter exclude each other"};
  }
  if (has("ldapsearchattribute")) options.attribute = get("ldapsearchattribute");
  if (has("ldapsearchfilter")) options.filter = get("ldapsearchfilter");
  options.search = has("ldapbasedn") || has("ldapbinddn") || has("ldapbindpasswd") ||
                   has("ldapsearchattribute") || has("ldapsearchfilter") || has("ldapurl");
  // ldapurl with prefix or suffix is a simple bind at that server, if it says no more.
  bool prefixed = has("ldapprefix") || has("ldapsuffix");
  if (has("ldapurl") && prefixed && options.base.empty() && options.filter.empty() &&
      !has("ldapbinddn") && !has("ldapbindpasswd")) {
    options.search = false;
  }
  for (auto& [key, value] : given) base::wipe(value.data(), value.size());
  if (auto checked = check(options, prefixed); !checked) return checked.error();
  return options;
}

}  // namespace howdah::auth
