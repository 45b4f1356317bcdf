// auth_query: users who are in no file, looked up in a real PostgreSQL by a function as people
// write it.
#include <doctest/doctest.h>

#include <set>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr const char* kRefused = "password authentication failed for user \"";
constexpr const char* kFunction = "'select uname, secret from public.user_secret($1)'";

// Roles q_*, a function that reads pg_shadow for one who may not, and a count of its calls.
void make_roles() {
  PgCluster& pg = primary();
  pg.sql(R"(
    do $do$ begin
      if not exists (select from pg_roles where rolname = 'asker') then
        create role asker login password 'asker-password';
        create sequence public.asked;
        create table public.secrets (uname text, secret text);
        create function public.user_secret(who text) returns table (uname text, secret text)
          language plpgsql security definer set search_path = pg_catalog as $f$
          begin
            perform nextval('public.asked');
            perform pg_advisory_xact_lock_shared(4711);
            return query select usename::text,
                case when valuntil < now() then null else passwd end
              from pg_shadow where usename = who;
          end $f$;
        revoke all on function public.user_secret from public;
        grant execute on function public.user_secret to asker;
        grant select on public.secrets to asker;
      end if;
    end $do$;
    drop role if exists q_scram, q_md5, q_null, q_expired;
    set password_encryption = 'scram-sha-256';
    create role q_scram login password 'scram-password';
    create role q_null login;
    create role q_expired login password 'expired-password' valid until '2001-01-01';
    set password_encryption = 'md5';
    create role q_md5 login password 'md5-password';
    reset password_encryption;
    select setval('public.asked', 1, false);
  )");
  // The server asks for the passwords, too: what was found must be good for its logins.
  pg.set_hba(
      "host all q_scram 127.0.0.1/32 scram-sha-256\nhost all q_md5 127.0.0.1/32 md5\n"
      "host all asker 127.0.0.1/32 scram-sha-256\n");
}

long asked() {
  return std::stol(primary()
                       .sql("select case when is_called then last_value else 0 end "
                            "from public.asked")
                       .at(0, 0));
}

PoolerConfig config(const std::string& auth_type, const std::string& more = "") {
  return {.settings = {{"auth_type", auth_type},
                       {"auth_user", "asker"},
                       {"auth_query", "select uname, secret from public.user_secret($1)"},
                       {"pool_mode", "transaction"}},
          .databases = {entry("db", primary(), "postgres", more)},
          .userlist = {{"asker", "asker-password"}, {"admin", "admin-password"}}};
}

void expect_in(Pooler& pooler, const std::string& user, const std::string& password,
               const std::string& database = "db") {
  CAPTURE(user);
  CHECK_NOTHROW(CHECK(
      pooler.connect(database, user, "password=" + password).value("select session_user") == user));
}
void expect_out(Pooler& pooler, const std::string& user, const std::string& password,
                const std::string& database = "db") {
  CAPTURE(user);
  ErrorReport report = refused(pooler.conninfo(database, user, "password=" + password));
  CHECK(report.severity == "FATAL");
  CHECK(report.code == "28P01");
  CHECK(report.message == kRefused + user + "\"");
}

int asker_backends(const std::string& more = "") {
  return std::stoi(primary()
                       .sql("select count(*) from pg_stat_activity where usename = 'asker' " + more)
                       .at(0, 0));
}

}  // namespace

TEST_CASE("SCRAM and md5 verifiers: looked up, proved, and good for the server's own check") {
  make_roles();
  {
    Pooler pooler(config("scram-sha-256"));
    expect_in(pooler, "q_scram", "scram-password");
    expect_out(pooler, "q_scram", "wrong");
    expect_out(pooler, "q_md5", "md5-password");  // cannot be proved by SCRAM
  }
  for (const char* type : {"md5", "plain"}) {
    Pooler pooler(config(type));
    expect_in(pooler, "q_scram", "scram-password");
    expect_in(pooler, "q_md5", "md5-password");
    expect_out(pooler, "q_scram", "wrong");
    expect_out(pooler, "q_md5", "wrong");
    CHECK(!pooler.logged("SCRAM-SHA-256$"));
    CHECK(!pooler.logged("md5-password"));
  }
}

TEST_CASE(
    "unknown, without password and expired: one answer for all, and nobody becomes the asker") {
  make_roles();
  for (const char* type : {"scram-sha-256", "md5", "plain"}) {
    Pooler pooler(config(type));
    expect_out(pooler, "q_nobody", "anything");
    expect_out(pooler, "q_null", "anything");
    expect_out(pooler, "q_expired", "expired-password");
    // CVE-2015-6817: the asker's own password is nobody else's.
    expect_out(pooler, "q_nobody", "asker-password");
    CHECK(pooler.console("show users").rows() > 0);
    for (int i = 0, rows = pooler.console("show pools").rows(); i < rows; ++i) {
      CHECK(pooler.console("show pools").at(i, "user") != "q_nobody");
    }
  }
}

