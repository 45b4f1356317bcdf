// What a start-up packet gets under each configuration: compat 2.2, 5.5, 7.2.
#include "howdah/session/login_plan.h"

#include <doctest/doctest.h>

#include "bytes.h"
#include "howdah/session/parameters.h"

using namespace howdah;
using namespace howdah::session;
using config::AuthType;
using Proof = LoginPlan::Proof;
using Kind = auth::StoredSecret::Kind;

namespace {

constexpr const char* kScram =
    "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

config::Config small(AuthType type = AuthType::Md5) {
  config::Config config;
  config.settings.auth_type = type;
  config.settings.admin_users = {"ada"};
  config.settings.stats_users = {"stan"};
  for (const char* name : {"shop", "forced"}) {
    auto entry = std::make_shared<config::Database>();
    entry->name = entry->dbname = name;
    if (entry->name == "forced") entry->user = "owner";
    config.databases[name] = entry;
  }
  config.userlist["bob"] = base::Secret("pencil");
  config.userlist["ada"] = base::Secret("engine");
  config.userlist["stan"] = base::Secret("graph");
  config.userlist["sam"] = base::Secret(kScram);
  config.userlist["nop"] = base::Secret("");
  config.userlist["pgbouncer"] = base::Secret("x");
  return config;
}

base::Result<LoginPlan> plan(const config::Config& config, Pairs parameters,
                             UnixPeer peer = {}) {
  wire::Startup startup{wire::kProtocol30, std::move(parameters)};
  return plan_login(config, startup, TrackedNames({"IntervalStyle"}), peer);
}
std::string refused(const config::Config& config, Pairs parameters, UnixPeer peer = {}) {
  auto answer = plan(config, std::move(parameters), peer);
  if (!answer) return answer.error().code + " " + answer.error().text;
  if (answer->proof == Proof::Refuse) return answer->refusal.code + " " + answer->refusal.text;
  return "";
}
Pairs login(std::string user, std::string database) {
  return {{"user", std::move(user)}, {"database", std::move(database)}};
}

}  // namespace

TEST_CASE("a user is needed, and not too long a one; the database defaults to it") {
  auto config = small();
  CHECK(refused(config, {}) == "28000 no username supplied");
  CHECK(refused(config, {{"user", ""}}) == "28000 no username supplied");
  CHECK(refused(config, {{"user", std::string(128, 'u')}}) == "28000 username too long");
  CHECK(plan(config, {{"user", std::string(127, 'u')}}).ok());
  CHECK(plan(config, {{"user", "bob"}})->database_name == "bob");
  CHECK(plan(config, login("bob", ""))->database_name == "bob");
}

TEST_CASE("of a parameter sent twice the last one counts") {
  auto answer = plan(small(), {{"user", "eve"}, {"user", "bob"}, {"database", "shop"}});
  CHECK(answer->user == "bob");
}

TEST_CASE("auth_type any needs a forced user and no password") {
  auto config = small(AuthType::Any);
  CHECK(refused(config, login("x", "shop")) == "28000 bouncer config error");
  auto answer = plan(config, login("x", "forced"));
  CHECK(answer->proof == Proof::None);
  CHECK(answer->pool_user == "owner");
}

TEST_CASE("auth_type trust asks for no password but for a known user") {
  auto config = small(AuthType::Trust);
  config.users["listed"] = {};
  CHECK(plan(config, login("bob", "shop"))->proof == Proof::None);
  CHECK(plan(config, login("nop", "shop"))->proof == Proof::None);
  CHECK(plan(config, login("listed", "shop"))->proof == Proof::None);
  CHECK(refused(config, login("eve", "shop")) == "28000 \"trust\" authentication failed");
}

TEST_CASE("auth_type plain, md5 and scram-sha-256 ask for their method; md5 gives way to SCRAM") {
  using auth::Method;
  CHECK(plan(small(AuthType::Plain), login("sam", "shop"))->method == Method::Plain);
  CHECK(plan(small(AuthType::Md5), login("bob", "shop"))->method == Method::Md5);
  CHECK(plan(small(AuthType::Md5), login("sam", "shop"))->method == Method::Scram);
  CHECK(plan(small(AuthType::ScramSha256), login("bob", "shop"))->method == Method::Scram);
  for (AuthType type : {AuthType::Plain, AuthType::Md5, AuthType::ScramSha256}) {
    auto answer = plan(small(type), login("bob", "shop"));
    CHECK(answer->proof == Proof::Exchange);
    CHECK(answer->secret.kind == Kind::Plain);
    CHECK(answer->pool_user == "bob");
  }
}

