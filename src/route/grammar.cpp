// Trees arrive as {"stmts": [{"stmt": {"SelectStmt": {...}}, "stmt_location": 9, "stmt_len": 20}]}:
// a node is an object whose only key is its type, fields that are zero or empty are left out, and a
// field with a fixed type holds the fields of its node at once ("larg", "into", "relation").
#include "route/grammar.h"

#include <pg_query.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "howdah/base/text.h"
#include "route/catalogue.h"

namespace howdah::route {
namespace {

using nlohmann::json;

const json kNone;

const json& field(const json& node, const char* key) {
  if (!node.is_object()) return kNone;
  auto at = node.find(key);
  return at == node.end() ? kNone : *at;
}
std::string_view text(const json& value) {
  auto* string = value.get_ptr<const json::string_t*>();
  return string ? std::string_view(*string) : std::string_view();
}
std::string_view text(const json& node, const char* key) { return text(field(node, key)); }
std::size_t number(const json& node, const char* key) {
  const json& value = field(node, key);
  return value.is_number_unsigned() ? value.get<std::size_t>() : 0;
}
bool is_temp_schema(std::string_view name) {
  return name == "pg_temp" || name.starts_with("pg_temp_");
}

// The text of a constant, also under casts to any type; null if it is none.
const json* constant_text(const json& node) {
  const json* at = &node;
  while (at->contains("TypeCast")) at = &field(field(*at, "TypeCast"), "arg");
  const json& value = field(field(field(*at, "A_Const"), "sval"), "sval");
  return value.is_string() ? &value : nullptr;
}

bool is_true(const json& node) {
  if (const json* value = constant_text(node)) {
    std::string word = base::lower(text(*value));
    return word == "t" || word == "true" || word == "on" || word == "yes" || word == "1";
  }
  const json& value = field(field(field(node, "A_Const"), "boolval"), "boolval");
  return value.is_boolean() && value.get<bool>();
}

// What a type of statement touches by itself, and whether expressions in it are run.
struct Rule {
  std::string_view type;
  std::uint16_t touch;
  bool runs = true;
};
constexpr Rule kRules[] = {
    {"SelectStmt", 0},
    {"InsertStmt", 0},
    {"UpdateStmt", 0},
    {"DeleteStmt", 0},
    {"MergeStmt", 0},
    {"CopyStmt", 0},
    {"FetchStmt", 0},
    {"LockStmt", 0},
    {"NotifyStmt", 0},
    {"TruncateStmt", 0},
    {"VacuumStmt", 0},
    {"ClusterStmt", 0},
    {"ReindexStmt", 0},
    {"CheckPointStmt", 0},
    {"VariableShowStmt", 0},
    {"ConstraintsSetStmt", 0},
    {"RefreshMatViewStmt", 0},
    {"SecLabelStmt", 0},
    {"AlterSystemStmt", 0, false},
    {"ListenStmt", kPins},
    {"UnlistenStmt", kPins},
    {"ClosePortalStmt", kPins},
    {"DiscardStmt", kPins},
    {"LoadStmt", kHidden},
    {"DoStmt", kHidden},
    {"CallStmt", kHidden},
    {"DefineStmt", kDdl},
    {"IndexStmt", kDdl},
    {"RuleStmt", kDdl, false},
    {"ViewStmt", kDdl, false},
    {"RenameStmt", kDdl},
    {"CommentStmt", kDdl},
    {"GrantStmt", kDdl},
    {"GrantRoleStmt", kDdl},
    {"CompositeTypeStmt", kDdl},
    {"ReassignOwnedStmt", kDdl},
    {"ImportForeignSchemaStmt", kDdl},
    {"CreateFunctionStmt", kDdl, false},
    {"CreateTrigStmt", kDdl, false},
    {"CreatePolicyStmt", kDdl, false},
    {"AlterPolicyStmt", kDdl, false},
};

class Reader {
 public:
  Reader(GrammarStatement& out, bool strange) : out_(out), strange_(strange) {}

  // False if the statement is of a kind that isn't known.
  bool read(const json& node) {
    const json* at = &node;
    while (at->contains("ExplainStmt")) at = &field(field(*at, "ExplainStmt"), "query");
    if (!at->is_object() || at->size() != 1) return false;
    const std::string& type = at->begin().key();
    const json& body = at->begin().value();
    if (type == "VariableSetStmt") return set(body), true;
    if (type == "TransactionStmt") return transaction(body), true;
    if (type == "PrepareStmt") {
      name(StatementName::Verb::Prepare, body);
      return walk(field(body, "query"));
    }
    if (type == "ExecuteStmt") {
      name(StatementName::Verb::Execute, body);
      return walk(field(body, "params"));
    }
    if (type == "DeallocateStmt") {
      bool all = text(body, "name").empty();
      name(all ? StatementName::Verb::DeallocateAll : StatementName::Verb::Deallocate, body);
      return true;
    }
    if (type == "DeclareCursorStmt") {
      constexpr std::size_t kHold = 0x20;  // CURSOR_OPT_HOLD
      if ((number(body, "options") & kHold) != 0) touch(kPins);
      return walk(field(body, "query"));
    }
    if (type == "CreateTableAsStmt") {
      into(field(body, "into"));
      const json& query = field(body, "query");
      return query.contains("ExecuteStmt") ? read(query) : walk(query);
    }
    if (type == "DiscardStmt" && text(body, "target") == "DISCARD_ALL") {
      touch(kSettings);
      name(StatementName::Verb::DeallocateAll, json());
    }
    if (type == "CreateStmt") return create(body, "relation") && walk(field(body, "partbound"));
    if (type == "CreateSeqStmt") return create(body, "sequence");
    if (type == "ViewStmt") return create(body, "view");
    return by_rule(type, *at);
  }

