// What the console shows: plain rows that workers and the supervisor fill and the console formats.
// Times are CLOCK_REALTIME µs since 1970 where they are dates. Thread: values, handed over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "howdah/admin/routes.h"
#include "howdah/metrics/counters.h"
#include "howdah/pool/ledger.h"

namespace howdah::admin {

// A row of SHOW CLIENTS or SHOW SERVERS (compat 3.3).
struct SocketRow {
  char type = 'C';
  std::string user, database, replication = "none", state;
  std::string addr;
  int port = 0;
  std::string local_addr;
  int local_port = 0;
  std::int64_t connect_time = 0, request_time = 0;
  std::int64_t wait_us = 0;
  bool close_needed = false;
  std::uint64_t ptr = 0, link = 0;  // printed as 0x...; link 0 = ''
  std::int64_t remote_pid = 0;
  std::string tls, application_name;
  std::int64_t prepared_statements = 0;
  std::string pinned;  // a client: why it keeps its server; empty: it does not
  std::uint64_t id = 0;
  // For SHOW SOCKETS: bytes waiting in our buffers.
  std::size_t receive_buffered = 0, send_buffered = 0;
  pool::PoolId pool = 0;
};

// What one worker knows of one pool, beyond the ledger.
struct WorkerPool {
  std::string database, user;
  metrics::Counters counters;
  std::uint64_t cl_active = 0, cl_waiting = 0, cl_active_cancel_req = 0, cl_waiting_cancel_req = 0;
  std::uint64_t sv_active = 0, sv_active_cancel = 0, sv_being_canceled = 0, sv_idle = 0,
                sv_used = 0, sv_tested = 0, sv_login = 0;
  std::uint64_t sv_pinned = 0;  // of sv_active: kept by a client beyond its transaction
  std::int64_t max_wait_us = 0;
  std::vector<RouteCount> routes;             // entries with query_routing
  std::optional<route::Explanation> explained;  // the text that SHOW ROUTE asks about
};

// Cancel requests on their way to another pooler (compat 3.3, SHOW PEER_POOLS).
struct PeerPool {
  std::uint64_t cl_active_cancel_req = 0, cl_waiting_cancel_req = 0, sv_active_cancel = 0,
                sv_login = 0;
};

struct WorkerReport {
  std::vector<SocketRow> clients, servers;           // only when rows were asked for
  std::map<pool::PoolId, WorkerPool> pools;
  std::map<int, PeerPool> peers;                     // by peer_id
  std::uint64_t login_clients = 0;                   // not logged in yet
  std::uint64_t dns_names = 0, dns_pending = 0;
};

}  // namespace howdah::admin