TEST_CASE("hba, cert, ldap and pam leave the decision to the rules") {
  for (AuthType type : {AuthType::Cert, AuthType::Hba, AuthType::Ldap, AuthType::Pam}) {
    for (const char* database : {"shop", "nowhere"}) {
      CHECK(plan(small(type), login("bob", database))->proof == Proof::Rules);
      CHECK(plan(small(type), login("eve", database))->proof == Proof::Rules);
    }
    CHECK(plan(small(type), login("ada", "pgbouncer"))->proof == Proof::Rules);
    CHECK(refused(small(type), login("bob", "pgbouncer")) == "28000 not allowed");
  }
}

TEST_CASE("ldap and pam know no auth_query") {
  for (AuthType type : {AuthType::Ldap, AuthType::Pam}) {
    auto config = small(type);
    config.settings.auth_user = "asker";
    CHECK(refused(config, login("bob", "shop")) == "28000 bouncer config error");
    config.settings.auth_user.clear();
    auto entry = std::make_shared<config::Database>(*config.databases["shop"]);
    entry->auth_user = "asker";
    config.databases["shop"] = entry;
    CHECK(refused(config, login("bob", "shop")) == "28000 bouncer config error");
    CHECK(refused(config, login("bob", "forced")) == "");
  }
}

namespace {

// The plan of a login under hba after the rules said `method`; a grant of a local line.
LoginPlan decided(auth::RuleMethod method, std::string user, auth::Origin origin = {},
                  auth::Grant grant = {}) {
  auto config = small(AuthType::Hba);
  LoginPlan made = *plan(config, login(user, "shop"));
  grant.method = method;
  origin.user = user;
  plan_verdict(config, {auth::Verdict::Kind::Use, std::make_shared<auth::Grant>(grant)}, origin,
               made);
  return made;
}
std::string text(const LoginPlan& plan) {
  return plan.proof == Proof::Refuse ? plan.refusal.code + " " + plan.refusal.text : "";
}

}  // namespace

TEST_CASE("no rule, no login; reject rejects") {
  auto config = small(AuthType::Hba);
  for (auto kind : {auth::Verdict::Kind::NoRule, auth::Verdict::Kind::NeedsHostName,
                    auth::Verdict::Kind::Use}) {
    LoginPlan made = *plan(config, login("bob", "shop"));
    plan_verdict(config, {kind, nullptr}, {}, made);
    CHECK(text(made) == "28000 no authentication method is found");
  }
  CHECK(text(decided(auth::RuleMethod::Reject, "bob")) == "28000 login rejected");
}

TEST_CASE("each method of a rule is a proof of its own") {
  using auth::RuleMethod;
  CHECK(decided(RuleMethod::Trust, "bob").proof == Proof::None);
  CHECK(text(decided(RuleMethod::Trust, "eve")) == "28000 \"trust\" authentication failed");
  CHECK(decided(RuleMethod::Password, "bob").method == auth::Method::Plain);
  CHECK(decided(RuleMethod::Md5, "bob").method == auth::Method::Md5);
  CHECK(decided(RuleMethod::Md5, "sam").method == auth::Method::Scram);
  CHECK(decided(RuleMethod::Scram, "bob").method == auth::Method::Scram);
  for (auto method : {RuleMethod::Password, RuleMethod::Md5, RuleMethod::Scram}) {
    CHECK(decided(method, "bob").proof == Proof::Exchange);
    CHECK(decided(method, "eve").proof == Proof::Exchange);  // mock
  }
  for (auto method : {RuleMethod::Ldap, RuleMethod::Pam}) {
    CHECK(decided(method, "bob").proof == Proof::External);
    CHECK(decided(method, "eve").proof == Proof::External);  // the directory knows them
  }
}

