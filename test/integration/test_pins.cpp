// State that cannot move keeps its client at its server (pin_unsafe), and leaks to nobody.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(std::map<std::string, std::string> more = {}) {
  primary().create_database("pins");
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "2"});
  return Pooler({.settings = more, .databases = {entry("db", primary(), "pins")}});
}

std::string pid(Client& client) { return client.value("select pg_backend_pid()"); }

std::string pinned(Pooler& pooler, const std::string& name) {
  return pooler.show("clients", {{"application_name", name}}).at("pinned");
}

// Takes what the other servers are: whoever pins keeps the rest for others.
void check_clean(Client& client) {
  CHECK(client.value("select count(*) from pg_listening_channels()") == "0");
  CHECK(client.value("select count(*) from pg_class where relnamespace = pg_my_temp_schema()") == "0");
  CHECK(client.value("select count(*) from pg_cursors where is_holdable") == "0");
  CHECK(client.value("select count(*) from pg_locks where locktype = 'advisory' and "
                     "pid = pg_backend_pid()") == "0");
}

struct Kind {
  const char *begin, *use, *end, *shown;
};
const Kind kKinds[] = {
    {"create temp table t (i int)", "insert into t values (1)", "drop table t", "temporary tables"},
    {"select pg_advisory_lock(7)", "select pg_advisory_lock_shared(8), pg_advisory_unlock_shared(8)",
     "select pg_advisory_unlock_all()", "advisory locks"},
    {"listen news", "notify news", "unlisten *", "LISTEN"},
    {"begin; declare c cursor with hold for select 1; commit", "fetch 0 from c", "close c",
     "WITH HOLD cursors"},
};

}  // namespace

TEST_CASE("state that cannot move keeps its client's server until it ends" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.begin);
    Client client = pooler.connect("db", "postgres", "application_name=holder");
    Client one = pooler.connect("db"), two = pooler.connect("db");
    CHECK(pinned(pooler, "holder") == "");
    client.exec(kind.begin);
    std::string server = pid(client);
    CHECK(pinned(pooler, "holder") == kind.shown);
    CHECK(pooler.pool("db", "postgres", "sv_pinned") == 1);
    CHECK(pooler.logged(std::string("pinned to its server: ") + kind.shown));
    for (int i = 0; i < 5; ++i) {
      client.exec(kind.use);
      CHECK(pid(client) == server);
      CHECK(pid(one) != server);
      one.exec("begin");
      two.send("select pg_backend_pid()");
      one.exec("commit");
      CHECK(two.last().at(0, 0) != server);
    }
    client.exec(kind.end);
    eventually("it is not shown any more", [&] { return pinned(pooler, "holder") == ""; });
    CHECK(pooler.pool("db", "postgres", "sv_pinned") == 0);
    for (int i = 0; i < 3; ++i) check_clean(one);
    // Both servers can be had at once.
    one.exec("begin");
    check_clean(two);
    one.exec("commit");
  }
}

TEST_CASE("what a pinned client leaves behind is cleaned when it goes" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.begin);
    for (bool discard : {false, true}) {
      Client one = pooler.connect("db"), two = pooler.connect("db");
      Client client = pooler.connect("db", "postgres", "application_name=holder");
      client.exec("set application_name = 'holder'; set work_mem = '9MB'");
      client.exec(kind.begin);
      if (discard) {
        client.exec("discard all");
      } else {
        client.close();
      }
      eventually("nobody is", [&] { return pooler.pool("db", "postgres", "sv_pinned") == 0; });
      one.exec("begin");
      check_clean(two);
      check_clean(one);
      CHECK(two.value("show work_mem") == "4MB");
      one.exec("commit");
    }
  }
}

TEST_CASE("a client that listens hears while it is idle, and nobody else does" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"default_pool_size", "2"}});
  Client listener = pooler.connect("db"), other = pooler.connect("db");
  listener.exec("listen news");
  int rounds = full_run() ? 500 : 30;
  for (int i = 0; i < rounds; ++i) {
    if (i % 3 == 0) listener.exec("set work_mem = '5MB'");  // asked about, while the notice comes
    other.exec("notify news, '" + std::to_string(i) + "'");
    PGnotify* got = nullptr;
    eventually("the notification comes", [&] {
      if (PQconsumeInput(listener.raw()) == 0) throw std::runtime_error("listener lost");
      got = PQnotifies(listener.raw());
      return got != nullptr;
    });
    CHECK(std::string(got->extra) == std::to_string(i));
    PQfreemem(got);
  }
  PQconsumeInput(other.raw());
  CHECK(PQnotifies(other.raw()) == nullptr);
}

