// Ident maps, and what certificates admit.
#include "unit/auth/rules_fixture.h"

using namespace howdah;
using namespace howdah::auth;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The grant of `local all all peer map=m` under that map.
std::shared_ptr<const Grant> mapped(const std::string& ident) {
  return rules("local all all peer map=m", ident)->match(from("unix")).grant;
}

}  // namespace

TEST_CASE("without a map the names must be equal") {
  auto grant = rules("local all all peer")->match(from("unix")).grant;
  CHECK(grant->admits("bob", "bob"));
  CHECK(!grant->admits("bob", "Bob"));
  CHECK(!grant->admits("bob", "eve"));
  CHECK(!grant->admits("", ""));
  CHECK(!grant->admits("", "bob"));
}

TEST_CASE("a map says which system user may be whom") {
  auto grant = mapped(
      "# map system user\n"
      "m    bob      robert\n"
      "m    bob      \"all\"\n"
      "m    root     all\n"
      "other eve     all\n"
      "m    \"a b\"  c\n");
  CHECK(grant->admits("bob", "robert"));
  CHECK(!grant->admits("bob", "bob"));
  CHECK(grant->admits("bob", "all"));  // quoted: a name
  CHECK(!grant->admits("bob", "anybody"));
  CHECK(grant->admits("root", "anybody"));
  CHECK(!grant->admits("eve", "anybody"));
  CHECK(grant->admits("a b", "c"));
  CHECK(!grant->admits("", "anybody"));
}

TEST_CASE("regular expressions: \\1 is what the parenthesis matched, and only a name") {
  auto grant = mapped(
      "m /^(.*)@example\\.net$ \\1\n"
      "m /^adm-(\\w+) x_\\1_y\n"
      "m /^dba /^(alice|bob)$\n");
  CHECK(grant->admits("bob@example.net", "bob"));
  CHECK(!grant->admits("bob@example.net", "bob@example.net"));
  CHECK(!grant->admits("bob@example.net.evil.org", "bob"));
  CHECK(!grant->admits("bob@exampleXnet", "bob"));
  // A system user called all@... is no keyword, and an empty one no wildcard.
  CHECK(grant->admits("all@example.net", "all"));
  CHECK(!grant->admits("all@example.net", "postgres"));
  CHECK(!grant->admits("/.@example.net", "postgres"));
  CHECK(!grant->admits("@example.net", ""));
  CHECK(grant->admits("adm-joe", "x_joe_y"));
  CHECK(grant->admits("dba7", "alice"));
  CHECK(!grant->admits("dba7", "eve"));
  CHECK(!grant->admits("bob\n@example.net", "bob"));
}

TEST_CASE("mistakes in maps refuse everything, with their place") {
  const std::pair<const char*, const char*> mistakes[] = {
      {"m a", "three words"},          {"m a b c", "three words"},
      {"m a,b c", "three words"},      {"m /( b", "cannot be read"},
      {"m /a \\1", "has none"},        {"m a \"\"", "empty name"},
      {"m a +staff", "member"},        {"m a /(", "cannot be read"},
      {"m \"a b", "never closed"},     {"include nowhere", "cannot read"}};
  for (const auto& [line, text] : mistakes) {
    std::string said = problems("local all all peer map=m", std::string("m a b\n") + line);
    CHECK_MESSAGE(has(said, text), said);
    CHECK_MESSAGE(has(said, "/etc/ident:2"), said);
  }
  CHECK(has(problems("local all all peer map=M", "m a b"), "no map 'M'"));
}

TEST_CASE("a certificate admits by its name, and only a verified one over TLS") {
  Origin origin = from("10.0.0.1", "bob", "shop", true);
  origin.common_name = "bob";
  origin.distinguished_name = "CN=bob,OU=staff,O=Example";
  auto by_name = rules("hostssl all all all cert")->match(origin).grant;
  REQUIRE(by_name);
  CHECK(!by_name->certificate_admits(origin));
  origin.certificate = true;
  CHECK(by_name->certificate_admits(origin));
  CHECK(by_name->certificate_suffices(origin));
  Origin other = origin;
  other.common_name = "Bob";
  CHECK(!by_name->certificate_admits(other));
  other.common_name = "*";
  CHECK(!by_name->certificate_admits(other));
  other.common_name = "";
  CHECK(!by_name->certificate_admits(other));
  other = origin;
  other.tls = false;
  CHECK(!by_name->certificate_admits(other));

  auto by_subject = rules("hostssl all all all cert clientname=DN map=m",
                          "m \"/^CN=(.*),OU=staff,O=Example$\" \\1")
                        ->match(origin)
                        .grant;
  CHECK(by_subject->certificate_admits(origin));
  other = origin;
  other.distinguished_name = "CN=bob,OU=guests,O=Example";
  CHECK(!by_subject->certificate_admits(other));
}

TEST_CASE("clientcert= asks for a certificate beside the method") {
  Origin origin = from("10.0.0.1", "bob", "shop", true);
  auto ca = rules("hostssl all all all md5 clientcert=verify-ca")->match(origin).grant;
  auto full = rules("hostssl all all all md5 clientcert=verify-full")->match(origin).grant;
  CHECK(!ca->certificate_suffices(origin));
  CHECK(!full->certificate_suffices(origin));
  origin.certificate = true;
  origin.common_name = "eve";
  CHECK(ca->certificate_suffices(origin));
  CHECK(!full->certificate_suffices(origin));
  origin.common_name = "bob";
  CHECK(full->certificate_suffices(origin));
}
