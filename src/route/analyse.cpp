// A text's statements by the grammar, each of a kind, put together: the worst kind wins.
#include <algorithm>
#include <iterator>
#include <optional>

#include "howdah/route/classes.h"
#include "route/collector.h"
#include "route/depth.h"
#include "route/parsed.h"
#include "route/scanner.h"
#include "route/tree.h"
#include "route/utf8.h"
#include "route/wishes.h"

namespace howdah::route {
namespace {

using Node = Tree::Node;

struct Utility {
  std::string_view type;
  Kind kind;
  Reason reason;
  std::string_view subject;
};
// Statements that are of one kind whatever they hold. What is neither here nor in Reader is a
// definition.
constexpr Utility kUtilities[] = {
    {"AlterSystemStmt", Kind::Write, Reason::Utility, "ALTER SYSTEM"},
    {"CallStmt", Kind::Write, Reason::Utility, "CALL"},
    {"CheckPointStmt", Kind::Write, Reason::Utility, "CHECKPOINT"},
    {"ClosePortalStmt", Kind::Write, Reason::Cursor, "CLOSE"},
    {"ClusterStmt", Kind::Write, Reason::Utility, "CLUSTER"},
    {"CommentStmt", Kind::Write, Reason::Utility, "COMMENT"},
    {"ConstraintsSetStmt", Kind::Write, Reason::Utility, "SET CONSTRAINTS"},
    {"DeallocateStmt", Kind::Session, Reason::Setting, "DEALLOCATE"},
    {"DeleteStmt", Kind::Write, Reason::Modifies, "DELETE"},
    {"DoStmt", Kind::Write, Reason::Utility, "DO"},
    {"FetchStmt", Kind::Write, Reason::Cursor, "FETCH"},
    {"IndexStmt", Kind::Write, Reason::Definition, "CREATE INDEX"},
    {"InsertStmt", Kind::Write, Reason::Modifies, "INSERT"},
    {"ListenStmt", Kind::Session, Reason::Setting, "LISTEN"},
    {"LoadStmt", Kind::Write, Reason::Utility, "LOAD"},
    {"LockStmt", Kind::Write, Reason::Utility, "LOCK"},
    {"MergeStmt", Kind::Write, Reason::Modifies, "MERGE"},
    {"NotifyStmt", Kind::Write, Reason::Utility, "NOTIFY"},
    {"RefreshMatViewStmt", Kind::Write, Reason::Modifies, "REFRESH"},
    {"ReindexStmt", Kind::Write, Reason::Utility, "REINDEX"},
    {"SecLabelStmt", Kind::Write, Reason::Utility, "SECURITY LABEL"},
    {"TruncateStmt", Kind::Write, Reason::Modifies, "TRUNCATE"},
    {"UnlistenStmt", Kind::Session, Reason::Setting, "UNLISTEN"},
    {"UpdateStmt", Kind::Write, Reason::Modifies, "UPDATE"},
    {"VacuumStmt", Kind::Write, Reason::Utility, "VACUUM"},
};

struct Part {
  Kind kind = Kind::Write;
  Reason reason = Reason::NotUnderstood;
  std::string subject;
};

bool is_temporary(Node range) {
  std::string_view schema = range["schemaname"].text();
  return range["relpersistence"].text() == "t" || schema == "pg_temp" ||
         schema.starts_with("pg_temp_");
}

// One statement. What is of the whole text goes straight to the shape.
class Reader {
 public:
  Reader(Shape& shape, Collector& names) : shape_(shape), names_(names) {}

  Part read(Node node) {
    for (;;) {
      std::vector<Node> only = node.children();
      if (node.kind() != Tree::Kind::Object || only.size() != 1) return {};
      Node body = only[0];
      if (body.key() != "ExplainStmt") return statement(body.key(), body);
      node = body["query"];  // with or without ANALYZE: the plan of a write is the primary's
    }
  }

