// Parses one value by its row of the key table, into Settings and the row of SHOW CONFIG.
#include <optional>

#include "config/keys.h"
#include "config/problems.h"
#include "config/value.h"
#include "howdah/base/ip.h"

namespace howdah::config {
namespace {

// SHOW CONFIG is for everybody who may look: not so the password of ldapbinddn.
std::string without_password(std::string_view text) {
  constexpr std::string_view kKey = "ldapbindpasswd=";
  std::string out;
  for (std::size_t at; (at = text.find(kKey)) != std::string_view::npos;) {
    out += text.substr(0, at + kKey.size());
    out += "***";
    text.remove_prefix(at + kKey.size());
    bool quoted = false;
    std::size_t end = 0;
    for (; end < text.size() && (quoted || (text[end] != ' ' && text[end] != '\t')); ++end) {
      if (text[end] == '"') quoted = !quoted;
    }
    text.remove_prefix(end);
  }
  return out += text;
}

using base::cat;

base::Error wrong(const Key& key, std::string_view value, std::string_view mend) {
  if (value.empty())
    return {"config", cat(key.name, " has no value: ", mend, ", or delete the line")};
  return {"config", cat(key.name, " = ", shown(value), " is not right: ", mend)};
}

// Canonical text of the enum value, or empty.
std::string_view match_word(const Key& key, std::string_view value) {
  for (auto word : base::split(key.more.words, ',')) {
    if (base::iequal(word, value)) return word;
  }
  return {};
}

bool is_protocols(std::string_view value) {
  constexpr std::string_view kVersions = "tlsv1,tlsv1.0,tlsv1.1,tlsv1.2,tlsv1.3,all,secure,default";
  std::size_t at = 0;
  while (at <= value.size()) {
    std::size_t end = std::min(value.find_first_of(",:", at), value.size());
    auto word = base::trim(value.substr(at, end - at));
    if (word.starts_with('!')) word.remove_prefix(1);
    if (!has_word(kVersions, base::lower(word))) return false;
    at = end + 1;
  }
  return true;
}

std::string_view number_form(Type type) {
  switch (type) {
    case Type::Bool:
      return "write 1 or 0";
    case Type::Size:
      return "write a number of bytes, or one with B, kB, MB or GB, like 64kB";
    case Type::Seconds:
      return "write whole seconds, or a number with s, min or h";
    case Type::Millis:
      return "write whole milliseconds, or a number with ms, s or min";
    case Type::Time:
      return "write seconds like 30 or 0.5, or a number with us, ms, s, min, h or d; at most 100 "
             "years";
    case Type::Int:
    case Type::Text:
    case Type::Secret:
    case Type::File:
    case Type::List:
    case Type::Enum:
    case Type::Protocols:
      break;
  }
  return "write a whole number";
}

std::optional<std::int64_t> read_number(Type type, std::string_view value) {
  if (type == Type::Size) return read_size(value);
  auto plain = read_int(value);
  if (plain || (type != Type::Seconds && type != Type::Millis)) return plain;
  auto unit = std::chrono::microseconds(type == Type::Seconds ? 1'000'000 : 1000);
  auto time = read_time(value, unit);
  if (!time || time->count() % unit.count() != 0) return {};
  return time->count() / unit.count();
}

base::Status set_number(const Key& key, std::string_view value, Settings& settings,
                        SettingRow& row) {
  auto number = read_number(key.type, value);
  if (!number) return wrong(key, value, number_form(key.type));
  std::int64_t max = key.type == Type::Bool ? 1 : key.more.max;
  if (*number < key.more.min || *number > max)
    return wrong(key, value, cat("it must be from ", key.more.min, " to ", max));
  if (auto field = std::get_if<bool Settings::*>(&key.field)) settings.*(*field) = *number != 0;
  if (auto field = std::get_if<int Settings::*>(&key.field))
    settings.*(*field) = static_cast<int>(*number);
  if (auto field = std::get_if<std::uint32_t Settings::*>(&key.field))
    settings.*(*field) = static_cast<std::uint32_t>(*number);
  row.value = cat(*number);
  return base::Done{};
}

base::Status set_time(const Key& key, std::string_view value, Settings& settings, SettingRow& row) {
  auto time = read_time(value, std::chrono::seconds(1));
  if (!time) return wrong(key, value, number_form(key.type));
  if (*time < std::chrono::seconds(key.more.min))
    return wrong(key, value, cat("it must be at least ", key.more.min, " s"));
  if (auto field = std::get_if<Duration Settings::*>(&key.field)) settings.*(*field) = *time;
  row.value = time_text(*time);
  return base::Done{};
}

base::Status set_enum(const Key& key, std::string_view value, Settings& settings, SettingRow& row) {
  auto word = match_word(key, value);
  if (word.empty()) {
    std::string known;
    for (auto each : base::split(key.more.words, ','))
      known += cat(known.empty() ? "" : ", ", each);
    return wrong(key, value, cat("write one of: ", known));
  }
  if (auto field = std::get_if<std::string Settings::*>(&key.field)) settings.*(*field) = word;
  if (auto field = std::get_if<PoolMode Settings::*>(&key.field)) {
    for (auto mode : {PoolMode::Session, PoolMode::Transaction, PoolMode::Statement}) {
      if (name(mode) == word) settings.*(*field) = mode;
    }
  }
  if (auto field = std::get_if<AuthType Settings::*>(&key.field)) {
    for (int type = 0; type <= static_cast<int>(AuthType::Pam); ++type) {
      if (name(static_cast<AuthType>(type)) == word)
        settings.*(*field) = static_cast<AuthType>(type);
    }
  }
  row.value = word;
  return base::Done{};
}

base::Status set_text(const Key& key, std::string_view value, Settings& settings, SettingRow& row) {
  if (key.type == Type::Protocols && !is_protocols(value))
    return wrong(key, value,
                 "write TLS versions with commas: tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3, all or "
                 "secure; ! before one takes it away");
  if (key.name == "auth_dbname" && (value == "pgbouncer" || value == "howdah"))
    return wrong(key, value, "the console's database cannot run the auth_query; name another");
  if (key.name == "proxy_protocol_from") {
    for (const std::string& each : read_list(value)) {
      if (auto range = base::IpRange::parse(each); !range)
        return wrong(key, value, cat("each ", range.error().text));
    }
  }
  if (auto field = std::get_if<std::string Settings::*>(&key.field)) settings.*(*field) = value;
  if (auto field = std::get_if<std::vector<std::string> Settings::*>(&key.field))
    settings.*(*field) = read_list(value);
  row.value = key.name == "auth_ldap_options" ? without_password(value) : std::string(value);
  if (key.type == Type::Secret && !value.empty()) row.value = "***";
  return base::Done{};
}

}  // namespace

base::Status set_key(const Key& key, std::string_view value, Settings& settings, SettingRow& row) {
  switch (key.type) {
    case Type::Bool:
    case Type::Int:
    case Type::Size:
    case Type::Seconds:
    case Type::Millis:
      return set_number(key, value, settings, row);
    case Type::Time:
      return set_time(key, value, settings, row);
    case Type::Enum:
      return set_enum(key, value, settings, row);
    case Type::Text:
    case Type::Secret:
    case Type::File:
    case Type::List:
    case Type::Protocols:
      return set_text(key, value, settings, row);
  }
  return base::Error{"config", "unknown type"};
}

void set_defaults(Settings& settings, std::vector<SettingRow>& rows) {
  rows.clear();
  for (const auto& key : keys()) {
    SettingRow row{std::string(key.name), {}, {}, key.changeable};
    // Numbers are never unset; verbose is the one whose default prints as NULL.
    const char* start = key.fallback ? key.fallback : key.type == Type::Int ? "0" : nullptr;
    if (start) (void)set_key(key, start, settings, row);
    if (key.fallback) row.fallback = row.value;
    rows.push_back(std::move(row));
  }
}

}  // namespace howdah::config
