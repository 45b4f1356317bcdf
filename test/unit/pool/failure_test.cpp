// Connects and logins that fail: hosts, back-off, cached errors.
#include "unit/pool/yard.h"

namespace howdah::pool {

namespace {
std::shared_ptr<config::Config> hosts(std::size_t count,
                                      config::LoadBalance mode = config::LoadBalance::RoundRobin) {
  auto config = small_config();
  config->settings.default_pool_size = 50;
  add_database(*config, "d", count)->load_balance_hosts = mode;
  return config;
}
using Numbers = std::vector<std::size_t>;
}  // namespace

TEST_CASE("connects go round the hosts, per pool") {
  Yard yard(hosts(3));
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b");
  for (int i = 0; i < 4; ++i) yard.queue(a);
  yard.queue(b);
  CHECK_EQ(yard.start_opens(), Numbers{0, 1, 2, 0, 0});
}

TEST_CASE("without balancing a pool stays on a host until it fails, then takes the next") {
  Yard yard(hosts(3, config::LoadBalance::Disable));
  PoolId id = yard.pool();
  for (int i = 0; i < 20; ++i) yard.queue(id);
  CHECK_EQ(yard.start_opens(), Numbers(16, 0));  // in flight: bounded, not spilled over
  yard.connect_failed();
  CHECK_EQ(yard.start_opens()[0], 1);
  for (int i = 0; i < 15; ++i) yard.connect_failed();
  for (std::size_t host : yard.start_opens()) CHECK_EQ(host, 1);
  yard.now += 60s;  // host 0 is out of back-off, but nobody goes back to it
  yard.opened();
  CHECK(yard.start_opens().size() <= 4);
  for (int i = 0; i < 10; ++i) yard.queue(id);
  for (std::size_t host : yard.start_opens()) CHECK_EQ(host, 1);
}

TEST_CASE("a failed connect tries the next host at once, and no host in back-off") {
  Yard yard(hosts(2));
  PoolId id = yard.pool();
  yard.queue(id);
  CHECK_EQ(yard.start_opens(), Numbers{0});
  yard.connect_failed();
  CHECK_EQ(yard.start_opens(), Numbers{1});
  yard.connect_failed();
  CHECK_EQ(yard.start_opens(), Numbers{});
  CHECK_EQ(yard.look(id).waiting, 1);
  yard.tick(249ms);
  CHECK_EQ(yard.start_opens(), Numbers{});
  yard.tick(1ms);
  CHECK_EQ(yard.start_opens(), Numbers{0});
}

TEST_CASE("back-off doubles up to server_login_retry and a success clears it") {
  Yard yard(hosts(1));
  PoolId id = yard.pool();
  yard.queue(id);
  for (Duration delay : {250ms, 500ms, 1000ms, 2000ms, 4000ms, 8000ms, 15000ms, 15000ms}) {
    REQUIRE_EQ(yard.start_opens().size(), 1);
    yard.connect_failed();
    yard.tick(delay - 1ms);
    CHECK_EQ(yard.start_opens().size(), 0);
    yard.tick(1ms);
  }
  yard.opened();
  yard.queue(id);
  yard.connect_failed();
  yard.tick(250ms);
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("a server_login_retry under the first back-off is used, 0 does not spin") {
  auto config = hosts(1);
  config->settings.server_login_retry = 100ms;
  SUBCASE("100 ms") {}
  SUBCASE("0") { config->settings.server_login_retry = 0s; }
  Yard yard(config);
  PoolId id = yard.pool();
  yard.queue(id);
  for (int i = 0; i < 3; ++i) {
    yard.connect_failed();
    CHECK_EQ(yard.start_opens().size(), 0);
    yard.tick(100ms);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
}

TEST_CASE("connects that fail together are one failure") {
  Yard yard(hosts(1));
  PoolId id = yard.pool();
  for (int i = 0; i < 5; ++i) yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 5);
  for (int i = 0; i < 5; ++i) yard.now += 1ms, yard.connect_failed();
  yard.tick(246ms);
  CHECK_EQ(yard.start_opens().size(), 1);  // a host that failed is tried with one connect
  yard.opened();
  CHECK_EQ(yard.start_opens().size(), 4);  // and then with all that are needed
}

TEST_CASE("one pool's trouble with a host is not another's") {
  Yard yard(hosts(1));
  yard.queue(yard.pool("d", "a"));
  yard.connect_failed();
  yard.queue(yard.pool("d", "b"));
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("a refused login fails the waiters of a pool that has no server") {
  Yard yard(hosts(1));
  PoolId id = yard.pool();
  TicketId a = yard.queue(id, 1, 11), b = yard.queue(id, 2, 22);
  yard.start_opens();
  yard.login_failed({"28P01", "password authentication failed for user \"u\""});
  auto fails = yard.take<Fail>();
  REQUIRE_EQ(fails.size(), 2);
  CHECK_EQ(fails[0].ticket, a);
  CHECK_EQ(fails[1].ticket, b);
  CHECK_EQ(fails[1].to.client, 22);
  CHECK_EQ(fails[0].error.code, "28P01");
  CHECK_EQ(fails[0].error.text, "password authentication failed for user \"u\"");
  SUBCASE("another attempt is under way: clients wait for it") {
    CHECK(std::holds_alternative<Queued>(yard.checkout(id)));
  }
  SUBCASE("nothing can be tried: the cached error, at once") {
    yard.login_failed({"28P01", "no"});
    Checkout answer = yard.checkout(id);
    REQUIRE(std::holds_alternative<Refused>(answer));
    CHECK_EQ(std::get<Refused>(answer).error.code, "28P01");
    CHECK_EQ(std::get<Refused>(answer).error.text,
             "server login has been failing, cached error: no (server_login_retry)");
    SUBCASE("until the retry time has passed") {
      yard.now += 15s;
      CHECK(std::holds_alternative<Queued>(yard.checkout(id)));
      CHECK_EQ(yard.start_opens().size(), 1);
      yard.opened();
      CHECK_EQ(yard.look(id).active, 1);
      SUBCASE("a success clears it") {
        yard.lost(yard.last);
        yard.queue(id);
        yard.connect_failed();
        CHECK(std::holds_alternative<Queued>(yard.checkout(id)));
      }
    }
    SUBCASE("or an operator says RECONNECT") {
      yard.ledger.reconnect("d", yard.now, yard.actions);
      CHECK(std::holds_alternative<Queued>(yard.checkout(id)));
    }
  }
}

TEST_CASE("a refused login leaves waiters alone while the pool has a server") {
  Yard yard(hosts(1));
  PoolId id = yard.pool();
  SlotId held = yard.active(id);
  TicketId waiting = yard.queue(id);
  yard.start_opens();
  yard.login_failed({"53300", "full"});
  CHECK(yard.take<Fail>().empty());
  CHECK_EQ(std::get<Give>(yard.checkin(held)).ticket, waiting);
}

TEST_CASE("a server lost while it connects is no failure of its host") {
  Yard yard(hosts(1));
  PoolId id = yard.pool();
  yard.queue(id);
  yard.start_opens();
  Permit permit = std::move(yard.connecting.front());
  yard.connecting.pop_front();
  yard.ledger.lost(std::move(permit), yard.now, yard.actions);
  CHECK_EQ(yard.start_opens().size(), 1);
}

}  // namespace howdah::pool
