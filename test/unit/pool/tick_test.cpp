// Checkins that close, and what time alone makes due.
#include "unit/pool/yard.h"

namespace howdah::pool {

TEST_CASE("a server over its lifetime is closed when it comes back, closings spaced") {
  auto config = small_config();
  config->settings.server_lifetime = 100s;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  SlotId a = yard.active(id), b = yard.active(id);
  yard.now += 99s;
  CHECK(std::holds_alternative<Park>(yard.checkin(a)));
  CHECK_EQ(yard.granted(yard.checkout(id)), a);
  yard.now += 1s;
  CHECK_EQ(discarded(yard.checkin(a)), "server lifetime over");
  yard.now += 49s;
  CHECK(std::holds_alternative<Park>(yard.checkin(b)));  // lifetime / pool_size = 50 s apart
  yard.tick(900ms);
  CHECK(yard.take<Close>().empty());
  yard.tick(100ms);
  auto closes = yard.take<Close>();
  REQUIRE_EQ(closes.size(), 1);
  CHECK_EQ(closes[0].slot, b);
}

TEST_CASE("parked servers over their lifetime are closed one by one") {
  auto config = small_config();
  config->settings.server_lifetime = 100s;
  config->settings.default_pool_size = 4;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  std::vector<SlotId> slots;
  for (int i = 0; i < 4; ++i) slots.push_back(yard.active(id));
  for (SlotId slot : slots) yard.checkin(slot);
  for (int i = 0; i < 999; ++i) yard.tick(100ms);
  CHECK(yard.take<Close>().empty());
  yard.tick(100ms);
  for (int i = 0; i < 4; ++i) {
    CHECK_EQ(yard.take<Close>().size(), 1);
    for (int j = 0; j < 249; ++j) yard.tick(100ms);
    CHECK(yard.take<Close>().empty());
    yard.tick(100ms);
  }
  CHECK_EQ(yard.look(id).parked, 0);
  CHECK_EQ(yard.look(id).closing, 4);
}

TEST_CASE("server_lifetime 0 uses a server once") {
  auto config = small_config();
  config->settings.server_lifetime = 0s;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  TicketId ticket = yard.queue(id);
  yard.start_opens();
  yard.ledger.cancel(ticket);
  CHECK(std::holds_alternative<Park>(yard.opened()));  // not used yet
  yard.tick(3600s);
  SlotId slot = yard.granted(yard.checkout(id));
  CHECK_EQ(discarded(yard.checkin(slot)), "server lifetime over");
}

TEST_CASE("min_pool_size is filled one a tick once the pool has a client") {
  auto config = small_config();
  config->settings.default_pool_size = 3;
  config->settings.min_pool_size = 5;  // capped by pool_size
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  yard.tick(), yard.tick(1s);
  CHECK_EQ(yard.start_opens().size(), 0);
  yard.ledger.client_joined(id);
  for (int i = 0; i < 3; ++i) {
    yard.tick(100ms);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
  yard.tick(100ms);
  CHECK_EQ(yard.start_opens().size(), 0);
  for (int i = 0; i < 3; ++i) CHECK(std::holds_alternative<Park>(yard.opened()));
  SUBCASE("retire keeps the minimum") { CHECK_FALSE(yard.ledger.retire(yard.last, yard.now)); }
  SUBCASE("a lost one is replaced") {
    yard.lost(yard.last);
    yard.tick(100ms);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
  SUBCASE("not while paused, but after it") {
    yard.ledger.pause("d", yard.now, yard.actions);
    for (auto& close : yard.take<Close>()) yard.lost(close.slot);
    for (int i = 0; i < 5; ++i) yard.tick(1s);
    CHECK_EQ(yard.start_opens().size(), 0);
    yard.ledger.resume("d", yard.now, yard.actions);
    yard.tick(100ms);
    CHECK_EQ(yard.start_opens().size(), 1);
  }
}

TEST_CASE("a forced user's pool is made and filled without any client") {
  auto config = small_config();
  auto db = add_database(*config, "d");
  db->user = "app";
  db->min_pool_size = 1;
  Yard yard(config);
  CHECK_EQ(yard.ledger.snapshot().size(), 1);
  yard.tick();
  CHECK_EQ(yard.start_opens().size(), 1);
  CHECK_EQ(yard.look(yard.pool("d", "app")).connecting, 1);
}

TEST_CASE("filling up evicts nobody and tries again when a limit has room") {
  auto config = small_config();
  config->settings.max_db_connections = 1;
  config->settings.min_pool_size = 1;
  add_database(*config, "d");
  Yard yard(config);
  SlotId idle = yard.parked(yard.pool("d", "a"));
  PoolId b = yard.pool("d", "b");
  yard.ledger.client_joined(b);
  for (int i = 0; i < 5; ++i) yard.tick(1s);
  CHECK(yard.actions.empty());
  yard.lost(idle);
  yard.tick(1s);
  CHECK_EQ(yard.look(b).connecting, 1);
}

TEST_CASE("filling up respects back-off") {
  auto config = small_config();
  config->settings.min_pool_size = 1;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  yard.ledger.client_joined(id);
  yard.tick();
  yard.connect_failed();
  yard.tick(100ms), yard.tick(100ms);
  CHECK_EQ(yard.start_opens().size(), 0);
  yard.tick(50ms);
  CHECK_EQ(yard.start_opens().size(), 1);
}

TEST_CASE("retire closes a parked server only") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId a = yard.parked(id);
  SlotId held = yard.granted(yard.checkout(id));
  CHECK_EQ(held, a);
  CHECK_FALSE(yard.ledger.retire(a, yard.now));
  yard.checkin(a);
  CHECK(yard.ledger.retire(a, yard.now));
  CHECK_FALSE(yard.ledger.retire(a, yard.now));
  CHECK(std::holds_alternative<Queued>(yard.checkout(id)));
  yard.lost(a);
  yard.check();
}

TEST_CASE("pool_idle_timeout drops a pool without clients, servers and waiters") {
  auto config = small_config();
  config->settings.pool_idle_timeout = 60s;
  add_database(*config, "d");
  Yard yard(config);
  PoolId id = yard.pool();
  yard.ledger.client_joined(id);
  SlotId slot = yard.parked(id);
  yard.tick(100s);
  yard.ledger.client_left(id, yard.now);
  yard.tick(100s);
  CHECK(yard.exists(id));  // it has a server
  yard.lost(slot);
  yard.tick();
  yard.tick(59s);
  CHECK(yard.exists(id));
  SUBCASE("when the time has come") {
    yard.tick(1s);
    auto forgets = yard.take<Forget>();
    REQUIRE_EQ(forgets.size(), 1);
    CHECK_EQ(forgets[0].pool, id);
    CHECK_FALSE(yard.exists(id));
    CHECK(std::holds_alternative<Refused>(yard.checkout(id)));
    CHECK_NE(yard.pool(), id);  // numbers are never used again
  }
  SUBCASE("not when somebody has just asked for it") {
    CHECK_EQ(yard.pool(), id);
    yard.tick(1s);
    yard.ledger.client_joined(id);
    yard.tick(1000s);
    CHECK(yard.exists(id));
  }
}

TEST_CASE("an automatic database's pools go after autodb_idle_timeout, unless it is paused") {
  auto config = small_config();
  config->settings.autodb_idle_timeout = 60s;
  auto star = std::make_shared<config::Database>();
  star->name = "*";
  star->hosts.push_back({"h", 5432});
  config->wildcard = star;
  add_database(*config, "d");
  Yard yard(config);
  PoolId automatic = yard.pool("new"), fixed = yard.pool("d");
  yard.tick();
  SUBCASE("dropped") {
    yard.tick(60s);
    CHECK_FALSE(yard.exists(automatic));
    CHECK(yard.exists(fixed));
  }
  SUBCASE("paused") {
    yard.ledger.pause("new", yard.now, yard.actions);
    yard.tick(600s);
    CHECK(yard.exists(automatic));
    yard.ledger.resume("new", yard.now, yard.actions);
    yard.tick();
    CHECK_FALSE(yard.exists(automatic));
  }
}

TEST_CASE("made-up names of databases do not pile up: those that do not exist go soon") {
  auto config = small_config();
  auto star = std::make_shared<config::Database>();
  star->name = "*";
  star->hosts.push_back({"h", 5432});
  config->wildcard = star;
  Yard yard(config);
  std::string code;
  bool stays = false;
  SUBCASE("it does not exist") { code = "3D000"; }
  SUBCASE("another reason says nothing of the database") {
    code = "28P01";
    stays = true;
  }
  PoolId made_up = yard.pool("made up");
  yard.checkout(made_up);
  yard.login_failed({code, "no"});
  yard.tick();
  yard.tick(14s);
  CHECK(yard.exists(made_up));
  yard.tick(2s);
  CHECK(yard.exists(made_up) == stays);
}

TEST_CASE("a tick touches nothing where nothing is due") {
  Yard yard;
  yard.parked(yard.pool());
  yard.tick();
  for (int i = 0; i < 100; ++i) yard.tick(100ms);
  CHECK(yard.actions.empty());
}

}  // namespace howdah::pool
