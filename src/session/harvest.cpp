// The harvest; see the header.
//
// A row is (kind, name, value), name and value in hexadecimal of the server's encoding:
//   's' a setting made in this session    'c' a custom one, value NULL when unknown
//   'i' role, session_authorization       'p' a pin, its bit in decimal as the name
//   'k' (patient) the client's statement_timeout, as SHOW prints it: a row of one column
#include "howdah/session/harvest.h"

#include <algorithm>

#include "howdah/base/text.h"

namespace howdah::session {

using base::cat;

namespace {

std::string hexed(std::string_view expression) {
  return cat("pg_catalog.encode(pg_catalog.convert_to(", expression,
             ", pg_catalog.getdatabaseencoding()), 'hex')");
}

std::optional<std::string> unhex(const std::optional<std::string>& text) {
  if (!text || text->size() % 2 != 0) return std::nullopt;
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i < text->size(); i += 2) {
    int high = digit((*text)[i]), low = digit((*text)[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

constexpr struct {
  Pin pin;
  const char* text;
  const char* found;  // a query that has a row when there is such state
} kPins[] = {
    {kPinListen, "LISTEN", "SELECT 1 FROM pg_catalog.pg_listening_channels()"},
    // By its dependencies, because there is an index for them.
    {kPinTemp, "temporary tables",
     "SELECT 1 FROM pg_catalog.pg_depend d"
     " WHERE d.refclassid OPERATOR(pg_catalog.=) '2615'::pg_catalog.oid"
     " AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()"
     " AND d.refobjid OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid"},
    {kPinCursor, "WITH HOLD cursors", "SELECT 1 FROM pg_catalog.pg_cursors WHERE is_holdable"},
    {kPinAdvisory, "advisory locks",
     "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'"
     " AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"},
    {kPinUnknown, "settings that cannot be followed", nullptr},
};

// Settings that belong to one transaction, or that only look like settings.
bool never_kept(std::string_view name) {
  return name == "transaction_isolation" || name == "transaction_read_only" ||
         name == "transaction_deferrable";
}

}  // namespace

std::string pin_text(std::uint8_t pins) {
  std::string text;
  for (const auto& each : kPins) {
    if ((pins & each.pin) == 0) continue;
    if (!text.empty()) text += ", ";
    text += each.text;
  }
  return text;
}

std::string harvest_sql(const HarvestAsk& ask) {
  std::string sql = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";
  if (ask.patient) sql += "SHOW statement_timeout;SET LOCAL statement_timeout = 0;";
  sql += cat("SELECT 's', ", hexed("name"), ", ", hexed("setting"),
             " FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session'");
  for (std::string_view name : {"role", "session_authorization"}) {
    sql += cat(" UNION ALL SELECT 'i', '", base::hex(name), "', ",
               hexed(cat("pg_catalog.current_setting('", name, "')")));
  }
  for (const std::string& name : ask.custom) {
    sql += cat(" UNION ALL SELECT 'c', '", base::hex(name), "', ",
               hexed(cat("pg_catalog.current_setting(", ascii_literal(name), ", true)")));
  }
  if (ask.pins) {
    for (const auto& each : kPins) {
      if (!each.found) continue;
      sql += cat(" UNION ALL SELECT 'p', '", int{each.pin}, "', NULL WHERE EXISTS(", each.found, ")");
    }
  }
  return sql;
}

std::optional<Harvest> read_harvest(const std::vector<Row>& rows) {
  Harvest harvest;
  std::optional<std::string> timeout;
  bool identity = false;
  for (const Row& row : rows) {
    if (row.size() == 1 && row[0]) {
      timeout = row[0];
      continue;
    }
    if (row.size() != 3 || !row[0] || row[0]->size() != 1 || !row[1]) return std::nullopt;
    if ((*row[0])[0] == 'p') {
      std::int64_t bit = 0;
      if (!base::parse_int(*row[1], bit) || bit <= 0 || bit > 255) return std::nullopt;
      harvest.pins |= static_cast<std::uint8_t>(bit);
      continue;
    }
    auto name = unhex(row[1]);
    if (!name) return std::nullopt;
    std::string key = base::lower(*name);
    if (!row[2]) {
      if ((*row[0])[0] != 'c') return std::nullopt;
      continue;
    }
    auto value = unhex(row[2]);
    if (!value) return std::nullopt;
    switch ((*row[0])[0]) {
      case 'i':
        identity = true;
        harvest.settings[std::move(key)] = std::move(*value);
        break;
      case 's':
        if (!never_kept(key)) harvest.settings[std::move(key)] = std::move(*value);
        break;
      case 'c':
        harvest.settings.emplace(std::move(key), std::move(*value));  // 's' knows better
        break;
      default:
        return std::nullopt;
    }
  }
  if (!identity) return std::nullopt;
  if (timeout) harvest.settings["statement_timeout"] = std::move(*timeout);
  return harvest;
}

StateRef state_after(const Harvest& harvest, const SessionState* start, std::string_view login,
                     std::span<const std::string> set_now,
                     const std::function<bool(std::string_view)>& follows_by_report) {
  Settings settings;
  if (start) settings = start->copy();
  for (const auto& [name, value] : harvest.settings) {
    if (follows_by_report(name)) continue;
    if (name == "role" && value == "none") continue;
    if (name == "session_authorization" && value == login) continue;
    // A custom setting has no default: after RESET it is an empty text, as if it had been set to that.
    bool reset = value.empty() && start && start->find(name) &&
                 name.find('.') != std::string::npos &&
                 std::find(set_now.begin(), set_now.end(), name) == set_now.end();
    if (!reset) settings[name] = value;
  }
  return SessionState::make(settings);
}

}  // namespace howdah::session
