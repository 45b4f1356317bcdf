// Makes conversations from a seed; see the header.
#include "compare/generator.h"

#include <array>
#include <utility>

#include "support/raw.h"

namespace howdah::compare {

namespace msg = howdah::test::msg;

namespace {

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 21> kNames = {{
    {"simple", kSimple},
    {"unnamed", kUnnamed},
    {"split", kSplit},
    {"named", kNamed},
    {"sql_prepare", kSqlPrepare},
    {"portals", kPortals},
    {"copy", kCopy},
    {"errors", kErrors},
    {"transactions", kTransactions},
    {"functions", kFunctions},
    {"flush", kFlush},
    {"unsynced", kUnsynced},
    {"settings", kSettings},
    {"discard", kDiscard},
    {"pipeline", kPipeline},
    {"reuse", kReuse},
    {"disconnect", kDisconnect},
    {"cancel", kCancel},
    {"long_names", kLongNames},
    {"rebind", kRebind},
    {"nested", kNested},
}};

}  // namespace

std::uint32_t parse_features(std::string_view list) {
  std::uint32_t features = 0;
  while (!list.empty()) {
    std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    bool off = name.starts_with('-');
    if (off) name.remove_prefix(1);
    std::uint32_t bits = name == "all" ? kAllFeatures : 0;
    for (const auto& [known, bit] : kNames) {
      if (known == name) bits = bit;
    }
    if (bits == 0) return 0;
    features = off ? features & ~bits : features | bits;
  }
  return features;
}

std::string feature_names() {
  std::string out = "all";
  for (const auto& [name, bit] : kNames) out += "," + std::string(name);
  return out;
}

void Generator::end_step() {
  if (!step_.messages.empty()) script_.steps.push_back(std::exchange(step_, {}));
}

Script Generator::make(int slot, bool first) {
  script_ = {};
  slot_ = slot;
  script_.slot = slot;
  script_.fresh = first || !has(kReuse) || chance(30);
  names_.clear();
  known_.clear();
  parsed_alone_ = false;
  while (names_.size() < 3) {
    const std::string& name = pick(statement_names());
    if (has(kLongNames) || name.size() < 64) names_.push_back(name);
  }
  std::string restore = restore_tables(slot);
  if (!script_.fresh) add(msg::query("discard all"));
  add(msg::query(restore));
  if (chance(50)) end_step();
  for (std::uint64_t parts = 2 + random_.below(7); parts > 0; --parts) {
    part();
    if (!has(kPipeline) || chance(65)) end_step();
  }
  end_step();
  // Whatever state it is in, this ends it.
  if (has(kCopy)) add(msg::copy_fail("end"));
  add(msg::sync());
  add(msg::query("rollback"));
  end_step();
  return std::exchange(script_, {});
}

const Statement& Generator::any_statement(bool simple) {
  std::vector<std::pair<int, Kind>> kinds = {{60, Kind::Plain}};
  if (has(kErrors)) kinds.push_back({15, Kind::Fails});
  if (has(kTransactions)) kinds.push_back({20, Kind::Control});
  if (has(kTransactions)) kinds.push_back({6, Kind::Cursor});
  if (has(kCopy)) kinds.push_back({4, Kind::CopyOut});
  if (has(kSettings)) kinds.push_back({10, Kind::Setting});
  if (has(kSqlPrepare)) kinds.push_back({simple ? 25 : 8, Kind::Prepare});
  if (has(kDiscard)) kinds.push_back({3, Kind::Discard});
  int sum = 0;
  for (const auto& [weight, kind] : kinds) sum += weight;
  auto at = static_cast<int>(random_.below(static_cast<std::uint64_t>(sum)));
  for (const auto& [weight, kind] : kinds) {
    if ((at -= weight) < 0) return pick(statements(kind));
  }
  return pick(statements(Kind::Plain));
}

// An EXECUTE of a named EXECUTE is a known limit: the first name is for those alone that no SQL
// names.
bool Generator::names_executes(std::string_view name) const {
  auto kept = [](std::string_view whole) { return whole.substr(0, 63); };
  return has(kNested) && kept(name) == kept(names_[0]) && kept(names_[1]) != kept(names_[0]) &&
         kept(names_[2]) != kept(names_[0]);
}

std::string Generator::sql_name() {
  std::string chosen = name();
  while (names_executes(chosen)) chosen = name();
  bool plain = chosen == "s1" || chosen == "S_1" || chosen == "howdah_1";
  return plain && chance(70) ? chosen : quote_name(chosen);
}

std::string Generator::text_of(const Statement& statement) {
  std::string text = fill_in(statement.text, slot_, sql_name());
  // Only texts without a mark of their own are the same for all clients.
  if (!text.empty() && chance(25)) text += " -- " + mark(slot_);
  return text;
}

std::string Generator::simple_text(const Statement& statement) {
  return with_literals(text_of(statement), statement.types);
}

std::string Generator::binding(const std::string& portal, const std::string& statement,
                               std::string_view types) {
  msg::Binding out{portal, statement, {}, {}, {}};
  std::string wanted(types);
  if (has(kErrors) && chance(4)) wanted += 'i';
  if (has(kErrors) && chance(4) && !wanted.empty()) wanted.pop_back();
  int style = static_cast<int>(random_.below(4));  // text, all text, all binary, each its own
  if (style == 1) out.formats = {0};
  if (style == 2) out.formats = {1};
  for (char type : wanted) {
    bool binary = style == 2;
    if (style == 3) {
      binary = chance(50);
      out.formats.push_back(binary);
    }
    std::int64_t number = random_.between(0, 9);
    if (chance(5)) {
      out.values.push_back(std::nullopt);
    } else if (type == 't') {
      out.values.push_back(chance(30) ? "row%" : mark(slot_) + std::to_string(number));
    } else if (!binary) {
      out.values.push_back(has(kErrors) && chance(4) ? "abc" : std::to_string(number));
    } else {
      std::string bytes = type == 'b' ? msg::i32(0) : "";
      out.values.push_back(bytes + msg::i32(has(kErrors) && chance(2) ? -number : number));
    }
  }
  int results = static_cast<int>(random_.below(10));
  if (results < 2) out.result_formats = {0};
  if (results == 2 || results == 3) out.result_formats = {1};
  if (results == 4 && has(kErrors)) out.result_formats = {0, 1};
  return msg::bind(out);
}

void Generator::add_parse(const std::string& name, const Statement& wanted) {
  bool nested = !name.empty() && wanted.kind == Kind::Prepare && !names_executes(name);
  const Statement& statement = nested ? statements(Kind::Plain).front() : wanted;
  constexpr int kInt4 = 23, kInt8 = 20, kText = 25;
  std::vector<int> types;
  if (chance(30)) {
    for (const char* type = statement.types; *type; ++type) {
      types.push_back(chance(30) ? 0 : *type == 'i' ? kInt4 : *type == 'b' ? kInt8 : kText);
    }
  }
  add(msg::parse(name, text_of(statement), types));
  known_[name] = statement.types;
  if (name.empty()) parsed_alone_ = false;
}

void Generator::add_execute(const std::string& portal) {
  int rows = chance(25) ? static_cast<int>(random_.between(1, 3)) : 0;
  add(msg::execute(portal, rows));
  if (rows > 0 && chance(60)) add(msg::execute(portal, chance(50) ? 2 : 0));
}

void Generator::part() {
  using Part = void (Generator::*)();
  std::vector<std::pair<int, Part>> parts;
  if (has(kSimple)) parts.push_back({20, &Generator::simple});
  if (has(kUnnamed)) parts.push_back({20, &Generator::unnamed});
  if (has(kSplit)) parts.push_back({14, &Generator::split});
  if (has(kNamed)) parts.push_back({30, &Generator::named});
  if (has(kPortals)) parts.push_back({8, &Generator::portals});
  if (has(kCopy)) parts.push_back({6, &Generator::copy_in});
  if (has(kCopy)) parts.push_back({3, &Generator::copy_out});
  if (has(kFunctions)) parts.push_back({3, &Generator::function});
  if (has(kFlush)) parts.push_back({6, &Generator::flushed});
  if (has(kUnsynced)) parts.push_back({4, &Generator::unsynced});
  if (has(kSettings)) parts.push_back({5, &Generator::settings});
  if (parts.empty()) return simple();
  int sum = 0;
  for (const auto& [weight, part] : parts) sum += weight;
  auto at = static_cast<int>(random_.below(static_cast<std::uint64_t>(sum)));
  for (const auto& [weight, part] : parts) {
    if ((at -= weight) < 0) return (this->*part)();
  }
}

}  // namespace howdah::compare