TEST_CASE("settings of a pinned client stay its own" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db", "postgres", "options='-c work_mem=2MB -c timezone=Asia/Tokyo'");
  Client other = pooler.connect("db");
  client.exec("create temp table t (i int); set work_mem = '3MB'; set timezone = 'UTC'");
  CHECK(client.value("show work_mem") == "3MB");
  client.exec("reset all");
  CHECK(client.value("show work_mem") == "2MB");
  CHECK(client.value("show timezone") == "Asia/Tokyo");
  CHECK(client.value("select count(*) from t") == "0");
  CHECK(other.value("show work_mem") == "4MB");
  client.exec("drop table t");
  CHECK(client.value("show work_mem") == "2MB");
  CHECK(other.value("show work_mem") == "4MB");
}

TEST_CASE("max_pinned_servers protects the others" * doctest::skip(on_pgbouncer())) {
  for (const char* limit : {"-1", "0", "2"}) {
    CAPTURE(limit);
    Pooler pooler = make_pooler({{"max_pinned_servers", limit}, {"default_pool_size", "3"}});
    int allowed = std::string(limit) == "0" ? 0 : 2;
    std::vector<Client> pinned_ones;
    for (int i = 0; i < allowed; ++i) {
      pinned_ones.push_back(pooler.connect("db"));
      pinned_ones.back().exec("create temp table t (i int)");
      CHECK(pinned_ones.back().value("select count(*) from t") == "0");
    }
    Client more = pooler.connect("db");
    more.attempt("create temp table t (i int)");
    ErrorReport report = more.wait_closed();
    CHECK(report.severity == "FATAL");
    CHECK(report.code == "53300");
    CHECK(report.message == "no more servers may be pinned to clients (max_pinned_servers)");
    CHECK(report.hint.find("max_pinned_servers") != std::string::npos);
    Client other = pooler.connect("db");
    check_clean(other);
    CHECK(pooler.pool("db", "postgres", "sv_pinned") == allowed);
    if (allowed > 0) {
      pinned_ones.pop_back();
      eventually("its place is free", [&] {
        return pooler.pool("db", "postgres", "sv_pinned") == allowed - 1;
      });
      other.exec("create temp table t (i int)");
      CHECK(other.value("select count(*) from t") == "0");
    }
  }
}

TEST_CASE("pin_unsafe = 0: such state ends with its transaction" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"pin_unsafe", "0"}, {"default_pool_size", "1"}});
  Client client = pooler.connect("db", "postgres", "application_name=holder");
  Client other = pooler.connect("db");
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.begin);
    client.exec(kind.begin);
    check_clean(other);
    CHECK(pinned(pooler, "holder") == "");
    check_clean(client);
  }
}

TEST_CASE("a setting whose name nobody knows pins its client" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"default_pool_size", "2"}});
  Client client = pooler.connect("db", "postgres", "application_name=holder");
  Client other = pooler.connect("db");
  client.exec("select set_config(n, '5', false) from (values ('app.secret')) v(n)");
  eventually("it is pinned", [&] {
    return pinned(pooler, "holder") == "settings that cannot be followed";
  });
  CHECK(client.value("select current_setting('app.secret')") == "5");
  CHECK(other.value("select coalesce(current_setting('app.secret', true), '')") == "");
  client.close();
  eventually("it is gone", [&] { return pooler.pool("db", "postgres", "sv_pinned") == 0; });
  other.exec("begin");
  Client third = pooler.connect("db");
  CHECK(third.value("select coalesce(current_setting('app.secret', true), '')") == "");
  CHECK(other.value("select coalesce(current_setting('app.secret', true), '')") == "");
}

TEST_CASE("a pinned client that idles too long is closed, its server is not cut by its lifetime" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"server_lifetime", "1"}, {"client_idle_timeout", "0"}});
  Client client = pooler.connect("db");
  client.exec("create temp table t (i int)");
  std::string server = pid(client);
  auto until = Clock::now() + Millis(2500);
  while (Clock::now() < until) CHECK(pid(client) == server);
  pooler.config().settings["client_idle_timeout"] = "1";
  pooler.write_files();
  pooler.console("reload");
  CHECK(client.wait_closed().message == "client_idle_timeout");
}

TEST_CASE("a pinned client whose server dies is told so" * doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("create temp table t (i int)");
  CHECK(client.value("select count(*) from t") == "0");
  primary().drop_backends("pins");
  CHECK(client.wait_closed().severity == "FATAL");
  CHECK(pooler.pool("db", "postgres", "sv_pinned") == 0);
  CHECK(pooler.connect("db").value("select 1") == "1");
}
