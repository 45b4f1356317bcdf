// What is set in a session beyond the server's own defaults: settings, role, session authorization.
//
// A client has one (what it wants), a server has one (what is in place); switch_sql() is the query
// that leads from one to the other. Immutable, shared, and null when nothing is set: so a client
// without state costs nothing, and equal states are mostly the same pointer. The parameters that
// follow a client by what the server reports (parameters.h) are not in it.
//
// Names are lower case. "role" and "session_authorization" are settings like others here, as they are
// for PostgreSQL's set_config(). Values are bytes in the server's encoding. Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace howdah::session {

class SessionState;
using StateRef = std::shared_ptr<const SessionState>;
using Settings = std::map<std::string, std::string, std::less<>>;

class SessionState {
 public:
  // Null for no settings.
  static StateRef make(const Settings& settings);

  const std::string* find(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& settings() const { return settings_; }
  Settings copy() const { return {settings_.begin(), settings_.end()}; }
  bool operator==(const SessionState& other) const {
    return fingerprint_ == other.fingerprint_ && settings_ == other.settings_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> settings_;  // by name
  std::uint64_t fingerprint_ = 0;  // tells most different ones apart; equal says nothing by itself
};

inline bool same(const StateRef& a, const StateRef& b) {
  return a == b || (a && b && *a == *b);
}

// The query that makes `to` of `from` (null: nothing set); empty when they are equal. One message of
// one or more statements, so all or nothing of it is done. It is plain ASCII and means the same
// whatever client_encoding, standard_conforming_strings and search_path are.
std::string switch_sql(const SessionState* from, const SessionState* to);

// A literal of that value: ASCII only, see above.
std::string ascii_literal(std::string_view text);

// Leads from any state to none, whatever may be hidden in the session.
extern const std::string_view kCleanSql;

// Which setting a statement that stands alone changes or takes away, so that the value in force
// before does not matter to it. It is what a client may still do when its state cannot be put in
// place: RESET ROLE after the role was dropped.
struct Amends {
  enum class What : std::uint8_t {
    Nothing,        // any other statement
    Setting,        // SET or RESET of `name`
    Authorization,  // of session_authorization, which takes the role with it
    AllSettings,    // RESET ALL
    Everything,     // DISCARD ALL
  };
  What what = What::Nothing;
  std::string name;
};
Amends amends(std::string_view sql);
// `state` without what is amended.
StateRef without(const StateRef& state, const Amends& amends);

}  // namespace howdah::session
