// A server goes from hand to hand: order of clients, choice of servers, promises.
#include "unit/pool/yard.h"

namespace howdah::pool {

TEST_CASE("the first client waits for a server that is opened for it") {
  Yard yard;
  PoolId id = yard.pool();
  TicketId ticket = yard.queue(id, 1, 77);
  CHECK_EQ(yard.start_opens().size(), 1);
  Checkin answer = yard.opened(1);
  REQUIRE(std::holds_alternative<Give>(answer));
  CHECK_EQ(std::get<Give>(answer).ticket, ticket);
  CHECK_EQ(std::get<Give>(answer).to.client, 77);
  CHECK_EQ(yard.look(id).active, 1);  // same worker: linked at once
  CHECK_EQ(yard.look(id).waiting, 0);
}

TEST_CASE("a pool is one per database and user") {
  Yard yard;
  CHECK_EQ(yard.pool("d", "a"), yard.pool("d", "a"));
  CHECK_NE(yard.pool("d", "a"), yard.pool("d", "b"));
}

TEST_CASE("the own worker's newest server is chosen, then the newest of another") {
  auto config = small_config();
  config->settings.default_pool_size = 4;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  SlotId a = yard.active(id, 0), b = yard.active(id, 0), c = yard.active(id, 1),
         d = yard.active(id, 1);
  yard.checkin(a, 0), yard.checkin(b, 0), yard.checkin(c, 1), yard.checkin(d, 1);
  CHECK_EQ(yard.granted(yard.checkout(id, 0)), b);
  CHECK_EQ(yard.granted(yard.checkout(id, 0)), a);
  Checkout fetched = yard.checkout(id, 0);
  REQUIRE(std::holds_alternative<Fetch>(fetched));
  CHECK_EQ(std::get<Fetch>(fetched).slot, d);
  CHECK_EQ(std::get<Fetch>(fetched).home, 1);
  CHECK(yard.actions.empty());
}

TEST_CASE("server_round_robin takes the server that is idle longest, wherever it is") {
  auto config = small_config();
  config->settings.server_round_robin = true;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  SlotId a = yard.active(id, 1), b = yard.active(id, 0);
  yard.checkin(a, 1), yard.checkin(b, 0);
  Checkout first = yard.checkout(id, 0);
  REQUIRE(std::holds_alternative<Fetch>(first));
  CHECK_EQ(std::get<Fetch>(first).slot, a);
  CHECK_EQ(yard.granted(yard.checkout(id, 0)), b);
}

TEST_CASE("waiters are served in order of arrival over all workers") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id), b = yard.active(id);
  TicketId first = yard.queue(id, 2), second = yard.queue(id, 0), third = yard.queue(id, 1);
  CHECK_EQ(std::get<Give>(yard.checkin(a)).ticket, first);
  CHECK_EQ(std::get<Give>(yard.checkin(b)).ticket, second);
  CHECK_EQ(yard.look(id).promised, 1);  // the one for worker 2 travels
  CHECK(yard.ledger.adopted(a, first, 2, yard.now));
  CHECK_EQ(std::get<Give>(yard.checkin(a, 2)).ticket, third);
}

TEST_CASE("a clock that runs behind on one worker does not let its clients overtake") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id);
  yard.active(id);
  TicketId first = yard.queue(id);
  yard.now -= 20ms;
  yard.queue(id);
  CHECK_EQ(std::get<Give>(yard.checkin(a)).ticket, first);
}

TEST_CASE("a waiter that leaves is skipped") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id);
  yard.active(id);
  TicketId first = yard.queue(id), second = yard.queue(id);
  CHECK(yard.ledger.cancel(first));
  CHECK(yard.ledger.cancel(first));  // unknown now; nothing is under way for it
  CHECK_EQ(std::get<Give>(yard.checkin(a)).ticket, second);
}

TEST_CASE("leaving while a server is on its way voids the promise, and the server goes on") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.parked(id, 1);
  Checkout fetched = yard.checkout(id, 0);
  TicketId ticket = std::get<Fetch>(fetched).ticket;
  CHECK_FALSE(yard.ledger.cancel(ticket));
  yard.check();
  CHECK_EQ(yard.look(id).promised, 1);
  CHECK_FALSE(yard.ledger.adopted(a, ticket, 0, yard.now));
  SUBCASE("to the idle list of where it arrived") {
    CHECK(std::holds_alternative<Park>(yard.checkin(a, 0)));
    CHECK_EQ(yard.granted(yard.checkout(id, 0)), a);
  }
  SUBCASE("to the next waiter") {
    TicketId next = yard.queue(id, 0);
    CHECK_EQ(std::get<Give>(yard.checkin(a, 0)).ticket, next);
  }
}

