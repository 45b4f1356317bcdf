// Session state follows its client from server to server (session_state = track).
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(std::map<std::string, std::string> more = {}, const std::string& entry_more = "") {
  PgCluster& pg = primary();
  pg.create_database("state");
  pg.create_role("state_login", "login");
  for (const char* role : {"state_a", "state_b"}) {
    pg.create_role(role, "nologin");
    pg.sql(std::string("grant ") + role + " to state_login");
    pg.sql(std::string("create schema if not exists ") + role + " authorization " + role, "state");
    pg.sql("create or replace view " + std::string(role) + ".who as select '" + role + "'::text as it; "
           "grant usage on schema " + role + " to public; grant select on " + role + ".who to public",
           "state");
  }
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "1"});
  return Pooler({.settings = more,
                 .databases = {entry("db", pg, "state", entry_more)},
                 .userlist = {{"postgres", ""}, {"state_login", ""}}});
}

std::string all_of(Client& client) {
  return client.value(
      "select concat_ws('|', current_setting('search_path'), current_setting('TimeZone'), current_user,"
      " session_user, coalesce(current_setting('app.who', true), ''), current_setting('work_mem'))");
}

}  // namespace

TEST_CASE("two clients with state of their own alternate on one server and never see each other's" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client one = pooler.connect("db"), two = pooler.connect("db");
  one.exec("set search_path = state_a, public");
  one.exec("set timezone = 'Asia/Tokyo'");
  one.exec("select set_config('app.who', 'it''s \xc3\xbc \\ one', false)");
  one.exec("set work_mem = '7MB'");
  one.exec("set role state_a");
  two.exec("set session authorization state_login");
  two.exec("set timezone = 'Europe/Oslo'; set search_path = \"state_b\"");
  two.exec("set app.who = 'two'");
  two.exec("set role state_b");
  Client none = pooler.connect("db");
  int backend = std::stoi(none.value("select pg_backend_pid()"));
  int rounds = full_run() ? 3400 : 150;
  for (int i = 0; i < rounds; ++i) {
    REQUIRE(all_of(one) == "state_a, public|Asia/Tokyo|state_a|postgres|it's \xc3\xbc \\ one|7MB");
    REQUIRE(all_of(two) == "state_b|Europe/Oslo|state_b|state_login|two|4MB");
    REQUIRE(one.value("select it from who") == "state_a");
    REQUIRE(two.value("select it from who") == "state_b");
    REQUIRE(all_of(none) == "\"$user\", public|UTC|postgres|postgres||4MB");
  }
  CHECK(std::stoi(two.value("select pg_backend_pid()")) == backend);
}

TEST_CASE("what a transaction does not keep is not kept" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db"), other = pooler.connect("db");
  auto elsewhere = [&] { return other.value("show work_mem"); };
  client.exec("set work_mem = '1MB'");
  CHECK(elsewhere() == "4MB");
  client.exec("begin; set work_mem = '2MB'; rollback");
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "1MB");
  client.exec("begin; savepoint s; set work_mem = '3MB'; rollback to s; commit");
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "1MB");
  client.exec("begin; savepoint s; set work_mem = '3MB'; release s; commit");
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "3MB");
  client.exec("begin; set local work_mem = '5MB'; commit");
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "3MB");
  CHECK(client.attempt("begin; set work_mem = '6MB'; select 1/0").failed());
  client.exec("rollback");
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "3MB");
  client.exec("select set_config('work_mem', '8MB', true)");
  CHECK(client.value("show work_mem") == "3MB");
  client.exec("select 1, set_config('work_mem', '8' || 'MB', false)");
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "8MB");
  client.query("select set_config('work_mem', $1, false)", {"9MB"});
  CHECK(elsewhere() == "4MB");
  CHECK(client.value("show work_mem") == "9MB");
  client.exec("set session characteristics as transaction isolation level serializable");
  CHECK(other.value("show transaction_isolation") == "read committed");
  CHECK(client.value("show transaction_isolation") == "serializable");
}

