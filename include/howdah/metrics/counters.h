// Counters of one pool on one worker: plain numbers, written by the owning worker only and copied
// out when SHOW asks. Times in µs. Meaning as PgBouncer's (compat 3.3, "Meaning of counters").
#pragma once

#include <cstdint>

namespace howdah::metrics {

struct Counters {
  std::uint64_t server_assignments = 0, transactions = 0, queries = 0;
  std::uint64_t received = 0, sent = 0;  // bytes from clients, bytes from servers
  std::uint64_t transaction_time = 0, query_time = 0, wait_time = 0;
  std::uint64_t client_parses = 0, server_parses = 0, binds = 0;
  std::uint64_t client_logins = 0;

  Counters& operator+=(const Counters& other);
  // What was added since `other`; a counter that fell gives 0.
  Counters operator-(const Counters& other) const;
  bool operator==(const Counters&) const = default;
};

}  // namespace howdah::metrics
