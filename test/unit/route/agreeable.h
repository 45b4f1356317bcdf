// A catalogue that objects to nothing: every relation is an ordinary table, every function that
// isn't PostgreSQL's is STABLE.
#pragma once

#include <string>
#include <string_view>

#include "route/answers.h"
#include "route/builtins.h"

namespace howdah::route {

inline std::vector<AnswerRow> agreeable_rows(const std::vector<Name>& names) {
  std::vector<AnswerRow> rows;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Name& name = names[i];
    if (name.what == Name::What::Relation) rows.push_back({std::to_string(i), "r", "rp"});
    bool user = name.what == Name::What::Function &&
                (!name.schema.empty() || builtin_function(name.name) == Builtin::Unknown);
    if (user) rows.push_back({std::to_string(i), "f", "s"});
  }
  return rows;
}

// Answers what is wanted until nothing is.
template <typename Rows>
Decision decide_with(Database& database, Scope& scope, const Shape& shape, base::TimePoint now,
                     Rows&& rows_of) {
  for (;;) {
    Decision decision = database.decide(shape, scope, now);
    if (scope.wanted.empty()) return decision;
    std::vector<Name> names(scope.wanted.begin(), scope.wanted.end());
    scope.wanted.clear();
    std::vector<Answer> answers = read_rows(names, rows_of(names));
    for (std::size_t i = 0; i < names.size(); ++i) {
      answers[i].asked = now;
      database.learn(scope, names[i], std::move(answers[i]));
    }
  }
}

}  // namespace howdah::route