TEST_CASE("peer: a known user whom the map allows, over a unix socket") {
  auth::Origin origin;
  CHECK(text(decided(auth::RuleMethod::Peer, "bob", origin)) == "28000 unix socket login rejected");
  origin.is_unix = true;
  CHECK(text(decided(auth::RuleMethod::Peer, "eve", origin)) == "28000 unix socket login rejected");
  LoginPlan made = decided(auth::RuleMethod::Peer, "bob", origin);
  CHECK(made.proof == Proof::Peer);
  plan_peer("bob", made);
  CHECK(made.proof == Proof::None);
  for (const char* system : {"", "eve", "Bob", "bob "}) {
    LoginPlan other = decided(auth::RuleMethod::Peer, "bob", origin);
    plan_peer(system, other);
    CHECK(text(other) == "28000 unix socket login rejected");
  }
  LoginPlan refused_before = decided(auth::RuleMethod::Reject, "bob", origin);
  plan_peer("bob", refused_before);
  CHECK(text(refused_before) == "28000 login rejected");
}

TEST_CASE("cert: the verified certificate of a known user") {
  auth::Origin origin;
  origin.tls = origin.certificate = true;
  origin.common_name = "bob";
  CHECK(decided(auth::RuleMethod::Cert, "bob", origin).proof == Proof::None);
  auto failed = "28000 certificate authentication failed";
  CHECK(text(decided(auth::RuleMethod::Cert, "ada", origin)) == failed);
  origin.common_name = "eve";
  CHECK(text(decided(auth::RuleMethod::Cert, "eve", origin)) == failed);  // not known here
  origin.common_name = "bob";
  origin.certificate = false;
  CHECK(text(decided(auth::RuleMethod::Cert, "bob", origin)) == failed);
  auth::Grant grant;
  grant.client_cert = auth::Grant::ClientCert::VerifyCa;
  CHECK(text(decided(auth::RuleMethod::Trust, "bob", origin, grant)) == failed);
}

TEST_CASE("unknown users and databases get a whole exchange, which nothing passes") {
  for (AuthType type : {AuthType::Plain, AuthType::Md5, AuthType::ScramSha256}) {
    auto config = small(type);
    auto user = plan(config, login("eve", "shop"));
    CHECK(user->proof == Proof::Exchange);
    CHECK(user->secret.kind == Kind::Missing);
    auto none = plan(config, login("nop", "shop"));
    CHECK(none->proof == Proof::Exchange);
    CHECK(none->secret.kind == Kind::None);
    auto database = plan(config, login("bob", "nowhere"));
    CHECK(database->proof == Proof::Exchange);
    CHECK_FALSE(database->database);
    CHECK(database->secret.kind == Kind::Plain);
  }
}

TEST_CASE("a forced user is the pool's user; the login stays the client's") {
  auto answer = plan(small(), login("bob", "forced"));
  CHECK(answer->user == "bob");
  CHECK(answer->pool_user == "owner");
}

TEST_CASE("console: admins, watchers, and nobody else, under both of its names") {
  auto config = small();
  for (const char* name : {"pgbouncer", "howdah"}) {
    CHECK(is_console_database(name));
    auto admin = plan(config, login("ada", name));
    CHECK((admin->console && admin->admin && admin->exempt_from_limits));
    CHECK(admin->proof == Proof::Exchange);
    CHECK(admin->secret.kind == Kind::Plain);
    CHECK_FALSE(admin->database);
    auto watcher = plan(config, login("stan", name));
    CHECK((watcher->console && !watcher->admin && !watcher->exempt_from_limits));
    CHECK(watcher->proof == Proof::Exchange);
    for (const char* user : {"bob", "eve", "pgbouncer", "howdah"}) {
      CHECK(refused(config, login(user, name)) == "28000 not allowed");
    }
  }
  CHECK_FALSE(is_console_database("PgBouncer"));
  CHECK_FALSE(is_console_database(""));
  // Trust asks no password, and still not everybody comes in.
  CHECK(refused(small(AuthType::Trust), login("bob", "pgbouncer")) == "28000 not allowed");
  CHECK(plan(small(AuthType::Trust), login("ada", "pgbouncer"))->proof == Proof::None);
}

