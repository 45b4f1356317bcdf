// The harvest: after a transaction that may have changed the session, PostgreSQL itself is asked what
// is set and what cannot move. So its rules of SET, SAVEPOINT, ROLLBACK and functions stay its own.
//
//   harvest_sql() --run on the server--> rows --read_harvest()--> Harvest --state_after()--> the client's
//
// The query names everything by schema: the client's search_path is in force while it runs. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/session/session_state.h"

namespace howdah::session {

// Why a client must keep its server.
enum Pin : std::uint8_t {
  kPinListen = 1,
  kPinTemp = 2,      // temporary tables and whatever else stands in the temporary schema
  kPinCursor = 4,    // WITH HOLD
  kPinAdvisory = 8,  // session advisory locks
  kPinUnknown = 16,  // settings were changed that nobody can ask for
};
// "LISTEN, temporary tables"
std::string pin_text(std::uint8_t pins);

struct HarvestAsk {
  std::vector<std::string> custom;  // settings with a dot: PostgreSQL does not list them
  bool pins = true;
  // The plain form is subject to the statement_timeout that the client may have set; this one is not.
  bool patient = false;
};
std::string harvest_sql(const HarvestAsk& ask);

using Row = std::vector<std::optional<std::string>>;
struct Harvest {
  Settings settings;
  std::uint8_t pins = 0;
};
// Nothing when these are not rows of harvest_sql().
std::optional<Harvest> read_harvest(const std::vector<Row>& rows);

// What the client wants from now on. `start`: its start-up values, to which RESET leads back.
// `login`: the user of the servers' connections. `set_now`: custom settings that its transaction set.
// `follows_by_report(name)`: that one is not in states.
StateRef state_after(const Harvest& harvest, const SessionState* start, std::string_view login,
                     std::span<const std::string> set_now,
                     const std::function<bool(std::string_view)>& follows_by_report);

}  // namespace howdah::session
