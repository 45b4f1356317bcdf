// The TLS keys made into Tls: those of a side, and those of an entry over them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/config/config.h"

namespace howdah::config {

// The keys of an entry that stand for the global key of the same name. One more has no global key:
// server_tls_negotiation.
inline constexpr std::string_view kNegotiation = "server_tls_negotiation";

// Settings::client_tls and ::server_tls from the rows.
void read_tls(Config& config);

// Notes `key` of an entry's line; what is wrong with its value, without the key, or nothing.
std::string set_tls_key(Database& entry, std::string_view key, std::string_view value);

// What an entry's own keys make of the global ones.
Tls effective_tls(const Tls& global, const Database& entry);

// Why these cannot work together, whatever the files hold; empty = they can.
std::string client_tls_problem(const Tls& tls);
std::string server_tls_problem(const Tls& tls);

}  // namespace howdah::config
