#include "route/scanner.h"

namespace howdah::route {

using namespace bytes;

namespace {

constexpr char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = fold(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool append_utf8(std::string& to, std::uint32_t code) {
  auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
  if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  }
  return true;
}

// One escape of U&"" whose escape character is already read; moves `at` behind it.
bool read_escape(std::string_view body, std::size_t& at, std::uint32_t& code) {
  std::size_t digits = 4;
  if (at < body.size() && body[at] == '+') ++at, digits = 6;
  if (body.size() - at < digits) return false;
  code = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    int digit = hex_digit(body[at++]);
    if (digit < 0) return false;
    code = code << 4 | static_cast<std::uint32_t>(digit);
  }
  return true;
}

bool unescape(std::string_view body, char uescape, std::string& out) {
  std::string result;
  for (std::size_t at = 0; at < body.size();) {
    char c = body[at++];
    if (c != uescape) {
      result += c;
      continue;
    }
    if (at < body.size() && body[at] == uescape) {
      result += body[at++];
      continue;
    }
    std::uint32_t code = 0, low = 0;
    if (!read_escape(body, at, code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      if (at >= body.size() || body[at++] != uescape || !read_escape(body, at, low)) return false;
      if (low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    }
    if (!append_utf8(result, code)) return false;
  }
  out = std::move(result);
  return true;
}

// Cut to NAMEDATALEN - 1 bytes, never inside a UTF-8 sequence.
void cut_name(std::string& name) {
  constexpr std::size_t kLongest = 63;
  if (name.size() <= kLongest) return;
  std::size_t end = kLongest;
  while (end > kLongest - 3 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  name.resize(end);
}

}  // namespace

bool Scanner::word(const Token& token, std::string_view lower) const {
  if (token.kind != Token::Kind::Word || token.size != lower.size()) return false;
  const char* at = sql_.data() + token.at;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    if (fold(at[i]) != lower[i]) return false;
  }
  return true;
}

bool Scanner::skip_comment() {
  std::size_t depth = 1;
  at_ += 2;
  while (depth != 0) {
    if (sql_.size() - at_ < 2) return false;
    if (sql_[at_] == '*' && sql_[at_ + 1] == '/') {
      --depth, at_ += 2;
    } else if (sql_[at_] == '/' && sql_[at_ + 1] == '*') {
      ++depth, at_ += 2;
    } else if (sql_[at_++] == '\0') {
      return false;
    }
  }
  return true;
}

bool Scanner::skip_blanks() {
  for (; at_ < sql_.size();) {
    char c = sql_[at_];
    if (class_of(c) == kBlank) {
      ++at_;
    } else if (c == '-' && has(1, '-')) {
      while (at_ < sql_.size() && sql_[at_] != '\n' && sql_[at_] != '\r') {
        if (sql_[at_++] == '\0') return false;
      }
    } else if (c == '/' && has(1, '*')) {
      if (!skip_comment()) return false;
    } else {
      return true;
    }
  }
  return true;
}

bool Scanner::skip_string(bool escapes) {
  while (at_ < sql_.size()) {
    char c = sql_[at_++];
    if (c == '\'') {
      if (!has(0, '\'')) {
        if (!escapes) return true;
        // 'x' on a later line goes on with this string and its escapes.
        std::size_t next = at_;
        bool line = false;
        while (next < sql_.size() && class_of(sql_[next]) == kBlank) {
          char blank = sql_[next++];
          line = line || blank == '\n' || blank == '\r';
        }
        Scanner rest(sql_, next);
        if (!rest.skip_blanks()) return false;
        if (rest.at_ == sql_.size() || sql_[rest.at_] != '\'') return true;
        if (!line || rest.at_ != next) return false;
        at_ = next;
      }
      ++at_;
    } else if (c == '\\' && escapes) {
      if (at_ == sql_.size() || sql_[at_++] == '\0') return false;
    } else if (c == '\0') {
      return false;
    }
  }
  return false;
}

bool Scanner::skip_quoted() {
  std::size_t begin = at_;
  while (at_ < sql_.size()) {
    char c = sql_[at_++];
    if (c == '\0') return false;
    if (c != '"') continue;
    if (!has(0, '"')) return at_ - 1 != begin;  // an empty name is an error
    ++at_;
  }
  return false;
}

// $1, $$...$$ or $tag$...$tag$.
bool Scanner::skip_dollar(Token& token) {
  std::size_t begin = at_++;
  if (at_ < sql_.size() && class_of(sql_[at_]) == kDigit) {
    while (at_ < sql_.size() && class_of(sql_[at_]) == kDigit) ++at_;
    token.kind = Token::Kind::Param;
    return at_ == sql_.size() || !continues_word(sql_[at_]);
  }
  while (at_ < sql_.size() && class_of(sql_[at_]) != kDollar && continues_word(sql_[at_])) ++at_;
  if (!has(0, '$')) return false;
  ++at_;
  std::string_view tag = sql_.substr(begin, at_ - begin);
  std::size_t close = sql_.find(tag, at_);
  if (close == sql_.npos || sql_.substr(at_, close - at_).find('\0') != sql_.npos) return false;
  at_ = close + tag.size();
  token.kind = Token::Kind::String;
  return true;
}

bool Scanner::skip_number() {
  auto digits = [&] {
    while (at_ < sql_.size() && (class_of(sql_[at_]) == kDigit || sql_[at_] == '.')) ++at_;
  };
  digits();
  if (has(0, 'e') || has(0, 'E')) {
    ++at_;
    if (has(0, '+') || has(0, '-')) ++at_;
    if (at_ == sql_.size() || class_of(sql_[at_]) != kDigit) return false;
    digits();
  }
  return at_ == sql_.size() || !continues_word(sql_[at_]);
}

Token Scanner::bad(Token token) {
  at_ = sql_.size();
  bad_ = true;
  token.kind = Token::Kind::Bad;
  token.size = 0;
  return token;
}

// at_ is behind a word of one letter.
Token Scanner::letter(Token token) {
  char letter = fold(sql_[token.at]);
  bool unicode = letter == 'u' && has(0, '&');
  if (unicode && has(1, '"')) {
    at_ += 2;
    token.kind = Token::Kind::Unicode;
    if (!skip_quoted()) return bad(token);
  } else if (unicode && has(1, '\'')) {
    at_ += 2;
    token.kind = Token::Kind::String;
    if (!skip_string(false)) return bad(token);
  } else if (has(0, '\'') && (letter == 'e' || letter == 'b' || letter == 'x' || letter == 'n')) {
    ++at_;
    token.kind = Token::Kind::String;
    if (!skip_string(letter == 'e')) return bad(token);
  }
  token.size = at_ - token.at;
  return token;
}

Token Scanner::next_slowly() {
  Token token;
  if (!skip_blanks()) bad_ = true;
  token.at = at_;
  if (bad_) return bad(token);
  if (at_ == sql_.size()) return token;
  bool good = true;
  switch (class_of(sql_[at_])) {
    case kLetter:
      return take_word(token);
    case kDigit:
      token.kind = Token::Kind::Number;
      good = skip_number();
      break;
    case kQuote:
      ++at_;
      token.kind = Token::Kind::String;
      good = skip_string(false);
      break;
    case kDouble:
      ++at_;
      token.kind = Token::Kind::Quoted;
      good = skip_quoted();
      break;
    case kDollar:
      good = skip_dollar(token);
      break;
    case kPlain:
      if (sql_[at_] == '.' && sql_.size() - at_ > 1 && class_of(sql_[at_ + 1]) == kDigit) {
        token.kind = Token::Kind::Number;
        good = skip_number();
      } else if (sql_[at_] == ':' && has(1, ':')) {
        token.kind = Token::Kind::Colons;
        at_ += 2;
      } else {
        token.kind = Token::Kind::Symbol;
        token.symbol = sql_[at_++];
      }
      break;
    default:
      good = false;
  }
  if (!good) return bad(token);
  token.size = at_ - token.at;
  return token;
}

bool identifier_value(std::string_view token, Token::Kind kind, char uescape, std::string& out) {
  out.clear();
  if (kind == Token::Kind::Word) {
    for (char c : token) out += fold(c);
  } else {
    std::string_view body = token.substr(kind == Token::Kind::Unicode ? 3 : 1);
    body.remove_suffix(1);
    for (std::size_t at = 0; at < body.size(); ++at) {
      out += body[at];
      if (body[at] == '"') ++at;  // doubled
    }
    if (kind == Token::Kind::Unicode && !unescape(std::string(out), uescape, out)) return false;
  }
  cut_name(out);
  return !out.empty();
}

}  // namespace howdah::route