TEST_CASE("RESET leads to the client's own start-up values" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client other = pooler.connect("db");
  Client client = pooler.connect(
      "db", "postgres",
      "options='-c timezone=Asia/Tokyo -c work_mem=2MB -c app.who=me -csearch_path=state_a,public'");
  auto now = [&] {
    other.exec("select 1");
    return all_of(client);
  };
  const std::string start = "state_a,public|Asia/Tokyo|postgres|postgres|me|2MB";
  const std::string changed = "state_b|UTC|state_b|postgres|you|3MB";
  auto change = [&] {
    client.exec("set timezone = 'UTC'; set work_mem = '3MB'; set app.who = 'you'");
    client.exec("set role state_b; set search_path = state_b");
  };
  CHECK(now() == start);
  change();
  CHECK(now() == changed);
  client.exec("discard all");
  CHECK(now() == start);
  CHECK(client.parameter("TimeZone") == "Asia/Tokyo");
  change();
  client.exec("reset all");
  CHECK(now() == "state_a,public|Asia/Tokyo|state_b|postgres|me|2MB");
  client.exec("reset role");
  CHECK(now() == start);
  change();
  client.exec("reset search_path; reset app.who");
  CHECK(now() == "state_a,public|UTC|state_b|postgres|me|3MB");
  client.exec("set app.who = ''");
  CHECK(now() == "state_a,public|UTC|state_b|postgres||3MB");
  CHECK(all_of(other) == "\"$user\", public|UTC|postgres|postgres||4MB");
}

TEST_CASE("start-up values are reported as the server writes them, and bad ones refused at login" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  for (int i = 0; i < 2; ++i) {  // asked of a server, then known
    RawClient client = pooler.raw("db", "postgres",
                                  {{"client_encoding", "'utf-8'"},
                                   {"DateStyle", "iso"},
                                   {"application_name", "caf\xc3\xa9"},
                                   {"extra_float_digits", "3"},
                                   {"default_transaction_read_only", "yes"}});
    CHECK(client.parameters().at("client_encoding") == "UTF8");
    CHECK(client.parameters().at("DateStyle") == "ISO, MDY");
    CHECK(client.parameters().at("application_name") == "caf??");
    CHECK(client.parameters().at("default_transaction_read_only") == "on");
    client.send(msg::query("select current_setting('extra_float_digits') || "
                           "current_setting('transaction_read_only')"));
    CHECK(parse_row(client.until('Z').at(1).body).at(0) == "3on");
  }
  for (const auto& [name, value, code] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"TimeZone", "Nowhere/Land", "22023"},
           {"work_mem", "much", "22023"},
           {"no_such_setting", "1", "42704"},
           {"role", "no_such_role", "22023"},
           {"log_connections", "on", "55P02"}}) {
    CAPTURE(name);
    std::string options = " options='-c " + name + "=" + value + "'";
    ErrorReport report = refused(pooler.conninfo("db", "postgres") + options);
    CHECK(report.severity == "FATAL");
    CHECK(report.code == code);
    if (name != "log_connections") {  // PostgreSQL takes that one at the start of a session only
      ErrorReport direct = refused(primary().conninfo("state") + options);
      CHECK(report.code == direct.code);
      CHECK(report.message == direct.message);
    }
  }
  Client client = pooler.connect("db");
  CHECK(client.value("show extra_float_digits") == "1");
}

TEST_CASE("known start-up values need no server" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  const std::string options = "options='-c work_mem=3MB -c timezone=Asia/Tokyo'";
  Client first = pooler.connect("db", "postgres", options);
  Client holder = pooler.connect("db");
  holder.exec("begin");
  Client second = pooler.connect("db", "postgres", options);  // the only server is taken
  holder.exec("commit");
  CHECK(second.value("show work_mem") == "3MB");
}

TEST_CASE("a role that was dropped meanwhile: no statement of the client runs as anybody else" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  PgCluster& pg = primary();
  pg.create_role("state_gone", "nologin");
  pg.sql("grant state_gone to state_login");
  pg.sql("drop table if exists secret; create table secret (owner text, it text); "
         "insert into secret values ('state_gone', 'mine'), ('state_login', 'theirs'); "
         "alter table secret enable row level security; "
         "create policy p on secret using (owner = current_user); "
         "grant select, insert on secret to public",
         "state");
  Client client = pooler.connect("db", "state_login"), other = pooler.connect("db", "state_login");
  client.exec("set role state_gone");
  CHECK(client.value("select string_agg(it, ',') from secret") == "mine");
  CHECK(other.value("select string_agg(it, ',') from secret") == "theirs");
  pg.sql("drop role state_gone");
  for (int i = 0; i < 3; ++i) {
    Result result = client.attempt("select it from secret");
    REQUIRE(result.failed());
    CHECK(result.error().severity == "ERROR");
    CHECK(result.error().code == "22023");
    CHECK(result.error().message == "role \"state_gone\" does not exist");
    CHECK_THROWS_AS(client.query("select 1"), SqlError);
  }
  // In a pipeline the whole batch fails, and the next one, too.
  RawClient raw = pooler.raw("db", "state_login");
  pg.create_role("state_gone", "nologin");
  pg.sql("grant state_gone to state_login");
  raw.send(msg::query("set role state_gone"));
  raw.until('Z');
  other.exec("select 1");
  pg.sql("drop role state_gone");
  raw.send(msg::extended("insert into secret values ('state_login', 'x')") +
           msg::extended("select it from secret") + msg::sync() + msg::extended("select 1") +
           msg::sync() + msg::query("select 1; select 2") + msg::query("select 3"));
  CHECK(raw.types_until('Z') == "EZ");
  CHECK(raw.types_until('Z') == "EZ");
  CHECK(raw.types_until('Z') == "EZ");
  CHECK(raw.types_until('Z') == "EZ");
  CHECK(client.attempt("reset role; select 1").failed());
  CHECK(other.value("select string_agg(it, ',') from secret") == "theirs");
  client.exec("reset role");
  CHECK(client.value("select string_agg(it, ',') from secret") == "theirs");
  raw.send(msg::extended("discard all") + msg::sync());
  CHECK(raw.types_until('Z') == "12nCZ");
  raw.send(msg::query("select 1"));
  CHECK(raw.types_until('Z') == "TDCZ");
  pg.sql("drop table secret", "state");
}

