// Lines and words of HBA and ident files, before anybody knows what they mean.
//
//   word "quoted word" list, of ,words    # a comment; a quote inside quotes is doubled
//   a line whose last character is a backslash goes on in the next
//   include FILE | include_if_exists FILE | include_dir DIRECTORY
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "howdah/auth/access.h"

namespace howdah::auth {

struct Word {
  std::string text;
  bool quoted = false;  // any part of it: then it is no keyword
};
using Field = std::vector<Word>;  // a list; most have one word

struct RuleLine {
  std::string file;
  int number = 0;
  std::vector<Field> fields;
  std::string place() const;
};

// One line to fields. With `comments`, # begins one. The error has no place.
base::Result<std::vector<Field>> read_fields(std::string_view line, bool comments = true);

// The words of a field joined by commas again, as an option's value is written.
std::string joined(const Field& field);

class RuleReader {
 public:
  RuleReader(const Sources& sources, std::vector<config::Problem>& problems)
      : sources_(sources), problems_(problems) {}
  // All lines of a file and of those it includes, in order. Mistakes go to the problems.
  std::vector<RuleLine> read(const std::string& path, const std::string& asked_by);
  // The field with the names of its unquoted @FILE words in their place.
  Field with_files(const Field& field, const RuleLine& line);
  void problem(const RuleLine& line, std::string text);

 private:
  bool text_of(const std::string& path, const std::string& asked_by, bool may_miss,
               std::string& text);
  void read_into(const std::string& path, const std::string& asked_by, bool may_miss, int depth,
                 std::vector<RuleLine>& lines);
  bool take_include(const RuleLine& line, int depth, std::vector<RuleLine>& lines);
  void names_of(const std::string& path, const std::string& asked_by, int depth, Field& names);

  const Sources& sources_;
  std::vector<config::Problem>& problems_;
  int files_ = 0;
};

// `text` in quotes, printable, cut to what fits a message.
std::string shown(std::string_view text);

}  // namespace howdah::auth
