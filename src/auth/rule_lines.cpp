// Lines, words, includes; see rule_lines.h.
#include "auth/rule_lines.h"

#include <algorithm>

#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;
using base::Error;

namespace {

constexpr int kMaxDepth = 10, kMaxFiles = 1000;
constexpr std::size_t kMaxProblems = 1000;
constexpr std::size_t kShown = 60;

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

std::string beside(const std::string& file, const std::string& name) {
  if (name.starts_with('/')) return name;
  auto slash = file.rfind('/');
  return slash == std::string::npos ? name : cat(std::string_view(file).substr(0, slash + 1), name);
}

// True when a # outside quotes stands before the end: the line's tail is a comment.
bool ends_in_comment(std::string_view line) {
  bool quoted = false;
  for (char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == '#' && !quoted) return true;
  }
  return false;
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out = "'";
  for (char c : text.substr(0, kShown)) {
    out += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  }
  return out + (text.size() > kShown ? "...'" : "'");
}

std::string RuleLine::place() const { return number > 0 ? cat(file, ":", number) : file; }

std::string joined(const Field& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) text += (i ? "," : "") + field[i].text;
  return text;
}

base::Result<std::vector<Field>> read_fields(std::string_view line, bool comments) {
  std::vector<Field> fields;
  bool comma = false;  // the last thing was one: the next word belongs to the same field
  std::size_t at = 0;
  while (at < line.size()) {
    char c = line[at];
    if (c == '\0') return Error{"config", "the line has a zero byte; is this a text file?"};
    if (c == '#' && comments) break;
    if (blank(c)) {
      ++at;
      continue;
    }
    if (c == ',') {
      if (comma || fields.empty()) return Error{"config", "a comma with nothing before it"};
      comma = true;
      ++at;
      continue;
    }
    Word word;
    bool inside = false;
    for (; at < line.size(); ++at) {
      c = line[at];
      if (c == '\0') return Error{"config", "the line has a zero byte; is this a text file?"};
      if (inside) {
        if (c != '"') {
          word.text += c;
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          word.text += c;
          ++at;
        } else {
          inside = false;
        }
      } else if (c == '"') {
        inside = word.quoted = true;
      } else if (blank(c) || c == ',' || (c == '#' && comments)) {
        break;
      } else {
        word.text += c;
      }
    }
    if (inside) return Error{"config", "a quote is opened and never closed"};
    if (comma) {
      fields.back().push_back(std::move(word));
    } else {
      fields.push_back({std::move(word)});
    }
    comma = false;
  }
  if (comma) return Error{"config", "a comma with nothing behind it"};
  return fields;
}

void RuleReader::problem(const RuleLine& line, std::string text) {
  if (problems_.size() < kMaxProblems) problems_.push_back({line.place(), std::move(text)});
}

bool RuleReader::text_of(const std::string& path, const std::string& asked_by, bool may_miss,
                         std::string& text) {
  RuleLine asker{asked_by, 0, {}};
  if (++files_ > kMaxFiles) {
    if (files_ == kMaxFiles + 1) problem(asker, "more than 1000 files are included; is it a circle?");
    return false;
  }
  auto read = sources_.read(path);
  if (!read) {
    if (may_miss && read.error().code == "missing") return false;
    problem(asker, cat("cannot read ", shown(path), ": ", read.error().text));
    return false;
  }
  text = std::move(*read);
  return true;
}

std::vector<RuleLine> RuleReader::read(const std::string& path, const std::string& asked_by) {
  std::vector<RuleLine> lines;
  read_into(path, asked_by, false, 1, lines);
  return lines;
}

void RuleReader::read_into(const std::string& path, const std::string& asked_by, bool may_miss,
                           int depth, std::vector<RuleLine>& lines) {
  std::string whole;
  if (!text_of(path, asked_by, may_miss, whole)) return;
  std::string_view text = whole;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  int number = 0;
  while (!text.empty()) {
    RuleLine line{path, number + 1, {}};
    std::string logical;
    for (bool more = true; more && !text.empty();) {
      std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view piece = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      if (piece.ends_with('\r')) piece.remove_suffix(1);
      more = piece.ends_with('\\');
      if (more) piece.remove_suffix(1);
      logical += piece;
      if (more && ends_in_comment(logical)) {
        problem(line, "a comment ends in a backslash: does it go on in the next line or not? "
                      "take the backslash away");
        more = false;
      }
    }
    auto fields = read_fields(logical);
    if (!fields) {
      problem(line, fields.error().text);
    } else if (!fields->empty()) {
      line.fields = std::move(*fields);
      if (!take_include(line, depth, lines)) lines.push_back(std::move(line));
    }
  }
}

bool RuleReader::take_include(const RuleLine& line, int depth, std::vector<RuleLine>& lines) {
  const Word& first = line.fields[0][0];
  bool directory = first.text == "include_dir", maybe = first.text == "include_if_exists";
  if (first.quoted || line.fields[0].size() != 1 ||
      (first.text != "include" && !directory && !maybe)) {
    return false;
  }
  if (line.fields.size() != 2 || line.fields[1].size() != 1 || line.fields[1][0].text.empty()) {
    problem(line, cat(first.text, " takes one name"));
    return true;
  }
  if (depth >= kMaxDepth) {
    problem(line, "files are included more than 10 deep; is it a circle?");
    return true;
  }
  std::string path = beside(line.file, line.fields[1][0].text);
  if (!directory) {
    read_into(path, line.place(), maybe, depth + 1, lines);
    return true;
  }
  auto names = sources_.list(path);
  if (!names) {
    problem(line, cat("cannot read directory ", shown(path), ": ", names.error().text));
    return true;
  }
  std::sort(names->begin(), names->end());
  for (const std::string& one : *names) {
    if (one.starts_with('.') || !one.ends_with(".conf")) continue;
    read_into(cat(path, "/", one), line.place(), false, depth + 1, lines);
  }
  return true;
}

Field RuleReader::with_files(const Field& field, const RuleLine& line) {
  Field names;
  for (const Word& word : field) {
    if (word.quoted || word.text.size() < 2 || word.text[0] != '@') {
      names.push_back(word);
    } else {
      names_of(beside(line.file, word.text.substr(1)), line.place(), 1, names);
    }
  }
  return names;
}

void RuleReader::names_of(const std::string& path, const std::string& asked_by, int depth,
                          Field& names) {
  if (depth > kMaxDepth) {
    problem({asked_by, 0, {}}, "files of names are included more than 10 deep; is it a circle?");
    return;
  }
  std::string whole;
  if (!text_of(path, asked_by, false, whole)) return;
  std::string_view text = whole;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (int number = 1; !text.empty(); ++number) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    RuleLine line{path, number, {}};
    // A list may go over several lines, with the comma at either side of the break.
    while (piece.ends_with('\r') || piece.ends_with(',') || piece.ends_with(' ')) {
      piece.remove_suffix(1);
    }
    while (piece.starts_with(',') || piece.starts_with(' ')) piece.remove_prefix(1);
    auto fields = read_fields(piece);
    if (!fields) {
      problem(line, fields.error().text);
      continue;
    }
    for (const Field& field : *fields) {
      for (const Word& word : field) {
        if (word.quoted || word.text.size() < 2 || word.text[0] != '@') {
          names.push_back(word);
        } else {
          names_of(beside(path, word.text.substr(1)), line.place(), depth + 1, names);
        }
      }
    }
  }
}

}  // namespace howdah::auth
