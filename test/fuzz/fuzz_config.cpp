// Ini files: never a crash, never a config together with problems, and SHOW CONFIG's rows are
// values that SET takes back.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "howdah/config/loader.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  // Includes and userlists are the input itself: no disk, and recursion is tried.
  auto read = [&](const std::string&) -> base::Result<std::string> { return text; };
  auto loaded = config::load_text(text, "fuzz.ini", read);
  if ((loaded.config == nullptr) != !loaded.problems.empty()) std::abort();
  if (!loaded.config) return 0;
  for (const auto& row : loaded.config->rows) {
    if (row.key == "switchover_command") continue;  // only the file may say what is run
    // %g keeps six digits of a time, so equal text is all that can be asked for.
    if (row.value && !config::with_setting(*loaded.config, row.key, *row.value)) std::abort();
  }
  (void)config::diff(*loaded.config, *loaded.config);
  if (auto made = loaded.config->find_database(text.substr(0, 64)); made && made->hosts.empty())
    std::abort();
  return 0;
}