TEST_CASE("console with auth_type any: all may look, admins may act") {
  auto config = small(AuthType::Any);
  auto anyone = plan(config, login("eve", "pgbouncer"));
  CHECK((anyone->proof == Proof::None && !anyone->admin && !anyone->exempt_from_limits));
  CHECK(plan(config, login("ada", "pgbouncer"))->admin);
}

TEST_CASE("console by unix socket: this process's own user under the console's name, only all three") {
  for (AuthType type : {AuthType::Md5, AuthType::Hba, AuthType::Any}) {
    auto config = small(type);
    for (const char* user : {"pgbouncer", "howdah"}) {
      auto answer = plan(config, login(user, "pgbouncer"), {true, true});
      REQUIRE(answer.ok());
      CHECK((answer->proof == Proof::None && answer->admin && answer->exempt_from_limits));
    }
  }
  auto config = small();
  CHECK(refused(config, login("pgbouncer", "pgbouncer"), {true, false}) == "28000 not allowed");
  CHECK(refused(config, login("pgbouncer", "pgbouncer"), {false, true}) == "28000 not allowed");
  CHECK(refused(config, login("bob", "pgbouncer"), {true, true}) == "28000 not allowed");
  CHECK(plan(config, login("ada", "pgbouncer"), {true, true})->proof == Proof::Exchange);
  // And to databases it opens nothing.
  CHECK(plan(config, login("pgbouncer", "shop"), {true, true})->proof == Proof::Exchange);
}

TEST_CASE("tracked parameters are taken in order, in any case; from options too") {
  auto answer = plan(small(), {{"user", "bob"},
                               {"DATESTYLE", "German"},
                               {"options", "-c intervalstyle=iso_8601 --TimeZone=UTC"},
                               {"application_name", "it's"}});
  REQUIRE(answer.ok());
  CHECK(answer->parameters == Pairs{{"DATESTYLE", "German"},
                                    {"intervalstyle", "iso_8601"},
                                    {"TimeZone", "UTC"},
                                    {"application_name", "it's"}});
}

TEST_CASE("other parameters are refused unless ignored, by exact name") {
  auto config = small();
  CHECK(refused(config, {{"user", "bob"}, {"work_mem", "1"}}) ==
        "22023 unsupported startup parameter: work_mem");
  CHECK(refused(config, {{"user", "bob"}, {"options", "-c work_mem=1"}}) ==
        "22023 unsupported startup parameter in options: work_mem");
  CHECK(refused(config, {{"user", "bob"}, {"options", "-d"}}).starts_with(
      "08P01 unsupported options startup parameter: only '-c config=val'"));
  CHECK(refused(config, {{"user", "bob"}, {std::string(5000, 'k'), ""}}).size() < 200);
  config.settings.ignore_startup_parameters = {"work_mem"};
  CHECK(plan(config, {{"user", "bob"}, {"work_mem", "1"}})->parameters.empty());
  CHECK(plan(config, {{"user", "bob"}, {"options", "-c work_mem=1"}})->parameters.empty());
  CHECK_FALSE(plan(config, {{"user", "bob"}, {"WORK_MEM", "1"}}).ok());
  config.settings.ignore_startup_parameters = {"options"};
  CHECK(plan(config, {{"user", "bob"}, {"options", "-d anything"}})->parameters.empty());
}

TEST_CASE("a bad parameter is refused before anything about user and database is known") {
  CHECK(refused(small(), {{"user", "eve"}, {"database", "pgbouncer"}, {"x", "y"}}) ==
        "22023 unsupported startup parameter: x");
}

TEST_CASE("replication is a boolean or \"database\", and nothing else") {
  using session::Replication;
  auto kind = [](const char* word) {
    return plan(small(), {{"user", "bob"}, {"replication", word}})->replication;
  };
  for (const char* no : {"", "0", "f", "false", "FALSE", "n", "no", "of", "off", "fals"}) {
    CHECK(kind(no) == Replication::None);
  }
  for (const char* yes : {"1", "true", "TRUE", "t", "on", "y", "yes"}) {
    CHECK(kind(yes) == Replication::Physical);
  }
  CHECK(kind("database") == Replication::Logical);
  for (const char* bad : {"o", "x", "falsey", "databases", "2"}) {
    CHECK(refused(small(), {{"user", "bob"}, {"replication", bad}}).starts_with("22023 "));
  }
}

