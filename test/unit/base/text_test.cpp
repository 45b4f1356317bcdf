// Text helpers.
#include "howdah/base/text.h"

#include <doctest/doctest.h>

#include <limits>

using namespace howdah::base;

TEST_CASE("cat joins text, characters and numbers of every width") {
  CHECK(cat("port ", 5432, " is ", 'o', std::string("pen")) == "port 5432 is open");
  CHECK(cat(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(cat(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(cat() == "");
}

TEST_CASE("trim takes blanks at both ends only") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim("   ").empty());
  CHECK(trim("").empty());
}

TEST_CASE("case folding touches ASCII letters only") {
  CHECK(lower("AbZ[@`{\xC4") == "abz[@`{\xC4");
  CHECK(iequal("Host", "hOST"));
  CHECK_FALSE(iequal("host", "hosts"));
  CHECK_FALSE(iequal("[", "{"));
}

TEST_CASE("split keeps empty pieces, but blank text has none") {
  CHECK(split(" a, b ,,c", ',') == std::vector<std::string_view>{"a", "b", "", "c"});
  CHECK(split("a,", ',') == std::vector<std::string_view>{"a", ""});
  CHECK(split("", ',').empty());
  CHECK(split("  ", ',').empty());
}

TEST_CASE("parse_int takes a whole decimal number or leaves its output alone") {
  std::int64_t n = 7;
  CHECK(parse_int("-42", n));
  CHECK(n == -42);
  CHECK(parse_int("9223372036854775807", n));
  n = 7;
  for (const char* bad : {"", " 1", "1 ", "+1", "0x10", "1.5", "9223372036854775808", "-", "--1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_int(bad, n));
    CHECK(n == 7);
  }
}

TEST_CASE("hex is lower case, two digits a byte") {
  CHECK(hex(std::string_view("\x00\xff\x1a", 3)) == "00ff1a");
}

TEST_CASE("a quoted literal can't be left from inside") {
  CHECK(quote_literal("it's") == "'it''s'");
  CHECK(quote_literal("a\\'b") == "E'a\\\\''b'");
  CHECK(quote_literal("") == "''");
}

TEST_CASE("a quoted identifier can't be left from inside") {
  CHECK(quote_ident("we\"ird") == "\"we\"\"ird\"");
  CHECK(quote_ident("back\\slash") == "\"back\\slash\"");
}
