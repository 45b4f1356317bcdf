// A small scanner for console commands. Linear, no regular expressions: the text is untrusted.
#include "admin/command_text.h"

#include "howdah/base/text.h"

namespace howdah::admin {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  // True if there was at least one.
  bool blanks() {
    std::size_t count = 0;
    while (count < rest_.size() && is_blank(rest_[count])) ++count;
    rest_.remove_prefix(count);
    return count > 0;
  }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool word(std::string& out) {
    if (!rest_.empty() && rest_.front() == '"') return quoted('"', out);
    std::size_t count = 0;
    while (count < rest_.size() && is_word(rest_[count])) ++count;
    out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return count > 0;
  }

  bool value(std::string& out) {
    if (!rest_.empty() && rest_.front() == '\'') return quoted('\'', out);
    return word(out);
  }

  // blanks [; blanks] and nothing else
  bool tail() {
    blanks();
    if (take(';')) blanks();
    return at_end();
  }

 private:
  // The quote doubled stands for itself.
  bool quoted(char quote, std::string& out) {
    out.clear();
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c != quote) {
        out += c;
      } else if (take(quote)) {
        out += quote;
      } else {
        return true;
      }
    }
    return false;
  }

  std::string_view rest_;
};

bool read_set(Scanner scanner, CommandText& out) {
  if (!scanner.blanks() || !scanner.word(out.argument)) return false;
  bool separated = scanner.blanks();
  if (!scanner.take('=')) {
    std::string to;
    if (!separated || !scanner.word(to) || !base::iequal(to, "to")) return false;
  }
  scanner.blanks();
  return scanner.value(out.value) && scanner.tail();
}

CommandText with(CommandText::Kind kind) {
  CommandText text;
  text.kind = kind;
  return text;
}

}  // namespace

CommandText read_command(std::string_view query) {
  using Kind = CommandText::Kind;
  if (query.find('\0') != std::string_view::npos) return with(Kind::Invalid);
  if (Scanner whole(query); whole.tail()) return with(Kind::Empty);

  CommandText result;
  Scanner scanner(query);
  scanner.blanks();
  if (!scanner.word(result.word)) return with(Kind::Invalid);
  if (base::iequal(result.word, "set") && read_set(scanner, result)) {
    result.kind = Kind::Set;
    result.has_argument = true;
  } else {
    result.argument.clear();
    result.value.clear();
    if (Scanner end = scanner; !end.tail()) {
      bool read = scanner.blanks() && scanner.word(result.argument);
      if (base::iequal(result.word, "switchover")) {
        if (Scanner rest = scanner; read && !rest.tail())
          read = scanner.blanks() && scanner.value(result.value) && !result.value.empty();
      }
      read = read && scanner.tail();
      if (!read) return with(Kind::Invalid);
      result.has_argument = true;
    }
    result.kind = Kind::Plain;
  }
  // PAUSE "" must not mean PAUSE (all): an empty name is refused like one that is too long.
  bool empty_name = result.word.empty() || (result.has_argument && result.argument.empty());
  if (empty_name || result.word.size() > kMaxWord || result.argument.size() > kMaxArgument ||
      result.value.size() > kMaxValue) {
    result.kind = Kind::TooLong;
  }
  return result;
}

}  // namespace howdah::admin
