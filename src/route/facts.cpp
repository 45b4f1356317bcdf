#include "howdah/route/facts.h"

#include <algorithm>
#include <optional>

#include "howdah/base/text.h"
#include "route/depth.h"
#include "route/grammar.h"
#include "route/names.h"
#include "route/plain.h"
#include "route/scanner.h"
#include "route/utf8.h"

namespace howdah::route {
namespace {

constexpr std::size_t kLargest = 128 * 1024;  // the grammar takes about 20 ms for it

Facts everything() {
  Facts facts;
  facts.touch = kSettings | kUnknownSetting | kPins | kHidden | kDdl;
  facts.single = false;
  return facts;
}

// The grammar reads UTF-8 only. In another encoding a byte above ASCII is a letter as 'z' is:
// places stay what they are.
std::string with_letters(std::string_view sql) {
  std::string text(sql);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, 'z');
  return text;
}

// The name as the client wrote it, found in a text that went through with_letters().
bool restore_name(std::string_view sql, StatementName& found) {
  std::string_view token = sql.substr(found.at, found.size);
  auto high = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  if (std::none_of(token.begin(), token.end(), high)) return true;
  auto kind = token.front() == '"' ? Token::Kind::Quoted : Token::Kind::Word;
  return !token.ends_with('\'') && token.substr(1, 1) != "&" &&
         identifier_value(token, kind, 0, found.name);
}

}  // namespace

bool surely_plain(std::string_view sql) { return scan_plain(sql).plain; }

Facts facts(std::string_view sql) {
  Facts facts;
  if (Plain scan = scan_plain(sql); scan.plain) {
    facts.single = scan.statements <= 1;
    return facts;
  }
  if (is_simple_exit(sql)) {
    facts.touch = kExit;
    return facts;
  }
  return facts_by_grammar(sql);
}

Facts facts_by_grammar(std::string_view sql) {
  Facts facts;
  if (sql.size() > kLargest || !is_shallow(sql)) return everything();
  bool strange = !is_utf8(sql);
  std::string text = strange ? with_letters(sql) : std::string(sql);
  auto statements = parse_statements(text, strange);
  if (!statements) return everything();
  facts.single = statements->size() <= 1;
  for (GrammarStatement& statement : *statements) {
    bool first = &statement == &statements->front();
    if (!first) statement.touch &= static_cast<std::uint16_t>(~kExit);
    facts.touch |= statement.touch;
    for (std::string& name : statement.custom_settings) {
      facts.custom_settings.push_back(std::move(name));
    }
    if (!statement.name) continue;
    auto found = find_name(text, statement);
    if (!found || (strange && !restore_name(sql, *found))) return everything();
    facts.names.push_back(std::move(*found));
    facts.touch |= kNames;
  }
  return facts;
}

std::size_t parameters_used(std::string_view sql) {
  std::size_t highest = 0;
  Scanner scanner(sql, 0);
  Token token = scanner.next();
  // Of a PREPARE or EXECUTE nothing is analysed before it runs.
  for (std::string_view later : {"prepare", "execute"}) {
    if (token.kind == Token::Kind::Word && base::iequal(scanner.text(token), later)) return 0;
  }
  for (;; token = scanner.next()) {
    if (token.kind == Token::Kind::End || token.kind == Token::Kind::Bad) return highest;
    if (token.kind != Token::Kind::Param) continue;
    std::size_t number = 0;
    for (char c : scanner.text(token).substr(1)) {
      if (number <= 65535) number = number * 10 + static_cast<std::size_t>(c - '0');
    }
    highest = std::max(highest, std::min<std::size_t>(number, 65535));
  }
}

Readable readable(std::string_view client_encoding, std::string_view standard_conforming_strings) {
  // Encodings of clients only, in which a byte of ASCII may be the second half of a character.
  for (std::string_view unsafe :
       {"BIG5", "GB18030", "GBK", "JOHAB", "SJIS", "SHIFT_JIS_2004", "UHC"}) {
    if (base::iequal(client_encoding, unsafe)) return Readable::No;
  }
  // Without a backslash a string constant is the same either way.
  return standard_conforming_strings == "on" ? Readable::Yes : Readable::WithoutBackslash;
}

}  // namespace howdah::route