TEST_CASE("what a replication client asks for goes to its server as it is") {
  Pairs asked{{"user", "bob"},          {"database", "db"},  {"options", "-c geqo=off -d x"},
              {"replication", "true"},  {"DateStyle", "ISO"}, {"extra_float_digits", "3"},
              {"_pq_.fancy", "1"},      {"x", ""}};
  auto made = plan(small(), asked);
  REQUIRE(made.ok());
  CHECK(made->parameters.empty());
  CHECK(made->own_startup == Pairs{{"options", "-c geqo=off -d x"},
                                   {"replication", "true"},
                                   {"DateStyle", "ISO"},
                                   {"extra_float_digits", "3"},
                                   {"x", ""}});
}

TEST_CASE("physical replication without a database is for the entry `replication`") {
  CHECK(plan(small(), {{"user", "bob"}, {"replication", "on"}})->database_name == "replication");
  CHECK(plan(small(), {{"user", "bob"}, {"replication", "database"}})->database_name == "bob");
  CHECK(plan(small(), {{"user", "bob"}, {"database", "d"}, {"replication", "1"}})->database_name ==
        "d");
}

TEST_CASE("protocol options are listed, not refused") {
  wire::Startup startup{wire::kProtocol30 + 2, {{"_pq_.a", "1"}, {"user", "bob"}, {"_pq_.b", ""}}};
  CHECK(unsupported_protocol_options(startup) == std::vector<std::string_view>{"_pq_.a", "_pq_.b"});
  CHECK(plan(small(), {{"user", "bob"}, {"_pq_.a", "1"}}).ok());
}

namespace {
base::Result<LoginPlan> plan_found(const config::Config& config, Pairs parameters,
                                   const FoundUser& found) {
  wire::Startup startup{wire::kProtocol30, std::move(parameters)};
  return plan_login(config, startup, TrackedNames({}), {}, &found);
}
void add_entry(config::Config& config, const config::Database& entry) {
  config.databases[entry.name] = std::make_shared<config::Database>(entry);
}
}  // namespace

TEST_CASE("auth_query is for users who are not in auth_file, where an auth_user is set") {
  auto config = small(AuthType::ScramSha256);
  CHECK_FALSE(plan(config, login("eve", "shop"))->ask);
  config.settings.auth_user = "asker";
  config.settings.auth_query = "global";
  auto eve = plan(config, login("eve", "shop"));
  REQUIRE(eve->ask);
  CHECK(eve->ask->database == config.databases["shop"]);
  CHECK(eve->ask->user == "asker");
  CHECK(eve->ask->query == "global");
  CHECK_FALSE(plan(config, login("bob", "shop"))->ask);
  config.users["listed"] = {};
  CHECK(plan(config, login("listed", "shop"))->ask);
  for (AuthType type : {AuthType::Any, AuthType::Ldap, AuthType::Pam}) {
    config.settings.auth_type = type;
    CHECK_FALSE(plan(config, login("eve", "forced"))->ask);
  }
}

TEST_CASE("an entry's auth_user, auth_query and auth_dbname go before the settings") {
  auto config = small(AuthType::ScramSha256);
  config.settings.auth_user = "asker";
  config.settings.auth_query = "global";
  config::Database own;
  own.name = own.dbname = "own";
  own.auth_user = "own_asker";
  own.auth_query = "own_query";
  own.auth_dbname = "shop";
  add_entry(config, own);
  auto ask = *plan(config, login("eve", "own"))->ask;
  CHECK(ask.user == "own_asker");
  CHECK(ask.query == "own_query");
  CHECK(ask.database == config.databases["shop"]);
  config.settings.auth_dbname = "forced";
  CHECK(plan(config, login("eve", "shop"))->ask->database == config.databases["forced"]);
  CHECK(plan(config, login("eve", "own"))->ask->database == config.databases["shop"]);
}

