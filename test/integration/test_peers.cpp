// Three poolers that stand for one: a cancel request reaches the right one through any of them.
#include <doctest/doctest.h>

#include <csignal>
#include <memory>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr int kCount = 3;

struct Ring {
  std::vector<std::unique_ptr<Pooler>> poolers;

  // `knows(a, b)`: pooler a lists b, both from 1.
  explicit Ring(const std::function<bool(int, int)>& knows = [](int, int) { return true; }) {
    primary().create_database("peering");
    for (int i = 1; i <= kCount; ++i) {
      poolers.push_back(std::make_unique<Pooler>(
          PoolerConfig{.settings = {{"pool_mode", "transaction"},
                                    {"peer_id", std::to_string(i)},
                                    {"cancel_wait_timeout", "5"}},
                       .databases = {entry("db", primary(), "peering")}}));
    }
    for (int i = 1; i <= kCount; ++i) {
      std::string lines = "[peers]\n";
      for (int other = 1; other <= kCount; ++other) {
        if (knows(i, other)) lines += line(other, at(other).port());
      }
      set_peers(i, lines);
    }
  }
  static std::string line(int id, int port) {
    return std::to_string(id) + " = host=127.0.0.1 port=" + std::to_string(port) + "\n";
  }
  void set_peers(int id, const std::string& lines) {
    auto& databases = at(id).config().databases;
    databases.resize(1);
    databases.push_back(lines);  // behind the last line of [databases]
    at(id).write_files();
    at(id).console("RELOAD");
  }
  Pooler& at(int id) { return *poolers[static_cast<std::size_t>(id - 1)]; }
};

void send_cancel(Pooler& pooler, const std::string& key) {
  RawClient canceller = pooler.raw();
  canceller.send(msg::cancel(key));
  CHECK(canceller.read().type == 0);
}

void wait_running(const std::string& mark) {
  eventually(mark, [&] {
    return primary()
               .sql("select count(*) from pg_stat_activity where state = 'active' and query like '%" +
                    mark + "%' and pid <> pg_backend_pid()")
               .at(0, 0) == "1";
  });
}

}  // namespace

TEST_CASE("a cancel that reaches any of the peers cancels, with keys of both lengths" *
          doctest::skip(on_pgbouncer())) {
  Ring ring;
  for (int of = 1; of <= kCount; ++of) {
    for (int minor : {0, 2}) {
      RawClient client = ring.at(of).raw();
      client.send(msg::startup({{"user", "postgres"}, {"database", "db"}}, (3 << 16) + minor));
      client.until('Z');
      std::string key = client.key();
      REQUIRE(key.size() == (minor ? 36 : 8));
      CHECK((key[1] == of && key[2] == 0));  // PgBouncer's layout
      CHECK((key[7] & 3) == 3);
      for (int through = 1; through <= kCount; ++through) {
        client.send(msg::query("select pg_sleep(60) /* ring */"));
        wait_running("ring");
        send_cancel(ring.at(through), key);
        CHECK(error_code(client.until('Z')) == "57014");
      }
      auto row = ring.at(of).show("PEERS", {{"peer_id", "2"}});
      CHECK(row.at("port") == std::to_string(ring.at(2).port()));
    }
  }
}

TEST_CASE("libpq's cancel works through the wrong process" * doctest::skip(on_pgbouncer())) {
  Ring ring;
  RawClient client = ring.at(3).raw("db");
  client.send(msg::query("select pg_sleep(60) /* wrong */"));
  wait_running("wrong");
  // Held open until the cancel was delivered: what follows its end finds the query over.
  send_cancel(ring.at(1), client.key());
  CHECK(error_code(client.until('Z')) == "57014");
}

TEST_CASE("hops are counted: a ring of wrong addresses ends, and a key without hops is dropped" *
          doctest::skip(on_pgbouncer())) {
  Ring ring;
  RawClient client = ring.at(3).raw("db");
  client.send(msg::query("select pg_sleep(60) /* hops */"));
  wait_running("hops");
  std::string none = client.key();
  none[7] = static_cast<char>(none[7] & ~3);
  send_cancel(ring.at(1), none);
  CHECK(client.quiet_for(Millis(50)));
  // 1 thinks that 3 is where 2 is, and 2 that it is where 1 is.
  ring.set_peers(1, "[peers]\n" + Ring::line(3, ring.at(2).port()));
  ring.set_peers(2, "[peers]\n" + Ring::line(3, ring.at(1).port()));
  send_cancel(ring.at(1), client.key());
  CHECK(client.quiet_for(Millis(50)));
  // A reload puts it right.
  ring.set_peers(2, "[peers]\n" + Ring::line(3, ring.at(3).port()));
  send_cancel(ring.at(1), client.key());
  CHECK(error_code(client.until('Z')) == "57014");
}

TEST_CASE("a peer that nobody lists, that is down, or that does not answer holds up nobody else" *
          doctest::skip(on_pgbouncer())) {
  Ring ring([](int who, int other) { return who != 1 || other != 2; });
  RawClient of_two = ring.at(2).raw("db"), of_three = ring.at(3).raw("db");
  of_two.send(msg::query("select pg_sleep(60) /* unlisted */"));
  wait_running("unlisted");
  send_cancel(ring.at(1), of_two.key());
  CHECK(of_two.quiet_for(Millis(50)));
  // Frozen: the request waits, is shown, and ends with cancel_wait_timeout.
  ring.at(3).process().signal(SIGSTOP);
  std::vector<RawClient> waiting;
  ring.at(1).console("SET default_pool_size = 2");
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(ring.at(1).raw());
    waiting.back().send(msg::cancel(of_three.key()));
  }
  eventually("two at a time", [&] {
    auto row = ring.at(1).show("PEER_POOLS", {{"peer_id", "3"}});
    return row.at("cl_active_cancel_req") == "2" && row.at("cl_waiting_cancel_req") == "1";
  });
  CHECK(ring.at(1).console("SHOW PEER_POOLS").rows() == 1);  // 1 knows 1 and 3
  CHECK(ring.at(1).connect("db").value("select 1") == "1");
  for (auto& one : waiting) CHECK(one.read().type == 0);
  ring.at(3).process().signal(SIGCONT);
}
