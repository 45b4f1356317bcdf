// Parser of connect strings (see connect_string.h).
#include "config/connect_string.h"

#include "config/problems.h"

namespace howdah::config {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  base::Result<Pairs> run() {
    Pairs pairs;
    for (skip_blanks(); !at_end(); skip_blanks()) {
      auto key = read_key();
      if (!key) return key.error();
      last_key_ = *key;
      auto value = read_value();
      if (!value) return value.error();
      pairs.emplace_back(std::move(*key), std::move(*value));
    }
    return pairs;
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char here() const { return text_[at_]; }
  void skip_blanks() {
    while (!at_end() && is_blank(here())) ++at_;
  }

  base::Error error(std::string_view text) const { return {"config", std::string(text)}; }

  base::Result<std::string> read_key() {
    std::size_t start = at_;
    while (!at_end() && here() != '=' && !is_blank(here())) ++at_;
    std::string key(text_.substr(start, at_ - start));
    skip_blanks();
    if (!at_end() && here() == '=' && !key.empty()) {
      ++at_;
      return key;
    }
    // What stands here may be the second word of a secret, so it is not repeated.
    if (last_key_.empty()) return error("write the connect string as key=value pairs");
    return error(base::cat("what follows the value of ", shown(last_key_),
                           " is no key=value pair; values with blanks need 'single quotes'"));
  }

  base::Result<std::string> read_value() {
    skip_blanks();
    std::string value;
    if (!at_end() && here() == '\'') {
      if (!read_quoted(value))
        return error(base::cat("the quote that opens the value of ", shown(last_key_),
                               " is never closed; inside quotes a quote is written twice"));
      if (!at_end() && !is_blank(here()))
        return error(base::cat("write a blank after the quoted value of ", shown(last_key_)));
    } else {
      std::size_t start = at_;
      while (!at_end() && !is_blank(here())) ++at_;
      value = text_.substr(start, at_ - start);
    }
    if (value.empty())
      return error(
          base::cat("the value of ", shown(last_key_), " is empty; give one or delete the key"));
    return value;
  }

  bool read_quoted(std::string& value) {
    for (++at_; !at_end(); ++at_) {
      if (here() == '\'') {
        ++at_;
        if (at_end() || here() != '\'') return true;
      }
      value += here();
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string last_key_;
};

}  // namespace

base::Result<Pairs> parse_connect_string(std::string_view text) { return Parser(text).run(); }

}  // namespace howdah::config
