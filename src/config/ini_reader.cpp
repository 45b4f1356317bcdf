// Normalises lines for inih and follows %include (see ini_reader.h).
#include "config/ini_reader.h"

#include <ini.h>

#include <cstring>

#include "howdah/base/secret.h"

namespace howdah::config {
namespace {

constexpr std::size_t kMaxDepth = 10;
constexpr int kMaxIncludes = 10000;
// inih's line buffer is 200 bytes with its end; its section buffer 50.
constexpr std::size_t kMaxDirect = 150;
constexpr std::size_t kMaxSection = 40;
constexpr const char* kReference = "@";
constexpr const char* kSectionMarker = "@section";

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-' || c == '*';
}

bool is_name(std::string_view text) {
  for (char c : text) {
    if (!is_name_char(c)) return false;
  }
  return !text.empty();
}

// True when inih hands the text on as it is. Values with `=` may hold a password and so stay out
// of inih's buffer.
bool passes_direct(std::string_view text) {
  if (text.size() > kMaxDirect || text.starts_with('@')) return false;
  for (char c : text) {
    if (c < 32 || c > 126 || c == ';' || c == '=') return false;
  }
  return true;
}

}  // namespace

IniReader::IniReader(const ReadFile& read, Problems& problems, OnSection on_section, OnPair on_pair)
    : read_(read),
      problems_(problems),
      on_section_(std::move(on_section)),
      on_pair_(std::move(on_pair)) {}

void IniReader::run(std::string text, const std::string& file) {
  sources_.push_back({std::move(text), 0, {file, 0, {}}});
  ini_parse_stream(&IniReader::next_line, this, &IniReader::take, this);
  while (!sources_.empty()) pop();
}

void IniReader::pop() {
  base::wipe(sources_.back().text.data(), sources_.back().text.size());
  sources_.pop_back();
}

char* IniReader::next_line(char* to, int size, void* self) {
  auto& reader = *static_cast<IniReader*>(self);
  if (reader.fed_) {
    // Not seen to happen: a normalised line that inih did not give back must not get lost.
    reader.problems_.add(reader.sources_.back().place, "this line cannot be read");
  }
  std::string out;
  out.swap(reader.marker_);
  while (out.empty()) {
    if (reader.sources_.empty()) return nullptr;
    Source& source = reader.sources_.back();
    if (source.at >= source.text.size()) {
      reader.pop();
      continue;
    }
    std::size_t end = std::min(source.text.find('\n', source.at), source.text.size());
    std::string_view line(source.text.data() + source.at, end - source.at);
    source.at = end + 1;
    if (++source.place.line == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (!reader.normalise(base::trim(line), out)) out.clear();
    if (out.size() + 2 > static_cast<std::size_t>(size)) {
      // kMaxDirect forbids it, but a line must never get lost.
      reader.problems_.add(reader.sources_.back().place, "this line cannot be read");
      out.clear();
    }
  }
  out += '\n';
  std::memcpy(to, out.c_str(), out.size() + 1);
  reader.fed_ = to[0] != '[';
  return to;
}

int IniReader::take(void* self, const char* section, const char* name, const char* value) {
  auto& reader = *static_cast<IniReader*>(self);
  reader.fed_ = false;
  const Place& place = reader.sources_.back().place;
  if (std::strcmp(name, kSectionMarker) == 0) {
    reader.on_section_(section, place);
    return 1;
  }
  bool name_by_reference = std::strcmp(name, kReference) == 0;
  bool value_by_reference = std::strcmp(value, kReference) == 0;
  reader.on_pair_(section, name_by_reference ? std::string_view(reader.name_) : name,
                  value_by_reference ? std::string_view(reader.value_) : value, place);
  base::wipe(reader.value_.data(), reader.value_.size());
  return 1;
}

// False: nothing to feed (blank, comment, include, or a problem that is noted).
bool IniReader::normalise(std::string_view line, std::string& out) {
  const Place& place = sources_.back().place;
  if (line.empty() || line[0] == ';' || line[0] == '#') return false;
  if (line.find('\0') != std::string_view::npos) {
    problems_.add(place, "the line has a zero byte; is this a text file?");
    return false;
  }
  if (line[0] == '[') return normalise_section(line, out);
  if (line[0] != '%') return normalise_pair(line, out);
  constexpr std::string_view kInclude = "%include";
  std::string_view path;
  if (line.starts_with(kInclude)) path = line.substr(kInclude.size());
  if (path.empty() || (path[0] != ' ' && path[0] != '\t')) {
    problems_.add(place, "a line that starts with % must be: %include PATH");
    return false;
  }
  include(base::trim(path));  // may make `place` and `line` invalid
  return false;
}

bool IniReader::normalise_section(std::string_view line, std::string& out) {
  auto name = line.ends_with(']') ? base::trim(line.substr(1, line.size() - 2)) : "";
  if (!is_name(name) || name.size() > kMaxSection) {
    problems_.add(sources_.back().place,
                  "this is no section header; write [howdah], [pgbouncer], [databases], [users] or "
                  "[peers] alone on the line");
    return false;
  }
  out = base::cat("[", name, "]");
  // Debian's inih does not tell of a section without keys: a key of our own makes it do so.
  marker_ = base::cat(kSectionMarker, "=", kReference);
  return true;
}

// Reads a quoted name into name_; `end` is set after its closing quote.
bool IniReader::quoted_name(std::string_view line, std::size_t& end) {
  char quote = line[0];
  name_.clear();
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == quote) {
      if (i + 1 == line.size() || line[i + 1] != quote) {
        end = i + 1;
        return true;
      }
      ++i;
    }
    name_ += line[i];
  }
  return false;
}