TEST_CASE("with auth_dbname the console's and unknown databases' users are looked up, too") {
  auto config = small(AuthType::ScramSha256);
  config.settings.auth_user = "asker";
  config.settings.admin_users.push_back("eve");
  CHECK_FALSE(plan(config, login("eve", "nowhere"))->ask);
  CHECK_FALSE(plan(config, login("eve", "howdah"))->ask);
  config.settings.auth_dbname = "shop";
  CHECK(plan(config, login("eve", "nowhere"))->ask->database == config.databases["shop"]);
  CHECK(plan(config, login("eve", "howdah"))->ask->database == config.databases["shop"]);
  config.settings.auth_dbname = "gone";
  CHECK_FALSE(plan(config, login("eve", "shop"))->ask->database);
  config.settings.auth_dbname = "pgbouncer";
  CHECK_FALSE(plan(config, login("eve", "shop"))->ask->database);
}

TEST_CASE("what was found is the user: name, secret, method; the one who asked never is") {
  auto config = small(AuthType::Md5);
  config.settings.auth_user = "asker";
  auto scram = plan_found(config, login("EVE", "shop"), {"eve", auth::classify(kScram)});
  CHECK(scram->user == "eve");
  CHECK(scram->pool_user == "eve");
  CHECK(scram->method == auth::Method::Scram);
  CHECK(scram->secret.kind == Kind::Scram);
  CHECK_FALSE(scram->ask);
  CHECK(plan_found(config, login("eve", "shop"), {"eve", auth::classify("x")})->method ==
        auth::Method::Md5);
  // CVE-2015-6817: an unknown user stays who it said it is, and gets in nowhere.
  auto unknown = plan_found(config, login("eve", "shop"), {});
  CHECK(unknown->user == "eve");
  CHECK(unknown->pool_user == "eve");
  CHECK(unknown->secret.kind == Kind::Missing);
  CHECK(unknown->proof == Proof::Exchange);
  auto null = plan_found(config, login("eve", "shop"), {"eve", auth::classify("")});
  CHECK(null->secret.kind == Kind::None);
  config.settings.auth_type = AuthType::Trust;
  CHECK(plan_found(config, login("eve", "shop"), {})->proof == Proof::Refuse);
  CHECK(plan_found(config, login("eve", "shop"), {"eve", auth::classify("")})->proof ==
        Proof::None);
}

TEST_CASE("md5: an unknown user is asked as most of the known ones are") {
  auto config = small(AuthType::Md5);
  CHECK(plan(config, login("eve", "shop"))->method == auth::Method::Md5);
  for (const char* name : {"s1", "s2", "s3", "s4", "s5", "s6"}) {
    config.userlist[name] = base::Secret(kScram);
  }
  CHECK(plan(config, login("eve", "shop"))->method == auth::Method::Scram);
  auto looked_up = small(AuthType::Md5);
  looked_up.settings.auth_user = "asker";
  CHECK(plan_found(looked_up, login("eve", "shop"), {})->method == auth::Method::Scram);
  CHECK(plan(looked_up, login("eve", "nowhere"))->method == auth::Method::Scram);
}

TEST_CASE("where session state follows its client any start-up parameter is taken") {
  auto config = small();
  config.settings.session_state = "track";
  config.settings.ignore_startup_parameters = {"dropped"};
  Pairs parameters = login("bob", "shop");
  parameters.emplace_back("work_mem", "1MB");
  parameters.emplace_back("options", "-c app.x=1 -c dropped=2");
  CHECK(refused(config, parameters) == "22023 unsupported startup parameter: work_mem");  // session
  config.settings.pool_mode = config::PoolMode::Transaction;
  auto taken = plan(config, parameters);
  REQUIRE(taken);
  CHECK(taken->parameters == Pairs{{"work_mem", "1MB"}, {"app.x", "1"}});
  parameters[1].second = "pgbouncer";
  CHECK(refused(config, parameters) == "22023 unsupported startup parameter: work_mem");
  parameters[1].second = "shop";
  auto entry = std::make_shared<config::Database>(*config.databases["shop"]);
  entry->tracks_state = false;
  config.databases["shop"] = entry;
  CHECK(refused(config, parameters) == "22023 unsupported startup parameter: work_mem");
}
