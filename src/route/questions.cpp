// The question that an ordinary login role asks of its own database's catalogue, and its answer.
//
// Rows are (place of the name, what, value):
//   r  a relation: its relkind, then p, or x if it or a child is unlogged, temporary or foreign
//   f  functions of users by this name: i, s or v, the worst of all overloads
//   c  the same of schema pg_catalog
//   d  a text that is run with it: a view, a policy, a domain's check, a default
//   o  (of the database) an operator with a volatile function
//   k  (of the database) a cast, type or operator class with a volatile function
//
// Names are resolved under the client's search_path, set for this one statement. The question
// itself must not be bent by the search_path that its server happens to have: everything is
// qualified, the operators by qualify().
#include <string>
#include <string_view>

#include "howdah/base/text.h"
#include "route/answers.h"
#include "route/builtins.h"

namespace howdah::route {
namespace {

constexpr std::string_view kDefaultPath =
    "(SELECT y.reset_val FROM pg_catalog.pg_settings y WHERE y.name = 'search_path')";

constexpr std::string_view kBefore = R"(WITH RECURSIVE s AS MATERIALIZED (
SELECT pg_catalog.set_config('search_path', $PATH, true) AS v),
p AS MATERIALIZED (
SELECT n.oid, x.i FROM s CROSS JOIN LATERAL pg_catalog.unnest(CASE WHEN s.v IS NULL
 THEN NULL::pg_catalog.name[] ELSE pg_catalog.current_schemas(true) END) WITH ORDINALITY x(name, i)
 JOIN pg_catalog.pg_namespace n ON n.nspname = x.name),
w(no, what, sch, name) AS (VALUES )";

constexpr std::string_view kAfter = R"(),
c AS MATERIALIZED (
SELECT w.no, w.what, w.name, n.oid AS ns, n.i FROM w CROSS JOIN LATERAL (
 SELECT p.oid, p.i FROM p WHERE w.sch IS NULL UNION ALL
 SELECT m.oid, 0::pg_catalog.int8 FROM s CROSS JOIN pg_catalog.pg_namespace m
 WHERE s.v IS NOT NULL AND m.nspname = w.sch) n),
rel AS MATERIALIZED (
SELECT DISTINCT ON (c.no) c.no, c.ns, k.oid, k.relkind, k.relpersistence, k.relrowsecurity,
 k.relhassubclass FROM c JOIN pg_catalog.pg_class k ON k.relnamespace = c.ns AND k.relname = c.name
 WHERE c.what = 'r' ORDER BY c.no, c.i),
kids(no, oid) AS (
SELECT rel.no, rel.oid FROM rel WHERE rel.relhassubclass UNION
SELECT kids.no, h.inhrelid FROM kids JOIN pg_catalog.pg_inherits h ON h.inhparent = kids.oid),
fun AS MATERIALIZED (
SELECT c.no, c.what, c.ns, f.proargtypes, f.proargdefaults,
 f.provolatile = 'v' OR EXISTS (SELECT FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc g
  ON g.oid = ANY (ARRAY[a.aggtransfn::pg_catalog.oid, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
  a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn])
  WHERE a.aggfnoid = f.oid AND g.provolatile = 'v') AS volatile, f.provolatile = 's' AS stable
 FROM c JOIN pg_catalog.pg_proc f ON f.pronamespace = c.ns AND f.proname = c.name
 WHERE c.what = 'f' OR (c.what = 'a' AND f.pronargs > 0
 AND (f.pronargs - f.pronargdefaults) <= 1)),
ty(no, oid) AS ((
SELECT c.no, t.oid FROM c JOIN pg_catalog.pg_type t ON t.typnamespace = c.ns AND t.typname = c.name
 WHERE c.what = 't' UNION
SELECT fun.no, x.oid FROM fun CROSS JOIN LATERAL
 pg_catalog.unnest(fun.proargtypes::pg_catalog.oid[]) x(oid) WHERE fun.ns <> 11) UNION
SELECT ty.no, x.oid FROM ty JOIN pg_catalog.pg_type t ON t.oid = ty.oid CROSS JOIN LATERAL (
 SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem UNION ALL
 SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid
 AND a.attnum > 0 AND NOT a.attisdropped UNION ALL
 SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid OR t.oid::pg_catalog.text =
 pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(r), 'rngmultitypid')) x WHERE x.oid <> 0),
