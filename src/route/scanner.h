// Scanner: cuts a text of SQL into tokens as PostgreSQL's lexer does with
// standard_conforming_strings on (manual section 4.1). Comments and blanks are skipped. What a
// server of another version could read otherwise (a letter right after a number, a bare $ or \, a
// control byte, a string that goes on after an E'' one) is a Bad token: the caller must give up.
// After Bad or End there are only more of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace howdah::route {

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

  Token next();
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
  Token word_or_prefixed(Token token);
  Token bad(Token token);

  std::string_view sql_;
  std::size_t at_;
  bool bad_ = false;
};

// The value of a token that stands for an identifier: folded or unquoted, cut to 63 bytes.
// `uescape` is the escape character of a Unicode token. False if the escapes are broken.
bool identifier_value(std::string_view token, Token::Kind kind, char uescape, std::string& out);

}  // namespace howdah::route
