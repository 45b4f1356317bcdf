// UserCache: one question for all who want to know, answers for their time, bounds.
#include "howdah/worker/user_cache.h"

#include <doctest/doctest.h>

#include <thread>

using namespace howdah;
using namespace howdah::worker;
using namespace std::chrono_literals;

namespace {

constexpr Duration kTtl = 30s;
const TimePoint kStart = TimePoint{} + 1000s;

std::shared_ptr<const UserAnswer> found(std::string_view secret, TimePoint asked) {
  UserAnswer answer;
  answer.user = {"bob", auth::classify(secret)};
  answer.asked = asked;
  return std::make_shared<const UserAnswer>(std::move(answer));
}
std::shared_ptr<const UserAnswer> unknown(TimePoint asked) {
  UserAnswer answer;
  answer.asked = asked;
  return std::make_shared<const UserAnswer>(std::move(answer));
}

}  // namespace

TEST_CASE("the first one asks, the others wait for its answer, later ones know it") {
  UserCache cache;
  CHECK(cache.find("bob", {0, 1}, kStart, kTtl).ask);
  for (std::uint64_t client = 2; client <= 4; ++client) {
    auto other = cache.find("bob", {1, client}, kStart, kTtl);
    CHECK_FALSE(other.ask);
    CHECK_FALSE(other.known);
  }
  CHECK(cache.find("eve", {0, 9}, kStart, kTtl).ask);  // another question
  auto waiters = cache.finish("bob", found("pencil", kStart));
  REQUIRE(waiters.size() == 4);
  CHECK(waiters[0].client == 1);
  CHECK(waiters[3].worker == 1);
  auto later = cache.find("bob", {0, 5}, kStart + 29s, kTtl);
  REQUIRE(later.known);
  CHECK(later.known->user.secret.text.view() == "pencil");
  CHECK(cache.find("bob", {0, 6}, kStart + 30s, kTtl).ask);
}

TEST_CASE("an unknown user is known to be so for a second only, and never longer than the ttl") {
  UserCache cache;
  cache.find("eve", {}, kStart, kTtl);
  cache.finish("eve", unknown(kStart));
  CHECK(cache.find("eve", {}, kStart + 999ms, kTtl).known);
  CHECK(cache.find("eve", {}, kStart + 1s, kTtl).ask);
  cache.finish("eve", unknown(kStart));
  CHECK(cache.find("eve", {}, kStart + 500ms, 100ms).ask);
}

TEST_CASE("an answer to a question older than wanted is not given") {
  UserCache cache;
  cache.find("bob", {}, kStart, kTtl);
  cache.finish("bob", found("old", kStart));
  CHECK(cache.find("bob", {}, kStart + 2s, kTtl, kStart).known);
  CHECK(cache.find("bob", {}, kStart + 2s, kTtl, kStart + 1s).ask);
  cache.finish("bob", found("new", kStart + 2s));
  CHECK(cache.find("bob", {}, kStart + 3s, kTtl).known->user.secret.text.view() == "new");
}

TEST_CASE("while a question is slow an older answer serves those who are content with it") {
  UserCache cache;
  cache.find("bob", {}, kStart, kTtl);
  cache.finish("bob", found("old", kStart));
  TimePoint later = kStart + 10s;
  CHECK(cache.find("bob", {0, 1}, later, kTtl, later, true).ask);
  CHECK_FALSE(cache.find("bob", {0, 2}, later, kTtl, later, false).known);
  CHECK_FALSE(cache.find("bob", {0, 3}, later, kTtl, later, true).known);  // it may be quick
  auto content = cache.slow("bob", later, kTtl);
  REQUIRE(content.size() == 2);
  CHECK(content[0].client == 1);
  CHECK(content[1].client == 3);
  CHECK(content[1].kept);
  CHECK(content[1].answer->user.secret.text.view() == "old");
  CHECK(cache.find("bob", {0, 4}, later, kTtl, later, true).known);
  CHECK_FALSE(cache.find("bob", {0, 5}, later, kTtl, later, false).known);
  CHECK_FALSE(cache.find("bob", {0, 6}, later + 21s, kTtl, later, true).known);  // too old
  auto told = cache.finish("bob", found("new", later + 21s), later + 22s, kTtl);
  REQUIRE(told.size() == 3);
  for (const auto& one : told) CHECK(one.answer->user.secret.text.view() == "new");
  CHECK(cache.find("bob", {0, 7}, later + 22s, kTtl, later + 22s, true).ask);  // quick again
}

TEST_CASE("when a question fails an older answer serves those who are content with it") {
  UserCache cache;
  cache.find("bob", {}, kStart, kTtl);
  cache.finish("bob", found("old", kStart));
  TimePoint later = kStart + 10s;
  cache.find("bob", {0, 1}, later, kTtl, later, true);
  cache.find("bob", {0, 2}, later, kTtl, later, false);
  UserAnswer failed;
  failed.failed = true;
  auto told = cache.finish("bob", std::make_shared<const UserAnswer>(failed), later, kTtl);
  REQUIRE(told.size() == 2);
  CHECK(told[0].kept);
  CHECK(told[0].answer->user.secret.text.view() == "old");
  CHECK_FALSE(told[1].kept);
  CHECK(told[1].answer->failed);
  cache.find("bob", {0, 3}, kStart + 30s, kTtl, kStart + 30s, true);
  told = cache.finish("bob", std::make_shared<const UserAnswer>(failed), kStart + 30s, kTtl);
  REQUIRE(told.size() == 1);
  CHECK(told[0].answer->failed);  // what is known has had its time
}

