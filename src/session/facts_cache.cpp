// Facts of texts seen lately; see relay.h.
#include <utility>

#include "howdah/session/relay.h"

namespace howdah::session {

const route::Facts& FactsCache::everything() {
  using namespace route;
  static const Facts kEverything{
      kSettings | kUnknownSetting | kPins | kHidden | kDdl, {}, {}, false};
  return kEverything;
}

const route::Facts& FactsCache::of(std::string_view sql) {
  static const route::Facts kNone;
  if (readable_ == route::Readable::No || sql.size() > kMaxText) return everything();
  if (readable_ == route::Readable::WithoutBackslash && sql.find('\\') != std::string_view::npos) {
    return everything();
  }
  if (route::surely_plain(sql)) return kNone;
  if (sql.size() > kMaxKept) return long_one_ = route::facts(sql);
  if (slots_.empty()) slots_.resize(kSlots);
  Slot& slot = slots_[std::hash<std::string_view>()(sql) % kSlots];
  if (slot.text != sql) {
    slot.facts = route::facts(sql);
    slot.text.assign(sql);
  }
  return slot.facts;
}

void FactsCache::keep(StatementRef statement) {
  if (recent_.empty()) recent_.resize(kSlots);
  std::size_t slot = statement->id % kSlots;
  recent_[slot] = std::move(statement);
}

}  // namespace howdah::session