TEST_CASE("the default query honours VALID UNTIL (CVE-2025-2291)") {
  make_roles();
  PoolerConfig how = config("scram-sha-256");
  how.settings.erase("auth_query");
  how.settings["auth_user"] = "postgres";
  Pooler pooler(how);
  expect_in(pooler, "q_scram", "scram-password");
  expect_out(pooler, "q_expired", "expired-password");
  expect_out(pooler, "q_nobody", "anything");
}

TEST_CASE("a changed password works at once, and the old one at once no more") {
  make_roles();
  for (const char* type : {"plain", "md5", "scram-sha-256"}) {
    for (const char* user : {"q_md5", "q_scram"}) {
      if (type == std::string("scram-sha-256") && user == std::string("q_md5")) continue;
      CAPTURE(type);
      CAPTURE(user);
      Pooler pooler(config(type));
      std::string old = user == std::string("q_md5") ? "md5-password" : "scram-password";
      expect_in(pooler, user, old);
      primary().sql(std::string("alter role ") + user + " password 'new-password'");
      expect_in(pooler, user, "new-password");
      primary().sql(std::string("alter role ") + user + " password '" + old + "'");
      expect_out(pooler, user, "new-password");
      expect_in(pooler, user, old);
      primary().sql(std::string("alter role ") + user + " valid until '2001-01-01'");
      expect_out(pooler, user, old);
      make_roles();
    }
  }
}

TEST_CASE("a kept answer serves for auth_query_cache_ttl where the question hangs or fails") {
  make_roles();
  PoolerConfig how = config("scram-sha-256");
  how.settings["auth_query_cache_ttl"] = "1h";
  Pooler pooler(how);
  for (int i = 0; i < 3; ++i) expect_in(pooler, "q_scram", "scram-password");
  CHECK(asked() == 3);
  expect_out(pooler, "q_scram", "wrong");  // judged by a new answer: not asked twice
  CHECK(asked() == 4);
  {
    Client keeper = primary().connect();
    keeper.exec("select pg_advisory_lock(4711)");
    for (int i = 0; i < 5; ++i) expect_in(pooler, "q_scram", "scram-password");
    keeper.exec("select pg_advisory_unlock(4711)");
  }
  CHECK(asked() == 5);  // one question hung
  eventually("it was answered", [&] {
    expect_in(pooler, "q_scram", "scram-password");
    return asked() > 5;
  });
  primary().sql("revoke execute on function public.user_secret from asker");
  expect_in(pooler, "q_scram", "scram-password");
  pooler.console("reload");  // forgets all answers
  ErrorReport report = refused(pooler.conninfo("db", "q_scram", "password=scram-password"));
  CHECK(report.message == "bouncer config error");
  primary().sql("grant execute on function public.user_secret to asker");
  pooler.console("set auth_query_cache_ttl = 0");
  expect_in(pooler, "q_scram", "scram-password");
  primary().sql("revoke execute on function public.user_secret from asker");
  report = refused(pooler.conninfo("db", "q_scram", "password=scram-password"));
  CHECK(report.message == "bouncer config error");
  primary().sql("grant execute on function public.user_secret to asker");
}

TEST_CASE("an entry's own auth_user, auth_query and auth_dbname; the console's users") {
  make_roles();
  primary().create_database("elsewhere");
  PoolerConfig how = config("scram-sha-256");
  how.settings.erase("auth_user");
  how.settings.erase("auth_query");
  how.settings["admin_users"] = "admin, q_scram";
  how.databases = {entry("plain", primary(), "elsewhere"),
                   entry("asks", primary(), "elsewhere",
                         std::string("auth_user=asker auth_dbname=users auth_query=") + kFunction),
                   entry("lost", primary(), "elsewhere", "auth_user=asker auth_dbname=gone"),
                   entry("wrong", primary(), "postgres", "auth_user=asker auth_query='select $1'"),
                   entry("broken", primary(), "postgres", "auth_user=asker auth_query='selec $1'"),
                   entry("users", primary(), "postgres")};
  Pooler pooler(how);
  expect_in(pooler, "q_scram", "scram-password", "asks");
  expect_out(pooler, "q_scram", "scram-password", "plain");
  for (const char* name : {"lost", "wrong", "broken"}) {
    ErrorReport report = refused(pooler.conninfo(name, "q_scram", "password=x"));
    CHECK(report.message == "bouncer config error");
  }
  CHECK(pooler.logged("authentication database \"gone\" is not configured."));
  CHECK(pooler.logged("error in auth_query: expected 2 columns from auth_query, not 1"));
  CHECK(pooler.logged("error in auth_query: syntax error"));
  CHECK_THROWS(pooler.connect("howdah", "q_scram", "password=scram-password"));
  how.settings["auth_user"] = "asker";
  how.settings["auth_dbname"] = "users";
  how.settings["auth_query"] = "select uname, secret from public.user_secret($1)";
  Pooler console(how);
  CHECK(console.connect("howdah", "q_scram", "password=scram-password").exec("show lists").rows() >
        0);
}

