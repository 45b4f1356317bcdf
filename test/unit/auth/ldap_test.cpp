// LDAP without a server: options, and what becomes of hostile user names.
#include <doctest/doctest.h>

#include "auth/ldap_text.h"
#include "howdah/auth/directory.h"

using namespace howdah;
using namespace howdah::auth;

namespace {

LdapOptions options(const std::string& text) {
  auto parsed = parse_ldap_options(text);
  if (!parsed) FAIL_CHECK((text + ": " + parsed.error().text));
  return parsed ? *parsed : LdapOptions{};
}

std::string wrong(const std::string& text) {
  auto parsed = parse_ldap_options(text);
  return parsed ? "" : parsed.error().text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("simple bind and search + bind are told apart") {
  auto simple = options("ldapserver=\"a b:1\" ldapport=3389 ldapprefix=\"cn=\" "
                        "ldapsuffix=\", dc=example, dc=net\"");
  CHECK(!simple.search);
  CHECK(simple.servers == std::vector<std::string>{"a", "b:1"});
  CHECK(simple.port == 3389);
  CHECK(ldap_bind_name(simple, "bob") == "cn=bob, dc=example, dc=net");
  auto search = options("ldapserver=h ldapbasedn=dc=example,dc=net ldapbinddn=\"cn=x, dc=y\" "
                        "ldapbindpasswd=\"se cret\" ldaptls=1");
  CHECK(search.search);
  CHECK(search.base == "dc=example,dc=net");
  CHECK(search.bind_name == "cn=x, dc=y");
  CHECK(search.bind_password.view() == "se cret");
  CHECK(search.start_tls);
  CHECK(ldap_filter(search, "bob") == "(uid=bob)");
  CHECK(options("ldapbasedn=dc=x").servers.empty());  // DNS is asked
  auto other = options("ldapserver=h ldapbasedn=x ldapsearchfilter=(|(uid=$username)(mail=$username))");
  CHECK(ldap_filter(other, "bob") == "(|(uid=bob)(mail=bob))");
}

TEST_CASE("ldapurl says it all") {
  auto url = options("ldapurl=\"ldaps://host:1636/dc=example,dc=net?mail?sub\"");
  CHECK(url.search);
  CHECK(url.scheme == "ldaps");
  CHECK(url.servers == std::vector<std::string>{"host"});
  CHECK(url.port == 1636);
  CHECK(url.base == "dc=example,dc=net");
  CHECK(url.attribute == "mail");
  CHECK(url.scope == LdapOptions::Scope::Subtree);
  auto filter = options("ldapurl=ldap://h/dc=x??one?(&(uid=$username)(ok=1))");
  CHECK(filter.scope == LdapOptions::Scope::One);
  CHECK(ldap_filter(filter, "a") == "(&(uid=a)(ok=1))");
}

TEST_CASE("options that contradict or say nothing are refused, without repeating a value") {
  const std::pair<const char*, const char*> mistakes[] = {
      {"", "must be there"},
      {"ldapserver=h", "must be there"},
      {"ldapprefix=x", "ldapserver is missing"},
      {"ldapserver=h ldapprefix=a ldapbasedn=b", "cannot be used with"},
      {"ldapserver=h ldapbindpasswd=s3cret", "ldapbasedn is missing"},
      {"ldapserver=h ldapbasedn=x ldapsearchattribute=a ldapsearchfilter=(a=$username)", "exclude"},
      {"ldapserver=h ldapbasedn=x ldapsearchfilter=(a=b)", "$username"},
      {"ldapserver=h ldapbasedn=x ldapsearchattribute=a)(b", "no attribute"},
      {"ldapserver=h ldapbasedn=x ldapport=0", "65535"},
      {"ldapserver=h ldapbasedn=x ldapport=70000", "65535"},
      {"ldapserver=h ldapbasedn=x ldaptls=yes", "0 or 1"},
      {"ldapserver=h ldapbasedn=x ldapscheme=http", "ldap or ldaps"},
      {"ldapserver=h ldapbasedn=x ldapscheme=ldaps ldaptls=1", "exclude"},
      {"ldapurl=http://h/x", "cannot be read"},
      {"ldapurl=ldap://h/x ldapserver=y", "exclude"},
      {"ldapurl=ldap://h/x?a,b", "more than one"},
      {"ldapserver=h ldapbasedn=x ldapbasedn=y", "twice"},
      {"ldapserver=h ldapbasedn=x s3cret", "name=value"},
      {"ldapserver=h ldapbasedn=x ldapfoo=s3cret", "name=value"},
      {"ldapserver=h ldapbindpasswd=\"s3cret", "never closed"},
  };
  for (const auto& [text, part] : mistakes) {
    CHECK_MESSAGE(has(wrong(text), part), text << " -> " << wrong(text));
    CHECK(!has(wrong(text), "s3cret"));
  }
}

TEST_CASE("a user name stays one value of a distinguished name") {
  auto simple = options("ldapserver=h ldapprefix=\"cn=\" ldapsuffix=\",dc=x\"");
  CHECK(ldap_bind_name(simple, "bob,dc=evil") == "cn=bob\\2cdc\\3devil,dc=x");
  CHECK(ldap_bind_name(simple, "a+b=c") == "cn=a\\2bb\\3dc,dc=x");
  CHECK(ldap_bind_name(simple, " a ") == "cn=\\20a\\20,dc=x");
  CHECK(ldap_bind_name(simple, "#a") == "cn=\\23a,dc=x");
  CHECK(ldap_bind_name(simple, " ") == "cn=\\20,dc=x");
  CHECK(ldap_bind_name(simple, "a\\b\"<>;") == "cn=a\\5cb\\22\\3c\\3e\\3b,dc=x");
  CHECK(ldap_bind_name(simple, "m\xc3\xbcller") == "cn=m\xc3\xbcller,dc=x");
  auto windows = options("ldapserver=h ldapsuffix=@corp.example");
  CHECK(ldap_bind_name(windows, "bob") == "bob@corp.example");
  CHECK(!ldap_user_usable(windows, "OTHER\\bob"));
  CHECK(ldap_user_usable(windows, "bob"));
}

TEST_CASE("a user name stays one value of a filter") {
  auto search = options("ldapserver=h ldapbasedn=x");
  CHECK(ldap_filter(search, "*") == "(uid=\\2a)");
  CHECK(ldap_filter(search, "a)(uid=*") == "(uid=a\\29\\28uid=\\2a)");
  CHECK(ldap_filter(search, "a\\2a") == "(uid=a\\5c2a)");
  for (const char* user : {"*", "a(", ")", "a\\b", "a/b", "", "a\nb", "\x7f"}) {
    CHECK_MESSAGE(!ldap_user_usable(search, user), user);
  }
  CHECK(ldap_user_usable(search, "bob.o'neil-7"));
  // A name with the placeholder in it is not replaced again.
  auto filter = options("ldapserver=h ldapbasedn=x ldapsearchfilter=(|(a=$username)(b=$username))");
  CHECK(ldap_filter(filter, "$username") == "(|(a=$username)(b=$username))");
}

TEST_CASE("an empty password is never sent anywhere") {
  auto simple = options("ldapserver=192.0.2.1 ldapsuffix=@x");
  auto verdict = ldap_check(simple, "bob", base::Secret(""));
  REQUIRE(!verdict);
  CHECK(verdict.error().text == "empty password returned by client");
  base::Duration delay{};
  CHECK(!pam_check({"nosuchservice", "", "bob", ""}, base::Secret(""), delay));
}
