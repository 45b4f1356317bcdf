// PREPARE name ... | EXECUTE name ... | DEALLOCATE [PREPARE] { name | ALL } | DISCARD ALL
// EXPLAIN [ANALYZE] [VERBOSE] | EXPLAIN ( ... )  before EXECUTE or CREATE
// CREATE ... TABLE ... AS EXECUTE name
#include "route/names.h"

#include "route/scanner.h"

namespace howdah::route {
namespace {

using Kind = Token::Kind;
using Verb = StatementName::Verb;

class Finder {
 public:
  Finder(std::string_view sql, const GrammarStatement& statement)
      : sql_(sql.substr(0, statement.end)), scanner_(sql_, statement.at), wanted_(*statement.name) {
    found_.end = statement.end;
    advance();
  }

  std::optional<StatementName> find() {
    if (accept("explain")) skip_options();
    if (accept("create")) {
      if (!skip_to_execute()) return std::nullopt;
      return take(Verb::Execute);
    }
    if (accept("prepare")) return take(Verb::Prepare);
    if (accept("execute")) return take(Verb::Execute);
    if (accept("discard")) return take(Verb::DeallocateAll);
    if (!accept("deallocate")) return std::nullopt;
    if (scanner_.word(token_, "prepare")) {
      Token name = token_;
      advance();
      if (token_.kind == Kind::End) token_ = name;  // a statement of that name
    }
    bool all = scanner_.word(token_, "all");
    return take(all ? Verb::DeallocateAll : Verb::Deallocate);
  }

 private:
  void advance() { token_ = scanner_.next(); }
  bool accept(std::string_view word) {
    if (!scanner_.word(token_, word)) return false;
    advance();
    return true;
  }

  bool over() const { return token_.kind == Kind::End || token_.kind == Kind::Bad; }

  void skip_options() {
    if (!token_.is('(')) {
      if (!accept("analyze")) accept("analyse");
      accept("verbose");
      return;
    }
    for (int depth = 0; !over();) {
      if (token_.is('(')) ++depth;
      if (token_.is(')')) --depth;
      advance();
      if (depth == 0) return;
    }
  }

  bool skip_to_execute() {
    for (int depth = 0; !over();) {
      if (token_.is('(')) ++depth;
      if (token_.is(')')) --depth;
      bool as = depth == 0 && scanner_.word(token_, "as");
      advance();
      if (as && accept("execute")) return true;
    }
    return false;
  }

  std::optional<StatementName> take(Verb verb) {
    if (verb != wanted_.verb) return std::nullopt;
    found_.verb = verb;
    found_.at = token_.at;
    found_.size = token_.size;
    if (verb == Verb::DeallocateAll) {
      if (!scanner_.word(token_, "all")) return std::nullopt;
      return found_;
    }
    bool names = token_.kind == Kind::Word || token_.kind == Kind::Quoted;
    if (!names && token_.kind != Kind::Unicode) return std::nullopt;
    Token name = token_;
    char uescape = '\\';
    advance();
    if (name.kind == Kind::Unicode && accept("uescape")) {
      std::string_view constant = scanner_.text(token_);  // 'x'
      if (token_.kind != Kind::String || constant.size() != 3) return std::nullopt;
      uescape = constant[1];
      found_.size = token_.at + token_.size - found_.at;
    }
    if (!identifier_value(scanner_.text(name), name.kind, uescape, found_.name)) {
      return std::nullopt;
    }
    if (found_.name != wanted_.name) return std::nullopt;
    return found_;
  }

  std::string_view sql_;
  Scanner scanner_;
  const GrammarName& wanted_;
  Token token_;
  StatementName found_;
};

}  // namespace

std::optional<StatementName> find_name(std::string_view sql, const GrammarStatement& statement) {
  return Finder(sql, statement).find();
}

}  // namespace howdah::route
