// Hidden state: what DO, CALL and functions leave behind reaches no other client.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

void make_functions(PgCluster& pg) {
  pg.sql("create schema if not exists hidden;"
         "create or replace function hidden.leave() returns int language plpgsql as $$ begin "
         "  perform pg_catalog.set_config('work_mem', '9MB', false);"
         "  perform pg_catalog.set_config('app.hidden', 'leaked', false);"
         "  set timezone = 'Asia/Tokyo';"
         "  create temp table if not exists left_behind (i int);"
         "  perform pg_advisory_lock(99); listen hidden_channel; return 1; end $$;"
         "create or replace procedure hidden.leave_too() language plpgsql as "
         "  $$ begin perform hidden.leave(); end $$",
         "dirty");
}

const char kSeen[] =
    "select concat_ws('|', current_setting('work_mem'), current_setting('TimeZone'), current_user, "
    "session_user, coalesce(current_setting('app.hidden', true), ''), "
    "(select count(*) from pg_class where relnamespace = pg_my_temp_schema()), "
    "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), "
    "(select count(*) from pg_listening_channels()))";

}  // namespace

TEST_CASE("what a client hides in a session, the next one does not see" *
          doctest::skip(on_pgbouncer())) {
  primary().create_database("dirty");
  make_functions(primary());
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "dirty")}});
  Client client = pooler.connect("db"), other = pooler.connect("db");
  std::string server = client.value("select pg_backend_pid()");
  std::string before = other.value(kSeen);
  CHECK(before == "4MB|UTC|postgres|postgres||0|0|0");
  int rounds = full_run() ? 200 : 5;
  for (int i = 0; i < rounds; ++i) {
    for (const char* sql : {"do $$ begin perform hidden.leave(); end $$", "call hidden.leave_too()",
                            "select hidden.leave()",
                            "do $$ begin set role pg_read_all_data; end $$",
                            "do $$ begin perform set_config('session_authorization', "
                            "'pg_monitor', false); end $$",
                            "begin; select hidden.leave(); commit"}) {
      CAPTURE(sql);
      client.exec(sql);
      CHECK(other.value(kSeen) == before);
    }
    client.query("select hidden.leave()");
    CHECK(other.value(kSeen) == before);
  }
  CHECK(other.value("select pg_backend_pid()") == server);  // cleaned, not replaced
}

TEST_CASE("a client's known settings come back after its server was cleaned" *
          doctest::skip(on_pgbouncer())) {
  primary().create_database("dirty");
  make_functions(primary());
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "dirty")}});
  Client client = pooler.connect("db");
  client.exec("set search_path = hidden, public; set role pg_monitor; reset role");
  for (int i = 0; i < 5; ++i) {
    client.exec("select leave()");
    CHECK(client.value("show search_path") == "hidden, public");
    // It was told so: a parameter that is reported follows whatever set it.
    CHECK(client.value("show timezone") == "Asia/Tokyo");
    CHECK(client.parameter("TimeZone") == "Asia/Tokyo");
    CHECK(client.value("show work_mem") == "4MB");
  }
}

TEST_CASE("a hot standby is cleaned, too" * doctest::skip(on_pgbouncer())) {
  PgCluster pg;
  pg.create_database("dirty");
  make_functions(pg);
  auto replica = pg.make_replica();
  pg.wait_replayed(*replica);
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", *replica, "dirty")}});
  Client client = pooler.connect("db"), other = pooler.connect("db");
  std::string server = client.value("select pg_backend_pid()");
  client.exec("set default_transaction_isolation = 'repeatable read'");
  for (int i = 0; i < 3; ++i) {
    client.exec("do $$ begin perform pg_advisory_lock(1); perform set_config('work_mem', '9MB', false);"
                " end $$");
    CHECK(other.value("select concat_ws('|', current_setting('work_mem'), "
                      "current_setting('transaction_isolation'), (select count(*) from pg_locks where "
                      "locktype = 'advisory'))") == "4MB|read committed|0");
  }
  CHECK(other.value("select pg_backend_pid()") == server);
}

// With standard_conforming_strings = off a backslash escapes the quote, and what a reader with it on takes
// for the inside of a string is run.
TEST_CASE("what hides in texts that the pooler cannot read reaches nobody else" *
          doctest::skip(on_pgbouncer())) {
  primary().create_database("dirty");
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {entry("db", primary(), "dirty")}});
  Client client = pooler.connect("db"), other = pooler.connect("db");
  std::string server = client.value("select pg_backend_pid()");
  std::string before = other.value(kSeen);
  client.exec("set standard_conforming_strings = off; set escape_string_warning = off");
  for (const char* sql :
       {R"(select '\''; prepare stray as select 42; select ' --')",
        R"(select '\''; set work_mem = '9MB'; select ' --')",
        R"(select '\''; set role pg_monitor; select ' --')",
        R"(select '\''; create temp table stray (i int); drop table stray; select ' --')",
        R"(select '\''; select pg_advisory_lock(7); select pg_advisory_unlock(7); select ' --')"}) {
    CAPTURE(sql);
    client.exec(sql);
    Result stray = other.attempt("execute stray");
    REQUIRE(stray.failed());
    CHECK(stray.error().code == "26000");
    CHECK(other.value(kSeen) == before);
  }
  CHECK(other.value("select pg_backend_pid()") == server);
}
