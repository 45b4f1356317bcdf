// Passwords that a directory or the system's PAM stack judges. Both calls block, for seconds if the
// other side is slow: helper threads only. PostgreSQL 15 manual 21.10 and 21.12, compat 2.4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/base/secret.h"
#include "howdah/base/time.h"

namespace howdah::auth {

// Simple bind (prefix + user + suffix is the name), or search + bind (base is set).
struct LdapOptions {
  std::vector<std::string> servers;  // empty: asked of DNS by the domain of `base`
  int port = 0;                      // 0: 389, or 636 with ldaps
  std::string scheme = "ldap";       // or "ldaps"
  bool start_tls = false;
  bool search = false;
  std::string prefix, suffix;
  std::string base, bind_name;
  base::Secret bind_password;
  std::string attribute = "uid";  // used when filter is empty
  std::string filter;             // with $username in it
  enum class Scope { Base, One, Subtree } scope = Scope::Subtree;
};

// `name=value ...` as in auth_ldap_options and behind `ldap` in an HBA line. The error says what is
// wrong and holds no value.
base::Result<LdapOptions> parse_ldap_options(std::string_view text);

// Ok, or why not; the text is for the log and holds no secret. Each server has 3 seconds.
base::Status ldap_check(const LdapOptions& options, const std::string& user,
                        const base::Secret& password);

struct PamRequest {
  std::string service, directory;  // directory: instead of the system's /etc/pam.d
  std::string user, address;
};
// `delay`: how long PAM's modules want the answer to a wrong password to take. Nobody slept for it: a
// thread that sleeps is one that others wait for.
base::Status pam_check(const PamRequest& request, const base::Secret& password,
                       base::Duration& delay);

}  // namespace howdah::auth
