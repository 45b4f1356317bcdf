// Reads ini text (compat 1.1) with inih, which gets every line normalised.
//
//   ; comment            # comment            only as the first character of a line
//   [section]
//   key = value          "any name" = value   'any name' = value
//   %include path        relative to the process's working directory, at most 10 deep
//
// inih as Debian builds it cuts lines at 200 bytes, strips `;` inside values, takes indented lines
// as continuations and `:` as `=`. So our reader trims, drops comments and follows %include itself,
// checks the name, and what inih would misread goes by reference: the line says `@` and the handler
// takes the text from here. Place (file, line, chain of includes) comes from here too.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problems.h"

namespace howdah::config {

class IniReader {
 public:
  // A section header was read.
  using OnSection = std::function<void(std::string_view section, const Place& place)>;
  // A key line was read; `section` is empty above the first header.
  using OnPair = std::function<void(std::string_view section, std::string_view key,
                                    std::string_view value, const Place& place)>;

  IniReader(const ReadFile& read, Problems& problems, OnSection on_section, OnPair on_pair);

  // Reads the whole text and what it includes. Problems with lines go to the collector and reading
  // goes on; only includes that nest too deep or are too many end it.
  void run(std::string text, const std::string& file);

 private:
  struct Source {
    std::string text;
    std::size_t at = 0;
    Place place;
  };

  static char* next_line(char* to, int size, void* self);
  static int take(void* self, const char* section, const char* name, const char* value);

  bool normalise(std::string_view line, std::string& out);
  bool normalise_section(std::string_view line, std::string& out);
  bool normalise_pair(std::string_view line, std::string& out);
  bool quoted_name(std::string_view line, std::size_t& end);
  void include(std::string_view path);
  void pop();

  const ReadFile& read_;
  Problems& problems_;
  OnSection on_section_;
  OnPair on_pair_;
  std::vector<Source> sources_;  // the innermost include is last
  std::string marker_;           // fed after a section header, see normalise_section()
  std::string name_, value_;     // texts given by reference
  int includes_ = 0;
  bool fed_ = false;  // a key line is with inih and not given back yet
};

}  // namespace howdah::config