bool IniReader::normalise_pair(std::string_view line, std::string& out) {
  const Place& place = sources_.back().place;
  std::string_view name;
  std::size_t equals = 0;
  if (line[0] == '"' || line[0] == '\'') {
    std::size_t end = 0;
    if (!quoted_name(line, end)) {
      problems_.add(place, "the quote that opens the name is never closed");
      return false;
    }
    equals = line.find_first_not_of(" \t", end);
    if (equals == std::string_view::npos || line[equals] != '=') {
      problems_.add(place, base::cat("write = after the name ", shown(name_)));
      return false;
    }
    name = kReference;
  } else {
    equals = line.find('=');
    if (equals == std::string_view::npos) {
      problems_.add(place, "this line has no =; write key = value, or start a comment with ;");
      return false;
    }
    name = base::trim(line.substr(0, equals));
    if (!is_name(name)) {
      problems_.add(place,
                    "the name before = has characters that need quotes; write it in \"double "
                    "quotes\"");
      return false;
    }
    if (name.size() > kMaxSection) {
      name_ = name;
      name = kReference;
    }
  }
  auto value = base::trim(line.substr(equals + 1));
  bool direct = passes_direct(value);
  if (!direct) value_ = value;
  out = base::cat(name, "=", direct ? value : std::string_view(kReference));
  return true;
}

void IniReader::include(std::string_view path) {
  Place place = sources_.back().place;
  if (path.empty()) {
    problems_.add(place, "%include needs the path of a file");
    return;
  }
  if (sources_.size() > kMaxDepth || ++includes_ > kMaxIncludes) {
    problems_.add(place,
                  base::cat(sources_.size() > kMaxDepth ? "%include is nested deeper than 10 files"
                                                        : "more than 10000 %include lines are read",
                            "; does ", shown(path), " include itself?"));
    while (!sources_.empty()) pop();
    return;
  }
  auto text = read_(std::string(path));
  if (!text) {
    problems_.add(place,
                  base::cat("cannot read the included file ", shown(path), ": ", text.error().text,
                            ". Relative paths start at the working directory of howdah"));
    return;
  }
  std::string via = place.via.empty() ? base::cat(" (included from ", place.text(), ")")
                                      : base::cat(" (included from ", place.text(), ", ",
                                                  std::string_view(place.via).substr(2));
  sources_.push_back({std::move(*text), 0, {std::string(path), 0, std::move(via)}});
}

}  // namespace howdah::config
