// The host= and port= of a connect string made into a list of hosts (compat 1.3, 8.1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/result.h"
#include "howdah/config/config.h"

namespace howdah::config {

// `hosts`: comma list of names, IPv4, IPv6 (brackets allowed), "/dir", "@abstract". `ports`: one
// port for all, or as many as hosts. Texts of errors say how to mend.
base::Result<std::vector<Host>> parse_hosts(std::string_view hosts, std::string_view ports);

// 1 to 65535, else an error text.
base::Result<std::uint16_t> parse_port(std::string_view text);

// Empty if the socket "<dir>/.s.PGSQL.<port>" fits a socket address, else why not.
std::string socket_path_problem(std::string_view dir, int port);

}  // namespace howdah::config
