// User names in LDAP; see ldap_text.h.
#include "auth/ldap_text.h"

#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;

namespace {

bool is_name(const LdapOptions& options) {
  return options.prefix.find('=') != std::string::npos ||
         options.suffix.find('=') != std::string::npos;
}

std::string escaped(std::string_view value, std::string_view special) {
  std::string out;
  for (char c : value) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 32 || byte == 127 || special.find(c) != std::string_view::npos) {
      out += '\\';
      out += base::hex({&c, 1});
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string escape_ldap_name(std::string_view value) {
  std::string out = escaped(value, "\"+,;<>\\=/");
  // A blank or # at the start, and a blank at the end, have a meaning.
  if (out.ends_with(' ')) out.replace(out.size() - 1, 1, "\\20");
  if (out.starts_with(' ') || out.starts_with('#')) {
    out.replace(0, 1, out[0] == ' ' ? "\\20" : "\\23");
  }
  return out;
}

std::string escape_ldap_filter(std::string_view value) { return escaped(value, "*()\\"); }

base::Status ldap_user_usable(const LdapOptions& options, std::string_view user) {
  base::Error bad{"28P01", "LDAP: the user name has characters that are not allowed"};
  if (user.empty()) return bad;
  for (char c : user) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 32 || byte == 127) return bad;
  }
  bool taken_as_it_is = !options.search && !is_name(options);
  std::string_view forbidden = options.search ? "*()\\/" : taken_as_it_is ? "\\" : "";
  if (user.find_first_of(forbidden) != std::string_view::npos) return bad;
  return base::Done{};
}

std::string ldap_bind_name(const LdapOptions& options, std::string_view user) {
  return cat(options.prefix, is_name(options) ? escape_ldap_name(user) : std::string(user),
             options.suffix);
}

std::string ldap_filter(const LdapOptions& options, std::string_view user) {
  std::string safe = escape_ldap_filter(user);
  if (options.filter.empty()) return cat("(", options.attribute, "=", safe, ")");
  constexpr std::string_view kPlace = "$username";
  std::string out;
  std::string_view rest = options.filter;
  for (std::size_t at; (at = rest.find(kPlace)) != std::string_view::npos;) {
    out += rest.substr(0, at);
    out += safe;
    rest.remove_prefix(at + kPlace.size());
  }
  out += rest;
  return out;
}

}  // namespace howdah::auth
