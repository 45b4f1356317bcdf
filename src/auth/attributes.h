// Reads the attributes of a SCRAM text: `x=value,y=value`. Private to auth.
#pragma once

#include <string_view>

namespace howdah::auth {

class Attributes {
 public:
  explicit Attributes(std::string_view text) : rest_(text) {}

  // True if an attribute of that name comes next, which is then taken. A wrong one is left.
  bool take(char name, std::string_view& value) {
    if (ended_ || rest_.size() < 2 || rest_[0] != name || rest_[1] != '=') return false;
    std::size_t comma = rest_.find(',');
    if (comma == std::string_view::npos) {
      ended_ = true;
      value = rest_.substr(2);
    } else {
      value = rest_.substr(2, comma - 2);
      rest_.remove_prefix(comma + 1);
    }
    return true;
  }
  // Skips optional extensions up to `stop` (0: to the end). False if something else stands there.
  bool skip_extensions(char stop) {
    std::string_view ignored;
    while (!ended_) {
      char name = rest_.empty() ? '\0' : rest_[0];
      bool letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
      if (stop && name == stop) return true;
      if (!letter || name == 'm' || !take(name, ignored)) return false;
    }
    return stop == 0;
  }
  // The text ended with the attribute taken last (and not with a comma).
  bool ended() const { return ended_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ended_ = false;
};

// The characters that a nonce may have: printable ASCII but the comma (and blank).
inline bool is_nonce(std::string_view text) {
  for (char c : text) {
    if (c < 0x21 || c > 0x7e || c == ',') return false;
  }
  return !text.empty();
}

}  // namespace howdah::auth
