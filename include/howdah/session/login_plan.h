// What a start-up packet asks for and what the configuration says to it: one pure decision, made
// before authentication and revealing nothing (compat 2.2, 5.5 "Order of a login", 7.2).
//
// Unknown databases and users get a plan too: the full exchange runs against a missing secret
// (mock authentication) and the refusal comes after it. Thread: any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/auth/access.h"
#include "howdah/auth/exchange.h"
#include "howdah/base/result.h"
#include "howdah/config/config.h"
#include "howdah/wire/startup.h"

namespace howdah::session {

enum class Replication : std::uint8_t { None, Logical, Physical };

// What the auth_query said of the login user (compat 2.3).
struct FoundUser {
  std::string name;           // as the row has it: the login's name from then on
  auth::StoredSecret secret;  // Missing: no row; None: NULL, which no password is equal to
};

struct LoginPlan {
  // Whom to ask for a user that is not in auth_file; the login is then planned anew with the answer.
  struct Ask {
    std::shared_ptr<const config::Database> database;  // null: there is no such entry
    std::string database_name, user, query;
  };
  // Refuse: with refusal, after limits are checked. Rules: plan_verdict() decides. Peer: what the
  // system calls the user of the unix socket, plan_peer(). External: a password for LDAP or PAM.
  enum class Proof { None, Exchange, Refuse, Rules, Peer, External };

  std::string user, database_name;
  std::shared_ptr<const config::Database> database;  // null: console, or no such entry
  std::string pool_user;     // the forced user if the entry has one
  bool console = false;
  bool admin = false;        // console: all rights; else only SHOW
  bool exempt_from_limits = false;  // admin_users on the console
  Proof proof = Proof::Exchange;
  auth::Method method = auth::Method::Md5;
  auth::StoredSecret secret;
  std::optional<Ask> ask;    // set only when planned without an answer
  bool may_be_old = false;   // the secret comes from the cache: see ClientSession::Want::AskAgain
  std::string end_point;     // tls-server-end-point of the client's TLS, for channel binding
  base::Error refusal;       // Proof::Refuse: code and text for the client
  std::shared_ptr<const auth::Grant> grant;  // the rule that decided
  // Parameters from the packet and from `options`, in order (name, value): tracked ones, and any
  // where session state follows the client (Config::tracks_state).
  std::vector<std::pair<std::string, std::string>> parameters;
  // A replication connection: it has a server of its own, whose StartupMessage gets these, which are
  // all the client sent but its user and database. `parameters` are empty then.
  Replication replication = Replication::None;
  std::vector<std::pair<std::string, std::string>> own_startup;
};

// Who may become console admin without a password: this process's own user over a unix socket.
struct UnixPeer {
  bool is_unix = false;
  bool same_user = false;
};

// `tracked` tells which parameters follow the client; `found` is the auth_query's answer if it was
// asked. The error is FATAL for the client: code and text (compat 5.5).
class TrackedNames;
base::Result<LoginPlan> plan_login(const config::Config& config, const wire::Startup& startup,
                                   const TrackedNames& tracked, UnixPeer peer,
                                   const FoundUser* found = nullptr);

// For Proof::Rules: what the rule that fits (or none) makes of the plan. A plan.secret that was looked
// up meanwhile counts.
void plan_verdict(const config::Config& config, const auth::Verdict& verdict,
                  const auth::Origin& origin, LoginPlan& plan);
// For Proof::Peer: what the system calls the user at the other end; empty if it knows none.
void plan_peer(std::string_view system_user, LoginPlan& plan);

// The console's database names.
bool is_console_database(std::string_view name);

// Unknown keys of the packet's `_pq_.` protocol options, to be listed in NegotiateProtocolVersion.
std::vector<std::string_view> unsupported_protocol_options(const wire::Startup& startup);

}  // namespace howdah::session
