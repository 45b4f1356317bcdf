// The console: one SQL-like command in, protocol bytes out (compat section 3). It knows words,
// columns and error texts; it acts through Control and never waits: a command that must wait for
// others is answered later by the supervisor, through the same `reply` bytes.
//
// Thread: the supervisor's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/admin/report.h"
#include "howdah/base/buffer.h"
#include "howdah/base/result.h"
#include "howdah/config/config.h"
#include "howdah/metrics/stats.h"
#include "howdah/pool/client_budget.h"
#include "howdah/pool/ledger.h"
#include "howdah/route/fleet.h"

namespace howdah::admin {

enum class Rights { Stats, Admin };
enum class ShutdownMode { Immediate, WaitForServers, WaitForClients };

// Everything SHOW needs, gathered when the command needs it.
struct State {
  std::shared_ptr<const config::Config> config;
  const pool::Ledger* ledger = nullptr;
  const pool::ClientBudget* clients = nullptr;
  const metrics::Stats* stats = nullptr;
  std::vector<WorkerReport> workers;
  std::shared_ptr<const route::FleetView> hosts;  // null: no entry is routed
  std::string version;      // "PgBouncer 1.25.2 (howdah 0.1.0)"; see app
  bool paused = false, suspended = false, shutting_down = false;
  std::vector<std::string> disabled_databases, paused_databases;
  base::TimePoint now{};
  std::int64_t wall_now = 0;  // CLOCK_REALTIME µs
};

// What the console can make the process do. Implemented by app's supervisor.
// A call that returns an error has done nothing; its text is the console's error text.
class Control {
 public:
  virtual ~Control() = default;
  // Asks every worker, then calls `ready` on the supervisor's thread. `rows`: with client and
  // server rows.
  virtual void gather(bool rows, std::function<void(const State&)> ready) = 0;
  // The same, and what the workers would make of this text in each pool of query_routing.
  virtual void explain(const std::string& sql, std::function<void(const State&)> ready) = 0;
  // "RELOAD failed, see logs for additional details" (F0000) on any failure.
  virtual base::Status reload() = 0;
  virtual base::Status set(const std::string& key, const std::string& value) = 0;
  // Immediate: does not return an answer to anybody. Others: OK at once.
  virtual base::Status shutdown(ShutdownMode mode) = 0;
  // The waiting ones call `done` when it is so (PAUSE: all servers closed).
  virtual base::Status pause(const std::string& database, std::function<void()> done) = 0;
  virtual base::Status resume(const std::string& database) = 0;
  virtual base::Status disable(const std::string& database) = 0;
  virtual base::Status enable(const std::string& database) = 0;
  virtual base::Status reconnect(const std::string& database) = 0;
  virtual base::Status kill(const std::string& database) = 0;
  virtual base::Status kill_client(std::uint64_t id) = 0;
  // Makes another host the primary of a routed database; `to`: which, or empty. `done` comes once,
  // with who is the primary.
  virtual base::Status switchover(const std::string& database, const std::string& to,
                                  std::function<void(base::Result<std::string>)> done) = 0;
  virtual base::Status wait_close(const std::string& database, std::function<void()> done) = 0;
};

// Runs one query string of a console client. `reply` gets the whole answer, ReadyForQuery included,
// once: before this call returns or later. Unknown or malformed input is answered with
// `invalid command '<query>', use SHOW HELP;` (08P01). Deny by default: every command of the table
// says the rights it needs ("admin access needed").
void run_command(std::string_view query, Rights rights, Control& control,
                 std::function<void(base::Buffer&& answer)> reply);

// The login answer of the console: AuthenticationOk is the caller's; ParameterStatus of compat 3.1,
// then BackendKeyData, ReadyForQuery.
void append_welcome(base::Buffer& to, std::string_view version, std::string_view key);

// The stats log line (compat section 9) for the averages of all databases.
std::string stats_line(const metrics::Averages& averages);

}  // namespace howdah::admin
