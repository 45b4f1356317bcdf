// The cache of host names, without any network.
#include "net/host_cache.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace howdah::net;
using std::chrono::seconds;

namespace {

const howdah::base::TimePoint kStart{seconds(1000)};

struct Answers {
  HostCache::Done collect() {
    return [this](Resolved resolved) { got.push_back(std::move(resolved)); };
  }
  std::vector<Resolved> got;
};

std::vector<Address> hosts(std::vector<std::string> names) {
  std::vector<Address> result;
  for (auto& name : names) result.push_back({Address::Family::Inet, name, 0});
  return result;
}

}  // namespace

TEST_CASE("one question serves all who ask meanwhile, each with the own port") {
  HostCache cache;
  Answers a;
  CHECK(cache.lookup("db", 1, kStart, a.collect()));
  CHECK_FALSE(cache.lookup("db", 2, kStart, a.collect()));
  CHECK(cache.lookup("other", 3, kStart, a.collect()));
  CHECK(a.got.empty());
  cache.answered("db", hosts({"10.0.0.1"}), "", kStart);
  REQUIRE(a.got.size() == 2);
  CHECK(a.got[0].addresses[0].port == 1);
  CHECK(a.got[1].addresses[0].port == 2);
}

TEST_CASE("each delivery starts one address further, also over a renewed answer") {
  HostCache cache;
  Answers a;
  cache.set_ttl(seconds(15), seconds(15));
  cache.lookup("db", 1, kStart, a.collect());
  cache.answered("db", hosts({"a", "b", "c"}), "", kStart);
  cache.lookup("db", 1, kStart, a.collect());
  cache.lookup("db", 1, kStart + seconds(15), a.collect());
  cache.answered("db", hosts({"a", "b", "c"}), "", kStart + seconds(15));
  cache.lookup("db", 1, kStart + seconds(16), a.collect());
  REQUIRE(a.got.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(a.got[i].addresses.size() == 3);
    CHECK(a.got[i].addresses[0].host == std::string(1, "abca"[i]));
    CHECK(a.got[i].addresses[1].host == std::string(1, "bcab"[i]));
  }
}

TEST_CASE("answers and failures hold for their own time, which a reload may change") {
  HostCache cache;
  Answers a;
  cache.set_ttl(seconds(10), seconds(2));
  cache.lookup("db", 1, kStart, a.collect());
  cache.answered("db", hosts({"a"}), "", kStart);
  cache.lookup("no", 1, kStart, a.collect());
  cache.answered("no", {}, "no such host", kStart);
  CHECK(a.got[1].error == "no such host");
  CHECK(a.got[1].addresses.empty());
  CHECK_FALSE(cache.lookup("no", 1, kStart + seconds(1), a.collect()));
  CHECK(a.got.size() == 3);
  CHECK(cache.lookup("no", 1, kStart + seconds(2), a.collect()));
  CHECK_FALSE(cache.lookup("db", 1, kStart + seconds(9), a.collect()));
  cache.set_ttl(seconds(5), seconds(2));
  CHECK(cache.lookup("db", 1, kStart + seconds(9), a.collect()));
  cache.set_ttl(seconds(0), seconds(0));
  cache.answered("db", hosts({"a"}), "", kStart + seconds(9));
  CHECK(cache.lookup("db", 1, kStart + seconds(9), a.collect()));
}

TEST_CASE("a callback may look up again, and names of the past are forgotten") {
  HostCache cache;
  cache.set_ttl(seconds(1), seconds(1));
  Answers a;
  int asked = 0;
  for (int i = 0; i < 1000; ++i) {
    auto now = kStart + seconds(2 * i);
    std::string name = "h" + std::to_string(i), next = "h" + std::to_string(i + 1);
    cache.lookup(name, 1, now, [&](Resolved) { asked += cache.lookup(next, 1, now, a.collect()); });
    cache.answered(name, hosts({"a"}), "", now);
  }
  CHECK(asked == 1000);
  CHECK(cache.size() < 300);
  CHECK(a.got.size() == 999);
}
