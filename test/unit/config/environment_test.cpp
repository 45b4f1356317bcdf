// %env(NAME) in values: where it counts, what is wrong with it, and that it shows nowhere.
#include "config/environment.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "unit/config/files.h"

using namespace howdah;
using namespace howdah::config;

namespace {
// Set for the length of a test.
struct Variable {
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  const char* name_;
};
}  // namespace

TEST_CASE("each variable in a text is replaced, and its value not looked into") {
  Variable a("HOWDAH_A", "one"), b("HOWDAH_B", "%env(HOWDAH_A)"), empty("HOWDAH_E", "");
  CHECK(*expand_environment("") == "");
  CHECK(*expand_environment("100 %env %envy(") == "100 %env %envy(");
  CHECK(*expand_environment("x%env(HOWDAH_A)y%env(HOWDAH_A)") == "xoneyone");
  CHECK(*expand_environment("%env(HOWDAH_B)") == "%env(HOWDAH_A)");
  CHECK(*expand_environment("<%env(HOWDAH_E)>") == "<>");
}

TEST_CASE("a variable that is not set and a name that is none are errors") {
  for (const char* text : {"%env(HOWDAH_NOT_SET)", "%env()", "%env(", "%env(HOWDAH A)", "%env(1X)",
                           "%env(A=B)", "%env(HOWDAH_A", "%env(\xc3\xa4)"}) {
    CHECK_MESSAGE(!expand_environment(text).ok(), text);
  }
  CHECK_FALSE(expand_environment("%env(" + std::string(300, 'X') + ")").ok());
}

TEST_CASE("a value with blanks and quotes is one value of a connect string, and no key") {
  Variable secret("HOWDAH_A", "p'w host=evil");
  auto loaded = load_text("[howdah]\n[databases]\ndb = host=h password=%env(HOWDAH_A)\n", "ini",
                          [](const std::string&) -> base::Result<std::string> {
                            return base::Error{"io", "no"};
                          });
  REQUIRE(loaded.config);
  const auto& db = *loaded.config->databases.at("db");
  CHECK(db.password->view() == "p'w host=evil");
  CHECK(db.hosts[0].name == "h");
}

TEST_CASE("a setting has the value, its row in SHOW CONFIG the name, until SET gives it another") {
  Variable size("HOWDAH_A", " 7 "), type("HOWDAH_B", "hba-or-so");
  auto read = [](const std::string&) -> base::Result<std::string> {
    return base::Error{"io", "no"};
  };
  auto loaded = load_text("[howdah]\ndefault_pool_size = %env(HOWDAH_A)\n", "ini", read);
  REQUIRE(loaded.config);
  CHECK(loaded.config->settings.default_pool_size == 7);
  CHECK(loaded.config->find_row("default_pool_size")->written == "%env(HOWDAH_A)");
  auto changed = with_setting(*loaded.config, "default_pool_size", "8");
  REQUIRE(changed.ok());
  CHECK_FALSE((*changed)->find_row("default_pool_size")->written);
  // The console does not read the environment.
  CHECK_FALSE(with_setting(*loaded.config, "default_pool_size", "%env(HOWDAH_A)").ok());

  auto wrong = load_text("[howdah]\nauth_type = %env(HOWDAH_B)\n", "ini", read);
  REQUIRE(wrong.problems.size() == 1);
  CHECK(wrong.problems[0].where == "ini:2");
  CHECK(wrong.problems[0].text.find("hba-or-so") == std::string::npos);
}

TEST_CASE("a secret of the userlist may be a variable, whole") {
  Variable secret("HOWDAH_A", "s\"1");
  std::vector<Problem> problems;
  auto users = read_userlist(
      "\"a\" \"%env(HOWDAH_A)\"\n\"b\" \"x%env(HOWDAH_A)\"\n"
      "\"c\" \"%env(HOWDAH_NOT_SET)\"\n",
      "users", problems);
  CHECK(users.at("a").view() == "s\"1");
  CHECK(users.at("b").view() == "x%env(HOWDAH_A)");
  CHECK_FALSE(users.contains("c"));
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].where == "users:3");
}
