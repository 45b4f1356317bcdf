// RetryBook: a bounded part of what runs is run twice, and nothing that costs servers.
#include "howdah/worker/retries.h"

#include <doctest/doctest.h>

using namespace howdah;
using namespace std::chrono_literals;
using worker::RecentCount;
using worker::RetryBook;

namespace {
const base::TimePoint kStart = base::TimePoint{} + 1000s;
int taken(RetryBook& book, std::uint64_t statements, int pool_size, base::TimePoint now) {
  int count = 0;
  while (count < 10000 && book.take(1, 7, statements, pool_size, now)) ++count;
  return count;
}
}  // namespace

TEST_CASE("counts are those of the last 10 s") {
  RecentCount count;
  for (int i = 0; i < 30; ++i) {
    count.add(kStart + i * 1s);
    CHECK(count.sum(kStart + i * 1s) == static_cast<std::uint64_t>(std::min(i + 1, 10)));
  }
  CHECK(count.sum(kStart + 34s) == 5);
  CHECK(count.sum(kStart + 1000s) == 0);
}

TEST_CASE("a tenth of the statements may run again, and always pool_size") {
  for (auto [statements, pool_size, expected] :
       {std::tuple(0, 5, 5), std::tuple(49, 5, 5), std::tuple(200, 5, 20), std::tuple(90, 10, 10)}) {
    RetryBook book;
    CHECK(taken(book, static_cast<std::uint64_t>(statements), pool_size, kStart) == expected);
    CHECK(taken(book, static_cast<std::uint64_t>(statements), pool_size, kStart + 9s) == 0);
    CHECK(taken(book, static_cast<std::uint64_t>(statements), pool_size, kStart + 10s) == expected);
    CHECK(book.take(2, 7, 0, 1, kStart));  // another pool has its own
  }
  RetryBook endless;
  CHECK(taken(endless, 0, 0, kStart) == 10000);
}

TEST_CASE("a text that has lost its second server, too, is not run again for a minute") {
  RetryBook book;
  CHECK(book.take(1, 7, 0, 100, kStart));
  book.lost_again(7, kStart);
  CHECK(!book.take(1, 7, 0, 100, kStart + 59s));
  CHECK(book.take(1, 8, 0, 100, kStart + 59s));
  CHECK(book.take(1, 7, 0, 100, kStart + 60s));
  for (std::uint64_t text = 100; text < 5000; ++text) book.lost_again(text, kStart);
  CHECK(!book.take(1, 4999, 0, 100, kStart));
}
