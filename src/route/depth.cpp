// Trees grow deep by parentheses, where PostgreSQL's parser has a limit, and by chains as in 1+1+1
// or a JOIN b JOIN c, where it has none. An upper bound of the depth of what stands in one pair of
// parentheses: its longest run of tokens between marks that make lists (comma, AND, OR, WHEN, ...),
// plus the deepest parentheses inside, plus every token that can nest across such marks.
#include "route/depth.h"

#include <algorithm>
#include <vector>

#include "route/scanner.h"

namespace howdah::route {
namespace {

constexpr std::size_t kDeepest = 3000;

struct Level {
  std::size_t run = 0, longest = 0, inner = 0, sticky = 0;
  std::size_t depth() const { return std::max(run, longest) + inner + sticky; }
  void cut() {
    longest = std::max(longest, run);
    run = 0;
  }
};

bool one_of(const Scanner& scanner, const Token& token,
            std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return scanner.word(token, word); });
}

}  // namespace

bool is_shallow(std::string_view sql) {
  Scanner scanner(sql);
  std::vector<Level> open(1);
  std::size_t around = 0;  // bound of what is open around the innermost level
  for (;;) {
    Token token = scanner.next();
    Level& level = open.back();
    if (token.kind == Token::Kind::Bad) return false;
    if (token.kind == Token::Kind::End) return true;
    if (token.is('(') || token.is('[')) {
      ++level.run;
      around += level.depth() + 1;
      open.emplace_back();
    } else if ((token.is(')') || token.is(']')) && open.size() > 1) {
      std::size_t inside = level.depth() + 1;
      open.pop_back();
      around -= open.back().depth() + 1;
      open.back().inner = std::max(open.back().inner, inside);
    } else if (token.is(';') && open.size() == 1) {
      level = {};
    } else if (token.is(',') || one_of(scanner, token, {"and", "or", "when", "then", "else"})) {
      level.cut();
    } else if (one_of(scanner, token, {"case", "join", "union", "intersect", "except"})) {
      ++level.sticky;
    } else {
      ++level.run;
    }
    if (around + open.back().depth() > kDeepest) return false;
  }
}

}  // namespace howdah::route
