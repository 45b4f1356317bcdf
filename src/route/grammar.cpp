// Trees arrive as {"stmts": [{"stmt": {"SelectStmt": {...}}, "stmt_location": 9, "stmt_len": 20}]}:
// a node is an object whose only key is its type, fields that are zero or empty are left out, and a
// field with a fixed type holds the fields of its node at once ("larg", "into", "relation").
#include "route/grammar.h"

#include <string_view>

#include "howdah/base/text.h"
#include "route/catalogue.h"
#include "route/parsed.h"
#include "route/tree.h"

namespace howdah::route {
namespace {

using Node = Tree::Node;

bool is_temp_schema(std::string_view name) {
  return name == "pg_temp" || name.starts_with("pg_temp_");
}

// A text constant, also under casts to any type.
Node constant(Node node) {
  while (node.has("TypeCast")) node = node["TypeCast"]["arg"];
  return node["A_Const"]["sval"]["sval"];
}

bool is_true(Node node) {
  if (Node value = constant(node); value.kind() == Tree::Kind::Text) {
    std::string word = base::lower(value.text());
    return word == "t" || word == "true" || word == "on" || word == "yes" || word == "1";
  }
  return node["A_Const"]["boolval"]["boolval"].is_true();
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
  bool read(Node node) {
    while (node.has("ExplainStmt")) node = node["ExplainStmt"]["query"];
    std::vector<Node> only = node.children();
    if (node.kind() != Tree::Kind::Object || only.size() != 1) return false;
    Node body = only[0];
    std::string_view type = body.key();
    if (type == "VariableSetStmt") return set(body), true;
    if (type == "TransactionStmt") return transaction(body), true;
    if (type == "PrepareStmt") {
      name(StatementName::Verb::Prepare, body);
      return walk(body["query"]);
    }
    if (type == "ExecuteStmt") {
      name(StatementName::Verb::Execute, body);
      return walk(body["params"]);
    }
    if (type == "DeallocateStmt") {
      bool all = body["name"].text().empty();
      name(all ? StatementName::Verb::DeallocateAll : StatementName::Verb::Deallocate, body);
      return true;
    }
    if (type == "DeclareCursorStmt") {
      constexpr std::size_t kHold = 0x20;  // CURSOR_OPT_HOLD
      if ((body["options"].number() & kHold) != 0) touch(kPins);
      return walk(body["query"]);
    }
    if (type == "CreateTableAsStmt") {
      into(body["into"]);
      Node query = body["query"];
      return query.has("ExecuteStmt") ? read(query) : walk(query);
    }
    if (type == "DiscardStmt" && body["target"].text() == "DISCARD_ALL") {
      touch(kSettings);
      name(StatementName::Verb::DeallocateAll, Node());
    }
    if (type == "CreateStmt") return create(body, "relation") && walk(body["partbound"]);
    if (type == "CreateSeqStmt") return create(body, "sequence");
    if (type == "ViewStmt") return create(body, "view");
    return by_rule(type, body);
  }

 private:
  void touch(unsigned bits) { out_.touch = static_cast<std::uint16_t>(out_.touch | bits); }

  bool by_rule(std::string_view type, Node node) {
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

  void set(Node body) {
    if (body["is_local"].is_true()) return;
    std::string_view name = body["name"].text();
    if (body["kind"].text() == "VAR_SET_MULTI" && name != "SESSION CHARACTERISTICS") return;
    touch(kSettings);
    if (body["kind"].text() == "VAR_SET_VALUE" || body["kind"].text() == "VAR_SET_CURRENT") {
      custom(name);  // RESET needs no name: what is not set any more is not there
    }
  }

  void custom(std::string_view name) {
    if (name.find('.') != name.npos) out_.custom_settings.push_back(base::lower(name));
  }

  void transaction(Node body) {
    std::string_view kind = body["kind"].text();
    if (kind == "TRANS_STMT_COMMIT" || kind == "TRANS_STMT_ROLLBACK" ||
        kind == "TRANS_STMT_ROLLBACK_TO" || kind == "TRANS_STMT_PREPARE") {
      touch(kExit);
    }
  }

  void name(StatementName::Verb verb, Node body) {
    out_.name = GrammarName{verb, std::string(body["name"].text())};
  }

  static bool is_temporary(Node range) {
    return range["relpersistence"].text() == "t" || is_temp_schema(range["schemaname"].text());
  }
  void into(Node clause) { touch(is_temporary(clause["rel"]) ? kPins : kDdl); }
  bool create(Node body, const char* relation) {
    touch(is_temporary(body[relation]) ? kPins : kDdl);
    return true;
  }

  static bool mentions_temp(Node node) {
    bool temporary = false;
    node.each_below([&](Node at) {
      if (at.kind() != Tree::Kind::Text) return;
      temporary = temporary || (at.key() == "relpersistence" && at.text() == "t") ||
                  ((at.key() == "schemaname" || at.key() == "sval") && is_temp_schema(at.text()));
    });
    return temporary;
  }

  // Functions, SELECT INTO and UPDATE pg_settings anywhere below.
  bool walk(Node node) {
    bool known = true;
    look(node, known);
    node.each_below([&](Node at) { look(at, known); });
    return known;
  }

  void look(Node at, bool& known) {
    if (at.kind() != Tree::Kind::Object) return;
    std::string_view key = at.key();
    if (key == "FuncCall") {
      function(at);
    } else if (key == "intoClause") {
      into(at);
    } else if (key == "UpdateStmt") {
      update(at);
    } else if (key == "ExecuteStmt" || key == "PrepareStmt" || key == "DeallocateStmt") {
      known = false;
    }
  }

  // The view pg_settings turns an update into set_config.
  void update(Node body) {
    if (body["relation"]["relname"].text() == "pg_settings") {
      touch(kSettings | kUnknownSetting);
    }
  }

  void function(Node call) {
    std::vector<Node> parts = call["funcname"].children();
    if (parts.empty()) return touch(kHidden);
    std::string_view name = parts.back()["String"]["sval"].text();
    bool ours = parts.size() == 1 ||
                (parts.size() == 2 && parts[0]["String"]["sval"].text() == "pg_catalog");
    if (!ours || (strange_ && name.find('z') != name.npos)) return touch(kHidden);
    if (name == "set_config") return set_config(call);
    if (is_pinning_function(name)) return touch(kPins);
    if (!is_harmless_function(name)) touch(kHidden);
  }

  void set_config(Node call) {
    std::vector<Node> arguments = call["args"].children();
    bool usual = arguments.size() == 3 && !call.has("func_variadic");
    for (Node argument : arguments) usual = usual && !argument.has("NamedArgExpr");
    if (!usual) return touch(kSettings | kUnknownSetting);
    if (is_true(arguments[2])) return;
    touch(kSettings);
    if (Node name = constant(arguments[0]); name.kind() == Tree::Kind::Text) {
      custom(name.text());
    } else {
      touch(kUnknownSetting);
    }
  }

  GrammarStatement& out_;
  bool strange_;
};

}  // namespace

std::optional<std::vector<GrammarStatement>> parse_statements(const std::string& sql,
                                                              bool strange) {
  Parsed parsed(sql);
  Tree tree;
  if (!tree.parse(parsed.json()) || tree.root().kind() != Tree::Kind::Object) return std::nullopt;
  std::vector<GrammarStatement> statements;
  for (Node raw : tree.root()["stmts"].children()) {
    GrammarStatement& statement = statements.emplace_back();
    std::size_t size = raw["stmt_len"].number();
    statement.at = raw["stmt_location"].number();
    if (statement.at > sql.size() || size > sql.size() - statement.at) return std::nullopt;
    statement.end = size == 0 ? sql.size() : statement.at + size;
    if (!Reader(statement, strange).read(raw["stmt"])) return std::nullopt;
  }
  return statements;
}

}  // namespace howdah::route
