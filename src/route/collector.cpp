#include "route/collector.h"

#include <algorithm>
#include <iterator>

#include "route/builtins.h"

namespace howdah::route {
namespace {

using Node = Tree::Node;

// All keys that trees of harmless queries have: types of nodes and their fields.
constexpr std::string_view kKnown[] = {
    "A_ArrayExpr",
    "A_Const",
    "A_Expr",
    "A_Indices",
    "A_Indirection",
    "A_Star",
    "Alias",
    "BitString",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "CollateClause",
    "ColumnDef",
    "ColumnRef",
    "CommonTableExpr",
    "Float",
    "FuncCall",
    "GroupingFunc",
    "GroupingSet",
    "Integer",
    "JoinExpr",
    "List",
    "MinMaxExpr",
    "NamedArgExpr",
    "NullTest",
    "ParamRef",
    "RangeFunction",
    "RangeSubselect",
    "RangeTableFunc",
    "RangeTableFuncCol",
    "RangeTableSample",
    "RangeVar",
    "ResTarget",
    "RowExpr",
    "SQLValueFunction",
    "SelectStmt",
    "SortBy",
    "String",
    "SubLink",
    "TypeCast",
    "TypeName",
    "WindowDef",
    "WithClause",
    "XmlExpr",
    "XmlSerialize",
    "agg_distinct",
    "agg_filter",
    "agg_order",
    "agg_star",
    "agg_within_group",
    "alias",
    "aliascolnames",
    "aliasname",
    "all",
    "arg",
    "arg_names",
    "argisrow",
    "argnumber",
    "args",
    "arrayBounds",
    "boolop",
    "booltesttype",
    "boolval",
    "bsval",
    "coldefexpr",
    "coldeflist",
    "colexpr",
    "collClause",
    "collname",
    "colname",
    "colnames",
    "columns",
    "content",
    "ctematerialized",
    "ctename",
    "ctequery",
    "ctes",
    "cycle_clause",
    "cycle_col_list",
    "cycle_mark_column",
    "cycle_mark_default",
    "cycle_mark_value",
    "cycle_path_column",
    "defresult",
    "distinctClause",
    "docexpr",
    "elements",
    "endOffset",
    "expr",
    "fields",
    "for_ordinality",
    "frameOptions",
    "fromClause",
    "func_variadic",
    "funcformat",
    "funcname",
    "functions",
    "fval",
    "groupClause",
    "groupDistinct",
    "havingClause",
    "indirection",
    "inh",
    "isNatural",
    "is_local",
    "is_not_null",
    "is_rowsfrom",
    "is_slice",
    "isnull",
    "items",
    "ival",
    "join_using_alias",
    "jointype",
    "kind",
    "larg",
    "lateral",
    "lexpr",
    "lidx",
    "limitCount",
    "limitOffset",
    "limitOption",
    "location",
    "method",
    "name",
    "named_args",
    "names",
    "namespaces",
    "node",
    "nulltesttype",
    "number",
    "op",
    "operName",
    "orderClause",
    "ordinality",
    "over",
    "partitionClause",
    "quals",
    "rarg",
    "recursive",
    "refname",
    "relation",
    "relname",
    "relpersistence",
    "repeatable",
    "result",
    "rexpr",
    "row_format",
    "rowexpr",
    "rtindex",
    "schemaname",
    "search_breadth_first",
    "search_clause",
    "search_col_list",
    "search_seq_column",
    "sortClause",
    "sortby_dir",
    "sortby_nulls",
    "startOffset",
    "subLinkType",
    "subquery",
    "subselect",
    "sval",
    "targetList",
    "testexpr",
    "typeName",
    "typemod",
    "typmod",
    "typmods",
    "uidx",
    "useOp",
    "usingClause",
    "val",
    "valuesLists",
    "whereClause",
    "windowClause",
    "withClause",
    "xmloption",
};
static_assert(std::is_sorted(std::begin(kKnown), std::end(kKnown)));

bool is_known(std::string_view key) {
  return std::binary_search(std::begin(kKnown), std::end(kKnown), key);
}

Reason reason_of(std::string_view key) {
  if (key == "lockingClause") return Reason::Locks;
  if (key == "intoClause") return Reason::Definition;
  for (std::string_view type : {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}) {
    if (key == type) return Reason::Modifies;
  }
  return Reason::NotUnderstood;
}

std::string_view string_of(Node node) { return node["String"]["sval"].text(); }

// A text constant, also under casts.
std::string_view constant(Node node) {
  while (node.has("TypeCast")) node = node["TypeCast"]["arg"];
  return node["A_Const"]["sval"]["sval"].text();
}

bool is_temporary(std::string_view schema) {
  return schema == "pg_temp" || schema.starts_with("pg_temp_");
}

}  // namespace

bool is_local(Reason reason) {
  return reason == Reason::LocalFunction || reason == Reason::LocalRelation ||
         reason == Reason::Show;
}

void Collector::object(Reason reason, std::string_view subject) {
  bool worse = objection_ == Reason::Read || (is_local(objection_) && !is_local(reason));
  if (!worse) return;
  objection_ = reason;
  subject_ = subject.substr(0, 64);
}

void Collector::query(Node node) {
  commons_.clear();
  common(node);
  node.each_below([&](Node at) { common(at); });
  if (node.kind() == Tree::Kind::Object) look(node);  // a list's key is of what is around it
  node.each_below([&](Node at) { look(at); });
}

void Collector::common(Node select) {
  if (select.kind() != Tree::Kind::Object) return;
  Node with = select["withClause"];
  if (with.kind() != Tree::Kind::Object) return;
  bool recursive = with["recursive"].is_true();
  for (Node item : with["ctes"].children()) {
    Node expression = item["CommonTableExpr"];
    std::uint32_t hole = recursive ? with.position() : item.end();
    commons_.push_back(
        {expression["ctename"].text(), select.position(), select.end(), with.position(), hole});
  }
}

bool Collector::is_common(std::string_view name, std::uint32_t at) const {
  return std::any_of(commons_.begin(), commons_.end(), [&](const Common& common) {
    return common.from <= at && at < common.to && (at < common.hole_from || at >= common.hole_to) &&
           common.name == name;
  });
}

void Collector::look(Node at) {
  std::string_view key = at.key();
  if (key.empty()) return;  // an item of a list
  if (!is_known(key)) return object(reason_of(key), key);
  if (at.kind() == Tree::Kind::Array) {
    if (key == "operName" || key == "useOp") operators(at);
    if (key == "indirection") attributes(at, true);
    return;
  }
  if (at.kind() != Tree::Kind::Object) return;
  if (key == "RangeVar") {
    range(at);
  } else if (key == "FuncCall") {
    function(at);
  } else if (key == "A_Expr") {
    operators(at["name"]);
  } else if (key == "ColumnRef") {
    attributes(at["fields"], false);
  } else if (key == "TypeName" || key == "typeName") {
    type(at);
  } else if (key == "RangeTableSample") {
    std::vector<Node> method = at["method"].children();
    if (method.size() != 1 ||
        (string_of(method[0]) != "system" && string_of(method[0]) != "bernoulli")) {
      object(Reason::NotUnderstood, "TABLESAMPLE");
    }
  }
}

void Collector::range(Node at) {
  std::string_view schema = at["schemaname"].text();
  if (schema.empty() && is_common(at["relname"].text(), at.position())) return;
  relation(at);
}

void Collector::relation(Node range) {
  std::string_view schema = range["schemaname"].text(), name = range["relname"].text();
  if (is_temporary(schema) || range["relpersistence"].text() != "p") {
    return object(Reason::Relation, name);
  }
  if (range.has("catalogname")) return object(Reason::NotUnderstood, name);
  add(Name::What::Relation, schema, name);
}

void Collector::function(Node call) {
  std::vector<Node> parts = call["funcname"].children();
  if (parts.empty() || parts.size() > 2) return object(Reason::NotUnderstood, "function");
  std::string_view name = string_of(parts.back());
  std::string_view schema = parts.size() == 2 ? string_of(parts[0]) : std::string_view();
  if (name.find("populate_record") != name.npos) builds_rows_ = true;
  Builtin builtin = Builtin::Unknown;
  if (schema.empty() || schema == "pg_catalog") builtin = builtin_function(name);
  if (builtin == Builtin::Volatile || is_temporary(schema)) return object(Reason::Function, name);
  if (builtin == Builtin::Local) {
    // Settings with a dot are the application's, and the same wherever its session goes.
    std::vector<Node> arguments = call["args"].children();
    bool own = name == "current_setting" && !arguments.empty() &&
               constant(arguments[0]).find('.') != name.npos;
    if (!own) object(Reason::LocalFunction, name);
  }
  if (schema != "pg_catalog" || builtin == Builtin::Unknown)
    add(Name::What::Function, schema, name);
}

void Collector::type(Node at) {
  std::vector<Node> parts = at["names"].children();
  if (parts.empty() || parts.size() > 2) return object(Reason::NotUnderstood, "type");
  std::string_view schema = parts.size() == 2 ? string_of(parts[0]) : std::string_view();
  if (is_temporary(schema)) return object(Reason::Relation, string_of(parts.back()));
  if (schema != "pg_catalog") add(Name::What::Type, schema, string_of(parts.back()));
}

void Collector::operators(Node name) {
  std::vector<Node> parts = name.children();
  if (!parts.empty()) add(Name::What::Operator, {}, string_of(parts.back()));
}

void Collector::attributes(Node list, bool first) {
  for (Node item : list.children()) {
    if (first && item.has("String")) {
      std::string_view name = string_of(item);
      switch (builtin_attribute(name)) {
        case Builtin::Volatile:
          object(Reason::Function, name);
          break;
        case Builtin::Local:
          object(Reason::LocalFunction, name);
          break;
        case Builtin::Safe:
        case Builtin::Unknown:
          add(Name::What::Attribute, {}, name);
      }
    }
    first = true;
  }
}

void Collector::add(Name::What what, std::string_view schema, std::string_view name) {
  auto ascii = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  };
  if (name.empty()) return object(Reason::NotUnderstood, "name");
  if (!ascii(schema) || !ascii(name)) return object(Reason::NameNotAscii);
  names_.push_back({what, std::string(schema), std::string(name)});
}

std::vector<Name> Collector::take_names() {
  if (builds_rows_) {
    for (std::size_t i = 0, size = names_.size(); i < size; ++i) {
      if (names_[i].what != Name::What::Relation) continue;
      names_.push_back({Name::What::Type, names_[i].schema, names_[i].name});
    }
  }
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  return std::move(names_);
}

}  // namespace howdah::route
