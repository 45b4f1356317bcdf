// Waiters that not every host will do for: split entries, and those who avoid a host.
#include "unit/pool/yard.h"

namespace howdah::pool {

namespace {
constexpr std::size_t kFirst = 0, kPrimaryHost = 2;

// Hosts 0 and 1 are standbys, host 2 is the primary.
std::shared_ptr<config::Config> split(int size) {
  auto config = small_config();
  config->settings.default_pool_size = size;
  add_database(*config, "d", 3)->query_routing = config::QueryRouting::Split;
  return config;
}
std::shared_ptr<const HostSet> hosts(std::vector<unsigned> weights, std::size_t primary) {
  auto set = std::make_shared<HostSet>();
  for (std::size_t i = 0; i < weights.size(); ++i)
    set->push_back({{"host" + std::to_string(i), 5432}, "10.0.0.1", weights[i], i == primary});
  return set;
}
using Numbers = std::vector<std::size_t>;
struct Split : Yard {
  explicit Split(int size) : Yard(split(size)), id(pool()) {
    ledger.set_hosts("d", hosts({100, 100, 100}, kPrimaryHost), now, actions);
  }
  Checkout ask(HostMask mask, std::uint64_t client = 1) {
    Checkout answer = ledger.checkout(id, {0, client}, now, actions, mask);
    check();
    return answer;
  }
  // Active on a host that will do.
  SlotId on(HostMask mask) {
    CHECK(std::holds_alternative<Queued>(ask(mask)));
    host = start_opens().at(0);
    CHECK(std::holds_alternative<Give>(opened()));
    return last;
  }
  PoolId id;
  std::size_t host = 0;
};
}  // namespace

TEST_CASE("writes go to the primary, reads to the standbys that will do") {
  Split yard(9);
  SlotId writer = yard.on(kPrimary);
  CHECK_EQ(yard.host, kPrimaryHost);
  SlotId reader = yard.on(0b10);
  CHECK_EQ(yard.host, 1);
  yard.checkin(writer);
  yard.checkin(reader);
  // Parked servers of other hosts are not taken.
  CHECK(std::holds_alternative<Queued>(yard.ask(0b01)));
  CHECK_EQ(yard.start_opens(), Numbers{kFirst});
  CHECK_EQ(yard.granted(yard.ask(kPrimary)), writer);
  CHECK_EQ(yard.granted(yard.ask(0b11)), reader);
}

TEST_CASE("a read whose standbys take no work waits for the primary, also if it waited before") {
  Split yard(9);
  yard.ledger.set_hosts("d", hosts({100, 0, 100}, kPrimaryHost), yard.now, yard.actions);
  CHECK(std::holds_alternative<Queued>(yard.ask(0b10)));
  CHECK_EQ(yard.start_opens(), Numbers{kPrimaryHost});
  CHECK(std::holds_alternative<Queued>(yard.ask(0b01)));
  CHECK_EQ(yard.start_opens(), Numbers{kFirst});
  yard.ledger.set_hosts("d", hosts({0, 0, 100}, kPrimaryHost), yard.now, yard.actions);
  yard.check();
  CHECK_EQ(yard.start_opens(), Numbers{kPrimaryHost});
}

TEST_CASE("without a primary, writes wait and reads go on") {
  Split yard(9);
  yard.ledger.set_hosts("d", hosts({100, 100, 0}, 99), yard.now, yard.actions);
  CHECK(std::holds_alternative<Queued>(yard.ask(kPrimary)));
  CHECK_EQ(yard.start_opens(), Numbers{});
  CHECK(std::holds_alternative<Queued>(yard.ask(kAnyHost, 2)));
  CHECK_EQ(yard.start_opens().size(), 1);
  Checkin answer = yard.opened();
  REQUIRE(std::holds_alternative<Give>(answer));
  CHECK_EQ(std::get<Give>(answer).to.client, 2);
  // The new primary.
  yard.ledger.set_hosts("d", hosts({100, 100, 0}, 1), yard.now, yard.actions);
  yard.check();
  CHECK_EQ(yard.start_opens(), Numbers{1});
}

TEST_CASE("a slot goes to the oldest waiter of those whom it serves") {
  Split yard(2);
  SlotId writer = yard.on(kPrimary), reader = yard.on(0b01);
  yard.now += 1s;
  yard.ask(kPrimary, 11);
  yard.now += 1s;
  yard.ask(0b01, 12);
  yard.ask(kPrimary, 13);
  Checkin answer = yard.checkin(reader);
  REQUIRE(std::holds_alternative<Give>(answer));
  CHECK_EQ(std::get<Give>(answer).to.client, 12);
  answer = yard.checkin(writer);
  REQUIRE(std::holds_alternative<Give>(answer));
  CHECK_EQ(std::get<Give>(answer).to.client, 11);
}

TEST_CASE("idle servers make room for those whom they do not serve") {
  Split yard(2);
  SlotId a = yard.on(kPrimary), b = yard.on(kPrimary);
  yard.checkin(a);
  yard.checkin(b);
  CHECK(std::holds_alternative<Queued>(yard.ask(0b01)));
  auto closed = yard.take<Close>();
  REQUIRE_EQ(closed.size(), 1);
  CHECK_EQ(closed[0].slot, a);
  yard.lost(a);
  CHECK_EQ(yard.start_opens(), Numbers{kFirst});
}

TEST_CASE("a side without any server gets one of the other side's at its next return") {
  Split yard(2);
  SlotId a = yard.on(kPrimary), b = yard.on(kPrimary);
  yard.ask(0b01, 11);
  yard.now += 1ms;
  yard.ask(kPrimary, 12);
  CHECK(std::holds_alternative<Discard>(yard.checkin(a)));
  CHECK(std::holds_alternative<Give>(yard.checkin(b)));
  yard.lost(a);
  CHECK_EQ(yard.start_opens(), Numbers{kFirst});
}

TEST_CASE("between two sides with work servers move slowly, and never the last") {
  Split yard(3);
  SlotId a = yard.on(kPrimary), b = yard.on(kPrimary), reader = yard.on(0b01);
  yard.now += 1s;
  yard.ask(0b01, 11);
  yard.now += 50ms;
  yard.ask(kPrimary, 12);
  yard.ask(kPrimary, 13);
  CHECK(std::holds_alternative<Give>(yard.checkin(a)));  // 11 has not waited for long
  yard.now += 60ms;
  CHECK(std::holds_alternative<Discard>(yard.checkin(a)));
  yard.lost(a);
  CHECK_EQ(yard.start_opens(), Numbers{kFirst});
  yard.opened();
  yard.ask(0b01, 14);
  yard.now += 1s;
  CHECK(std::holds_alternative<Give>(yard.checkin(b)));  // the writers' last
  CHECK(std::holds_alternative<Give>(yard.checkin(reader)));
}

TEST_CASE("who avoids a host of another entry gets the others, or any where there is no other") {
  auto config = small_config();
  add_database(*config, "d", 2)->target_session_attrs = config::TargetAttrs::Standby;
  Yard yard(config);
  PoolId id = yard.pool();
  yard.ledger.set_hosts("d", hosts({100, 100}, 99), yard.now, yard.actions);
  yard.ledger.checkout(id, {0, 1}, yard.now, yard.actions, 0b10);
  CHECK_EQ(yard.start_opens(), Numbers{1});
  yard.ledger.set_hosts("d", hosts({100, 0}, 99), yard.now, yard.actions);
  yard.connect_failed();
  CHECK_EQ(yard.start_opens(), Numbers{kFirst});
}

TEST_CASE("shares are among the standbys: the primary's servers do not count") {
  Split yard(9);
  for (int i = 0; i < 6; ++i) yard.on(kPrimary);
  SlotId reader = yard.on(0b11);
  std::size_t first = yard.host;
  yard.checkin(reader);
  yard.tick(100ms);
  CHECK_EQ(yard.start_opens(), Numbers{1 - first});
  yard.opened();
  yard.tick(200ms);
  CHECK_EQ(yard.start_opens(), Numbers{});
  CHECK(yard.take<Close>().empty());
}

}  // namespace howdah::pool
