// userlist.txt: never a crash; every line counts once, as a user, a problem or nothing.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "howdah/config/loader.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<config::Problem> problems;
  auto users = config::read_userlist(text, "users", problems);
  auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (users.size() + problems.size() > lines) std::abort();
  for (const auto& [name, secret] : users) {
    if (name.empty() || name.size() > 127 || secret.view().size() > 65530) std::abort();
  }
  return 0;
}