result(no, what, value) AS (
SELECT rel.no, CASE WHEN rel.ns = 11 THEN 'c' ELSE 'r' END, pg_catalog.concat(rel.relkind,
 CASE WHEN rel.relpersistence <> 'p' OR EXISTS (SELECT FROM kids JOIN pg_catalog.pg_class k
 ON k.oid = kids.oid WHERE kids.no = rel.no AND (k.relpersistence <> 'p' OR k.relkind = 'f'))
 OR (rel.relkind = ANY (ARRAY['r', 'p', 'f']::pg_catalog."char"[]) AND EXISTS (SELECT FROM
 pg_catalog.pg_rewrite u WHERE u.ev_class = rel.oid AND u.ev_type = '1')) THEN 'x' ELSE 'p' END)
 FROM rel UNION ALL
SELECT rel.no, 'd', pg_catalog.pg_get_viewdef(rel.oid) FROM rel
 WHERE rel.relkind = 'v' AND rel.ns <> 11 UNION ALL
SELECT rel.no, 'd', pg_catalog.concat('SELECT ', pg_catalog.pg_get_expr(q.polqual, q.polrelid))
 FROM rel JOIN pg_catalog.pg_policy q ON q.polrelid = rel.oid WHERE rel.relrowsecurity AND
 q.polcmd = ANY (ARRAY['r', '*']::pg_catalog."char"[]) AND q.polqual IS NOT NULL UNION ALL
SELECT fun.no, CASE WHEN fun.ns = 11 THEN 'c' ELSE 'f' END,
 CASE WHEN pg_catalog.bool_or(fun.volatile) THEN 'v' WHEN pg_catalog.bool_or(fun.stable) THEN 's'
 ELSE 'i' END FROM fun GROUP BY 1, 2 UNION ALL
SELECT fun.no, 'd', pg_catalog.concat('SELECT ', pg_catalog.pg_get_expr(fun.proargdefaults, 0))
 FROM fun WHERE fun.ns <> 11 AND fun.proargdefaults IS NOT NULL UNION ALL
SELECT ty.no, 'd', pg_catalog.concat('SELECT ', pg_catalog.pg_get_expr(k.conbin, 0))
 FROM ty JOIN pg_catalog.pg_constraint k ON k.contypid = ty.oid WHERE k.conbin IS NOT NULL UNION ALL
SELECT * FROM (SELECT DISTINCT w.no, 'o', o.oprname::pg_catalog.text FROM w
 CROSS JOIN pg_catalog.pg_operator o JOIN pg_catalog.pg_proc f ON f.oid = o.oprcode
 WHERE w.what = 'g' AND f.provolatile = 'v' LIMIT 1000) o UNION ALL
SELECT w.no, 'k', 'cast' FROM w WHERE w.what = 'g' AND (
 EXISTS (SELECT FROM pg_catalog.pg_cast k JOIN pg_catalog.pg_proc f ON f.oid = k.castfunc
 WHERE f.provolatile = 'v') OR
 EXISTS (SELECT FROM pg_catalog.pg_amproc k JOIN pg_catalog.pg_proc f ON f.oid = k.amproc
 WHERE f.provolatile = 'v') OR
 EXISTS (SELECT FROM pg_catalog.pg_type t CROSS JOIN LATERAL pg_catalog.unnest(
 ARRAY[t.typinput::pg_catalog.oid, t.typoutput, t.typreceive, t.typsend, t.typmodin]) x(oid)
 JOIN pg_catalog.pg_proc f ON f.oid = x.oid WHERE t.typtype = 'b' AND f.provolatile = 'v' AND
 t.typinput <> 'pg_catalog.array_in'::pg_catalog.regproc)))
SELECT r.no, r.what, pg_catalog.substr(r.value, 1, 16400) FROM result r)";

constexpr std::size_t kMostOperators = 1000;

// " = " to " OPERATOR(pg_catalog.=) ", and so on.
std::string qualify(std::string_view sql) {
  std::string text;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    bool found = false;
    for (std::string_view name : {"=", "<>", "<=", ">", "-"}) {
      bool spaced = sql[at] == ' ' && sql.substr(at + 1, name.size()) == name &&
                    at + 1 + name.size() < sql.size() &&
                    (sql[at + 1 + name.size()] == ' ' || sql[at + 1 + name.size()] == '\n');
      if (!spaced) continue;
      text += base::cat(" OPERATOR(pg_catalog.", name, ")");
      at += name.size();
      found = true;
      break;
    }
    if (!found) text += sql[at];
  }
  return text;
}

std::string literal(std::string_view text) {
  return base::cat(base::quote_literal(text), "::pg_catalog.name");
}

