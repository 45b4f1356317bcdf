// What a start-up packet asks for and what the configuration says to it; see the header.
#include "howdah/session/login_plan.h"

#include <algorithm>

#include "howdah/base/text.h"
#include "howdah/session/parameters.h"
#include "howdah/wire/error.h"

namespace howdah::session {

using base::cat;
using base::Error;
using config::AuthType;
namespace sqlstate = wire::sqlstate;

namespace {

constexpr std::size_t kMaxUserName = 127;

bool listed(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

Error fatal(std::string_view code, std::string text) { return {std::string(code), std::move(text)}; }

// "database" is logical, a boolean that is true physical; compat 7.2.
base::Result<Replication> read_replication(const std::string* value) {
  if (!value || value->empty()) return Replication::None;
  std::string word = base::lower(*value);
  auto begins = [&](std::string_view whole, std::size_t least) {
    return word.size() >= least && whole.starts_with(word);
  };
  if (word == "database") return Replication::Logical;
  if (word == "1" || begins("true", 1) || begins("yes", 1) || word == "on") {
    return Replication::Physical;
  }
  if (word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2)) {
    return Replication::None;
  }
  return fatal(sqlstate::kInvalidParameter,
               cat("invalid value for parameter \"replication\": \"", value->substr(0, 100), "\""));
}

// Sorts the packet's parameters into the plan. Returns an error for those nobody knows; where session
// state follows the client, PostgreSQL is the one to know.
base::Status take_parameters(const config::Config& config, const wire::Startup& startup,
                             const TrackedNames& tracked, LoginPlan& plan) {
  const auto& ignored = config.settings.ignore_startup_parameters;
  bool any = plan.database ? config.tracks_state(*plan.database, plan.pool_user)
                           : !is_console_database(plan.database_name) &&
                                 config.settings.session_state == "track";
  for (const auto& [key, value] : startup.parameters) {
    if (key == "user" || key == "database" || key.starts_with("_pq_.")) continue;
    if (plan.replication != Replication::None) {
      plan.own_startup.emplace_back(key, value);
    } else if (key == "replication") {
      continue;
    } else if (key == "options") {
      if (listed(ignored, "options")) continue;
      auto options = wire::parse_options(value);
      if (!options) return options.error();
      for (auto& [name, setting] : *options) {
        if (tracked.find(name) || (any && !listed(ignored, name))) {
          plan.parameters.emplace_back(std::move(name), std::move(setting));
        } else if (!listed(ignored, name)) {
          return fatal(sqlstate::kInvalidParameter,
                       cat("unsupported startup parameter in options: ", name.substr(0, 100)));
        }
      }
    } else if (tracked.find(key) || (any && !listed(ignored, key))) {
      plan.parameters.emplace_back(key, value);
    } else if (!listed(ignored, key)) {
      return fatal(sqlstate::kInvalidParameter,
                   cat("unsupported startup parameter: ", key.substr(0, 100)));
    }
  }
  return base::Done{};
}

// The console's own gate: who may come in, and as what.
base::Status plan_console(const config::Config& config, UnixPeer peer, LoginPlan& plan) {
  plan.console = true;
  bool own_name = is_console_database(plan.user);
  if (peer.is_unix && peer.same_user && own_name) {
    plan.admin = true;
    plan.exempt_from_limits = true;
    plan.proof = LoginPlan::Proof::None;
    return base::Done{};
  }
  plan.admin = listed(config.settings.admin_users, plan.user);
  plan.exempt_from_limits = plan.admin;
  bool any = config.settings.auth_type == AuthType::Any;
  if (!plan.admin && !listed(config.settings.stats_users, plan.user) && !any) {
    return fatal(sqlstate::kInvalidAuthorization, "not allowed");
  }
  if (any) plan.proof = LoginPlan::Proof::None;
  return base::Done{};
}

// PostgreSQL keeps SCRAM secrets unless told otherwise; a userlist says itself what it has.
bool mostly_scram(const config::Config& config, const FoundUser* found) {
  if (found || !config.settings.auth_user.empty()) return true;
  std::size_t scram = 0, others = 0;
  for (const auto& [name, secret] : config.userlist) {
    if (!secret.empty()) ++(secret.view().starts_with("SCRAM-SHA-256$") ? scram : others);
  }
  return scram > others;
}

// Whom to ask for the login user, if that is to be done (compat 2.3).
std::optional<LoginPlan::Ask> whom_to_ask(const config::Config& config, const LoginPlan& plan) {
  const config::Settings& settings = config.settings;
  bool elsewhere = settings.auth_type == AuthType::Any || settings.auth_type == AuthType::Pam ||
                   settings.auth_type == AuthType::Ldap;
  if (elsewhere || plan.proof == LoginPlan::Proof::None || config.userlist.contains(plan.user)) {
    return {};
  }
  auto choose = [&](std::string config::Database::*own, const std::string& global) {
    bool has_own = plan.database && !((*plan.database).*own).empty();
    return has_own ? (*plan.database).*own : global;
  };
  LoginPlan::Ask ask;
  ask.user = choose(&config::Database::auth_user, settings.auth_user);
  if (ask.user.empty()) return {};
  ask.query = choose(&config::Database::auth_query, settings.auth_query);
  ask.database_name = choose(&config::Database::auth_dbname, settings.auth_dbname);
  if (ask.database_name.empty()) {
    // The console and an unknown database have nobody to ask: a mock exchange, as for anybody.
    if (!plan.database) return {};
    ask.database = plan.database;
    ask.database_name = plan.database->name;
  } else if (!is_console_database(ask.database_name)) {
    ask.database = config.find_database(ask.database_name);
  }
  return ask;
}

void plan_proof(const config::Config& config, LoginPlan& plan, const FoundUser* found) {
  auto secret = config.userlist.find(plan.user);
  bool known = secret != config.userlist.end();
  if (found) {
    known = found->secret.kind != auth::StoredSecret::Kind::Missing;
    plan.secret = found->secret;
  } else if (known) {
    plan.secret = auth::classify(secret->second.view());
  } else {
    plan.ask = whom_to_ask(config, plan);
  }
  auto refuse = [&](std::string_view code, std::string text) {
    plan.proof = LoginPlan::Proof::Refuse;
    plan.refusal = fatal(code, std::move(text));
  };
  switch (config.settings.auth_type) {
    case AuthType::Any:
      plan.proof = LoginPlan::Proof::None;
      if (!plan.console && plan.database && !plan.database->user) {
        refuse(sqlstate::kInvalidAuthorization, "bouncer config error");
      }
      return;
    case AuthType::Trust:
      plan.proof = LoginPlan::Proof::None;
      if (!known && !config.find_user(plan.user)) {
        refuse(sqlstate::kInvalidAuthorization, "\"trust\" authentication failed");
      }
      return;
    case AuthType::Plain:
      plan.method = auth::Method::Plain;
      return;
    case AuthType::Md5:
      // An unknown user is asked for what most of the known ones are asked for.
      plan.method = plan.secret.kind == auth::StoredSecret::Kind::Scram ||
                            (!known && mostly_scram(config, found))
                        ? auth::Method::Scram
                        : auth::Method::Md5;
      return;
    case AuthType::ScramSha256:
      plan.method = auth::Method::Scram;
      return;
    case AuthType::Ldap:
    case AuthType::Pam:
      // Their users are not in auth_file, so auth_query would be asked for everybody: compat 5.5.
      if (!config.settings.auth_user.empty() ||
          (plan.database && !plan.database->auth_user.empty())) {
        refuse(sqlstate::kInvalidAuthorization, "bouncer config error");
        return;
      }
      plan.proof = LoginPlan::Proof::Rules;
      return;
    case AuthType::Cert:
    case AuthType::Hba:
      plan.proof = LoginPlan::Proof::Rules;
      return;
  }
}

}  // namespace

bool is_console_database(std::string_view name) {
  return name == "pgbouncer" || name == "howdah";
}

std::vector<std::string_view> unsupported_protocol_options(const wire::Startup& startup) {
  std::vector<std::string_view> names;
  for (const auto& [key, value] : startup.parameters) {
    if (key.starts_with("_pq_.")) names.push_back(key);
  }
  return names;
}

void plan_verdict(const config::Config& config, const auth::Verdict& verdict,
                  const auth::Origin& origin, LoginPlan& plan) {
  auto refuse = [&](std::string text) {
    plan.proof = LoginPlan::Proof::Refuse;
    plan.refusal = fatal(sqlstate::kInvalidAuthorization, std::move(text));
  };
  if (verdict.kind != auth::Verdict::Kind::Use || !verdict.grant) {
    refuse("no authentication method is found");
    return;
  }
  plan.grant = verdict.grant;
  const auth::Grant& grant = *plan.grant;
  if (grant.method == auth::RuleMethod::Reject) {
    refuse("login rejected");
    return;
  }
  if (!grant.certificate_suffices(origin)) {
    refuse("certificate authentication failed");
    return;
  }
  bool known = plan.secret.kind != auth::StoredSecret::Kind::Missing ||
               config.find_user(plan.user) != nullptr;
  plan.proof = LoginPlan::Proof::Exchange;
  switch (grant.method) {
    case auth::RuleMethod::Reject:
      return;
    case auth::RuleMethod::Trust:
      plan.proof = LoginPlan::Proof::None;
      if (!known) refuse("\"trust\" authentication failed");
      return;
    case auth::RuleMethod::Password:
      plan.method = auth::Method::Plain;
      return;
    case auth::RuleMethod::Md5:
      plan.method = plan.secret.kind == auth::StoredSecret::Kind::Scram ||
                            (plan.secret.kind == auth::StoredSecret::Kind::Missing &&
                             mostly_scram(config, nullptr))
                        ? auth::Method::Scram
                        : auth::Method::Md5;
      return;
    case auth::RuleMethod::Scram:
      plan.method = auth::Method::Scram;
      return;
    case auth::RuleMethod::Cert:
      plan.proof = LoginPlan::Proof::None;
      if (!known || !grant.certificate_admits(origin)) refuse("certificate authentication failed");
      return;
    case auth::RuleMethod::Peer:
      plan.proof = LoginPlan::Proof::Peer;
      if (!known || !origin.is_unix) refuse("unix socket login rejected");
      return;
    case auth::RuleMethod::Ldap:
    case auth::RuleMethod::Pam:
      plan.proof = LoginPlan::Proof::External;
      return;
  }
}

void plan_peer(std::string_view system_user, LoginPlan& plan) {
  if (plan.proof != LoginPlan::Proof::Peer) return;
  if (plan.grant && plan.grant->admits(system_user, plan.user)) {
    plan.proof = LoginPlan::Proof::None;
    return;
  }
  plan.proof = LoginPlan::Proof::Refuse;
  plan.refusal = fatal(sqlstate::kInvalidAuthorization, "unix socket login rejected");
}

base::Result<LoginPlan> plan_login(const config::Config& config, const wire::Startup& startup,
                                   const TrackedNames& tracked, UnixPeer peer,
                                   const FoundUser* found) {
  LoginPlan plan;
  const std::string* user = startup.find("user");
  if (!user || user->empty()) {
    return fatal(sqlstate::kInvalidAuthorization, "no username supplied");
  }
  if (user->size() > kMaxUserName) {
    return fatal(sqlstate::kInvalidAuthorization, "username too long");
  }
  plan.user = *user;
  if (found && !found->name.empty()) {
    if (found->name.size() > kMaxUserName) {
      return fatal(sqlstate::kInvalidAuthorization, "username too long");
    }
    plan.user = found->name;
  }
  auto replication = read_replication(startup.find("replication"));
  if (!replication) return replication.error();
  plan.replication = *replication;
  const std::string* database = startup.find("database");
  bool physical = plan.replication == Replication::Physical;  // libpq sends this name, too
  plan.database_name =
      database && !database->empty() ? *database : physical ? std::string("replication") : *user;
  bool console = is_console_database(plan.database_name);
  if (!console) {
    plan.database = config.find_database(plan.database_name);
    plan.pool_user = plan.database && plan.database->user ? *plan.database->user : plan.user;
  }
  if (auto taken = take_parameters(config, startup, tracked, plan); !taken) return taken.error();

  if (console) {
    if (auto gate = plan_console(config, peer, plan); !gate) return gate.error();
    if (plan.proof != LoginPlan::Proof::None) plan_proof(config, plan, found);
    return plan;
  }
  plan_proof(config, plan, found);
  return plan;
}

}  // namespace howdah::session
