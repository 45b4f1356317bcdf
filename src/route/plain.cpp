// A text is plain if
//   - every statement begins with a verb that leaves nothing behind,
//   - no word stands in it that could make a part of it something else (CREATE, EXECUTE, HOLD, INTO
//     that is not INSERT INTO, the view pg_settings, which can be updated),
//   - a name before a parenthesis is one of the catalogue's harmless functions, a keyword that
//   can't
//     be a function, or stands where no function can: after ::, AS, WITH, INSERT INTO, COPY.
// Whatever is in doubt is not plain, and costs the time of the grammar.
#include "route/plain.h"

#include <cstdint>
#include <limits>

#include "howdah/base/text.h"
#include "route/catalogue.h"
#include "route/scanner.h"
#include "route/words.h"

namespace howdah::route {
namespace {

using Kind = Token::Kind;

// What the rules need of a token that went by; small, it is copied for every token.
struct Past {
  std::uint32_t at = 0, size = 0;
  Kind kind = Kind::End;
  Id id = Id::None;
  char symbol = 0;
  bool first = false;  // of its statement
  bool before_paren = false;

  bool names() const { return kind == Kind::Word || kind == Kind::Quoted; }
};

class PlainScan {
 public:
  explicit PlainScan(std::string_view sql) : sql_(sql), scanner_(sql) {}

  Plain run() {
    for (;;) {
      Token token = scanner_.next();
      if (token.kind == Kind::End) return {depth_ == 0 && expect_ == Expect::Nothing, statements_};
      if (token.kind == Kind::Bad || !take(token)) return {};
    }
  }

 private:
  // A word or symbol that only the next token can explain.
  enum class Expect : std::uint8_t { Nothing, Where, Query, SetKind, Setting };

  bool take(const Token& token) {
    Past now;
    now.at = static_cast<std::uint32_t>(token.at);
    now.size = static_cast<std::uint32_t>(token.size);
    now.kind = token.kind;
    now.symbol = token.symbol;
    const Keyword* keyword = nullptr;
    bool dotted = past_.kind == Kind::Symbol && past_.symbol == '.';
    if (token.kind == Kind::Word) {
      keyword = find_keyword(scanner_.text(token));
      if (keyword && keyword->id == Id::PgSettings) return false;
      if (dotted) keyword = nullptr;  // a column or function of that name
      if (keyword) now.id = keyword->id, now.before_paren = keyword->before_paren;
    } else if (token.kind == Kind::Unicode ||
               (token.kind == Kind::Quoted && scanner_.text(token) == "\"pg_settings\"")) {
      return false;
    }
    if (token.is(';')) return end_statement();
    if (!expected(now)) return false;
    if (at_start_) {
      if (!begin_statement(now, keyword)) return false;
    } else if (!harmless(now)) {
      return false;
    }
    if (now.names()) {
      if (!dotted || parts_ == 0) before_ = past_, parts_ = 0;
      if (parts_++ == 0) head_ = now;
    } else if (token.is('(')) {
      if (past_.names() && !may_open()) return false;
      ++depth_;
    } else if (token.is(')')) {
      if (depth_-- == 0) return false;
    }
    if (!now.names() && !token.is('.')) parts_ = 0;
    past_ = now;
    return true;
  }

  bool end_statement() {
    if (depth_ != 0 || expect_ != Expect::Nothing) return false;
    at_start_ = true;
    distinct_on_ = join_ = insert_ = false;
    parts_ = 0;
    past_ = before_ = {};
    return true;
  }

  bool begin_statement(Past& now, const Keyword* keyword) {
    at_start_ = false;
    ++statements_;
    if (now.kind == Kind::Symbol) return now.symbol == '(';
    if (!keyword || !(keyword->verb || (keyword->exit && statements_ > 1))) return false;
    now.first = true;
    if (now.id == Id::Set) expect_ = Expect::SetKind;
    if (now.id == Id::Merge) join_ = true;
    if (now.id == Id::Insert) insert_ = true;
    return true;
  }

