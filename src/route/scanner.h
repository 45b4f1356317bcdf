// Scanner: cuts a text of SQL into tokens as PostgreSQL's lexer does with
// standard_conforming_strings on (manual section 4.1). Comments and blanks are skipped. What a
// server of another version could read otherwise (a letter right after a number, a bare $ or \, a
// control byte, a string that goes on after an E'' one) is a Bad token: the caller must give up.
// After Bad or End there are only more of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace howdah::route {

// What a byte can begin.
namespace bytes {
enum Class : std::uint8_t { kOther, kBlank, kLetter, kDigit, kDollar, kQuote, kDouble, kPlain };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (char c : {' ', '\t', '\n', '\r', '\f'}) classes[static_cast<unsigned char>(c)] = kBlank;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = classes[c - 'a' + 'A'] = kLetter;
  for (int c = 0x80; c < 0x100; ++c) classes[c] = kLetter;
  for (int c = '0'; c <= '9'; ++c) classes[c] = kDigit;
  for (char c : std::string_view("~!@#^&|`?+-*/%<>=,()[].;:")) {
    classes[static_cast<unsigned char>(c)] = kPlain;
  }
  classes['_'] = kLetter;
  classes['$'] = kDollar;
  classes['\''] = kQuote;
  classes['"'] = kDouble;
  return classes;
}

inline constexpr auto kClasses = make_classes();

inline std::uint8_t class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }
inline bool continues_word(char c) {
  std::uint8_t cls = class_of(c);
  return cls == kLetter || cls == kDigit || cls == kDollar;
}
}  // namespace bytes

struct Token {
  enum class Kind : std::uint8_t {
    Word,     // unquoted identifier or keyword
    Quoted,   // "..."
    Unicode,  // U&"...", without a UESCAPE that may follow
    String,   // any kind of string constant
    Number,
    Param,   // $1
    Colons,  // ::
    Symbol,  // one other byte
    End,
    Bad,
  };
  Kind kind = Kind::End;
  char symbol = 0;  // Symbol: the byte
  std::size_t at = 0, size = 0;

  bool is(char wanted) const { return kind == Kind::Symbol && symbol == wanted; }
};

class Scanner {
 public:
  explicit Scanner(std::string_view sql, std::size_t at = 0) : sql_(sql), at_(at) {}

  Token next() {
    while (at_ < sql_.size() && bytes::class_of(sql_[at_]) == bytes::kBlank) ++at_;
    if (at_ == sql_.size() || bytes::class_of(sql_[at_]) != bytes::kLetter) return next_slowly();
    Token token;
    token.at = at_;
    return take_word(token);
  }
  std::string_view text(const Token& token) const { return sql_.substr(token.at, token.size); }
  // Is `token` this word, unquoted? `lower` is in lower case.
  bool word(const Token& token, std::string_view lower) const;

 private:
  bool skip_blanks();  // false: an unfinished comment
  bool skip_comment();
  bool skip_string(bool escapes);  // at_ is behind the first quote; behind the last one afterwards
  bool skip_quoted();
  bool skip_dollar(Token& token);
  bool skip_number();
  bool has(std::size_t ahead, char byte) const {
    return sql_.size() - at_ > ahead && sql_[at_ + ahead] == byte;
  }
  Token next_slowly();
  Token letter(Token token);
  Token take_word(Token token) {
    const char* text = sql_.data();
    std::size_t at = at_ + 1;
    while (at < sql_.size() && bytes::continues_word(text[at])) ++at;
    at_ = at;
    token.kind = Token::Kind::Word;
    token.size = at - token.at;
    return token.size == 1 ? letter(token) : token;
  }
  Token bad(Token token);

  std::string_view sql_;
  std::size_t at_;
  bool bad_ = false;
};

// The value of a token that stands for an identifier: folded or unquoted, cut to 63 bytes.
// `uescape` is the escape character of a Unicode token. False if the escapes are broken.
bool identifier_value(std::string_view token, Token::Kind kind, char uescape, std::string& out);

}  // namespace howdah::route
