// Walks the tree of a query and collects the names that the catalogue must answer for, or an
// objection. Every key of the tree must be known: a node or a field that this code has never heard
// of is an objection. Like grammar.cpp it knows the names in libpg_query's trees.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/route/classes.h"
#include "route/tree.h"

namespace howdah::route {

// Local objections are LocalFunction, LocalRelation and Show; any other makes a write.
bool is_local(Reason reason);

class Collector {
 public:
  // A SelectStmt's fields, an expression, or a list of them.
  void query(Tree::Node node);
  // The fields of a RangeVar that no WITH is around.
  void relation(Tree::Node range);

  // The worst wins, then the first.
  void object(Reason reason, std::string_view subject = {});
  Reason objection() const { return objection_; }  // Read: none
  const std::string& subject() const { return subject_; }

  // Sorted, each once.
  std::vector<Name> take_names();

 private:
  // A name that WITH gives: seen in [from, to) but not in its own WITH up to itself.
  struct Common {
    std::string_view name;
    std::uint32_t from, to, hole_from, hole_to;
  };
  void common(Tree::Node select);
  bool is_common(std::string_view name, std::uint32_t at) const;
  void look(Tree::Node at);
  void range(Tree::Node at);
  void function(Tree::Node call);
  void type(Tree::Node at);
  void operators(Tree::Node name);
  void attributes(Tree::Node list, bool first);
  void add(Name::What what, std::string_view schema, std::string_view name);

  std::vector<Common> commons_;
  std::vector<Name> names_;
  Reason objection_ = Reason::Read;
  std::string subject_;
  bool builds_rows_ = false;  // a function that makes rows of a relation's type, domains and all
};

}  // namespace howdah::route
