// The byte queue.
#include "howdah/base/buffer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <utility>

using howdah::base::Buffer;

TEST_CASE("an empty buffer owns no memory, whichever way it got empty") {
  Buffer b;
  CHECK(b.capacity() == 0);
  b.append("");
  CHECK(b.capacity() == 0);
  b.append("abc");
  CHECK(b.capacity() == 64);
  b.consume(3);
  CHECK(b.capacity() == 0);
  b.append("abc");
  b.truncate(0);
  CHECK(b.capacity() == 0);
  b.append("abc");
  b.wipe();
  CHECK(b.capacity() == 0);
  CHECK(b.view().empty());
}

TEST_CASE("the head's space is used before memory is asked for") {
  Buffer b;
  b.append(std::string(60, 'x'));
  b.consume(50);
  b.append(std::string(54, 'y'));
  CHECK(b.capacity() == 64);
  CHECK(b.view() == std::string(10, 'x') + std::string(54, 'y'));
  b.append("z");
  CHECK(b.capacity() == 128);
  CHECK(b.size() == 65);
}

TEST_CASE("extend gives writable bytes that belong to the buffer, overwrite counts from the head") {
  Buffer b;
  b.append("0123");
  b.consume(2);
  std::memcpy(b.extend(2), "45", 2);
  b.overwrite(1, "ab");
  CHECK(b.view() == "2ab5");
  b.truncate(2);
  CHECK(b.view() == "2a");
}

TEST_CASE("moving leaves the source empty") {
  Buffer a;
  a.append("abc");
  Buffer b = std::move(a);
  CHECK(a.capacity() == 0);
  CHECK(b.view() == "abc");
  Buffer c;
  c.append("old");
  c = std::move(b);
  CHECK(c.view() == "abc");
  CHECK(b.empty());
}

TEST_CASE("any mix of appends and consumes equals a string") {
  std::mt19937 random(1);
  Buffer b;
  std::string model;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2) {
      std::string piece(random() % 200, static_cast<char>('a' + i % 26));
      b.append(piece);
      model += piece;
    } else {
      std::size_t count = model.empty() ? 0 : random() % (model.size() + 1);
      b.consume(count);
      model.erase(0, count);
    }
    REQUIRE(b.view() == model);
    REQUIRE((b.capacity() == 0) == model.empty());
  }
}
