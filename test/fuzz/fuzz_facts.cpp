// Facts of any text: names stand in their statement, and a plain text is nothing to the grammar.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "howdah/route/facts.h"
#include "route/grammar.h"

using namespace howdah::route;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view sql(reinterpret_cast<const char*>(data), size);
  bool plain = surely_plain(sql);
  Facts all = facts(sql);
  if (plain && (all.touch != 0 || !all.names.empty())) std::abort();
  if (((all.touch & kNames) != 0) == all.names.empty()) std::abort();
  for (const StatementName& name : all.names) {
    if (name.end > size || name.at > name.end || name.size > name.end - name.at) std::abort();
    if (name.end != size && sql[name.end] != ';') std::abort();
  }
  if (!plain) return 0;
  Facts slow = facts_by_grammar(sql);
  bool understood = slow.touch != (kSettings | kUnknownSetting | kPins | kHidden | kDdl);
  if (understood && (slow.touch != 0 || slow.single != all.single)) std::abort();
  return 0;
}
