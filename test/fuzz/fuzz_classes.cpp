// Classes of any text: never a crash, never a read with a word of a write in it that the grammar
// has seen, and a text is no more of a read with a write behind it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "howdah/route/classifier.h"
#include "howdah/route/facts.h"

using namespace howdah::route;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view sql(reinterpret_cast<const char*>(data), size);
  auto shape = analyse(sql);
  if (shape->kind == Kind::Write && !shape->names.empty()) std::abort();
  // What reads touches nothing that facts() fears but hidden functions, which are asked about.
  Facts all = facts(sql);
  constexpr std::uint16_t kNever = kUnknownSetting | kDdl;
  if (shape->kind == Kind::Read && (all.touch & kNever) != 0) std::abort();
  if (shape->kind == Kind::Read && !shape->several && (all.touch & kSettings) != 0) std::abort();
  if (sql.find('\0') == sql.npos && size < 1000 && shape->kind == Kind::Read) {
    std::string more = std::string(sql) + "\n;DELETE FROM t";
    auto both = analyse(more);
    if (both->kind == Kind::Read && both->reason == Reason::Read &&
        both->several == shape->several) {
      std::abort();
    }
  }
  // The same text again, nested as a view's definition, and as a row of an answer.
  Classifier classifier({.texts = 1 << 16, .per_database = 1 << 16}, 1);
  ScopePtr scope = classifier.scope("db", "app", sql);
  howdah::base::TimePoint now{std::chrono::seconds(1)};
  classifier.classify(sql, scope, now);
  if (auto question = classifier.question(scope, now)) {
    std::vector<AnswerRow> rows;
    for (int i = 0; i < 4; ++i) {
      rows.push_back({std::to_string(i), "r", "vp"});
      rows.push_back({std::to_string(i), "d", std::string(sql)});
    }
    classifier.learn(scope, question->id, rows, now);
  }
  now += std::chrono::seconds(1);
  bool read = classifier.classify(sql, scope, now).cls == Class::Read;
  if (read && shape->kind != Kind::Read && shape->kind != Kind::Execute &&
      shape->kind != Kind::Begin) {
    std::abort();
  }
  return 0;
}