 private:
  Part statement(std::string_view type, Node body) {
    if (type == "SelectStmt") return select(body);
    if (type == "TransactionStmt") return transaction(body);
    if (type == "VariableSetStmt") return set(body);
    if (type == "DiscardStmt") {
      bool all = body["target"].text() == "DISCARD_ALL";
      return {Kind::Session, Reason::Setting, all ? "DISCARD ALL" : "DISCARD"};
    }
    if (type == "VariableShowStmt") {
      names_.object(Reason::Show, body["name"].text());
      return query();
    }
    if (type == "CopyStmt") return copy(body);
    if (type == "PrepareStmt") {
      shape_.statement = body["name"].text();
      names_.query(body["argtypes"]);
      return read(body["query"]);
    }
    if (type == "ExecuteStmt") {
      shape_.statement = body["name"].text();
      names_.query(body["params"]);
      Part part = query();
      return part.kind == Kind::Write ? part : Part{Kind::Execute, Reason::Execute, {}};
    }
    if (type == "DeclareCursorStmt") {
      constexpr std::size_t kHold = 0x20;  // CURSOR_OPT_HOLD
      if ((body["options"].number() & kHold) != 0) return {Kind::Write, Reason::Cursor, "DECLARE"};
      return read(body["query"]);
    }
    for (const Utility& utility : kUtilities) {
      if (utility.type == type) return {utility.kind, utility.reason, std::string(utility.subject)};
    }
    return definition(type, body);
  }

  // What the collector has found so far.
  Part query() const {
    if (names_.objection() == Reason::Read) return {Kind::Read, Reason::Read, {}};
    Kind kind = is_local(names_.objection()) ? Kind::Local : Kind::Write;
    return {kind, names_.objection(), names_.subject()};
  }

  Part select(Node body) {
    names_.query(body);
    body.each_below([&](Node at) {
      if (at.key() == "intoClause" && !is_temporary(at["rel"])) shape_.ddl = true;
    });
    return query();
  }

  Part copy(Node body) {
    if (body["is_from"].is_true() || body["is_program"].is_true() || body.has("filename")) {
      return {Kind::Write, Reason::CopyFrom, "COPY"};
    }
    if (body.has("query")) return read(body["query"]);
    if (!body.has("relation")) return {};
    names_.relation(body["relation"]);
    return query();
  }

  Part definition(std::string_view type, Node body) {
    bool temporary = false;
    for (std::string_view field : {"relation", "view", "sequence"}) {
      temporary = temporary || (type.starts_with("Create") && is_temporary(body[field])) ||
                  (type == "ViewStmt" && is_temporary(body[field]));
    }
    temporary = temporary || is_temporary(body["into"]["rel"]);
    if (!temporary) shape_.ddl = true;
    return {Kind::Write, Reason::Definition, std::string(type)};
  }

  // False if an option is not known.
  bool options(Node list) {
    for (Node item : list.children()) {
      Node option = item["DefElem"];
      std::string_view name = option["defname"].text();
      Node value = option["arg"]["A_Const"];
      if (name == "transaction_read_only") {
        bool only = value["ival"]["ival"].number() == 1;
        shape_.access = only ? Shape::Access::ReadOnly : Shape::Access::ReadWrite;
      } else if (name == "transaction_isolation") {
        if (value["sval"]["sval"].text() == "serializable") shape_.serializable = true;
      } else if (name != "transaction_deferrable") {
        return false;
      }
    }
    return true;
  }

  Part transaction(Node body) {
    std::string_view kind = body["kind"].text();
    if (kind == "TRANS_STMT_BEGIN" || kind == "TRANS_STMT_START") {
      shape_.access = Shape::Access::Default, shape_.serializable = false;
      if (!options(body["options"])) return {};
      bool reads = shape_.access == Shape::Access::ReadOnly && !shape_.serializable;
      return {Kind::Begin,
              shape_.serializable ? Reason::Serializable
              : reads             ? Reason::BeginReadOnly
                                  : Reason::Begin,
              {}};
    }
    for (std::string_view end : {"TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK", "TRANS_STMT_SAVEPOINT",
                                 "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"}) {
      if (kind == end) return {Kind::End, Reason::End, {}};
    }
    return {Kind::Write, Reason::Utility, "two-phase commit"};
  }

  Part set(Node body) {
    std::string name(body["name"].text());
    if (body["kind"].text() == "VAR_SET_MULTI" && name != "TRANSACTION SNAPSHOT" &&
        !options(body["args"])) {
      return {};
    }
    return {Kind::Session, Reason::Setting, std::move(name)};
  }