TEST_CASE("a user's name is a parameter, never SQL") {
  make_roles();
  Pooler pooler(config("scram-sha-256"));
  for (const char* user : {"q'; drop table public.secrets; --", "$1", "\\", "q_scram' or '1'='1"}) {
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", user}, {"database", "db"}}));
    CHECK(client.read().type == 'R');
  }
  CHECK(primary().sql("select count(*) from public.secrets").at(0, 0) == "0");
  CHECK(asked() == 4);
}

TEST_CASE("nothing that clients left on a server bends the look-up (CVE-2025-12819)") {
  make_roles();
  primary().sql(
      "drop schema if exists evil cascade; create schema evil; "
      "create table evil.secrets as select 'q_scram'::text uname, 'guess'::text secret; "
      "grant usage on schema evil to public; grant select on evil.secrets to public; "
      "grant temporary on database postgres to asker");
  PoolerConfig how = config("plain");
  how.settings["auth_query"] = "select uname, secret from secrets where uname = $1";
  how.settings["track_extra_parameters"] = "IntervalStyle, search_path";
  how.settings["default_pool_size"] = "1";
  Pooler pooler(how);
  {
    Client asker = pooler.connect("db", "asker", "password=asker-password");
    asker.exec("set search_path = evil");
    asker.exec("create temp table secrets as select 'q_scram'::text uname, 'guess'::text secret");
  }
  expect_out(pooler, "q_scram", "guess");
  ErrorReport report =
      refused(pooler.conninfo("db", "q_scram", "password=guess options='-c search_path=evil'"));
  CHECK(report.message == std::string(kRefused) + "q_scram\"");
}

TEST_CASE("a server lost in the middle is replaced once") {
  make_roles();
  Client keeper = primary().connect();
  const std::string waiting = "and wait_event_type = 'Lock'";
  auto kill = [&] {
    eventually("the question waits", [&] { return asker_backends(waiting) == 1; });
    std::string pid =
        primary()
            .sql("select pid from pg_stat_activity where usename = 'asker' " + waiting)
            .at(0, 0);
    primary().sql("select pg_terminate_backend(" + pid + ")");
    eventually("it is gone", [&] {
      return primary().sql("select count(*) from pg_stat_activity where pid = " + pid).at(0, 0) ==
             "0";
    });
  };
  Pooler pooler(config("plain"));
  for (int deaths : {1, 2}) {
    keeper.exec("select pg_advisory_lock(4711)");
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", "q_scram"}, {"database", "db"}}));
    for (int i = 0; i < deaths; ++i) kill();
    if (deaths == 1) {
      keeper.exec("select pg_advisory_unlock(4711)");
      CHECK(client.read().type == 'R');
      pooler.console("reload");  // forget the answer
    } else {
      CHECK(client.until_closed().message == "bouncer config error");
      keeper.exec("select pg_advisory_unlock(4711)");
    }
  }
  expect_in(pooler, "q_scram", "scram-password");
}

TEST_CASE("a server that cannot be reached: logins of the file go on, the others time out") {
  make_roles();
  PoolerConfig how = config("plain");
  how.settings["client_login_timeout"] = "1";
  how.settings["auth_dbname"] = "away";
  how.databases.push_back("away = host=127.0.0.1 port=" + std::to_string(free_port()));
  Pooler pooler(how);
  RawClient stuck = pooler.raw();
  stuck.send(msg::startup({{"user", "q_scram"}, {"database", "db"}}));
  CHECK_NOTHROW(pooler.connect("db", "asker", "password=asker-password"));
  CHECK(stuck.until_closed().message == "client_login_timeout");
}