TEST_CASE("a server that dies on its way gives its waiter its old place back") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id), b = yard.active(id);
  TicketId first = yard.queue(id, 1);
  yard.now += 1s;
  TicketId second = yard.queue(id, 0);
  CHECK_EQ(std::get<Give>(yard.checkin(a)).ticket, first);
  yard.lost(a);
  CHECK_EQ(yard.start_opens().size(), 1);  // there is room for another again
  CHECK_EQ(yard.look(id).waiting, 2);
  CHECK_EQ(std::get<Give>(yard.checkin(b)).ticket, first);
  CHECK_EQ(std::get<Give>(yard.opened(0)).ticket, second);
}

TEST_CASE("a promised server that was replaced by another still reaches its waiter") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.parked(id, 1);
  TicketId ticket = std::get<Fetch>(yard.checkout(id, 0)).ticket;
  yard.lost(a);  // it died on worker 1 before the request came
  CHECK_EQ(std::get<Give>(yard.opened(1)).ticket, ticket);
  CHECK_FALSE(yard.ledger.adopted(a, ticket, 0, yard.now));  // nonsense is refused
  CHECK(yard.ledger.adopted(yard.last, ticket, 0, yard.now));
  yard.check();
  CHECK_EQ(yard.look(id).active, 1);
}

TEST_CASE("a waiter whose promised server died is sent another that is parked") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id, 1), b = yard.active(id, 2);
  yard.checkin(b, 2), yard.checkin(a, 1);
  TicketId ticket = std::get<Fetch>(yard.checkout(id, 0)).ticket;
  SUBCASE("lost") { yard.lost(a); }
  SUBCASE("dropped: at the next tick") {
    yard.permits.erase(a);
    yard.check();
    CHECK(std::holds_alternative<Queued>(yard.checkout(id, 2)));  // no overtaking till then
    yard.tick();
  }
  auto sends = yard.take<Send>();
  REQUIRE_EQ(sends.size(), 1);
  CHECK_EQ(sends[0].slot, b);
  CHECK_EQ(sends[0].home, 2);
  CHECK_EQ(sends[0].ticket, ticket);
  CHECK_EQ(sends[0].to.worker, 0);
  CHECK(yard.ledger.adopted(b, ticket, 0, yard.now));
  yard.check();
}

TEST_CASE("a server that arrives under a wrong ticket leaves its own waiter in line") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id);
  TicketId ticket = yard.queue(id, 1);
  yard.start_opens();
  CHECK_EQ(std::get<Give>(yard.checkin(a)).ticket, ticket);
  CHECK_FALSE(yard.ledger.adopted(a, ticket + 1, 1, yard.now));
  CHECK_EQ(std::get<Give>(yard.checkin(a, 1)).ticket, ticket);
  yard.check();
}

TEST_CASE("retry puts a client before all who came after it") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.active(id), b = yard.active(id);
  TimePoint since = yard.now;
  yard.now += 1s;
  TicketId later = yard.queue(id);
  Checkout again = yard.ledger.retry(id, {0, 5}, since, yard.now, yard.actions);
  yard.check();
  yard.lost(b);
  REQUIRE(std::holds_alternative<Queued>(again));
  CHECK_EQ(std::get<Give>(yard.checkin(a)).ticket, std::get<Queued>(again).ticket);
  CHECK_EQ(std::get<Give>(yard.opened()).ticket, later);
}

TEST_CASE("retry takes a parked server at once") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.parked(id);
  CHECK_EQ(yard.granted(yard.ledger.retry(id, {0, 1}, yard.now - 1s, yard.now, yard.actions)), a);
}

TEST_CASE("numbers that mean nothing do no harm") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.parked(id);
  CHECK(std::holds_alternative<Refused>(yard.checkout(id + 100)));
  CHECK_NE(discarded(yard.checkin(a)), "");  // not Active
  CHECK_NE(discarded(yard.checkin(~SlotId{0})), "");
  CHECK_FALSE(yard.ledger.adopted(12345, 1, 0, yard.now));
  CHECK(yard.ledger.cancel(0));
  CHECK_FALSE(yard.ledger.retire(a + (SlotId{1} << 32), yard.now));
  yard.ledger.lost(Permit{}, yard.now, yard.actions);
  yard.ledger.client_left(id + 100, yard.now);
  yard.check();
  CHECK_EQ(yard.granted(yard.checkout(id)), a);
}

TEST_CASE("an id is never used twice") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.parked(id);
  yard.lost(a);
  SlotId b = yard.parked(id);
  CHECK_NE(a, b);
  CHECK_FALSE(yard.ledger.retire(a, yard.now));
  CHECK(yard.ledger.retire(b, yard.now));
}

}  // namespace howdah::pool
