// What a text does to a transaction block; see the header.
#include "howdah/route/blocks.h"

#include "route/scanner.h"

namespace howdah::route {

namespace {
using Kind = Token::Kind;

bool ends_statement(const Token& token) {
  return token.is(';') || token.kind == Kind::End || token.kind == Kind::Bad;
}

// The statement that begins with `token`, which becomes its end; `alone`: there is no other.
Blocks::First read_statement(Scanner& scanner, Token& token, bool alone) {
  using First = Blocks::First;
  First what = First::Other;
  auto is = [&](std::string_view word) { return scanner.word(token, word); };
  bool start = is("start"), prepare = is("prepare");
  if (is("begin")) what = First::Begin;
  if (is("commit") || is("end")) what = First::Commit;
  if (is("rollback") || is("abort")) what = First::Rollback;
  if (!start && !prepare && what == First::Other) {
    if (alone) return what;
    while (!ends_statement(token)) token = scanner.next();
    return what;
  }
  token = scanner.next();
  if (is("transaction")) {
    if (start) what = First::Begin;
    if (prepare) what = First::Commit;
  }
  bool chain = false, no = false;
  for (; !ends_statement(token); token = scanner.next()) {
    if (what == First::Begin) continue;
    if (is("prepared") || is("to")) what = First::Other;
    if (is("no")) no = true;
    if (is("chain")) chain = !no;
  }
  return chain ? First::Other : what;
}
}  // namespace

Blocks blocks(std::string_view sql) {
  Blocks found;
  Scanner scanner(sql);
  std::size_t count = 0;
  if (sql.find(';') == std::string_view::npos) {
    Token token = scanner.next();
    if (token.kind == Kind::End) return found;
    found.first = token.kind == Kind::Bad ? Blocks::First::Other : read_statement(scanner, token, true);
    found.opens = found.first == Blocks::First::Begin;
    return found;
  }
  while (true) {
    Token token = scanner.next();
    while (token.is(';')) token = scanner.next();
    if (token.kind == Kind::End || token.kind == Kind::Bad) {
      if (token.kind == Kind::Bad && count == 0) found.first = Blocks::First::Other;
      break;
    }
    Blocks::First one = read_statement(scanner, token, false);
    if (count++ == 0) found.first = one;
    if (one == Blocks::First::Begin) found.opens = true;
    if (one == Blocks::First::Commit || one == Blocks::First::Rollback) found.opens = false;
  }
  found.single = count <= 1;
  return found;
}

}  // namespace howdah::route
