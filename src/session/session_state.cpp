// What is set in a session beyond the server's defaults; see the header.
#include "howdah/session/session_state.h"

#include <algorithm>
#include <functional>

#include "howdah/base/text.h"

namespace howdah::session {

using base::cat;
using base::iequal;

namespace {
constexpr std::string_view kRole = "role", kAuthorization = "session_authorization";

bool is_identity(std::string_view name) { return name == kRole || name == kAuthorization; }
}  // namespace

// RESET ALL leaves role and authorization alone. DISCARD ALL would do, but it also takes the prepared
// statements, which are ours.
const std::string_view kCleanSql =
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;SET LOCAL statement_timeout = 0;"
    "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;CLOSE ALL;UNLISTEN *;DISCARD TEMP;"
    "SELECT pg_catalog.pg_advisory_unlock_all()";

StateRef SessionState::make(const Settings& settings) {
  if (settings.empty()) return nullptr;
  auto made = std::make_shared<SessionState>();
  made->settings_.assign(settings.begin(), settings.end());
  for (const auto& [name, value] : made->settings_) {
    std::uint64_t one = std::hash<std::string>{}(name) * 3 + std::hash<std::string>{}(value);
    made->fingerprint_ = made->fingerprint_ * 0x9e3779b97f4a7c15u + one;
  }
  return made;
}

const std::string* SessionState::find(std::string_view name) const {
  auto at = std::lower_bound(settings_.begin(), settings_.end(), name,
                             [](const auto& pair, std::string_view key) { return pair.first < key; });
  return at != settings_.end() && at->first == name ? &at->second : nullptr;
}

// --- Switching ------------------------------------------------------------------------------------

std::string ascii_literal(std::string_view text) {
  bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '\'' && c != '\\';
  });
  if (plain) return cat("'", text, "'");
  return cat("pg_catalog.convert_from(pg_catalog.decode('", base::hex(text),
             "', 'hex'), pg_catalog.getdatabaseencoding())");
}

std::string switch_sql(const SessionState* from, const SessionState* to) {
  static const SessionState kNothing;
  if (!from) from = &kNothing;
  if (!to) to = &kNothing;
  if (*from == *to) return {};
  std::string sql;
  // Settings of the one who was here before must not fail the query that takes them away.
  if (from->find("default_transaction_isolation")) {
    sql += "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";
  }
  if (from->find("statement_timeout")) sql += "SET LOCAL statement_timeout = 0;";
  // A role may not be allowed to change what its user had set before.
  if (from->find(kAuthorization)) sql += "RESET SESSION AUTHORIZATION;";
  if (from->find(kRole)) sql += "RESET ROLE;";

  std::string calls;
  auto call = [&](std::string_view name, std::string_view value) {
    calls += cat(calls.empty() ? "SELECT " : ", ", "pg_catalog.set_config(", ascii_literal(name),
                 ", ", value, ", false)");
  };
  for (const auto& [name, value] : from->settings()) {
    if (!is_identity(name) && !to->find(name)) call(name, "NULL");
  }
  for (const auto& [name, value] : to->settings()) {
    const std::string* there = from->find(name);
    if (!is_identity(name) && !(there && *there == value)) call(name, ascii_literal(value));
  }
  for (std::string_view name : {kAuthorization, kRole}) {
    if (const std::string* value = to->find(name)) call(name, ascii_literal(*value));
  }
  return sql + calls;
}

// --- Amends ---------------------------------------------------------------------------------------

namespace {

// Words of one statement; a name loses its quotes and its case. Empty: not a plain lone statement.
std::vector<std::string> words_of(std::string_view sql) {
  std::vector<std::string> words;
  auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || (c & 0x80) != 0;
  };
  for (std::size_t at = 0; at < sql.size();) {
    char c = sql[at];
    if (space(c)) {
      ++at;
    } else if (c == ';') {
      if (!std::all_of(sql.begin() + static_cast<std::ptrdiff_t>(at), sql.end(),
                       [&](char rest) { return space(rest) || rest == ';'; })) {
        return {};
      }
      return words;
    } else if (letter(c)) {
      std::size_t from = at;
      while (at < sql.size() && letter(sql[at])) ++at;
      words.push_back(base::lower(sql.substr(from, at - from)));
    } else if (c == '"' || c == '\'') {
      std::size_t end = sql.find(c, at + 1);
      if (end == std::string_view::npos) return {};
      // A name that is a keyword without its quotes must not be taken for it.
      words.push_back(c == '"' ? cat("\"", sql.substr(at + 1, end - at - 1)) : std::string("'"));
      at = end + 1;
    } else if (c == '=' || c == ',' || c == '+' || c == '*' || (c == '-' && !sql.substr(at).starts_with("--"))) {
      words.emplace_back(1, c);
      ++at;
    } else {
      return {};  // a comment, a $-quote, an expression: not for us
    }
  }
  return words;
}

}  // namespace

Amends amends(std::string_view sql) {
  using What = Amends::What;
  if (sql.size() > 4096) return {};
  std::vector<std::string> words = words_of(sql);
  auto word = [&](std::size_t at) -> std::string_view {
    return at < words.size() ? std::string_view(words[at]) : std::string_view();
  };
  if (word(0) == "discard" && word(1) == "all" && words.size() == 2) return {What::Everything, {}};
  bool set = word(0) == "set", reset = word(0) == "reset";
  if ((!set && !reset) || words.size() < 2) return {};
  std::size_t at = 1;
  if (set && word(1) == "session" && word(2) != "authorization" && word(2) != "characteristics") ++at;
  if (word(at) == "session" && word(at + 1) == "authorization") return {What::Authorization, {}};
  if (word(at) == "session" || word(at) == "local" || word(at) == "transaction") return {};
  if (reset && word(at) == "all") return words.size() == 2 ? Amends{What::AllSettings, {}} : Amends{};
  if (word(at) == "time" && word(at + 1) == "zone") return {What::Setting, "timezone"};
  if (set && word(at) == "names") return {What::Setting, "client_encoding"};
  std::string name = words[at].starts_with('"') ? base::lower(words[at].substr(1)) : words[at];
  if (name == kAuthorization) return {What::Authorization, {}};
  if (reset && words.size() != 2) return {};
  return {What::Setting, std::move(name)};
}

StateRef without(const StateRef& state, const Amends& amends) {
  if (!state) return state;
  Settings kept = state->copy();
  switch (amends.what) {
    case Amends::What::Nothing:
      return state;
    case Amends::What::Setting:
      if (kept.erase(amends.name) == 0) return state;
      break;
    case Amends::What::Authorization:
      kept.erase(std::string(kAuthorization));
      kept.erase(std::string(kRole));
      break;
    case Amends::What::AllSettings:
      std::erase_if(kept, [](const auto& pair) { return !is_identity(pair.first); });
      break;
    case Amends::What::Everything:
      return nullptr;
  }
  return SessionState::make(kept);
}

}  // namespace howdah::session
