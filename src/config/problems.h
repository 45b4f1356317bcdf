// Where something was read, and the collector of all that is wrong with a configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/text.h"
#include "howdah/config/loader.h"

namespace howdah::config {

// A line of a file. `via` is the chain of %include lines that led there, nearest first:
// " (included from a.ini:3, included from main.ini:7)"; empty for the main file. Line 0: no line.
struct Place {
  std::string file;
  int line = 0;
  std::string via;
  std::string text() const { return line > 0 ? base::cat(file, ":", line) : file; }
};

class Problems {
 public:
  void add(const Place& place, std::string_view text) {
    list_.push_back({place.text(), base::cat(text, place.via)});
  }
  bool empty() const { return list_.empty(); }
  std::vector<Problem> take() { return std::move(list_); }

 private:
  std::vector<Problem> list_;
};

// Up to three of `known` that look like `word`, as a hint: ", did you mean pool_size or pool_mode?"
// When none is near, all of them if they are few: "; known are a, b, c". Else empty.
std::string nearest(std::string_view word, const std::vector<std::string_view>& known);

// `text` in quotes, made printable and cut to a length that fits a message. Not for secrets.
std::string shown(std::string_view text);

}  // namespace howdah::config
