// What may be opened: sizes, reserve, limits over pools, eviction.
#include "unit/pool/yard.h"

namespace howdah::pool {

TEST_CASE("one connect per waiter, never more than pool_size, connecting ones counted") {
  Yard yard;
  PoolId id = yard.pool();
  yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 1);
  TicketId second = yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 1);
  yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 0);
  CHECK_EQ(yard.ledger.servers(), 2);
  // A waiter that left had its connect begun; the next one needs no other.
  CHECK(yard.ledger.cancel(second));
  yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 0);
}

TEST_CASE("pool_size 0 is no limit, but connects in flight to one host are bounded") {
  auto config = small_config();
  config->settings.default_pool_size = 0;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  for (int i = 0; i < 40; ++i) yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 16);
  yard.opened();
  CHECK_EQ(yard.start_opens().size(), 1);  // the next connect follows at once
  while (!yard.connecting.empty()) yard.opened(), yard.start_opens();
  CHECK_EQ(yard.look(id).active, 40);
}

TEST_CASE("opened without actions leaves the next connect to the tick") {
  auto config = small_config();
  config->settings.default_pool_size = 0;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  for (int i = 0; i < 17; ++i) yard.queue(id);
  yard.tick();
  CHECK_EQ(yard.start_opens().size(), 16);
  Permit permit = std::move(yard.connecting.front());
  yard.connecting.pop_front();
  yard.ledger.opened(permit, 0, yard.now);
  yard.tick();
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("a server told to close counts until it is lost") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id);
  yard.active(id);
  yard.checkin(a);
  CHECK(yard.ledger.retire(a, yard.now));
  yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 0);
  yard.lost(a);
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("the reserve opens when the head has waited, and a pause stops its clock") {
  auto config = small_config();
  config->settings.reserve_pool_size = 1;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  yard.active(id), yard.active(id);
  yard.queue(id), yard.queue(id);
  yard.tick(4900ms);
  CHECK_EQ(yard.start_opens().size(), 0);
  SUBCASE("after reserve_pool_timeout, as many as the reserve has") {
    yard.tick(100ms);
    CHECK_EQ(yard.start_opens().size(), 1);
    CHECK_EQ(yard.reserve_opens, 1);
    yard.tick(10s);
    CHECK_EQ(yard.start_opens().size(), 0);
  }
  SUBCASE("an arrival after that time needs no tick") {
    yard.now += 200ms;
    yard.queue(id);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
  SUBCASE("not while paused, nor at once after it") {
    yard.ledger.pause("", yard.now, yard.actions);
    yard.tick(60s);
    yard.ledger.resume("", yard.now, yard.actions);
    yard.tick(4s);
    CHECK_EQ(yard.start_opens().size(), 0);
    yard.tick(1s);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
}

TEST_CASE("reserve_pool_timeout 0 turns the reserve off") {
  auto config = small_config();
  config->settings.reserve_pool_size = 5;
  config->settings.reserve_pool_timeout = 0s;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  yard.active(id), yard.active(id), yard.queue(id);
  yard.tick(1000s);
  CHECK_EQ(yard.start_opens().size(), 0);
}

namespace {
// One entry, limit 2 over its pools; pool_size 2 each.
std::shared_ptr<config::Config> limited() {
  auto config = small_config();
  config->settings.max_db_connections = 2;
  add_database(*config, "d");
  return config;
}
}  // namespace

TEST_CASE("max_db_connections bounds all pools of an entry, connecting ones counted") {
  Yard yard(limited());
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b");
  SlotId held = yard.active(a);
  yard.queue(b);
  CHECK_EQ(yard.start_opens().size(), 1);
  yard.queue(b);
  CHECK_EQ(yard.start_opens().size(), 0);
  CHECK_EQ(yard.ledger.servers_of_database("d"), 2);
  CHECK_EQ(yard.ledger.servers_of_user("b"), 1);
  yard.lost(held);
  CHECK_EQ(yard.start_opens().size(), 1);
  CHECK_EQ(yard.look(b).connecting, 2);
}

TEST_CASE("max_user_connections bounds a pool user over all entries") {
  auto config = small_config();
  config->settings.max_user_connections = 1;
  add_database(*config, "d"), add_database(*config, "e");
  Yard yard(config);
  PoolId d = yard.pool("d"), e = yard.pool("e");
  yard.active(d);
  yard.queue(e);
  CHECK_EQ(yard.start_opens().size(), 0);
  PoolId other = yard.pool("e", "w");
  yard.queue(other);
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("a full limit evicts the longest idle server of another pool, then opens") {
  Yard yard(limited());
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b"), c = yard.pool("d", "c");
  SlotId oldest = yard.active(a, 1), newer = yard.active(b, 2);
  yard.checkin(oldest, 1), yard.now += 1s, yard.checkin(newer, 2);
  yard.queue(c);
  auto closes = yard.take<Close>();
  REQUIRE_EQ(closes.size(), 1);
  CHECK_EQ(closes[0].slot, oldest);
  CHECK_EQ(closes[0].home, 1);
  CHECK_EQ(std::string(closes[0].reason), "evicted");
  CHECK_EQ(yard.start_opens().size(), 0);
  SUBCASE("the opening waits for the closing") {
    yard.lost(oldest);
    CHECK_EQ(yard.start_opens().size(), 1);
    CHECK_EQ(yard.look(c).connecting, 1);
  }
  SUBCASE("nobody can get the server meanwhile") {
    CHECK(std::holds_alternative<Queued>(yard.checkout(a, 1)));
    CHECK_FALSE(yard.ledger.retire(oldest, yard.now));
    CHECK(yard.take<Close>().empty());  // room is on its way already
    yard.lost(oldest);
    // c came first; a's waiter then needs the other idle one.
    CHECK_EQ(yard.look(c).connecting, 1);
    auto next = yard.take<Close>();
    REQUIRE_EQ(next.size(), 1);
    CHECK_EQ(next[0].slot, newer);
  }
}

TEST_CASE("room in a limit goes to the oldest head waiter of its pools") {
  Yard yard(limited());
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b"), c = yard.pool("d", "c");
  SlotId first = yard.active(a), second = yard.active(a);
  yard.queue(b), yard.now += 1s, yard.queue(a), yard.now += 1s, yard.queue(c);
  yard.lost(first);
  CHECK_EQ(yard.start_opens().size(), 1);
  CHECK_EQ(yard.look(b).connecting, 1);
  yard.lost(second);
  CHECK_EQ(yard.look(a).connecting, 1);
  CHECK_EQ(yard.look(c).connecting, 0);
}

TEST_CASE("a server that comes back unneeded makes room for a pool that the limit holds up") {
  Yard yard(limited());
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b");
  SlotId first = yard.active(a), second = yard.active(a);
  TicketId ticket = yard.queue(b);
  CHECK_EQ(discarded(yard.checkin(first)), "evicted");
  CHECK(std::holds_alternative<Park>(yard.checkin(second)));  // one is enough
  SUBCASE("and is lost for it") {
    yard.lost(first);
    CHECK_EQ(std::get<Give>(yard.opened()).ticket, ticket);
  }
  SUBCASE("but not for a waiter that left") {
    yard.ledger.cancel(ticket);
    yard.lost(first);
    CHECK_EQ(yard.start_opens().size(), 0);
    SlotId third = yard.granted(yard.checkout(a)), fourth = yard.active(a);
    CHECK(std::holds_alternative<Park>(yard.checkin(third)));
    CHECK(std::holds_alternative<Park>(yard.checkin(fourth)));
  }
}

TEST_CASE("nothing is evicted for a pool that another full limit holds up anyway") {
  auto config = small_config();
  config->settings.max_db_connections = 1;
  config->settings.max_user_connections = 1;
  add_database(*config, "d"), add_database(*config, "e");
  Yard yard(config);
  SlotId idle = yard.parked(yard.pool("d", "a"));
  SlotId busy = yard.active(yard.pool("e", "b"));
  PoolId wanting = yard.pool("d", "b");
  yard.queue(wanting);
  CHECK(yard.take<Close>().empty());
  // As soon as it helps, both make room.
  CHECK_EQ(discarded(yard.checkin(busy)), "evicted");
  yard.lost(busy);
  REQUIRE_EQ(yard.take<Close>().size(), 1);
  yard.lost(idle);
  CHECK_EQ(yard.look(wanting).connecting, 1);
}

TEST_CASE("a pool held up by one limit is not forgotten when the other fills up after it") {
  auto config = small_config();
  config->settings.max_db_connections = 1;
  config->settings.max_user_connections = 1;
  add_database(*config, "d"), add_database(*config, "e");
  Yard yard(config);
  SlotId of_user = yard.active(yard.pool("e", "b"));
  PoolId wanting = yard.pool("d", "b");
  yard.queue(wanting);  // user b is full, entry d is not yet
  SlotId of_entry = yard.active(yard.pool("d", "a"));
  CHECK(std::holds_alternative<Park>(yard.checkin(of_user)));  // would not help alone
  CHECK_EQ(discarded(yard.checkin(of_entry)), "evicted");
  yard.lost(of_entry);
  REQUIRE_EQ(yard.take<Close>().size(), 1);
  yard.lost(of_user);
  CHECK_EQ(yard.look(wanting).connecting, 1);
}

TEST_CASE("one's own waiters come before those whom the limit holds up") {
  Yard yard(limited());
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b");
  SlotId first = yard.active(a);
  yard.active(a);
  yard.queue(b);
  TicketId own = yard.queue(a);
  CHECK_EQ(std::get<Give>(yard.checkin(first)).ticket, own);
}

TEST_CASE("a permit that is dropped gives its room back, and the tick looks after the waiters") {
  Yard yard(limited());
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b");
  yard.active(a);
  SlotId second = yard.active(a);
  SUBCASE("of another pool of its limits") { yard.queue(b); }
  SUBCASE("of its own") { yard.queue(a); }
  yard.tick();
  yard.permits.erase(second);
  yard.check();
  CHECK_EQ(yard.ledger.servers(), 1);
  CHECK_EQ(yard.start_opens().size(), 0);
  yard.tick();
  CHECK_EQ(yard.start_opens().size(), 1);
  // An Open that nobody performs is a dropped permit too.
  yard.connecting.clear();
  yard.tick();
  yard.actions.clear();
  yard.check();
  CHECK_EQ(yard.ledger.servers(), 1);
}

TEST_CASE("permits move, and give back once") {
  Yard yard;
  PoolId id = yard.pool();
  yard.queue(id), yard.queue(id);
  yard.start_opens();
  Permit a = std::move(yard.connecting[0]), b = std::move(yard.connecting[1]);
  CHECK_FALSE(yard.connecting[0]);
  a = std::move(b);  // a's own slot is given back
  CHECK_EQ(yard.ledger.servers(), 1);
  Permit& self = a;
  a = std::move(self);
  CHECK(a);
  yard.ledger.lost(std::move(a), yard.now, yard.actions);
  yard.check();
  CHECK_EQ(yard.ledger.servers(), 2);  // opened anew for the two who wait
}

}  // namespace howdah::pool
