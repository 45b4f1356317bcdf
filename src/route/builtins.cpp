#include "route/builtins.h"

#include <algorithm>
#include <iterator>

#include "route/catalogue.h"

namespace howdah::route {
namespace {

struct Unsafe {
  std::string_view name;
  char kind;
  bool one_argument;
};
constexpr Unsafe kUnsafe[] = {
#include "unsafe.inc"
};
static_assert(std::is_sorted(std::begin(kUnsafe), std::end(kUnsafe),
                             [](const Unsafe& a, const Unsafe& b) { return a.name < b.name; }));

// Views over tables of the catalogue alone. Not pg_sequences: a replica's last value runs ahead.
constexpr std::string_view kSafeViews[] = {
    "pg_group",           "pg_indexes", "pg_matviews", "pg_policies",      "pg_publication_tables",
    "pg_roles",           "pg_rules",   "pg_shadow",   "pg_stats",         "pg_stats_ext",
    "pg_stats_ext_exprs", "pg_tables",  "pg_user",     "pg_user_mappings", "pg_views",
};
static_assert(std::is_sorted(std::begin(kSafeViews), std::end(kSafeViews)));

const Unsafe* find_unsafe(std::string_view name) {
  auto found = std::lower_bound(std::begin(kUnsafe), std::end(kUnsafe), name,
                                [](const Unsafe& a, std::string_view b) { return a.name < b; });
  return found != std::end(kUnsafe) && found->name == name ? found : nullptr;
}

}  // namespace

Builtin builtin_function(std::string_view name) {
  if (const Unsafe* unsafe = find_unsafe(name)) {
    return unsafe->kind == 'v' ? Builtin::Volatile : Builtin::Local;
  }
  return is_harmless_function(name) ? Builtin::Safe : Builtin::Unknown;
}

Builtin builtin_attribute(std::string_view name) {
  const Unsafe* unsafe = find_unsafe(name);
  if (!unsafe || !unsafe->one_argument) return Builtin::Safe;
  return unsafe->kind == 'v' ? Builtin::Volatile : Builtin::Local;
}

Builtin builtin_relation(std::string_view name, char kind) {
  if (kind == 'v') {
    bool safe = std::binary_search(std::begin(kSafeViews), std::end(kSafeViews), name);
    return safe ? Builtin::Safe : Builtin::Local;
  }
  bool large_object = name == "pg_largeobject" || name == "pg_largeobject_metadata";
  return kind == 'r' && !large_object ? Builtin::Safe : Builtin::Volatile;
}

}  // namespace howdah::route
