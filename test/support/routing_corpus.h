// The statements of routing_corpus.inc with the class and reason each must get, and the schema that
// they speak of. For the unit tests of route, and for tests through a split entry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace howdah::test {

struct RoutedStatement {
  std::string cls, reason;  // as route::to_string prints them
  bool by_grammar = false;  // else it takes the catalogue of routing_schema()
  std::string sql;
};

inline std::string_view routing_schema() {
  return
#include "routing_schema.inc"
      ;
}

inline std::vector<RoutedStatement> routing_corpus() {
  std::string_view text =
#include "routing_corpus.inc"
      ;
  std::vector<RoutedStatement> all;
  auto word = [](std::string_view& line) {
    std::size_t end = line.find(' ');
    std::string found(line.substr(0, end));
    line.remove_prefix(end == line.npos ? line.size() : end + 1);
    return found;
  };
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() < text.size() ? line.size() + 1 : text.size());
    if (line.empty() || line[0] == '#') continue;
    RoutedStatement statement;
    statement.cls = word(line);
    statement.reason = word(line);
    statement.by_grammar = word(line) == "g";
    for (std::size_t i = 0; i < line.size(); ++i) {
      bool escape = line[i] == '\\' && i + 1 < line.size();
      if (escape) ++i;
      statement.sql += !escape ? line[i] : line[i] == 'n' ? '\n' : line[i] == 't' ? '\t' : line[i];
    }
    all.push_back(std::move(statement));
  }
  return all;
}

}  // namespace howdah::test