TEST_CASE("a slow question without a known answer keeps all waiting") {
  UserCache cache;
  CHECK(cache.find("bob", {0, 1}, kStart, kTtl, kStart, true).ask);
  CHECK(cache.slow("bob", kStart, kTtl).empty());
  CHECK_FALSE(cache.find("bob", {0, 2}, kStart, kTtl, kStart, true).known);
  CHECK(cache.finish("bob", found("x", kStart)).size() == 2);
  CHECK(cache.slow("bob", kStart, kTtl).empty());  // nobody asks
}

TEST_CASE("without a ttl every login asks, but those at the same time share the question") {
  UserCache cache;
  CHECK(cache.find("bob", {0, 1}, kStart, {}).ask);
  CHECK_FALSE(cache.find("bob", {0, 2}, kStart, {}).ask);
  CHECK(cache.finish("bob", found("x", kStart)).size() == 2);
  CHECK(cache.find("bob", {0, 3}, kStart, {}).ask);
}

TEST_CASE("a failed question is not kept; nobody else's answer is lost") {
  UserCache cache;
  cache.find("bob", {}, kStart, kTtl);
  UserAnswer failed;
  failed.failed = true;
  CHECK(cache.finish("bob", std::make_shared<const UserAnswer>(failed)).size() == 1);
  CHECK(cache.size() == 0);
  CHECK(cache.find("bob", {}, kStart, kTtl).ask);
  CHECK(cache.finish("nobody asked", found("x", kStart)).empty());
  CHECK(cache.size() == 0);
}

TEST_CASE("a user that comes to be replaces its absence, and the other way round") {
  UserCache cache;
  cache.find("bob", {}, kStart, kTtl);
  cache.finish("bob", unknown(kStart));
  cache.find("bob", {}, kStart + 2s, kTtl);
  cache.finish("bob", found("x", kStart + 2s));
  CHECK(cache.size() == 1);
  cache.find("bob", {}, kStart + 60s, kTtl);
  cache.finish("bob", unknown(kStart + 60s));
  CHECK(cache.size() == 1);
  CHECK(cache.find("bob", {}, kStart + 60s, kTtl).known->user.secret.kind ==
        auth::StoredSecret::Kind::Missing);
}

TEST_CASE("answers are bounded, a flood of unknown users pushes no known one out") {
  UserCache cache;
  for (int i = 0; i < 10500; ++i) {
    std::string name = std::to_string(i);
    cache.find(name, {}, kStart, kTtl);
    cache.finish(name, found("x", kStart));
  }
  CHECK(cache.size() == 10000);
  CHECK(cache.find("499", {}, kStart, kTtl).ask);
  CHECK(cache.find("500", {}, kStart, kTtl).known);
  for (int i = 0; i < 5000; ++i) {
    std::string name = "eve" + std::to_string(i);
    cache.find(name, {}, kStart, kTtl);
    cache.finish(name, unknown(kStart));
  }
  CHECK(cache.size() == 11000);
  CHECK(cache.find("500", {}, kStart, kTtl).known);
}

TEST_CASE("what has had its time is dropped without being asked for") {
  UserCache cache;
  for (const char* name : {"a", "b"}) cache.find(name, {}, kStart, kTtl);
  cache.finish("a", found("x", kStart));
  cache.finish("b", unknown(kStart));
  cache.expire(kStart + 999ms, kTtl);
  CHECK(cache.size() == 2);
  cache.expire(kStart + 1s, kTtl);
  CHECK(cache.size() == 1);
  cache.expire(kStart + 30s, kTtl);
  CHECK(cache.size() == 0);
}

TEST_CASE("a reload drops all answers, also the one that is under way") {
  UserCache cache;
  cache.find("bob", {}, kStart, kTtl);
  cache.finish("bob", found("x", kStart));
  cache.find("eve", {0, 7}, kStart, kTtl);
  cache.clear();
  CHECK(cache.size() == 0);
  auto waiters = cache.finish("eve", found("x", kStart));
  REQUIRE(waiters.size() == 1);  // who asked before the reload gets what it asked for
  CHECK(waiters[0].client == 7);
  CHECK(cache.size() == 0);
}

TEST_CASE("threads: each question has one that asks, and nobody waits for ever") {
  UserCache cache;
  std::atomic<int> asked{0}, told{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        std::string key = std::to_string(i % 7);
        auto got = cache.find(key, {static_cast<pool::WorkerId>(t), 1}, kStart, {});
        if (got.ask) {
          ++asked;
          told += static_cast<int>(cache.finish(key, found("x", kStart)).size());
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(asked > 0);
  CHECK(told == 8000);
}
