#include "route/catalogue.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace howdah::route {
namespace {

constexpr std::string_view kHarmless[] = {
#include "catalogue.inc"
};

constexpr std::string_view kPinning[] = {
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot",
    "pg_replication_origin_session_reset",
    "pg_replication_origin_session_setup",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
};

// Where the names with a first letter begin and end: spares most of the search.
constexpr std::array<std::uint16_t, 257> make_first() {
  std::array<std::uint16_t, 257> first{};
  std::size_t at = 0;
  for (std::size_t letter = 0; letter < 257; ++letter) {
    while (at < std::size(kHarmless) && static_cast<unsigned char>(kHarmless[at][0]) < letter) ++at;
    first[letter] = static_cast<std::uint16_t>(at);
  }
  return first;
}
constexpr auto kFirst = make_first();
static_assert(std::is_sorted(std::begin(kHarmless), std::end(kHarmless)));

}  // namespace

bool is_harmless_function(std::string_view name) {
  if (name.empty()) return false;
  auto letter = static_cast<unsigned char>(name[0]);
  return std::binary_search(kHarmless + kFirst[letter], kHarmless + kFirst[letter + 1], name);
}

bool is_harmless_word(std::string_view word) {
  char folded[64];
  if (word.size() > sizeof folded - 1) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    char c = word[i];
    folded[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return is_harmless_function({folded, word.size()});
}

bool is_pinning_function(std::string_view name) {
  return std::binary_search(std::begin(kPinning), std::end(kPinning), name);
}

}  // namespace howdah::route
