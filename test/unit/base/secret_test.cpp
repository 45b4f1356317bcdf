// Secrets.
#include "howdah/base/secret.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <utility>

using namespace howdah::base;

TEST_CASE("wipe overwrites") {
  std::array<char, 16> memory;
  memory.fill('x');
  wipe(memory.data(), memory.size());
  for (char c : memory) CHECK(c == 0);
  wipe(nullptr, 0);
}

TEST_CASE("constant-time compare is equality, whatever the bytes") {
  CHECK(equal_constant_time("", ""));
  CHECK(equal_constant_time("abc", "abc"));
  CHECK_FALSE(equal_constant_time("abc", "abd"));
  CHECK_FALSE(equal_constant_time("abc", "ab"));
  CHECK_FALSE(equal_constant_time("xbc", "abc"));
  CHECK_FALSE(equal_constant_time(std::string_view("\x80", 1), std::string_view("\x00", 1)));
}

TEST_CASE("random bytes fill every place") {
  std::string bytes(300, '\0');
  std::array<bool, 300> changed{};
  // One draw leaves a zero with probability 1/256; fifty draws in no place.
  for (int i = 0; i < 50; ++i) {
    random_bytes(bytes.data(), bytes.size());
    for (std::size_t at = 0; at < bytes.size(); ++at) changed[at] = changed[at] || bytes[at];
  }
  for (bool c : changed) REQUIRE(c);
}

TEST_CASE("a secret moved from is empty, an assigned one has the new text") {
  for (std::string text : {std::string("short"), std::string(100, 'l')}) {
    Secret a{text};
    Secret b = std::move(a);
    CHECK(a.empty());
    CHECK(b.view() == text);
    Secret c{"other"};
    c = b;
    CHECK(c == b);
    c = std::move(b);
    CHECK(b.empty());
    CHECK(c.view() == text);
    c.clear();
    CHECK(c.empty());
  }
}
