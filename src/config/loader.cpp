// Loading from disk or memory, changing one setting, and comparing two configurations.
#include "howdah/config/loader.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "config/builder.h"
#include "config/ini_reader.h"
#include "config/tls.h"
#include "howdah/base/secret.h"
#include "howdah/base/text.h"

namespace howdah::config {
namespace {

using base::cat;

constexpr std::size_t kMaxFile = 256u << 20;

struct Closer {
  void operator()(FILE* file) const { std::fclose(file); }
};

base::Result<std::string> read_disk(const std::string& path) {
  auto failed = [](int error) { return base::Error{"io", strerror(error)}; };
  // fopen cuts at a zero byte and so would open another file than the one named.
  if (path.find('\0') != std::string::npos) return failed(EINVAL);
  std::unique_ptr<FILE, Closer> file(std::fopen(path.c_str(), "re"));
  if (!file) return failed(errno);
  std::string text;
  char chunk[65536];
  std::size_t count;
  while ((count = std::fread(chunk, 1, sizeof chunk, file.get())) > 0) {
    if (count > kMaxFile - text.size()) return base::Error{"io", "the file is larger than 256 MB"};
    text.append(chunk, count);
  }
  int error = errno;
  base::wipe(chunk, sizeof chunk);
  if (std::ferror(file.get())) return failed(error);
  return text;
}

void compare_databases(const Config& before, const Config& after, Diff& diff) {
  for (const auto& [name, database] : before.databases) {
    auto now = after.find_database(name);
    if (!now) {
      diff.removed_databases.push_back(name);
    } else if (database->needs_reconnect(*now)) {
      diff.reconnect_databases.push_back(name);
    }
  }
  if (!before.wildcard) return;
  diff.wildcard_removed = !after.wildcard;
  diff.wildcard_reconnect = after.wildcard && before.wildcard->needs_reconnect(*after.wildcard);
}

// After a SET of a TLS key: the sides, and the entries that inherit from one.
base::Status tls_changed(Config& config) {
  read_tls(config);
  auto inherit = [&](std::shared_ptr<const Database>& entry) {
    auto changed = std::make_shared<Database>(*entry);
    changed->tls = effective_tls(config.settings.server_tls, *entry);
    entry = std::move(changed);
    return server_tls_problem(entry->tls);
  };
  std::string problem = client_tls_problem(config.settings.client_tls);
  for (auto& [name, entry] : config.databases) {
    if (auto found = inherit(entry); !found.empty()) problem = found;
  }
  if (config.wildcard) {
    if (auto found = inherit(config.wildcard); !found.empty()) problem = found;
  }
  if (!problem.empty()) return base::Error{"config", problem};
  return base::Done{};
}

}  // namespace

Loaded load_text(const std::string& text, const std::string& file, const ReadFile& read,
                 const std::vector<std::pair<std::string, std::string>>& overrides) {
  Problems problems;
  Builder builder(file, read, problems);
  IniReader reader(
      read, problems,
      [&](std::string_view section, const Place& place) { builder.section(section, place); },
      [&](std::string_view section, std::string_view key, std::string_view value,
          const Place& place) { builder.pair(section, key, value, place); });
  reader.run(text, file);
  for (const auto& [key, value] : overrides)
    builder.set(key, base::trim(value), Place{"command line", 0, {}});
  auto config = builder.finish();
  if (!problems.empty()) return {nullptr, problems.take()};
  return {std::move(config), {}};
}

Loaded load(const std::string& file,
            const std::vector<std::pair<std::string, std::string>>& overrides) {
  auto text = read_disk(file);
  if (!text) return {nullptr, {{file, cat("cannot be read: ", text.error().text)}}};
  auto loaded = load_text(*text, file, read_disk, overrides);
  base::wipe(text->data(), text->size());
  return loaded;
}

base::Result<std::shared_ptr<const Config>> with_setting(const Config& config,
                                                         const std::string& key,
                                                         const std::string& value) {
  const Key* known = find_key(key);
  if (!known)
    return base::Error{"config", cat("unknown key ", shown(key), nearest(key, key_names()))};
  if (known->more.file_only)
    return base::Error{"config", cat(key, " can only be set in the configuration file")};
  auto next = std::make_shared<Config>(config);
  auto& row = next->rows[static_cast<std::size_t>(known - keys().data())];
  auto status = set_key(*known, base::trim(value), next->settings, row);
  if (!status) return status.error();
  row.written.reset();
  if (auto refusal = refusal_of(*known, row); !refusal.empty())
    return base::Error{"config", refusal};
  if (!known->changeable) return std::make_shared<const Config>(config);
  if (key.find("_tls") != std::string::npos) {
    if (auto done = tls_changed(*next); !done) return done.error();
  }
  if (known->name == "conffile" && !row.value->empty()) next->file = *row.value;
  if (auto warning = warning_of(*known, row); !warning.empty()) {
    warning = cat("SET: ", warning);
    auto& list = next->warnings;
    if (std::find(list.begin(), list.end(), warning) == list.end()) list.push_back(warning);
  }
  return std::shared_ptr<const Config>(std::move(next));
}

Diff diff(const Config& before, const Config& after) {
  Diff found;
  compare_databases(before, after, found);
  for (const auto& row : after.rows) {
    const SettingRow* old = before.find_row(row.key);
    if (!row.changeable && old && old->value != row.value) found.restart_keys.push_back(row.key);
  }
  return found;
}

}  // namespace howdah::config
