// Slots of one client's own: checkout_own().
#include "yard.h"

namespace howdah::pool {
namespace {

TicketId ask(Yard& yard, PoolId pool, WorkerId worker = 0, std::uint64_t client = 9) {
  Checkout answer =
      yard.ledger.checkout_own(pool, {worker, client}, yard.now, yard.now, yard.actions);
  CHECK(yard.ledger.check_invariants() == "");
  REQUIRE(std::holds_alternative<Queued>(answer));
  return std::get<Queued>(answer).ticket;
}

// The one Open among the actions, taken out.
Open take_open(Yard& yard) {
  REQUIRE(yard.actions.size() == 1);
  REQUIRE(std::holds_alternative<Open>(yard.actions[0]));
  Open open = std::move(std::get<Open>(yard.actions[0]));
  yard.actions.clear();
  return open;
}

const char* reason_of(const Checkin& answer) {
  REQUIRE(std::holds_alternative<Discard>(answer));
  return std::get<Discard>(answer).reason;
}

TEST_CASE("it is opened for that ticket, given to it, and never parked or given to another") {
  Yard yard;
  PoolId pool = yard.pool();
  TicketId ticket = ask(yard, pool, 1);
  Open open = take_open(yard);
  CHECK((open.ticket == ticket && open.to.worker == 1 && open.to.client == 9));
  TicketId other = yard.queue(pool, 0, 2);  // gets a connection of its own making
  Open shared = take_open(yard);
  CHECK(shared.ticket == 0);
  Checkin answer = yard.ledger.opened(open.permit, 1, yard.now, yard.actions);
  REQUIRE(std::holds_alternative<Give>(answer));
  CHECK(std::get<Give>(answer).ticket == ticket);
  CHECK(yard.ledger.check_invariants() == "");
  CHECK(yard.look(pool).waiting == 1);
  CHECK(reason_of(yard.checkin(open.permit.slot(), 1)) == std::string("client disconnect"));
  yard.ledger.lost(std::move(open.permit), yard.now, yard.actions);
  yard.ledger.cancel(other);
  yard.ledger.lost(std::move(shared.permit), yard.now, yard.actions);
  CHECK(yard.ledger.servers() == 0);
}

TEST_CASE("it counts in pool_size: an idle server makes room, a busy one when it comes back") {
  auto config = small_config();
  config->settings.default_pool_size = 1;
  add_database(*config, "d");
  Yard yard(config);
  PoolId pool = yard.pool();
  yard.queue(pool);
  Open first = take_open(yard);
  Checkin given = yard.ledger.opened(first.permit, 0, yard.now, yard.actions);
  REQUIRE(std::holds_alternative<Give>(given));
  SUBCASE("idle") {
    REQUIRE(std::holds_alternative<Park>(yard.checkin(first.permit.slot())));
    ask(yard, pool);
    REQUIRE(yard.actions.size() == 1);
    REQUIRE(std::holds_alternative<Close>(yard.actions[0]));
    CHECK(std::get<Close>(yard.actions[0]).slot == first.permit.slot());
    yard.actions.clear();
  }
  SUBCASE("busy, and it was there before others") {
    TicketId ticket = ask(yard, pool);
    CHECK(yard.actions.empty());
    yard.now += 1s;
    yard.queue(pool, 0, 3);
    CHECK(reason_of(yard.checkin(first.permit.slot())) == std::string("evicted"));
    (void)ticket;
  }
  yard.ledger.lost(std::move(first.permit), yard.now, yard.actions);
  Open open = take_open(yard);
  CHECK(open.ticket != 0);
  yard.ledger.lost(std::move(open.permit), yard.now, yard.actions);
  yard.actions.clear();
}

TEST_CASE("a refused login fails its ticket alone and holds up nobody") {
  Yard yard;
  PoolId pool = yard.pool();
  yard.queue(pool, 0, 2);
  Open shared = take_open(yard);
  TicketId ticket = ask(yard, pool);
  Open open = take_open(yard);
  yard.ledger.login_failed(std::move(open.permit), {"42501", "no"}, yard.now, yard.actions);
  REQUIRE(yard.actions.size() == 1);
  REQUIRE(std::holds_alternative<Fail>(yard.actions[0]));
  CHECK(std::get<Fail>(yard.actions[0]).ticket == ticket);
  CHECK(std::get<Fail>(yard.actions[0]).error.code == "42501");
  yard.actions.clear();
  CHECK(yard.ledger.check_invariants() == "");
  CHECK(yard.look(pool).waiting == 1);
  yard.queue(pool, 0, 3);  // no back-off: it is opened for at once
  Open next = take_open(yard);
  yard.ledger.lost(std::move(next.permit), yard.now, yard.actions);
  yard.ledger.lost(std::move(shared.permit), yard.now, yard.actions);
  yard.actions.clear();
}

TEST_CASE("one whose client left while it connected is discarded; RECONNECT closes those in use") {
  Yard yard;
  PoolId pool = yard.pool();
  CHECK(yard.ledger.cancel(ask(yard, pool)) == false);
  Open open = take_open(yard);
  CHECK(yard.ledger.check_invariants() == "");
  reason_of(yard.ledger.opened(open.permit, 0, yard.now, yard.actions));
  yard.ledger.lost(std::move(open.permit), yard.now, yard.actions);
  ask(yard, pool);
  open = take_open(yard);
  REQUIRE(std::holds_alternative<Give>(yard.ledger.opened(open.permit, 0, yard.now, yard.actions)));
  yard.ledger.reconnect("d", yard.now, yard.actions);
  REQUIRE(yard.actions.size() == 1);
  CHECK(std::get<Close>(yard.actions[0]).slot == open.permit.slot());
  yard.actions.clear();
  yard.ledger.lost(std::move(open.permit), yard.now, yard.actions);
  // In the middle of its connect: it is made anew.
  TicketId ticket = ask(yard, pool);
  open = take_open(yard);
  yard.ledger.reconnect("d", yard.now, yard.actions);
  yard.actions.clear();
  reason_of(yard.ledger.opened(open.permit, 0, yard.now, yard.actions));
  yard.ledger.lost(std::move(open.permit), yard.now, yard.actions);
  REQUIRE(!yard.actions.empty());
  CHECK(std::get<Open>(yard.actions[0]).ticket == ticket);
  auto dropped = yard.take<Open>();
  yard.actions.clear();
}

}  // namespace
}  // namespace howdah::pool
