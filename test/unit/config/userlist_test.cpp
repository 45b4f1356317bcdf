// userlist.txt.
#include "unit/config/files.h"

using namespace howdah::config;
using namespace std::string_literals;

namespace {

std::map<std::string, std::string> users(std::string_view text) {
  std::vector<Problem> problems;
  std::map<std::string, std::string> plain;
  for (const auto& [name, secret] : read_userlist(text, "users", problems))
    plain[name] = secret.view();
  INFO(text_of(problems));
  CHECK(problems.empty());
  return plain;
}

std::string problems(std::string_view text) {
  std::vector<Problem> found;
  read_userlist(text, "users", found);
  return text_of(found);
}

}  // namespace

TEST_CASE("a line is a name and a secret in double quotes, the rest is ignored") {
  CHECK(users("\"a\" \"x\"\n\"b\"\t\"y\" 2010 \"old\"\n") ==
        std::map<std::string, std::string>{{"a", "x"}, {"b", "y"}});
}

TEST_CASE("blank lines and ; lines are skipped, also with CRLF and a byte order mark") {
  CHECK(users("\xEF\xBB\xBF; users\r\n\r\n  \"a\" \"x\"\r\n;\"b\" \"y\"") ==
        std::map<std::string, std::string>{{"a", "x"}});
  CHECK(users("").empty());
}

TEST_CASE("a quote inside quotes is doubled and a backslash is itself") {
  CHECK(users(R"("a""b" "x\""y")") == std::map<std::string, std::string>{{"a\"b", "x\\\"y"}});
}

TEST_CASE("an empty secret is a user without password login") {
  CHECK(users("\"a\" \"\"") == std::map<std::string, std::string>{{"a", ""}});
}

TEST_CASE("the last line of a user wins") {
  CHECK(users("\"a\" \"x\"\n\"a\" \"y\"") == std::map<std::string, std::string>{{"a", "y"}});
}

TEST_CASE("every broken line is a problem with its number") {
  auto text = problems(
      "a \"x\"\n"
      "\"ok\" \"fine\"\n"
      "\"a\n"
      "\"\" \"x\"\n"
      "\"a\"\n"
      "\"a\" x\n"
      "\"a\" \"x\n"
      "# no comment\n");
  for (auto where :
       {"users:1: ", "users:3: ", "users:4: ", "users:5: ", "users:6: ", "users:7: ", "users:8: "})
    CHECK_MESSAGE(has(text, where), where);
  CHECK_FALSE(has(text, "users:2: "));
}

TEST_CASE("names over 127 and secrets over 65530 bytes are problems") {
  auto line = [](std::size_t name, std::size_t secret) {
    return "\"" + std::string(name, 'n') + "\" \"" + std::string(secret, 's') + "\"";
  };
  CHECK(users(line(127, 65530)).size() == 1);
  CHECK(has(problems(line(128, 1)), "127"));
  CHECK(has(problems(line(1, 65531)), "65530"));
}

TEST_CASE("a zero byte is a problem") { CHECK(has(problems("\"a\" \"x\0y\""s), "zero byte")); }

TEST_CASE("a problem never holds the secret") {
  for (auto line : {"\"a\" \"hunter2", "\"a\" hunter2", "hunter2", "\"a\" hunter2\""})
    CHECK_FALSE(has(problems(line), "hunter2"));
}

TEST_CASE("a broken userlist refuses the whole load, at its own file and line") {
  auto found = bad("[howdah]\nauth_file = users\n", {{"users", "\"a\" \"x\"\n\"b\"\n"}});
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "users:2");
}

TEST_CASE("a userlist that is not there refuses the load, at the line that names it") {
  auto found = bad("[howdah]\n\nauth_file = gone\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "main.ini:3");
  CHECK(has(found[0].text, "'gone'"));
}

TEST_CASE("with auth_type any the userlist is not read") {
  CHECK(good("[howdah]\nauth_type = any\nauth_file = gone\n")->userlist.empty());
}
