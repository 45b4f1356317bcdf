// Tracked parameters; see the header.
#include "howdah/session/parameters.h"

#include <utility>

#include "howdah/base/text.h"

namespace howdah::session {

TrackedNames::TrackedNames(const std::vector<std::string>& extra)
    : names_{"client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings",
             "application_name"} {
  for (const std::string& name : extra) {
    // A standby reports it, but it cannot be SET.
    if (base::iequal(name, "in_hot_standby") || find(name)) continue;
    names_.push_back(name);
  }
}

std::optional<std::size_t> TrackedNames::find(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (base::iequal(names_[i], name)) return i;
  }
  return std::nullopt;
}

std::string clean_name(std::string_view name, std::string_view server_version) {
  std::int64_t major = 0;
  (void)base::parse_int(server_version.substr(0, server_version.find_first_not_of("0123456789")),
                        major);
  std::string clean;
  for (char c : name) {
    if (c >= ' ' && c <= '~') {
      clean += c;
    } else if (major >= 16) {
      clean += base::cat("\\x", base::hex({&c, 1}));
    } else {
      clean += '?';
    }
  }
  return clean;
}

std::string as_reported(std::string_view given, std::string_view default_value) {
  if (default_value != "on" && default_value != "off") return std::string(given);
  std::string word = base::lower(given);
  auto is = [&](std::string_view whole, std::size_t least) {
    return word.size() >= least && whole.starts_with(word);
  };
  if (word == "1" || is("true", 1) || is("yes", 1) || word == "on") return "on";
  if (word == "0" || is("false", 1) || is("no", 1) || is("off", 2)) return "off";
  return std::string(given);
}

void Parameters::set(std::size_t index, std::string_view value) {
  const Value& old = (*values_)[index];
  if (old.given && old.text == value) return;
  auto changed = std::make_shared<std::vector<Value>>(*values_);
  (*changed)[index].text.assign(value);
  (*changed)[index].given = true;
  values_ = std::move(changed);
}

void Parameters::join(Parameters& other) {
  if (!values_ || values_ == other.values_) return;
  if (other.values_ && *values_ == *other.values_) {
    values_ = other.values_;
  } else {
    other.values_ = values_;
  }
}

void Parameters::fill_from(const Parameters& defaults) {
  for (std::size_t i = 0; i < values_->size(); ++i) {
    const std::string* value = defaults.get(i);
    if (value && !get(i)) set(i, *value);
  }
}

bool Parameters::satisfies(const Parameters& wanted) const {
  if (values_ == wanted.values_) return true;
  const std::vector<Value>&here = *values_, &there = *wanted.values_;
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (!there[i].given) continue;
    if (!here[i].given || here[i].text != there[i].text) return false;
  }
  return true;
}

std::string Parameters::changes_to(const Parameters& wanted, const TrackedNames& names) const {
  std::string sql;
  const std::vector<Value>&here = *values_, &there = *wanted.values_;
  for (std::size_t i = 0; i < here.size(); ++i) {
    const Value& value = there[i];
    if (!value.given || (here[i].given && here[i].text == value.text)) continue;
    if (base::iequal(names.name(i), "search_path")) {
      // A list is not one literal for SET; set_config() takes it as the server itself prints it.
      sql += base::cat("SELECT pg_catalog.set_config('search_path', ",
                       base::quote_literal(value.text), ", false);");
    } else {
      sql += base::cat("SET ", names.name(i), " = ", base::quote_literal(value.text), ";");
    }
  }
  return sql;
}

}  // namespace howdah::session
