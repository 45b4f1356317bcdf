// Loads configurations from texts in memory, for the tests of config.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "howdah/base/text.h"
#include "howdah/config/loader.h"

namespace howdah::config {

using Files = std::map<std::string, std::string>;

// The problems as "where: text" lines, for comparison and for doctest's output.
inline std::string text_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const auto& problem : problems) text += base::cat(problem.where, ": ", problem.text, "\n");
  return text;
}

inline Loaded load_files(const std::string& main, const Files& files = {},
                         const std::vector<std::pair<std::string, std::string>>& overrides = {}) {
  auto read = [&](const std::string& path) -> base::Result<std::string> {
    auto found = files.find(path);
    if (found == files.end()) return base::Error{"io", "No such file or directory"};
    return found->second;
  };
  return load_text(main, "main.ini", read, overrides);
}

// A configuration that must load.
inline std::shared_ptr<const Config> good(const std::string& main, const Files& files = {}) {
  auto loaded = load_files(main, files);
  INFO(text_of(loaded.problems));
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.problems.empty());
  return loaded.config;
}

// The problems of one that must not.
inline std::vector<Problem> bad(const std::string& main, const Files& files = {}) {
  auto loaded = load_files(main, files);
  CHECK(loaded.config == nullptr);
  CHECK_FALSE(loaded.problems.empty());
  return loaded.problems;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace howdah::config
