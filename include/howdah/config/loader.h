// Reads an ini file, its %includes and the userlist into one Config, or says everything that is
// wrong with it at once, each with file and line.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/config/config.h"

namespace howdah::config {

struct Problem {
  std::string where;  // "howdah.ini:12", or the file alone
  std::string text;   // what is wrong and how to mend it; never a secret
};

struct Loaded {
  std::shared_ptr<const Config> config;  // null if there is any problem
  std::vector<Problem> problems;
};

// `overrides`: key=value from the command line or from the console's SET, applied last.
Loaded load(const std::string& file,
            const std::vector<std::pair<std::string, std::string>>& overrides = {});

// How the loader gets at files. Error text: the operating system's reason.
using ReadFile = std::function<base::Result<std::string>(const std::string& path)>;

// As load(), but of a text in memory. `file` is the name that messages give it; %include and
// auth_file go through `read`, so that nothing else touches the disk but a check that TLS files
// are there.
Loaded load_text(const std::string& text, const std::string& file, const ReadFile& read,
                 const std::vector<std::pair<std::string, std::string>>& overrides = {});

// The lines of a userlist (compat 2.1): name to secret. Broken lines are added to `problems`.
std::map<std::string, base::Secret, std::less<>> read_userlist(std::string_view text,
                                                               const std::string& file,
                                                               std::vector<Problem>& problems);

// The secret in a password_file: all of it but one line break at the end. The error says what is wrong
// with it and nothing of what is in it.
inline constexpr std::size_t kMaxPasswordFile = 65530;
base::Result<base::Secret> read_password_file(std::string_view text);

// The same settings with one of them changed (console SET). Error text: "SET failed" cause.
// A key that needs a restart is checked but not changed, and that is no error (compat 3.2).
base::Result<std::shared_ptr<const Config>> with_setting(const Config& config, const std::string& key,
                                                         const std::string& value);

// What a reload changes between two configurations. An entry that is gone but served by `*` now
// is not removed. Entries made from `*` are not listed, as only the caller knows their names; for
// them the two wildcard fields speak.
struct Diff {
  std::vector<std::string> removed_databases, reconnect_databases;
  bool wildcard_removed = false, wildcard_reconnect = false;
  std::vector<std::string> restart_keys;  // changed, but take effect only at a restart
};
Diff diff(const Config& before, const Config& after);

}  // namespace howdah::config