 private:
  void touch(unsigned bits) { out_.touch = static_cast<std::uint16_t>(out_.touch | bits); }

  bool by_rule(std::string_view type, const json& node) {
    for (const Rule& rule : kRules) {
      if (rule.type != type) continue;
      touch(rule.touch);
      if ((rule.touch & kDdl) != 0 && mentions_temp(node)) touch(kPins);
      return !rule.runs || walk(node);
    }
    bool drops = type.starts_with("Drop");
    if (!drops && !type.starts_with("Create") && !type.starts_with("Alter")) return false;
    touch(drops || mentions_temp(node) ? kDdl | kPins : kDdl);
    return walk(node);
  }

  void set(const json& body) {
    if (field(body, "is_local") == true) return;
    std::string_view name = text(body, "name");
    if (text(body, "kind") == "VAR_SET_MULTI" && name != "SESSION CHARACTERISTICS") return;
    touch(kSettings);
    custom(name);
  }

  void custom(std::string_view name) {
    if (name.find('.') != name.npos) out_.custom_settings.push_back(base::lower(name));
  }

  void transaction(const json& body) {
    std::string_view kind = text(body, "kind");
    if (kind == "TRANS_STMT_COMMIT" || kind == "TRANS_STMT_ROLLBACK" ||
        kind == "TRANS_STMT_ROLLBACK_TO" || kind == "TRANS_STMT_PREPARE") {
      touch(kExit);
    }
  }

  void name(StatementName::Verb verb, const json& body) {
    out_.name = GrammarName{verb, std::string(text(body, "name"))};
  }

  static bool is_temporary(const json& range) {
    return text(range, "relpersistence") == "t" || is_temp_schema(text(range, "schemaname"));
  }
  void into(const json& clause) { touch(is_temporary(field(clause, "rel")) ? kPins : kDdl); }
  bool create(const json& body, const char* relation) {
    touch(is_temporary(field(body, relation)) ? kPins : kDdl);
    return true;
  }

  static bool mentions_temp(const json& node) {
    std::vector<const json*> open{&node};
    while (!open.empty()) {
      const json& at = *open.back();
      open.pop_back();
      if (is_temporary(at) || is_temp_schema(text(at, "sval"))) return true;
      if (!at.is_structured()) continue;
      for (const json& below : at) open.push_back(&below);
    }
    return false;
  }

  // Functions, SELECT INTO and UPDATE pg_settings anywhere below; no recursion, depth is the
  // client's.
  bool walk(const json& node) {
    std::vector<const json*> open{&node};
    while (!open.empty()) {
      const json& at = *open.back();
      open.pop_back();
      if (at.is_array()) {
        for (const json& below : at) open.push_back(&below);
      } else if (at.is_object()) {
        for (auto below = at.begin(); below != at.end(); ++below) {
          const std::string& key = below.key();
          if (key == "FuncCall") {
            function(*below);
          } else if (key == "intoClause") {
            into(*below);
          } else if (key == "UpdateStmt") {
            update(*below);
          } else if (key == "ExecuteStmt" || key == "PrepareStmt" || key == "DeallocateStmt") {
            return false;
          }
          if (below->is_structured()) open.push_back(&*below);
        }
      }
    }
    return true;
  }

  // The view pg_settings turns an update into set_config.
  void update(const json& body) {
    if (text(field(body, "relation"), "relname") == "pg_settings") {
      touch(kSettings | kUnknownSetting);
    }
  }

  void function(const json& call) {
    const json& parts = field(call, "funcname");
    if (!parts.is_array() || parts.empty()) return touch(kHidden);
    std::string_view name = text(field(parts.back(), "String"), "sval");
    bool ours = parts.size() == 1 ||
                (parts.size() == 2 && text(field(parts[0], "String"), "sval") == "pg_catalog");
    if (!ours || (strange_ && name.find('z') != name.npos)) return touch(kHidden);
    if (name == "set_config") return set_config(call);
    if (is_pinning_function(name)) return touch(kPins);
    if (!is_harmless_function(name)) touch(kHidden);
  }

  void set_config(const json& call) {
    const json& arguments = field(call, "args");
    bool usual = arguments.is_array() && arguments.size() == 3 && !call.contains("func_variadic");
    for (const json& argument : arguments) usual = usual && !argument.contains("NamedArgExpr");
    if (!usual) return touch(kSettings | kUnknownSetting);
    if (is_true(arguments[2])) return;
    touch(kSettings);
    if (const json* name = constant_text(arguments[0])) {
      custom(text(*name));
    } else {
      touch(kUnknownSetting);
    }
  }

  GrammarStatement& out_;
  bool strange_;
};

json parse_tree(const std::string& sql) {
  PgQueryParseResult result = pg_query_parse(sql.c_str());
  json tree(json::value_t::discarded);
  if (!result.error && result.parse_tree) tree = json::parse(result.parse_tree, nullptr, false);
  pg_query_free_parse_result(result);
  return tree;
}

}  // namespace

std::optional<std::vector<GrammarStatement>> parse_statements(const std::string& sql,
                                                              bool strange) {
  json tree = parse_tree(sql);
  if (!tree.is_object()) return std::nullopt;
  std::vector<GrammarStatement> statements;
  for (const json& raw : field(tree, "stmts")) {
    GrammarStatement& statement = statements.emplace_back();
    std::size_t size = number(raw, "stmt_len");
    statement.at = number(raw, "stmt_location");
    if (statement.at > sql.size() || size > sql.size() - statement.at) return std::nullopt;
    statement.end = size == 0 ? sql.size() : statement.at + size;
    if (!Reader(statement, strange).read(field(raw, "stmt"))) return std::nullopt;
  }
  return statements;
}

}  // namespace howdah::route
