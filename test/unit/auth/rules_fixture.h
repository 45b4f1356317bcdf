// HBA and ident texts in memory, and questions to them.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "howdah/auth/access.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using Files = std::map<std::string, std::string>;

inline Sources memory(Files files) {
  Sources sources;
  sources.read = [files](const std::string& path) -> base::Result<std::string> {
    auto found = files.find(path);
    if (found == files.end()) return base::Error{"missing", "No such file or directory"};
    return found->second;
  };
  sources.list = [files](const std::string& path) -> base::Result<std::vector<std::string>> {
    std::vector<std::string> names{".", ".."};
    for (const auto& [name, text] : files) {
      if (name.starts_with(path + "/")) names.push_back(name.substr(path.size() + 1));
    }
    if (names.size() == 2) return base::Error{"missing", "No such file or directory"};
    return names;
  };
  sources.interfaces = [] {
    return std::vector<Interface>{{"127.0.0.1", "255.0.0.0"},
                                  {"192.168.7.5", "255.255.255.0"},
                                  {"fe80::5", "ffff:ffff:ffff:ffff::"}};
  };
  return sources;
}

// "/etc/hba" and, if given, "/etc/ident".
inline LoadedAccess load(const std::string& hba, const std::string& ident = "", Files more = {}) {
  config::Config config;
  config.file = "/etc/howdah.ini";
  config.settings.auth_type = config::AuthType::Hba;
  config.settings.auth_pam_service = "pgbouncer";
  config.settings.auth_hba_file = "/etc/hba";
  more["/etc/hba"] = hba;
  if (!ident.empty()) {
    config.settings.auth_ident_file = "/etc/ident";
    more["/etc/ident"] = ident;
  }
  return load_access(config, memory(std::move(more)));
}

inline std::shared_ptr<const Access> rules(const std::string& hba, const std::string& ident = "",
                                           Files more = {}) {
  LoadedAccess loaded = load(hba, ident, std::move(more));
  for (const auto& problem : loaded.problems) FAIL_CHECK((problem.where + ": " + problem.text));
  REQUIRE(loaded.access);
  return loaded.access;
}

// All problems as "where: text" lines; the rules must be withheld.
inline std::string problems(const std::string& hba, const std::string& ident = "",
                            Files more = {}) {
  LoadedAccess loaded = load(hba, ident, std::move(more));
  CHECK((loaded.access == nullptr) == !loaded.problems.empty());
  std::string text;
  for (const auto& problem : loaded.problems) text += problem.where + ": " + problem.text + "\n";
  return text;
}

inline Origin from(const std::string& address, const std::string& user = "bob",
                   const std::string& database = "shop", bool tls = false) {
  Origin origin;
  origin.user = user;
  origin.database = database;
  origin.is_unix = address == "unix";
  if (!origin.is_unix) origin.address = address;
  origin.tls = tls;
  return origin;
}

// The method of the rule that fits; "none", or "ask" for the host name.
inline std::string ask(const Access& access, const Origin& origin) {
  Verdict verdict = access.match(origin);
  switch (verdict.kind) {
    case Verdict::Kind::NoRule:
      return "none";
    case Verdict::Kind::NeedsHostName:
      return "ask";
    case Verdict::Kind::Use:
      return std::string(name(verdict.grant->method));
  }
  return "?";
}

}  // namespace howdah::auth