TEST_CASE("a client's settings cannot stand in the way of the pooler or of the next client" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  primary().sql("create schema if not exists trap; grant all on schema trap to public; "
                "create or replace function trap.eq(text, text) returns bool language sql as "
                "'select false'; "
                "drop operator if exists trap.=(text, text); "
                "create operator trap.= (leftarg = text, rightarg = text, function = trap.eq)",
                "state");
  Client client = pooler.connect("db"), other = pooler.connect("db");
  for (const char* sql :
       {"set search_path = trap, pg_catalog", "set statement_timeout = '1ms'",
        "set default_transaction_isolation = 'serializable'", "set default_transaction_read_only = on",
        "set default_transaction_deferrable = on", "set client_encoding = 'SJIS'",
        "set standard_conforming_strings = off", "set client_min_messages = debug5",
        "set role state_a", "set bytea_output = escape"}) {
    CAPTURE(sql);
    for (int i = 0; i < 5; ++i) {
      client.attempt(sql);
      CHECK(all_of(other) == "\"$user\", public|UTC|postgres|postgres||4MB");
      CHECK(other.value("show statement_timeout") == "0");
      CHECK(other.value("show default_transaction_isolation") == "read committed");
    }
  }
  // Its own statement_timeout may stop this, as it would without a pooler.
  eventually("it is reset", [&] { return !client.attempt("reset all; reset role").failed(); });
  CHECK(client.value("show search_path") == "\"$user\", public");
}

TEST_CASE("what connect_query sets is where sessions begin" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({}, "connect_query='set work_mem = ''6MB''; set role state_b'");
  Client client = pooler.connect("db"), other = pooler.connect("db");
  CHECK(other.value("show work_mem") == "6MB");
  client.exec("set work_mem = '2MB'");
  CHECK(other.value("select current_setting('work_mem') || current_user") == "6MBstate_b");
  CHECK(client.value("select current_setting('work_mem') || current_user") == "2MBstate_b");
  client.exec("discard all");
  CHECK(client.value("select current_setting('work_mem') || current_user") == "6MBstate_b");
  CHECK(other.value("select current_setting('work_mem') || current_user") == "6MBstate_b");
}

TEST_CASE("session_state = off: only tracked parameters follow, others are refused at login") {
  if (on_pgbouncer()) return;
  Pooler pooler = make_pooler({{"session_state", "off"}});
  Client client = pooler.connect("db"), other = pooler.connect("db");
  client.exec("set work_mem = '9MB'; set timezone = 'Asia/Tokyo'");
  CHECK(other.value("show work_mem") == "9MB");
  CHECK(other.value("show timezone") == "UTC");
  CHECK(refused(pooler.conninfo("db", "postgres") + " options='-c work_mem=1MB'").message ==
        "unsupported startup parameter in options: work_mem");
}

TEST_CASE("session_state of an entry and after a reload" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"session_state", "off"}}, "session_state=track");
  Client client = pooler.connect("db"), other = pooler.connect("db");
  client.exec("set work_mem = '9MB'");
  CHECK(other.value("show work_mem") == "4MB");
  pooler.config().databases = {entry("db", primary(), "state")};
  pooler.write_files();
  pooler.console("reload");
  other.exec("set work_mem = '8MB'");
  CHECK(other.value("show work_mem") == "8MB");
}