  Shape& shape_;
  Collector& names_;
};

// For texts that are not parsed: does a statement begin as a definition does?
bool begins_definition(std::string_view sql) {
  Scanner scanner(sql.substr(0, kLargestRead));
  for (bool first = true;;) {
    Token token = scanner.next();
    if (token.kind == Token::Kind::End || token.kind == Token::Kind::Bad) return false;
    if (first && (scanner.word(token, "create") || scanner.word(token, "alter") ||
                  scanner.word(token, "drop"))) {
      return true;
    }
    first = token.is(';');
  }
}

bool scans(std::string_view sql) {
  Scanner scanner(sql);
  Token token = scanner.next();
  while (token.kind != Token::Kind::End && token.kind != Token::Kind::Bad) token = scanner.next();
  return token.kind == Token::Kind::End;
}

// In another encoding bytes above ASCII become a letter of two bytes: names with such letters are
// asked of nobody.
std::string with_letters(std::string_view sql) {
  std::string text;
  for (char c : sql) {
    if (static_cast<unsigned char>(c) < 0x80) {
      text += c;
    } else {
      text += "\u00e9";
    }
  }
  return text;
}

int rank(Kind kind, Reason reason) {
  switch (kind) {
    case Kind::Empty:
    case Kind::Read:
    case Kind::End:
      return 0;
    case Kind::Begin:
      return reason == Reason::BeginReadOnly ? 0 : 1;
    case Kind::Local:
    case Kind::Session:
      return 1;
    case Kind::Write:
    case Kind::Execute:
    case Kind::SetRoute:
      return 2;
  }
  return 2;
}

void parse(std::string_view sql, Shape& shape) {
  Parsed parsed(is_utf8(sql) ? std::string(sql) : with_letters(sql));
  Tree tree;
  if (!tree.parse(parsed.json()) || tree.root().kind() != Tree::Kind::Object) return;
  std::vector<Node> statements = tree.root()["stmts"].children();
  shape.several = statements.size() > 1;
  shape.kind = Kind::Empty, shape.reason = Reason::Empty;
  Collector names;
  Reader reader(shape, names);
  bool first = true;
  for (Node raw : statements) {
    Part part = reader.read(raw["stmt"]);
    int before = rank(shape.kind, shape.reason), now = rank(part.kind, part.reason);
    if (!first && now <= before) continue;
    shape.kind = part.kind, shape.reason = part.reason, shape.subject = std::move(part.subject);
    first = false;
  }
  if (shape.several) {
    int worst = rank(shape.kind, shape.reason);
    shape.kind = worst == 0 ? Kind::Read : worst == 1 ? Kind::Local : Kind::Write;
    if (worst == 0) shape.reason = Reason::Read;
  }
  if (shape.kind == Kind::Read || shape.kind == Kind::Local || shape.kind == Kind::Execute) {
    shape.names = names.take_names();
  }
}

}  // namespace

std::size_t Shape::bytes() const {
  std::size_t sum = sizeof *this + subject.size() + statement.size();
  for (const Name& name : names) sum += sizeof name + name.schema.size() + name.name.size();
  return sum;
}

std::shared_ptr<const Shape> analyse(std::string_view sql) {
  auto shape = std::make_shared<Shape>();
  shape->hint = leading_hint(sql);
  if (sql.size() > kLargestRead) {
    shape->reason = Reason::TooLong;
  } else if (auto route = set_route(sql)) {
    shape->kind = Kind::SetRoute, shape->reason = Reason::Setting, shape->route = *route;
    shape->subject = "howdah.route";
  } else if (!is_shallow(sql)) {
    shape->reason = scans(sql) ? Reason::TooDeep : Reason::NotUnderstood;
  } else {
    parse(sql, *shape);
  }
  auto strange = [](char c) { return c < ' ' || c > '~'; };
  if (std::any_of(shape->subject.begin(), shape->subject.end(), strange)) shape->subject.clear();
  bool unread = shape->reason == Reason::TooLong || shape->reason == Reason::TooDeep ||
                shape->reason == Reason::NotUnderstood;
  if (unread && begins_definition(sql)) shape->ddl = true;
  return shape;
}

}  // namespace howdah::route
