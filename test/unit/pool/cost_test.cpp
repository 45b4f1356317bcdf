// What the hot path costs: no allocation; and its time, measured on demand:
//   unit_pool -ns -tc="*nanoseconds*" -s
#include <cstdlib>
#include <new>

#include "unit/pool/yard.h"

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

// Counts what this binary allocates. Not inlined: gcc would see free() of memory from new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size ? size : 1);
}
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace howdah::pool {

TEST_CASE("checkout of an own server, checkin, giving and fetching allocate nothing") {
  Yard yard;
  PoolId id = yard.pool();
  SlotId slot = yard.parked(id);
  for (int round = 0; round < 3; ++round) {
    std::size_t before = allocations;
    Checkout own = yard.ledger.checkout(id, {0, 1}, yard.now, yard.actions);
    Checkin park = yard.ledger.checkin(slot, 0, yard.now);
    CHECK_EQ(allocations, before);
    REQUIRE(std::holds_alternative<Granted>(own));
    REQUIRE(std::holds_alternative<Park>(park));
  }
  yard.granted(yard.checkout(id));
  yard.active(id);  // the pool is full: from now on clients of two workers share one server
  for (int round = 0; round < 3; ++round) {
    std::size_t before = allocations;
    Checkout queued = yard.ledger.checkout(id, {1, 2}, yard.now, yard.actions);
    Checkin give = yard.ledger.checkin(slot, 0, yard.now);
    bool here = yard.ledger.adopted(slot, std::get<Queued>(queued).ticket, 1, yard.now);
    Checkin park = yard.ledger.checkin(slot, 1, yard.now);
    Checkout fetch = yard.ledger.checkout(id, {0, 3}, yard.now, yard.actions);
    bool back = yard.ledger.adopted(slot, std::get<Fetch>(fetch).ticket, 0, yard.now);
    CHECK_EQ(allocations, before);
    CHECK(
        (here && back && std::holds_alternative<Give>(give) && std::holds_alternative<Park>(park)));
  }
}

TEST_CASE("nanoseconds" * doctest::skip()) {
  auto config = small_config();
  config->settings.default_pool_size = 20;
  for (int i = 0; i < 1000; ++i) add_database(*config, "d" + std::to_string(i));
  Ledger ledger(config, 4);
  Actions actions;
  std::vector<Permit> permits;
  TimePoint now{1000s};
  std::vector<PoolId> pools;
  std::vector<SlotId> slots;
  for (int i = 0; i < 1000; ++i)
    pools.push_back(ledger.pool(config->find_database("d" + std::to_string(i)), "u"));
  auto add_server = [&](PoolId pool) {
    ledger.checkout(pool, {0, 1}, now, actions);
    permits.push_back(std::move(std::get<Open>(actions.front()).permit));
    actions.clear();
    ledger.opened(permits.back(), 0, now);  // to the one who asked
    slots.push_back(permits.back().slot());
  };
  for (PoolId pool : pools) add_server(pool);
  for (int i = 1; i < 20; ++i) add_server(pools[500]);
  for (SlotId slot : slots) ledger.checkin(slot, 0, now);
  constexpr int kRounds = 5'000'000;
  auto measure = [&](const std::string& what, auto&& round) {
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) round();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    MESSAGE(what << ": " << took.count() / kRounds << " ns");
  };
  measure("checkout Granted + checkin Park", [&] {
    SlotId slot = std::get<Granted>(ledger.checkout(pools[500], {0, 1}, now, actions)).slot;
    ledger.checkin(slot, 0, now);
  });
  std::size_t which = 0;
  measure("the same over 1,000 pools in turn", [&] {
    SlotId slot =
        std::get<Granted>(ledger.checkout(pools[which++ % 1000], {0, 1}, now, actions)).slot;
    ledger.checkin(slot, 0, now);
  });
  std::vector<SlotId> held;
  for (int i = 0; i < 20; ++i)
    held.push_back(std::get<Granted>(ledger.checkout(pools[500], {0, 1}, now, actions)).slot);
  std::size_t turn = 0;
  for (int i = 0; i < 100; ++i) ledger.checkout(pools[500], {0, 1}, now, actions);
  measure("checkin Give + checkout Queued, 100 waiting", [&] {
    ledger.checkin(held[turn++ % 20], 0, now);
    ledger.checkout(pools[500], {0, 1}, now, actions);
  });
  CHECK(actions.empty());
  CHECK_EQ(ledger.check_invariants(), "");
}

}  // namespace howdah::pool