TEST_CASE("500 logins at once of as many users pass through a pool of 2") {
  make_roles();
  primary().sql(
      "do $$ begin for i in 1..500 loop "
      "execute format('drop role if exists q_many_%s', i); "
      "execute format('create role q_many_%s login', i); end loop; end $$; "
      "update pg_authid set rolpassword = 'md5' || md5('many' || rolname) "
      "where rolname like 'q\\_many\\_%'");
  PoolerConfig how = config("plain", "user=postgres");
  how.settings["max_client_conn"] = "600";
  how.settings["default_pool_size"] = "2";
  Pooler pooler(how);
  std::vector<RawClient> clients;
  for (int i = 1; i <= 500; ++i) {
    clients.push_back(pooler.raw());
    clients.back().send(
        msg::startup({{"user", "q_many_" + std::to_string(i)}, {"database", "db"}}));
  }
  int most = 0;
  for (RawClient& client : clients) {
    CHECK(client.read().body == msg::i32(3));
    client.send(msg::password("many"));
    if (&client - clients.data() == 100) most = asker_backends();
  }
  for (RawClient& client : clients) CHECK(client.until('Z').back().type == 'Z');
  CHECK(most >= 1);
  CHECK(most <= 2);
  CHECK(asker_backends() <= 2);
  CHECK(asked() == 500);
  primary().sql(
      "do $$ begin for i in 1..500 loop "
      "execute format('drop role q_many_%s', i); end loop; end $$");
}

TEST_CASE("200 logins at once of one user share a question or two") {
  make_roles();
  Client keeper = primary().connect();
  keeper.exec("select pg_advisory_lock(4711)");
  PoolerConfig how = config("plain");
  how.settings["max_client_conn"] = "300";
  Pooler pooler(how);
  std::vector<RawClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(pooler.raw());
    clients.back().send(msg::startup({{"user", "q_scram"}, {"database", "db"}}));
  }
  eventually("all are there", [&] {
    return pooler.show("lists", {{"list", "login_clients"}})["items"] == "200" ||
           pooler.console("show clients").rows() >= 200;
  });
  keeper.exec("select pg_advisory_unlock(4711)");
  for (RawClient& client : clients) {
    CHECK(client.read().body == msg::i32(3));
    client.send(msg::password("scram-password"));
  }
  for (RawClient& client : clients) CHECK(client.until('Z').back().type == 'Z');
  CHECK(asked() <= 3);  // the one under way when they came, and the next
}

TEST_CASE(
    "an auth_query that answers oddly lets nobody in, and its server is good for the next "
    "question") {
  make_roles();
  struct Odd {
    const char *name, *query,
        *log;  // log: what is said there, and the client hears of the configuration
  };
  constexpr Odd kOdd[] = {
      {"three", "select $1, $1, $1", "expected 2 columns from auth_query, not 3"},
      {"none", "select from generate_series(1, length($1))",
       "expected 2 columns from auth_query, not 0"},
      {"null", "select null::text, $1", "the user's name is NULL or empty"},
      {"empty", "select '', $1", "the user's name is NULL or empty"},
      {"long", "select repeat('n', 128), $1", "the user's name is longer than 127 bytes"},
      {"big", "select $1, repeat('s', 300000)", "its row is too long or malformed"},
      {"zero", "select $1, (1 / (length($1) - length($1)))::text", "division by zero"},
      {"two", "select $1, $1; select $1, $1", "cannot insert multiple commands"},
      {"copy", "copy (select 1) to stdout", ""},
      {"begin", "begin", ""},
      {"other", "select 'q_null', 'SCRAM-SHA-256$1:'", ""},
      {"nobody", "select $1, $1 where false", ""},
  };
  PoolerConfig how = config("plain");
  how.settings["default_pool_size"] = "1";
  how.settings["query_wait_timeout"] = "20";
  for (const Odd& odd : kOdd) {
    std::string query;
    for (const char* c = odd.query; *c; ++c) query += *c == '\'' ? "''" : std::string(1, *c);
    how.databases.push_back(
        entry(odd.name, primary(), "postgres", "auth_dbname=db auth_query='" + query + "'"));
  }
  Pooler pooler(how);
  for (int round = 0; round < 2; ++round) {
    for (const Odd& odd : kOdd) {
      CAPTURE(odd.name);
      ErrorReport report = refused(pooler.conninfo(odd.name, "q_md5", "password=md5-password"));
      CHECK(report.severity == "FATAL");
      if (*odd.log) {
        CHECK(report.message == "bouncer config error");
        CHECK_MESSAGE(pooler.logged(std::string("error in auth_query: ") + odd.log), pooler.log());
      }
      expect_in(pooler, "q_scram", "scram-password");
    }
    pooler.console("RELOAD");
  }
}