  // Not the first of its statement.
  bool harmless(const Past& now) {
    switch (now.id) {
      case Id::Create:
      case Id::Execute:
      case Id::Hold:
        return false;
      case Id::Into:
        return past_.id == Id::Insert || past_.id == Id::Merge;
      case Id::On:
        if (past_.id == Id::Distinct) distinct_on_ = true;
        return true;
      case Id::Join:
      case Id::Merge:
        join_ = true;
        return true;
      case Id::Insert:
        insert_ = true;
        return true;
      default:
        return true;
    }
  }

  bool expected(const Past& now) {
    Expect expect = expect_;
    expect_ = Expect::Nothing;
    switch (expect) {
      case Expect::Nothing:
        return true;
      case Expect::Where:
        return now.id == Id::Where;
      case Expect::Query:
        return now.id == Id::Select || now.id == Id::Values || now.id == Id::With;
      case Expect::SetKind:
        expect_ = Expect::Setting;
        return now.id == Id::Local || now.id == Id::Transaction;
      case Expect::Setting:  // local and transaction may be names of settings themselves
        return now.kind == Kind::Word && now.id != Id::To;
    }
    return false;
  }

  std::string_view text(const Past& past) const { return sql_.substr(past.at, past.size); }
  bool is_pg_catalog() const {
    return head_.kind == Kind::Word && base::iequal(text(head_), "pg_catalog");
  }

  // past_ is a name with parts_ parts, and a parenthesis follows.
  bool may_open() {
    if (before_.kind == Kind::Colons) return true;
    if (before_.id == Id::As || before_.id == Id::Into || before_.id == Id::With ||
        before_.id == Id::Recursive || (before_.id == Id::Copy && before_.first)) {
      return true;
    }
    if (past_.kind != Kind::Word) return false;
    if (parts_ == 2 && is_pg_catalog()) {
      return is_harmless_word(text(past_));
    }
    if (parts_ != 1) return false;
    if (past_.before_paren) return true;
    switch (past_.id) {
      case Id::Copy:
      case Id::Explain:
      case Id::Vacuum:
        return past_.first;
      case Id::Filter:
        expect_ = Expect::Where;
        return true;
      case Id::Join:
      case Id::Materialized:
        expect_ = Expect::Query;
        return true;
      case Id::Over:
        return before_.symbol == ')' && !distinct_on_;
      case Id::By:
        return before_.id == Id::Group || before_.id == Id::Order || before_.id == Id::Partition;
      case Id::Conflict:
        return before_.id == Id::On && insert_ && !join_;
      case Id::Varying:
        return before_.id == Id::Char || before_.id == Id::Bit;
      default:
        return is_harmless_word(text(past_));
    }
  }

  std::string_view sql_;
  Scanner scanner_;
  Past past_;    // the token before
  Past before_;  // the token before the name that past_ ends
  Past head_;    // that name's first part
  std::size_t parts_ = 0;
  std::size_t depth_ = 0;
  std::size_t statements_ = 0;
  Expect expect_ = Expect::Nothing;
  bool at_start_ = true;
  bool distinct_on_ = false, join_ = false, insert_ = false;  // seen in this statement
};

}  // namespace

Plain scan_plain(std::string_view sql) {
  if (sql.size() > std::numeric_limits<std::uint32_t>::max()) return {};
  return PlainScan(sql).run();
}

bool is_simple_exit(std::string_view sql) {
  Scanner scanner(sql);
  Token token = scanner.next();
  auto accept = [&](std::string_view word) {
    if (!scanner.word(token, word)) return false;
    token = scanner.next();
    return true;
  };
  bool rollback = scanner.word(token, "rollback");
  if (!accept("commit") && !accept("rollback") && !accept("end") && !accept("abort")) return false;
  if (!accept("work")) accept("transaction");
  if (rollback && accept("to")) {
    accept("savepoint");
    if (token.kind != Kind::Word && token.kind != Kind::Quoted) return false;
    token = scanner.next();
  } else if (accept("and")) {
    accept("no");
    if (!accept("chain")) return false;
  }
  while (token.is(';')) token = scanner.next();
  return token.kind == Kind::End;
}

}  // namespace howdah::route
