// HashCache: exact keys, bounded, least recently used first.
#include "howdah/auth/hash_cache.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "howdah/base/text.h"

using namespace howdah;
using namespace howdah::auth;

namespace {

HashJob job(std::string_view password, std::string salt = "salt", std::uint32_t iterations = 2) {
  return {base::Secret(password), std::move(salt), iterations};
}
Key key(std::uint8_t fill) {
  Key out;
  out.fill(fill);
  return out;
}

}  // namespace

TEST_CASE("a result is found for its own password, salt and iterations only") {
  HashCache cache;
  cache.store(job("pw"), key(1));
  CHECK(cache.find(job("pw")) == key(1));
  CHECK_FALSE(cache.find(job("pW")));
  CHECK_FALSE(cache.find(job("pw", "sald")));
  CHECK_FALSE(cache.find(job("pw", "salt", 3)));
  CHECK_FALSE(cache.find(job("pws", "alt")));
  CHECK_FALSE(cache.find(job("pw", "salt2", 0)));
  cache.store(job("pw"), key(2));
  CHECK(cache.find(job("pw")) == key(2));
}

TEST_CASE("the cache is bounded and the entry not used for the longest time goes first") {
  HashCache cache(3);
  cache.store(job("a"), key(1));
  cache.store(job("b"), key(2));
  cache.store(job("c"), key(3));
  CHECK(cache.find(job("a")));  // now b is the oldest
  cache.store(job("d"), key(4));
  CHECK_FALSE(cache.find(job("b")));
  CHECK(cache.find(job("a")) == key(1));
  CHECK(cache.find(job("c")) == key(3));
  CHECK(cache.find(job("d")) == key(4));
  cache.store(job("a"), key(5));  // an update is a use, and needs no room
  cache.store(job("e"), key(6));
  CHECK_FALSE(cache.find(job("c")));
  CHECK(cache.find(job("a")) == key(5));
}

TEST_CASE("however many are stored, only as many as allowed are kept") {
  HashCache cache(10);
  for (int i = 0; i < 1000; ++i)
    cache.store(job(base::cat("p", i)), key(static_cast<std::uint8_t>(i)));
  int kept = 0;
  for (int i = 0; i < 1000; ++i) kept += cache.find(job(base::cat("p", i))).has_value();
  CHECK(kept == 10);
}

TEST_CASE("a cache without room keeps nothing") {
  HashCache cache(0);
  cache.store(job("a"), key(1));
  CHECK_FALSE(cache.find(job("a")));
}

TEST_CASE("threads share one cache and each finds only right values") {
  HashCache cache(8);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        auto n = static_cast<std::uint8_t>((i * 7 + static_cast<int>(t)) % 16);
        cache.store(job(base::cat(n)), key(n));
        auto found = cache.find(job(base::cat(n)));
        if (found && *found != key(n)) ++wrong[t];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("who comes with a job that is under way is told by the one who runs it, once") {
  HashCache cache(8);
  CHECK(cache.begin(job("a"), {0, 1}));
  CHECK_FALSE(cache.begin(job("a"), {1, 2}));
  CHECK_FALSE(cache.begin(job("a"), {0, 3}));
  CHECK(cache.begin(job("b"), {0, 4}));
  cache.store(job("a"), key(9));  // a server's login had the same one to stretch: they wait on
  auto told = cache.finish(job("a"), key(1));
  REQUIRE(told.size() == 2);
  CHECK(told[0].worker == 1);
  CHECK(told[0].client == 2);
  CHECK(told[1].client == 3);
  CHECK(cache.find(job("a")) == key(1));
  CHECK(cache.finish(job("b"), key(2)).empty());
  CHECK(cache.begin(job("a"), {0, 5}));  // it is over: the next one would run it
}
