#include "route/wishes.h"

#include <string>

#include "howdah/base/text.h"
#include "route/scanner.h"

namespace howdah::route {
namespace {

std::optional<Wish> value_of(std::string_view word) {
  if (base::iequal(word, "primary")) return Wish::Primary;
  if (base::iequal(word, "replica")) return Wish::Replica;
  if (base::iequal(word, "auto")) return Wish::Auto;
  return std::nullopt;
}

// Behind the comment that begins at `at`; npos if it has no end. Comments nest.
std::size_t comment_end(std::string_view sql, std::size_t at) {
  std::size_t depth = 0;
  while (sql.size() - at >= 2) {
    std::string_view two = sql.substr(at, 2);
    if (two == "/*") {
      ++depth, at += 2;
    } else if (two == "*/") {
      at += 2;
      if (--depth == 0) return at;
    } else {
      ++at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Wish leading_hint(std::string_view sql) {
  sql = sql.substr(0, kLargestRead);
  for (std::size_t at = 0; at < sql.size();) {
    if (bytes::class_of(sql[at]) == bytes::kBlank) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = sql.find_first_of("\r\n", at);
    } else if (sql.substr(at, 2) == "/*") {
      std::size_t end = comment_end(sql, at);
      if (end == sql.npos) break;
      std::string_view text = sql.substr(at + 2, end - at - 4);
      while (!text.empty() && bytes::class_of(text.front()) == bytes::kBlank) text.remove_prefix(1);
      while (!text.empty() && bytes::class_of(text.back()) == bytes::kBlank) text.remove_suffix(1);
      if (text == "howdah:primary") return Wish::Primary;
      if (text == "howdah:replica") return Wish::Replica;
      at = end;
    } else {
      break;
    }
  }
  return Wish::Auto;
}

std::optional<Wish> set_route(std::string_view sql) {
  Scanner scanner(sql);
  Token token = scanner.next();
  bool reset = scanner.word(token, "reset");
  if (!reset && !scanner.word(token, "set")) return std::nullopt;
  token = scanner.next();
  if (!reset && scanner.word(token, "session")) token = scanner.next();
  if (!scanner.word(token, "howdah") || !scanner.next().is('.') ||
      !scanner.word(scanner.next(), "route")) {
    return std::nullopt;
  }
  std::optional<Wish> wish = Wish::Auto;
  if (!reset) {
    token = scanner.next();
    if (!token.is('=') && !scanner.word(token, "to")) return std::nullopt;
    token = scanner.next();
    std::string_view text = scanner.text(token);
    if (token.kind == Token::Kind::Word) {
      if (!base::iequal(text, "default")) wish = value_of(text);
    } else if (token.kind == Token::Kind::String && text.size() >= 2 && text.front() == '\'' &&
               text.back() == '\'') {
      wish = value_of(text.substr(1, text.size() - 2));
    } else {
      return std::nullopt;
    }
  }
  token = scanner.next();
  while (token.is(';')) token = scanner.next();
  return token.kind == Token::Kind::End ? wish : std::nullopt;
}

}  // namespace howdah::route
