// Hosts of routed entries: weights, shares, moves.
#include "unit/pool/yard.h"

namespace howdah::pool {

namespace {
std::shared_ptr<config::Config> routed(std::size_t hosts, int size = 20) {
  auto config = small_config();
  config->settings.default_pool_size = size;
  add_database(*config, "d", hosts)->target_session_attrs = config::TargetAttrs::Standby;
  return config;
}
std::shared_ptr<const HostSet> weights(std::vector<unsigned> each) {
  auto set = std::make_shared<HostSet>();
  for (std::size_t i = 0; i < each.size(); ++i)
    set->push_back({{"host" + std::to_string(i), 5432}, "10.0.0.1", each[i]});
  return set;
}
using Numbers = std::vector<std::size_t>;
}  // namespace

TEST_CASE(
    "a routed pool opens nothing before its hosts are known, and only where there is weight") {
  Yard yard(routed(3));
  PoolId id = yard.pool();
  yard.queue(id);
  CHECK_EQ(yard.start_opens(), Numbers{});
  yard.ledger.set_hosts("d", weights({0, 0, 0}), yard.now, yard.actions);
  CHECK_EQ(yard.start_opens(), Numbers{});
  yard.ledger.set_hosts("d", weights({0, 0, 100}), yard.now, yard.actions);
  CHECK_EQ(yard.start_opens(), Numbers{2});
}

TEST_CASE("each host gets a server, though one would do") {
  Yard yard(routed(3));
  PoolId id = yard.pool();
  yard.ledger.set_hosts("d", weights({0, 100, 100}), yard.now, yard.actions);
  yard.queue(id);
  Numbers first = yard.start_opens();
  REQUIRE(first.size() == 1);
  yard.opened();
  yard.tick(100ms);
  CHECK_EQ(yard.start_opens(), Numbers{3 - first[0]});
}

TEST_CASE("clients go to parked servers of hosts in turn, by weight") {
  Yard yard(routed(2));
  PoolId id = yard.pool();
  yard.ledger.set_hosts("d", weights({100, 50}), yard.now, yard.actions);
  SlotId a = yard.active(id), b = yard.active(id);
  yard.checkin(a);
  yard.checkin(b);
  std::map<SlotId, int> served;
  for (int i = 0; i < 300; ++i) {
    SlotId slot = yard.granted(yard.checkout(id));
    ++served[slot];
    yard.checkin(slot);
  }
  CHECK(served[a] >= 198);
  CHECK(served[a] <= 202);
  CHECK(served[a] + served[b] == 300);
}

TEST_CASE("a host that loses its weight loses idle servers now and used ones at their checkin") {
  Yard yard(routed(2));
  PoolId id = yard.pool();
  yard.ledger.set_hosts("d", weights({100, 0}), yard.now, yard.actions);
  SlotId parked = yard.active(id), used = yard.active(id);
  yard.checkin(parked);
  yard.ledger.set_hosts("d", weights({0, 100}), yard.now, yard.actions);
  auto closed = yard.take<Close>();
  REQUIRE(closed.size() == 1);
  CHECK(closed[0].slot == parked);
  CHECK(std::holds_alternative<Discard>(yard.checkin(used)));
  yard.lost(parked);
  yard.lost(used);
  yard.queue(id);
  CHECK_EQ(yard.start_opens(), Numbers{1});
}

TEST_CASE("servers move to a host that is back until the shares are even, and then no more") {
  Yard yard(routed(2, 6));
  PoolId id = yard.pool();
  yard.ledger.set_hosts("d", weights({100, 0}), yard.now, yard.actions);
  std::vector<SlotId> slots;
  for (int i = 0; i < 6; ++i) slots.push_back(yard.active(id));
  for (SlotId slot : slots) yard.checkin(slot);
  yard.ledger.set_hosts("d", weights({100, 100}), yard.now, yard.actions);
  std::size_t opened = 0;
  for (int i = 0; i < 30; ++i) {
    yard.tick(100ms);
    for (std::size_t host : yard.start_opens()) {
      CHECK(host == 1);
      CHECK(std::holds_alternative<Park>(yard.opened()));
      ++opened;
    }
    for (const Close& close : yard.take<Close>()) yard.lost(close.slot);
  }
  // The one that made room for the last move is opened, where it lacks, when it is wanted.
  CHECK(opened == 2);
  CHECK(yard.look(id).parked == 5);
  for (int i = 0; i < 5; ++i) yard.granted(yard.checkout(id));
  yard.queue(id);
  CHECK_EQ(yard.start_opens(), Numbers{1});
}
}  // namespace howdah::pool
