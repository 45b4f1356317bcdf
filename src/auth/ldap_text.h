// User names on their way into LDAP: names (RFC 4514) and filters (RFC 4515). Whatever a client calls
// itself, it stays one value.
#pragma once

#include <string>
#include <string_view>

#include "howdah/auth/directory.h"

namespace howdah::auth {

std::string escape_ldap_name(std::string_view value);
std::string escape_ldap_filter(std::string_view value);

// Refused before any server is asked: control characters; with search the letters that PgBouncer
// refuses, too; a backslash where it would pick another domain.
base::Status ldap_user_usable(const LdapOptions& options, std::string_view user);
// Simple bind: prefix + user + suffix. As a distinguished name (there is an = in one of them) the
// user is escaped; `user@domain` and `DOMAIN\user` take it as it is.
std::string ldap_bind_name(const LdapOptions& options, std::string_view user);
std::string ldap_filter(const LdapOptions& options, std::string_view user);

}  // namespace howdah::auth
