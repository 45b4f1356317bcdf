// The table of all keys of [pgbouncer] and [howdah]. It alone drives parsing, defaults, SHOW
// CONFIG, the restart-only part of diff() and the warnings about what does not work yet.
//
// When a feature starts to work, its words leave this table: `works`, `harmless` and `refused`.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/config/config.h"

namespace howdah::config {

enum class Type {
  Bool,       // 0 or 1
  Int,        // C style
  Size,       // bytes, or with a unit
  Seconds,    // whole seconds, or with a unit
  Millis,     // whole milliseconds, or with a unit
  Time,       // seconds with fractions, or with a unit
  Text,       // as it stands
  Secret,     // Text that SHOW CONFIG does not print
  File,       // Text; a file that must be readable when TLS of its side is on
  List,       // comma separated
  Enum,       // one of `words`
  Protocols,  // list of TLS versions
};

enum class Works {
  Yes,
  NotYet,    // read and kept, does nothing: a warning when not the default
  NoEffect,  // tuning of PgBouncer's inside that howdah has no counterpart of: same, other words
};

struct KeyDetails {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<int>::max();
  std::string_view words = {};  // of an Enum, comma separated
  Works works = Works::Yes;
  std::string_view harmless = {};  // values that need no warning although works is NotYet
  std::string_view refused = {};   // values that are an error in this version
  bool file_only = false;  // not for SET: who may use the console may not run programs
};

struct Key {
  // Where the value goes; monostate: only the row of SHOW CONFIG keeps it.
  using Field = std::variant<std::monostate, bool Settings::*, int Settings::*,
                             std::uint32_t Settings::*, Duration Settings::*,
                             std::string Settings::*, std::vector<std::string> Settings::*,
                             PoolMode Settings::*, AuthType Settings::*>;
  std::string_view name;
  Type type;
  const char* fallback;  // null: unset
  Field field = {};
  bool changeable = true;
  KeyDetails more = {};
};

std::span<const Key> keys();  // in the order of SHOW CONFIG
const Key* find_key(std::string_view name);
std::vector<std::string_view> key_names();

// True when `word` is in the comma separated `words`.
bool has_word(std::string_view words, std::string_view word);

// Parses `value` into settings and row. The error says what would be right.
base::Status set_key(const Key& key, std::string_view value, Settings& settings, SettingRow& row);

// All keys at their defaults: rows in the order of keys().
void set_defaults(Settings& settings, std::vector<SettingRow>& rows);

// The warning that a key at its current value needs, without its place; empty = none.
std::string warning_of(const Key& key, const SettingRow& row);
// Why the current value cannot be used in this version; empty = it can.
std::string refusal_of(const Key& key, const SettingRow& row);

}  // namespace howdah::config
