// What operators do: reload, RECONNECT, PAUSE, RESUME, drain.
#include "unit/pool/yard.h"

namespace howdah::pool {

namespace {
std::shared_ptr<config::Config> with_size(int size, std::size_t hosts = 1) {
  auto config = small_config();
  config->settings.default_pool_size = size;
  add_database(*config, "d", hosts);
  return config;
}
void reload(Yard& yard, std::shared_ptr<const config::Config> config) {
  yard.ledger.reconfigure(std::move(config), yard.now, yard.actions);
  yard.check();
}
}  // namespace

TEST_CASE("a larger pool opens for its waiters at once") {
  Yard yard(with_size(1));
  PoolId id = yard.pool();
  yard.active(id), yard.queue(id), yard.queue(id);
  reload(yard, with_size(2));
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("a smaller pool closes what is parked, and the rest as it comes back") {
  Yard yard(with_size(4));
  PoolId id = yard.pool();
  SlotId a = yard.active(id), b = yard.active(id), c = yard.active(id), d = yard.active(id);
  yard.checkin(a);
  reload(yard, with_size(1));
  auto closes = yard.take<Close>();
  REQUIRE_EQ(closes.size(), 1);
  CHECK_EQ(closes[0].slot, a);
  CHECK_EQ(std::string(closes[0].reason), "too many servers in the pool");
  CHECK_EQ(discarded(yard.checkin(b)), "too many servers in the pool");
  CHECK_EQ(discarded(yard.checkin(c)), "too many servers in the pool");
  CHECK(std::holds_alternative<Park>(yard.checkin(d)));
}

TEST_CASE("a changed connect string makes all servers of the entry obsolete") {
  Yard yard(with_size(4));
  PoolId id = yard.pool();
  SlotId idle = yard.active(id), held = yard.active(id);
  TicketId ticket = yard.queue(id);
  yard.start_opens();
  yard.checkin(idle, 0);  // goes to the waiter
  yard.checkin(idle, 0);
  (void)ticket;
  reload(yard, with_size(4, 2));
  auto closes = yard.take<Close>();
  REQUIRE_EQ(closes.size(), 1);
  CHECK_EQ(closes[0].slot, idle);
  CHECK_EQ(std::string(closes[0].reason), "connect string changed");
  CHECK_EQ(discarded(yard.checkin(held)), "connect string changed");
  CHECK_EQ(yard.look(id).obsolete, 3);
  CHECK_EQ(discarded(yard.opened()), "connect string changed");  // its login ended too late
  yard.lost(idle), yard.lost(held), yard.lost(yard.last);
  yard.queue(id), yard.queue(id);
  CHECK_EQ(yard.start_opens(), std::vector<std::size_t>{0, 1});  // the new hosts
}

TEST_CASE("an unchanged entry keeps its servers over a reload") {
  Yard yard(with_size(4));
  PoolId id = yard.pool();
  SlotId slot = yard.parked(id);
  reload(yard, with_size(4));
  CHECK(yard.actions.empty());
  CHECK_EQ(yard.granted(yard.checkout(id)), slot);
}

TEST_CASE("a removed entry fails its waiters, closes its servers, and is forgotten") {
  Yard yard(with_size(2));
  PoolId id = yard.pool();
  yard.ledger.client_joined(id);
  SlotId a = yard.active(id), b = yard.active(id);
  TicketId ticket = yard.queue(id);
  reload(yard, small_config());
  auto fails = yard.take<Fail>();
  REQUIRE_EQ(fails.size(), 1);
  CHECK_EQ(fails[0].ticket, ticket);
  CHECK_EQ(fails[0].error.code, "57P01");
  CHECK_EQ(fails[0].error.text, "database removed");
  CHECK(std::holds_alternative<Refused>(yard.checkout(id)));
  CHECK_EQ(discarded(yard.checkin(a)), "database configuration changed");
  yard.lost(a), yard.lost(b);
  CHECK_EQ(yard.start_opens().size(), 0);
  SUBCASE("forgotten when its last client is gone") {
    yard.ledger.client_left(id, yard.now);
    yard.tick(), yard.tick(2s);
    CHECK_FALSE(yard.exists(id));
  }
  SUBCASE("alive again when the entry comes back") {
    reload(yard, with_size(2));
    yard.queue(id);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
}

TEST_CASE("a waiter whose promised server dies after the entry was removed fails, too") {
  Yard yard(with_size(1));
  PoolId id = yard.pool();
  SlotId slot = yard.parked(id, 1);
  TicketId ticket = std::get<Fetch>(yard.checkout(id, 0)).ticket;
  reload(yard, small_config());
  CHECK(yard.take<Fail>().empty());
  SUBCASE("by lost") {
    yard.lost(slot);
    auto fails = yard.take<Fail>();
    REQUIRE_EQ(fails.size(), 1);
    CHECK_EQ(fails[0].ticket, ticket);
  }
  SUBCASE("by a dropped permit") {
    yard.permits.erase(slot);
    yard.check();
    yard.tick();
    CHECK_EQ(yard.take<Fail>().size(), 1);
  }
  SUBCASE("but one that arrives is used, and closed after") {
    CHECK(yard.ledger.adopted(slot, ticket, 0, yard.now));
    CHECK_EQ(discarded(yard.checkin(slot, 0)), "database configuration changed");
  }
}

TEST_CASE("a pool asked for with an entry that a reload removed is refused") {
  auto before = with_size(1);
  Yard yard(before);
  reload(yard, small_config());
  PoolId id = yard.ledger.pool(before->find_database("d"), "late");
  CHECK(std::holds_alternative<Refused>(yard.checkout(id)));
  yard.tick(), yard.tick(2s);
  CHECK_FALSE(yard.exists(id));
}

TEST_CASE("changed limits over pools count the servers that are there") {
  auto tight = with_size(5), loose = with_size(5);
  tight->settings.max_db_connections = 2;
  Yard yard(loose);
  PoolId a = yard.pool("d", "a"), b = yard.pool("d", "b");
  SlotId first = yard.active(a), second = yard.active(a), third = yard.active(a);
  yard.now += 1s, yard.checkin(second), yard.now += 1s, yard.checkin(first);
  reload(yard, tight);
  yard.queue(b);
  auto closes = yard.take<Close>();  // 3 servers, limit 2: two must go to have room for one
  REQUIRE_EQ(closes.size(), 2);
  CHECK_EQ(closes[0].slot, second);
  yard.lost(second);
  CHECK_EQ(yard.start_opens().size(), 0);
  yard.lost(first);
  CHECK_EQ(yard.start_opens().size(), 1);
  reload(yard, loose);
  yard.queue(b);
  CHECK_EQ(yard.start_opens().size(), 1);
  yard.checkin(third);
}

TEST_CASE("a reload makes the pool of a forced user with min_pool_size") {
  Yard yard(with_size(1));
  auto config = with_size(1);
  auto db = add_database(*config, "e");
  db->user = "app";
  db->min_pool_size = 1;
  reload(yard, config);
  yard.tick();
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("RECONNECT closes parked servers now and the others as they come back") {
  Yard yard;
  PoolId id = yard.pool(), other = yard.pool("d", "w");
  SlotId idle = yard.active(id), held = yard.active(id), elsewhere = yard.parked(other, 1);
  yard.checkin(idle);
  yard.ledger.reconnect("nosuch", yard.now, yard.actions);
  CHECK(yard.actions.empty());
  yard.ledger.reconnect("d", yard.now, yard.actions);
  yard.check();
  auto closes = yard.take<Close>();
  REQUIRE_EQ(closes.size(), 2);
  CHECK_EQ(closes[0].slot, idle);
  CHECK_EQ(closes[1].slot, elsewhere);
  CHECK_EQ(closes[1].home, 1);
  TicketId waiting = yard.queue(id);
  CHECK_EQ(discarded(yard.checkin(held)), "close_needed");  // not even for a waiter
  yard.lost(held);
  CHECK_EQ(std::get<Give>(yard.opened()).ticket, waiting);
  CHECK(std::holds_alternative<Park>(yard.checkin(yard.last)));
}

TEST_CASE("PAUSE grants and opens nothing, closes what is idle, and RESUME goes on in order") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId idle = yard.active(id), held = yard.active(id);
  yard.checkin(idle);
  std::string which;
  SUBCASE("all") {}
  SUBCASE("one database") { which = "d"; }
  yard.ledger.pause(which, yard.now, yard.actions);
  yard.check();
  CHECK(yard.look(id).paused);
  auto closes = yard.take<Close>();
  REQUIRE_EQ(closes.size(), 1);
  CHECK_EQ(std::string(closes[0].reason), "pause mode");
  yard.lost(idle);
  TicketId first = yard.queue(id), second = yard.queue(id);
  CHECK_EQ(discarded(yard.checkin(held)), "pause mode");
  yard.lost(held);
  yard.tick(100s);
  CHECK_EQ(yard.start_opens().size(), 0);
  CHECK_EQ(yard.ledger.servers_of_database("d"), 0);
  yard.ledger.resume(which, yard.now, yard.actions);
  yard.check();
  CHECK_EQ(yard.start_opens().size(), 2);
  CHECK_EQ(std::get<Give>(yard.opened()).ticket, first);
  CHECK_EQ(std::get<Give>(yard.opened()).ticket, second);
}

TEST_CASE("a login that ends in a pause is not kept, and its waiter goes on waiting") {
  Yard yard;
  PoolId id = yard.pool();
  yard.queue(id);
  yard.start_opens();
  yard.ledger.pause("", yard.now, yard.actions);
  CHECK_EQ(discarded(yard.opened()), "pause mode");
  yard.lost(yard.last);
  CHECK_EQ(yard.look(id).waiting, 1);
  CHECK_EQ(yard.start_opens().size(), 0);
}

TEST_CASE("a promise made before a pause is kept") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId slot = yard.parked(id, 1);
  TicketId ticket = std::get<Fetch>(yard.checkout(id, 0)).ticket;
  yard.ledger.pause("", yard.now, yard.actions);
  CHECK(yard.actions.empty());
  CHECK(yard.ledger.adopted(slot, ticket, 0, yard.now));
  CHECK_EQ(discarded(yard.checkin(slot, 0)), "pause mode");
}

TEST_CASE("a global RESUME does not resume a database that was paused by name") {
  Yard yard;
  PoolId id = yard.pool();
  yard.ledger.pause("d", yard.now, yard.actions);
  yard.ledger.pause("", yard.now, yard.actions);
  yard.ledger.resume("", yard.now, yard.actions);
  CHECK(yard.look(id).paused);
  yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 0);
  yard.ledger.resume("d", yard.now, yard.actions);
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("a database can be paused before its first pool") {
  Yard yard;
  yard.ledger.pause("d", yard.now, yard.actions);
  PoolId id = yard.pool();
  yard.queue(id);
  CHECK_EQ(yard.start_opens().size(), 0);
}

TEST_CASE("drain fails every waiter, present and future, and closes servers as they come back") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id), b = yard.active(id);
  yard.queue(id);
  yard.ledger.drain({"57P01", "server shutting down"}, yard.now, yard.actions);
  yard.check();
  auto fails = yard.take<Fail>();
  REQUIRE_EQ(fails.size(), 1);
  CHECK_EQ(fails[0].error.text, "server shutting down");
  Checkout answer = yard.checkout(id);
  REQUIRE(std::holds_alternative<Refused>(answer));
  CHECK_EQ(std::get<Refused>(answer).error.text, "server shutting down");
  CHECK_EQ(discarded(yard.checkin(a)), "pause mode");
  yard.lost(a), yard.lost(b);
  CHECK_EQ(yard.ledger.servers(), 0);
  CHECK(yard.actions.empty());
}

}  // namespace howdah::pool
