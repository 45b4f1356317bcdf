// Reads userlist.txt (compat 2.1):
//
//   ; comment
//   "user" "secret" anything      a quote inside quotes is doubled
//   "user" "%env(NAME)"           the secret is in the environment
//
// Any broken line is a problem: half a userlist must never replace a whole one.
#include "config/environment.h"
#include "config/problems.h"
#include "howdah/config/loader.h"

namespace howdah::config {
namespace {

constexpr std::size_t kMaxUserName = 127;
constexpr std::size_t kMaxSecret = 65530;

// Reads "..." at the start of `line` and drops it from there; false if it isn't there or is open.
bool take_quoted(std::string_view& line, std::string& out) {
  out.clear();
  if (line.empty() || line[0] != '"') return false;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '"') {
      if (i + 1 == line.size() || line[i + 1] != '"') {
        line.remove_prefix(i + 1);
        return true;
      }
      ++i;
    }
    out += line[i];
  }
  return false;
}

// What is wrong with the line, or nothing. Never repeats any of it: it holds a secret.
std::string_view read_line(std::string_view line, std::string& name, std::string& secret) {
  if (line.find('\0') != std::string_view::npos)
    return "the line has a zero byte; is this a text file?";
  if (line[0] != '"') return "a line must start with the user's name in \"double quotes\"";
  if (!take_quoted(line, name)) return "the quote that opens the user's name is never closed";
  if (name.empty()) return "the user's name is empty";
  if (name.size() > kMaxUserName) return "the user's name is longer than 127 bytes";
  line = base::trim(line);
  if (line.empty() || line[0] != '"')
    return "after the user's name must come the secret in \"double quotes\"; \"\" for none";
  if (!take_quoted(line, secret))
    return "the quote that opens the secret is never closed; a quote inside is written twice";
  if (secret.size() > kMaxSecret) return "the secret is longer than 65530 bytes";
  return {};
}

}  // namespace

base::Result<base::Secret> read_password_file(std::string_view text) {
  if (text.size() > kMaxPasswordFile) return base::Error{"config", "it is longer than 65530 bytes"};
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return base::Error{"config", "it is empty"};
  if (text.find('\0') != std::string_view::npos) {
    return base::Error{"config", "it has a zero byte; is this a text file?"};
  }
  if (text.find('\n') != std::string_view::npos) {
    return base::Error{"config", "it has more than one line"};
  }
  return base::Secret(text);
}

std::map<std::string, base::Secret, std::less<>> read_userlist(std::string_view text,
                                                               const std::string& file,
                                                               std::vector<Problem>& problems) {
  std::map<std::string, base::Secret, std::less<>> users;
  std::string name, secret;
  int number = 0;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (++number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    line = base::trim(line);
    if (line.empty() || line[0] == ';') continue;
    auto wrong = read_line(line, name, secret);
    if (wrong.empty() && secret.starts_with("%env(") && secret.ends_with(')')) {
      auto value = expand_environment(secret);
      if (!value || value->size() > kMaxSecret) {
        problems.push_back({Place{file, number, {}}.text(),
                            base::cat("the secret ", value ? "is longer than 65530 bytes"
                                                           : value.error().text)});
        continue;
      }
      secret = *value;
      base::wipe(value->data(), value->size());
    }
    if (wrong.empty()) {
      users.insert_or_assign(name, base::Secret(secret));
    } else {
      problems.push_back({Place{file, number, {}}.text(), std::string(wrong)});
    }
    base::wipe(secret.data(), secret.size());
  }
  return users;
}

}  // namespace howdah::config
