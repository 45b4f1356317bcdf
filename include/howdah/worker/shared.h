// What all workers share: the ledger and the budgets, each behind its own mutex, immutable things,
// and small stores. Built by app before the first worker, outlives the last one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/auth/exchange.h"
#include "howdah/auth/hash_cache.h"
#include "howdah/base/log.h"
#include "howdah/base/mutex.h"
#include "howdah/net/mailbox.h"
#include "howdah/pool/client_budget.h"
#include "howdah/pool/ledger.h"
#include "howdah/route/host_signs.h"
#include "howdah/session/parameters.h"
#include "howdah/session/statements.h"
#include "howdah/worker/check_gate.h"
#include "howdah/worker/login_limits.h"
#include "howdah/session/session_state.h"
#include "howdah/worker/messages.h"
#include "howdah/worker/password_files.h"
#include "howdah/worker/retries.h"
#include "howdah/worker/tls.h"
#include "howdah/worker/user_cache.h"

namespace howdah::worker {

// The ParameterStatus set that the pool's clients are greeted with.
using Welcome = std::vector<std::pair<std::string, std::string>>;

class WelcomeStore {
 public:
  std::shared_ptr<const Welcome> find(pool::PoolId pool) const;
  // The first one stays until it is forgotten; gives the one in force.
  std::shared_ptr<const Welcome> keep(pool::PoolId pool, std::shared_ptr<const Welcome> welcome);
  void forget(pool::PoolId pool);

 private:
  mutable base::Mutex mutex_;
  std::map<pool::PoolId, std::shared_ptr<const Welcome>> welcomes_ GUARDED_BY(mutex_);
};

// What each pool knows of prepared statements, whichever worker its clients are on.
class PoolStatementsStore {
 public:
  std::shared_ptr<session::PoolStatements> of(pool::PoolId pool);
  void forget(pool::PoolId pool);

 private:
  base::Mutex mutex_;
  std::map<pool::PoolId, std::shared_ptr<session::PoolStatements>> pools_ GUARDED_BY(mutex_);
};

// What clients' logins revealed, for logging in to servers as them: SCRAM keys for pass-through, a
// typed password, or what the auth_query found. By database entry and login user, as the same name
// may be another user of another cluster.
class CredentialStore {
 public:
  struct Entry {
    std::optional<auth::ScramKeys> keys;
    base::Secret password;  // typed
    base::Secret stored;    // found by the auth_query
  };
  Entry find(const std::string& database, const std::string& user) const;
  // Replaces what the entry has; what is not set in it stays.
  void remember(const std::string& database, const std::string& user, const Entry& entry);
  // Forgets users whose secret changed or went away at a reload.
  void forget(const std::set<std::string>& users);

 private:
  mutable base::Mutex mutex_;
  std::map<std::pair<std::string, std::string>, Entry> entries_ GUARDED_BY(mutex_);
};

// Start-up values that servers of a pool have accepted, with the form in which they report them.
// Bounded: when it is full it begins anew.
class AcceptedValues {
 public:
  std::optional<std::string> find(pool::PoolId pool, std::string_view name,
                                  std::string_view value) const;
  void keep(pool::PoolId pool, std::string_view name, std::string_view value,
            std::string_view reported);
  void forget(pool::PoolId pool);

 private:
  static constexpr std::size_t kMaxEntries = 4096, kMaxValue = 512;
  mutable base::Mutex mutex_;
  std::map<pool::PoolId, std::map<std::string, std::string, std::less<>>> pools_
      GUARDED_BY(mutex_);
  std::size_t entries_ GUARDED_BY(mutex_) = 0;
};

// What connect_query leaves set on the servers of a pool: where a client's session begins.
class FirstStates {
 public:
  session::StateRef find(pool::PoolId pool) const;
  void keep(pool::PoolId pool, session::StateRef state);

 private:
  mutable base::Mutex mutex_;
  std::map<pool::PoolId, session::StateRef> states_ GUARDED_BY(mutex_);
};

// How many servers of each pool are pinned to a client, over all workers.
class PinBudget {
 public:
  bool take(pool::PoolId pool, int limit);
  void give(pool::PoolId pool);

 private:
  base::Mutex mutex_;
  std::map<pool::PoolId, int> pinned_ GUARDED_BY(mutex_);
};

struct Shared {
  pool::Ledger& ledger;
  pool::ClientBudget& clients;
  auth::HashCache& hashes;
  const auth::ServerKeyring& keyring;
  base::Log& log;
  std::shared_ptr<const session::TrackedNames> names;
  net::Mailbox<SupervisorMessage>& supervisor;
  std::string version;    // as SHOW VERSION prints it
  std::uint32_t own_uid = 0;

  WelcomeStore welcomes{};
  CredentialStore credentials{};
  UserCache users{};
  TlsStore tls{};
  PasswordFiles passwords{};
  LoginGate logins{};
  FailureTable failures{};
  session::StatementTable statements{};
  PoolStatementsStore pool_statements{};
  AcceptedValues accepted{};
  FirstStates first_states{};
  PinBudget pins{};
  RetryBook retries{};
  CheckGate ldap_checks{2}, pam_checks{1};  // PAM's modules need not know of threads
  std::atomic<std::uint64_t> hosts_version{1};  // grows with each Ledger::set_hosts()
  std::vector<net::Mailbox<Message>*> workers{};  // by WorkerId; filled before any worker runs
  // A connection to a watched host was lost or refused. Any thread; null: nothing is watched.
  std::function<void(const config::Host& host, const std::string& address)> host_fault{};
  // What a watched host's server said of itself at a login (in_hot_standby).
  std::function<void(const config::Host& host, const std::string& address, bool standby)>
      host_role{};
  // These hosts, and their primary, should be sampled often for a moment: a client that wrote wants
  // to read. Any thread, cheap, and meant to be called each time; null: nothing is watched.
  std::function<void(const pool::HostSet& hosts)> want_fresh{};
  // A new connection to a watched host's address led to this server. Any thread.
  std::function<void(const config::Host& host, const std::string& address, route::Identity)>
      host_identity{};
  std::atomic<std::uint64_t> next_id{1};          // ids of SHOW CLIENTS and SHOW SERVERS
};

}  // namespace howdah::worker
