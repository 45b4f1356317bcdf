// What libpg_query gave for a text, freed with it. The library recurses: ask is_shallow() before.
#pragma once

#include <pg_query.h>

#include <string>
#include <string_view>

namespace howdah::route {

class Parsed {
 public:
  explicit Parsed(const std::string& sql) : result_(pg_query_parse(sql.c_str())) {}
  ~Parsed() { pg_query_free_parse_result(result_); }
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;
  // The tree, see tree.h; empty if the grammar doesn't take the text.
  std::string_view json() const {
    return result_.error || !result_.parse_tree ? "" : result_.parse_tree;
  }

 private:
  PgQueryParseResult result_;
};

}  // namespace howdah::route