Reason relation_verdict(const Name& name, char what, std::string_view value) {
  if (value.size() != 2) return Reason::Unknown;
  if (what == 'c') {
    switch (builtin_relation(name.name, value[0])) {
      case Builtin::Safe:
        return Reason::Read;
      case Builtin::Local:
        return Reason::LocalRelation;
      case Builtin::Volatile:
      case Builtin::Unknown:
        return Reason::Relation;
    }
  }
  bool readable = std::string_view("rpvm").find(value[0]) != std::string_view::npos;
  return readable && value[1] == 'p' ? Reason::Read : Reason::Relation;
}

// `user` and `builtin`: the worst of such functions, 0 if there are none.
Reason function_verdict(const Name& name, char user, char builtin) {
  if (user == 'v' || builtin == 'v') return Reason::Function;  // also what a superuser put there
  if (name.what == Name::What::Attribute) return Reason::Read;
  // With both an own function and one of the catalogue's, either may be the one that is called.
  if (user != 0 && builtin == 0) return Reason::Read;
  if (!name.schema.empty() && name.schema != "pg_catalog") return Reason::Missing;
  switch (builtin_function(name.name)) {
    case Builtin::Safe:
    case Builtin::Local:  // the shape has spoken: it is current_setting of an own setting
      return Reason::Read;
    case Builtin::Volatile:
      return Reason::Function;
    case Builtin::Unknown:  // a newer server's: IMMUTABLE cannot tell of the server
      break;
  }
  return builtin == 'i' ? Reason::Read : builtin == 0 ? Reason::Missing : Reason::Function;
}

}  // namespace

std::string question_sql(const std::optional<std::string>& search_path,
                         const std::vector<Name>& names) {
  std::string sql = qualify(kBefore);
  sql.replace(sql.find("$PATH"), 5,
              search_path ? base::quote_literal(*search_path) : qualify(kDefaultPath));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Name& name = names[i];
    std::string schema = name.schema.empty() ? "NULL::pg_catalog.name" : literal(name.schema);
    sql += base::cat(i == 0 ? "(" : ", (", i, "::pg_catalog.int4, '", static_cast<char>(name.what),
                     "'::pg_catalog.text, ", schema, ", ", literal(name.name), ")");
  }
  return sql += qualify(kAfter);
}

std::vector<Answer> read_rows(const std::vector<Name>& names, const std::vector<AnswerRow>& rows) {
  struct Read {
    Answer answer;
    Reason relation = Reason::Missing;
    char user = 0, builtin = 0;
    bool sound = true;
  };
  std::vector<Read> reads(names.size());
  for (const AnswerRow& row : rows) {
    std::int64_t place = -1;
    if (row.size() != 3 || row[1].size() != 1 || !base::parse_int(row[0], place) || place < 0 ||
        static_cast<std::size_t>(place) >= names.size()) {
      return std::vector<Answer>(names.size());
    }
    Read& read = reads[static_cast<std::size_t>(place)];
    const Name& name = names[static_cast<std::size_t>(place)];
    char what = row[1][0];
    const std::string& value = row[2];
    bool relation = name.what == Name::What::Relation;
    if (what == 'd') {
      read.answer.inside.push_back(analyse(value));
    } else if (relation && (what == 'r' || what == 'c')) {
      read.relation = relation_verdict(name, what, value);
    } else if (!relation && (what == 'f' || what == 'c') && value.size() == 1) {
      (what == 'f' ? read.user : read.builtin) = value[0];
    } else if (what == 'o') {
      read.answer.operators.push_back(value);
    } else if (what == 'k') {
      read.answer.verdict = Reason::Cast;
    } else {
      read.sound = false;
    }
  }
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < names.size(); ++i) {
    Read& read = reads[i];
    Answer& answer = read.answer;
    switch (names[i].what) {
      case Name::What::Relation:
        answer.verdict = read.relation;
        break;
      case Name::What::Function:
      case Name::What::Attribute:
        answer.verdict = function_verdict(names[i], read.user, read.builtin);
        break;
      case Name::What::Type:
      case Name::What::Operator:
        answer.verdict = Reason::Read;
        break;
      case Name::What::Database:
        if (answer.operators.size() >= kMostOperators) answer.verdict = Reason::Operator;
        if (answer.verdict == Reason::Unknown) answer.verdict = Reason::Read;
        break;
    }
    answer.known = read.sound && answer.verdict != Reason::Unknown;
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace howdah::route
