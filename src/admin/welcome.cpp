// What the console says at login, and the stats line of the log.
#include "admin/answer.h"
#include "howdah/admin/console.h"

namespace howdah::admin {

void append_welcome(base::Buffer& to, std::string_view version, std::string_view key) {
  // "PgBouncer 1.25.2 (howdah 0.1.0)" -> "1.25.2": drivers read a number at the start.
  std::size_t digit = version.find_first_of("0123456789");
  std::string_view number = digit == std::string_view::npos ? "0" : version.substr(digit);
  number = number.substr(0, number.find_first_of(" ()/"));
  wire::append_parameter_status(to, "server_version", base::cat(number, "/bouncer"));
  wire::append_parameter_status(to, "client_encoding", "UTF8");
  wire::append_parameter_status(to, "server_encoding", "UTF8");
  wire::append_parameter_status(to, "DateStyle", "ISO");
  wire::append_parameter_status(to, "TimeZone", "GMT");
  wire::append_parameter_status(to, "standard_conforming_strings", "on");
  wire::append_parameter_status(to, "is_superuser", "on");
  wire::append_backend_key_data(to, key);
  wire::append_ready_for_query(to, wire::TxStatus::Idle);
}

std::string stats_line(const metrics::Averages& averages) {
  return base::cat("stats: ", averages.transactions, " xacts/s, ", averages.queries, " queries/s, ",
                   averages.client_parses, " client parses/s, ", averages.server_parses,
                   " server parses/s, ", averages.binds, " binds/s, ", averages.client_logins,
                   " client logins/s, in ", averages.received, " B/s, out ", averages.sent,
                   " B/s, xact ", averages.transaction_time, " us, query ", averages.query_time,
                   " us, wait ", averages.wait_time, " us");
}

}  // namespace howdah::admin
