// LDAP options and user names: never a crash; options that are taken are whole, and whatever a user
// is called, the filter keeps its shape.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/ldap_text.h"
#include "howdah/auth/directory.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto options = auth::parse_ldap_options(text);
  if (options) {
    if (options->search ? options->base.empty() : options->servers.empty()) std::abort();
    if (options->scheme != "ldap" && options->scheme != "ldaps") std::abort();
  } else if (options.error().text.empty()) {
    std::abort();
  }
  auth::LdapOptions plain;
  std::string filter = auth::ldap_filter(plain, text);
  for (char special : {'(', ')', '*'}) {
    auto wanted = special == '*' ? 0 : 1;
    if (std::count(filter.begin(), filter.end(), special) != wanted) std::abort();
  }
  plain.prefix = "cn=";
  plain.suffix = ",dc=x";
  std::string name = auth::ldap_bind_name(plain, text);
  if (std::count(name.begin(), name.end(), ',') != 1) std::abort();
  if (std::count(name.begin(), name.end(), '=') != 2) std::abort();
  return 0;
}
