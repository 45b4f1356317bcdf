// A password judged by an LDAP server; see howdah/auth/directory.h. Blocks; on helper threads only.
#include <ldap.h>
#include <sys/time.h>

#include <memory>

#include "auth/ldap_text.h"
#include "howdah/auth/directory.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;
using base::Error;
using base::Status;

namespace {

constexpr int kTimeoutSeconds = 3;

struct Unbind {
  void operator()(LDAP* ldap) const { ldap_unbind_ext_s(ldap, nullptr, nullptr); }
};
struct FreeMessage {
  void operator()(LDAPMessage* message) const { ldap_msgfree(message); }
};
struct FreeText {
  void operator()(char* text) const { ldap_memfree(text); }
};
using Connection = std::unique_ptr<LDAP, Unbind>;
using Message = std::unique_ptr<LDAPMessage, FreeMessage>;
using Text = std::unique_ptr<char, FreeText>;

Error failed(std::string_view what, int code) {
  return {"28P01", cat(what, ": ", std::string_view(ldap_err2string(code)))};
}

// libldap tries the servers of the list in turn.
base::Result<std::string> server_list(const LdapOptions& options) {
  std::string list;
  int port = options.port ? options.port : options.scheme == "ldaps" ? 636 : 389;
  for (const std::string& host : options.servers) {
    list += cat(list.empty() ? "" : " ", options.scheme, "://");
    auto colon = host.find(':');
    bool own_port = colon != std::string::npos && host.find(':', colon + 1) == std::string::npos;
    if (own_port || host.starts_with('[')) {
      list += host;
    } else {
      list += colon == std::string::npos ? cat(host, ":", port) : cat("[", host, "]:", port);
    }
  }
  if (!list.empty()) return list;
  char* domain = nullptr;
  if (ldap_dn2domain(options.base.c_str(), &domain) != 0 || !domain) {
    return Error{"28P01", "LDAP: no domain can be made of ldapbasedn, so DNS cannot be asked for the "
                          "server"};
  }
  Text owned(domain);
  char* hosts = nullptr;
  if (int code = ldap_domain2hostlist(domain, &hosts); code != 0 || !hosts) {
    return failed("LDAP: DNS knows no server of the domain of ldapbasedn", code);
  }
  Text owned_hosts(hosts);
  for (auto host : base::split(hosts, ' ')) {
    list += cat(list.empty() ? "" : " ", options.scheme, "://", host);
  }
  return list;
}

base::Result<Connection> connect(const LdapOptions& options) {
  auto servers = server_list(options);
  if (!servers) return servers.error();
  LDAP* raw = nullptr;
  if (int code = ldap_initialize(&raw, servers->c_str()); code != LDAP_SUCCESS) {
    return failed("LDAP: the servers' names are unusable", code);
  }
  Connection ldap(raw);
  int version = LDAP_VERSION3;
  timeval limit{kTimeoutSeconds, 0};
  ldap_set_option(raw, LDAP_OPT_PROTOCOL_VERSION, &version);
  ldap_set_option(raw, LDAP_OPT_NETWORK_TIMEOUT, &limit);
  ldap_set_option(raw, LDAP_OPT_TIMEOUT, &limit);
  ldap_set_option(raw, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
  if (options.start_tls) {
    if (int code = ldap_start_tls_s(raw, nullptr, nullptr); code != LDAP_SUCCESS) {
      return failed("LDAP: StartTLS failed", code);
    }
  }
  return ldap;
}

int bind(LDAP* ldap, const std::string& name, const base::Secret& password) {
  berval credentials{static_cast<ber_len_t>(password.view().size()),
                     const_cast<char*>(password.view().data())};
  return ldap_sasl_bind_s(ldap, name.c_str(), LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr,
                          nullptr);
}

int scope_of(LdapOptions::Scope scope) {
  switch (scope) {
    case LdapOptions::Scope::Base:
      return LDAP_SCOPE_BASE;
    case LdapOptions::Scope::One:
      return LDAP_SCOPE_ONELEVEL;
    case LdapOptions::Scope::Subtree:
      return LDAP_SCOPE_SUBTREE;
  }
  return LDAP_SCOPE_BASE;
}

// The name of the one entry that is this user.
base::Result<std::string> find_entry(LDAP* ldap, const LdapOptions& options,
                                     const std::string& user) {
  if (int code = bind(ldap, options.bind_name, options.bind_password); code != LDAP_SUCCESS) {
    return failed("LDAP: cannot log in for the search", code);
  }
  std::string filter = ldap_filter(options, user);
  char none[] = LDAP_NO_ATTRS;
  char* attributes[] = {none, nullptr};
  timeval limit{kTimeoutSeconds, 0};
  LDAPMessage* raw = nullptr;
  int code = ldap_search_ext_s(ldap, options.base.c_str(), scope_of(options.scope), filter.c_str(),
                               attributes, 0, nullptr, nullptr, &limit, 2, &raw);
  Message found(raw);
  if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) {
    return failed("LDAP: the search failed", code);
  }
  int count = found ? ldap_count_entries(ldap, found.get()) : 0;
  if (count != 1) {
    return Error{"28P01", count == 0 ? "LDAP: no entry is this user"
                                     : "LDAP: more than one entry is this user"};
  }
  Text name(ldap_get_dn(ldap, ldap_first_entry(ldap, found.get())));
  // A bind without a name would be anonymous and always succeed.
  if (!name || !*name) return Error{"28P01", "LDAP: the user's entry has no name"};
  return std::string(name.get());
}

}  // namespace

Status ldap_check(const LdapOptions& options, const std::string& user,
                  const base::Secret& password) {
  // A bind with an empty password is anonymous and always succeeds. RFC 4513 section 5.1.2.
  if (password.empty()) return Error{"28P01", "empty password returned by client"};
  if (auto usable = ldap_user_usable(options, user); !usable) return usable.error();
  auto ldap = connect(options);
  if (!ldap) return ldap.error();
  std::string name = ldap_bind_name(options, user);
  if (options.search) {
    auto found = find_entry(ldap->get(), options, user);
    if (!found) return found.error();
    name = std::move(*found);
  }
  if (int code = bind(ldap->get(), name, password); code != LDAP_SUCCESS) {
    return failed("LDAP: the bind as the user failed", code);
  }
  return base::Done{};
}

}  // namespace howdah::auth
