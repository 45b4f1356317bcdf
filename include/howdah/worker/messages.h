// What threads say to each other. A message is a plain struct; the owner gives, nobody takes.
//
//   supervisor -> worker: NewClient, NewConfig, NewGate, Perform, Gather, ConsoleAnswer,
//                         KillClients, ForgetWelcome, Quit
//   worker -> worker:     OpenServer, FetchServer -> AdoptServer, FailClient, CloseServer, CancelQuery,
//                         PeerCancel, CancelDone, UserAnswered, LoginTurn, StartCheck
//   worker -> supervisor: ConsoleCommand, ConsoleGone, Report
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "howdah/admin/console.h"
#include "howdah/admin/report.h"
#include "howdah/auth/access.h"
#include "howdah/base/buffer.h"
#include "howdah/base/result.h"
#include "howdah/config/config.h"
#include "howdah/net/transport.h"
#include "howdah/pool/client_budget.h"
#include "howdah/pool/ledger.h"
#include "howdah/route/host_signs.h"

namespace howdah::worker {

struct UserAnswer;  // howdah/worker/user_cache.h
class Server;  // a pooled connection with its transport and session; src/worker/server.h
struct ServerDeleter {
  void operator()(Server* server) const;
};
using ServerPtr = std::unique_ptr<Server, ServerDeleter>;

using CancelKey = std::string;  // as in BackendKeyData: 8 bytes, or 36 with protocol 3.2

// Who may log in at the moment; beside the configuration because the console changes it.
struct Gate {
  bool shutting_down = false;
  std::set<std::string, std::less<>> disabled;
  bool all_paused = false;
  std::set<std::string, std::less<>> paused;
};

// --- To a worker ----------------------------------------------------------------------------------
struct NewClient {  // owns the descriptor
  int fd;
  net::Address peer;
  pool::ClientBudget::Place place;  // max_client_conn; empty: full (console logins still pass)
};
struct OpenServer {  // for a client of that worker alone
  pool::Open open;
};
struct FetchServer {  // the sender's client was promised this parked slot
  pool::SlotId slot;
  pool::TicketId ticket;
  pool::Waiter to;
};
struct AdoptServer {
  ServerPtr server;
  pool::SlotId slot;
  pool::TicketId ticket;
  pool::Waiter to;
};
struct CloseServer {
  pool::SlotId slot;
  const char* reason;
};
struct FailClient {  // its ticket is gone already
  pool::TicketId ticket;
  std::uint64_t client;
  base::Error error;
};
struct ForgetPool {
  pool::PoolId pool;
};
struct CancelQuery {  // from the worker that got the CancelRequest
  CancelKey key;
  pool::Waiter from;
};
struct PeerCancel {  // to the worker that looks after this peer; the key's hop is counted already
  int peer;
  CancelKey key;
  pool::Waiter from;
  base::TimePoint until{};  // nobody waits for it any more
};
struct CancelDone {
  std::uint64_t client;
};
struct UserAnswered {  // the auth_query, for a client that waits in its login
  std::uint64_t client;
  std::shared_ptr<const UserAnswer> answer;
  bool kept = false;  // it is an older one, for want of a better
};
struct LoginTurn {  // max_login_conn: this client may log in now
  std::uint64_t client;
};
struct Hashed {  // another login had the same password stretched that this one waits for
  std::uint64_t client;
};
struct NewConfig {
  std::shared_ptr<const config::Config> config;
  std::shared_ptr<const auth::Access> access;  // null: auth_type needs no rules
};
struct StartCheck {  // its turn has come to have its password judged by LDAP or PAM
  std::uint64_t client;
  bool pam;
};
struct NewGate {
  std::shared_ptr<const Gate> gate;
};
struct Perform {  // what a call of the supervisor to the ledger asks for
  pool::Actions actions;
};
struct Gather {
  std::uint64_t token;
  bool rows;
  std::string explain;  // SHOW ROUTE's text; empty: none
};
struct ConsoleAnswer {
  std::uint64_t client;
  base::Buffer bytes;
};
struct KillClients {  // KILL, a removed database. Empty database: none; id 0: all of the database
  std::string database;
  std::uint64_t id = 0;
  base::Error error;
};
struct ForgetWelcome {  // RECONNECT: cached login parameters are void. Empty = all
  std::string database;
};
struct HostMoved {  // a watched host's address leads to this server now
  config::Host host;
  std::string address;
  route::Identity identity = 0;
};
struct HostEjected {  // a watched host: what runs there will not end
  config::Host host;
  std::string address;
  bool suspect = false;  // not yet: a probe has failed
};
struct Rescued {  // a standby refused these texts as writes; names as in this scope
  std::string database, user;
  std::optional<std::string> search_path;
  std::vector<std::string> texts;
};
struct Quit {};

using Message = std::variant<NewClient, OpenServer, FetchServer, AdoptServer, CloseServer, FailClient,
                             ForgetPool, CancelQuery, PeerCancel, CancelDone, NewConfig, NewGate, Perform,
                             Gather, ConsoleAnswer, KillClients, ForgetWelcome, UserAnswered,
                             LoginTurn, Hashed, StartCheck, HostEjected, HostMoved, Rescued, Quit>;

// --- To the supervisor ------------------------------------------------------------------------------
struct ConsoleCommand {
  pool::Waiter client;
  admin::Rights rights;
  std::string text;
};
struct ConsoleGone {
  pool::Waiter client;
};
struct Report {
  std::uint64_t token;
  pool::WorkerId worker;
  admin::WorkerReport report;
};
struct CancelWaits {  // Ctrl-C of a console client
  pool::Waiter client;
};
struct HostsChanged {};  // from the monitor: there is a new view of the hosts

using SupervisorMessage =
    std::variant<ConsoleCommand, ConsoleGone, Report, CancelWaits, HostsChanged>;

}  // namespace howdah::worker
