#include "route/words.h"

#include <array>

namespace howdah::route {
namespace {

constexpr int kVerb = 1, kExitVerb = 2, kParen = 4;
constexpr Keyword word(std::string_view text, Id id, int flags) {
  return {text, id, (flags & kVerb) != 0, (flags & kExitVerb) != 0, (flags & kParen) != 0};
}

// kParen: what pg_get_keywords() of PostgreSQL 15 gives as reserved (R) or as no function name (C).
constexpr Keyword kWords[] = {
    word("abort", Id::Abort, kExitVerb),
    word("all", Id::None, kParen),
    word("analyse", Id::Analyze, kVerb | kParen),
    word("analyze", Id::Analyze, kVerb | kParen),
    word("and", Id::None, kParen),
    word("any", Id::None, kParen),
    word("array", Id::None, kParen),
    word("as", Id::As, kParen),
    word("asc", Id::None, kParen),
    word("asymmetric", Id::None, kParen),
    word("begin", Id::None, kVerb),
    word("between", Id::None, kParen),
    word("bigint", Id::None, kParen),
    word("bit", Id::Bit, kParen),
    word("boolean", Id::None, kParen),
    word("both", Id::None, kParen),
    word("by", Id::By, 0),
    word("case", Id::None, kParen),
    word("cast", Id::None, kParen),
    word("char", Id::Char, kParen),
    word("character", Id::Char, kParen),
    word("check", Id::None, kParen),
    word("checkpoint", Id::None, kVerb),
    word("cluster", Id::None, kVerb),
    word("coalesce", Id::None, kParen),
    word("collate", Id::None, kParen),
    word("column", Id::None, kParen),
    word("commit", Id::None, kExitVerb),
    word("conflict", Id::Conflict, 0),
    word("constraint", Id::None, kParen),
    word("copy", Id::Copy, kVerb),
    word("create", Id::Create, 0),
    word("current_catalog", Id::None, kParen),
    word("current_date", Id::None, kParen),
    word("current_role", Id::None, kParen),
    word("current_time", Id::None, kParen),
    word("current_timestamp", Id::None, kParen),
    word("current_user", Id::None, kParen),
    word("dec", Id::None, kParen),
    word("decimal", Id::None, kParen),
    word("declare", Id::None, kVerb),
    word("default", Id::None, kParen),
    word("deferrable", Id::None, kParen),
    word("delete", Id::None, kVerb),
    word("desc", Id::None, kParen),
    word("distinct", Id::Distinct, kParen),
    word("do", Id::None, kParen),
    word("else", Id::None, kParen),
    word("end", Id::None, kExitVerb | kParen),
    word("except", Id::None, kParen),
    word("execute", Id::Execute, 0),
    word("exists", Id::None, kParen),
    word("explain", Id::Explain, kVerb),
    word("extract", Id::None, kParen),
    word("false", Id::None, kParen),
    word("fetch", Id::None, kVerb | kParen),
    word("filter", Id::Filter, 0),
    word("float", Id::None, kParen),
    word("for", Id::None, kParen),
    word("foreign", Id::None, kParen),
    word("from", Id::None, kParen),
    word("grant", Id::None, kParen),
    word("greatest", Id::None, kParen),
    word("group", Id::Group, kParen),
    word("grouping", Id::None, kParen),
    word("having", Id::None, kParen),
    word("hold", Id::Hold, 0),
    word("in", Id::None, kParen),
    word("initially", Id::None, kParen),
    word("inout", Id::None, kParen),
    word("insert", Id::Insert, kVerb),
    word("int", Id::None, kParen),
    word("integer", Id::None, kParen),
    word("intersect", Id::None, kParen),
    word("interval", Id::None, kParen),
    word("into", Id::Into, 0),
    word("join", Id::Join, 0),
    word("lateral", Id::None, kParen),
    word("leading", Id::None, kParen),
    word("least", Id::None, kParen),
    word("limit", Id::None, kParen),
    word("local", Id::Local, 0),
    word("localtime", Id::None, kParen),
    word("localtimestamp", Id::None, kParen),
    word("lock", Id::None, kVerb),
    word("materialized", Id::Materialized, 0),
    word("merge", Id::Merge, kVerb),
    word("move", Id::None, kVerb),
    word("national", Id::None, kParen),
    word("nchar", Id::Char, kParen),
    word("none", Id::None, kParen),
    word("normalize", Id::None, kParen),
    word("not", Id::None, kParen),
    word("notify", Id::None, kVerb),
    word("null", Id::None, kParen),
    word("nullif", Id::None, kParen),
    word("numeric", Id::None, kParen),
    word("offset", Id::None, kParen),
    word("on", Id::On, kParen),
    word("only", Id::None, kParen),
    word("or", Id::None, kParen),
    word("order", Id::Order, kParen),
    word("out", Id::None, kParen),
    word("over", Id::Over, 0),
    word("overlay", Id::None, kParen),
    word("partition", Id::Partition, 0),
    word("pg_settings", Id::PgSettings, 0),
    word("placing", Id::None, kParen),
    word("position", Id::None, kParen),
    word("precision", Id::None, kParen),
    word("primary", Id::None, kParen),
    word("real", Id::None, kParen),
    word("recursive", Id::Recursive, 0),
    word("references", Id::None, kParen),
    word("refresh", Id::None, kVerb),
    word("reindex", Id::None, kVerb),
    word("release", Id::None, kVerb),
    word("returning", Id::None, kParen),
    word("rollback", Id::None, kExitVerb),
    word("row", Id::None, kParen),
    word("savepoint", Id::None, kVerb),
    word("select", Id::Select, kVerb | kParen),
    word("session_user", Id::None, kParen),
    word("set", Id::Set, kVerb),
    word("setof", Id::None, kParen),
    word("show", Id::None, kVerb),
    word("smallint", Id::None, kParen),
    word("some", Id::None, kParen),
    word("start", Id::None, kVerb),
    word("substring", Id::None, kParen),
    word("symmetric", Id::None, kParen),
    word("table", Id::None, kVerb | kParen),
    word("then", Id::None, kParen),
    word("time", Id::None, kParen),
    word("timestamp", Id::None, kParen),
    word("to", Id::To, kParen),
    word("trailing", Id::None, kParen),
    word("transaction", Id::Transaction, 0),
    word("treat", Id::None, kParen),
    word("trim", Id::None, kParen),
    word("true", Id::None, kParen),
    word("truncate", Id::None, kVerb),
    word("union", Id::None, kParen),
    word("unique", Id::None, kParen),
    word("update", Id::None, kVerb),
    word("user", Id::None, kParen),
    word("using", Id::None, kParen),
    word("vacuum", Id::Vacuum, kVerb),
    word("values", Id::Values, kVerb | kParen),
    word("varchar", Id::None, kParen),
    word("variadic", Id::None, kParen),
    word("varying", Id::Varying, 0),
    word("when", Id::None, kParen),
    word("where", Id::Where, kParen),
    word("window", Id::None, kParen),
    word("with", Id::With, kVerb | kParen),
    word("xmlattributes", Id::None, kParen),
    word("xmlconcat", Id::None, kParen),
    word("xmlelement", Id::None, kParen),
    word("xmlexists", Id::None, kParen),
    word("xmlforest", Id::None, kParen),
    word("xmlnamespaces", Id::None, kParen),
    word("xmlparse", Id::None, kParen),
    word("xmlpi", Id::None, kParen),
    word("xmlroot", Id::None, kParen),
    word("xmlserialize", Id::None, kParen),
    word("xmltable", Id::None, kParen),
};

constexpr std::size_t kSlots = 1024;
constexpr char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr std::size_t slot_of(std::string_view text) {
  auto byte = [&](std::size_t at) {
    return std::size_t{static_cast<unsigned char>(fold(text[at]))};
  };
  std::size_t size = text.size();
  return (byte(0) * 33 + byte(1) * 197 + byte(size / 2) * 71 + byte(size - 1) * 401 + size * 59) %
         kSlots;
}

constexpr std::array<std::uint8_t, kSlots> make_slots() {
  static_assert(std::size(kWords) < 255);
  std::array<std::uint8_t, kSlots> slots{};  // index into kWords plus 1
  for (std::size_t i = 0; i < std::size(kWords); ++i) {
    std::size_t slot = slot_of(kWords[i].text);
    while (slots[slot] != 0) slot = (slot + 1) % kSlots;
    slots[slot] = static_cast<std::uint8_t>(i + 1);
  }
  return slots;
}
constexpr auto kTable = make_slots();

bool same(std::string_view word, std::string_view lower) {
  if (word.size() != lower.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (fold(word[i]) != lower[i]) return false;
  }
  return true;
}

}  // namespace

const Keyword* find_keyword(std::string_view text) {
  if (text.size() < 2) return nullptr;
  for (std::size_t slot = slot_of(text); kTable[slot] != 0; slot = (slot + 1) % kSlots) {
    const Keyword& keyword = kWords[kTable[slot] - 1];
    if (same(text, keyword.text)) return &keyword;
  }
  return nullptr;
}

}  // namespace howdah::route
