// Numbers, times, sizes and lists as text.
#include "config/value.h"

#include <doctest/doctest.h>

using namespace howdah::config;
using namespace std::chrono_literals;

TEST_CASE("an int is C style and must be the whole text") {
  CHECK(read_int("20") == 20);
  CHECK(read_int("0x10") == 16);
  CHECK(read_int("0777") == 511);
  CHECK(read_int("0") == 0);
  CHECK(read_int("-1") == -1);
  CHECK(read_int("+7") == 7);
  for (auto wrong : {"", "-", "0x", "09", "1 2", "12x", "ten", "1.5", "--1", "9223372036854775808"})
    CHECK_MESSAGE(!read_int(wrong), wrong);
}

TEST_CASE("a time is in seconds, fractions allowed, or has a unit") {
  auto read = [](std::string_view text) { return read_time(text, 1s); };
  CHECK(read("30") == 30s);
  CHECK(read("0.25") == 250ms);
  CHECK(read("010") == 10s);
  CHECK(read("0") == 0s);
  CHECK(read("500ms") == 500ms);
  CHECK(read("30s") == 30s);
  CHECK(read("1.5h") == 90min);
  CHECK(read("2 min") == 2min);
  CHECK(read("1d") == 24h);
  CHECK(read("250us") == 250us);
  CHECK(read_time("250", 1ms) == 250ms);
  for (auto wrong : {"", "-1", "-0", "inf", "nan", "1e300", "1 week", "s", "1s1", "1S", "4e9"})
    CHECK_MESSAGE(!read(wrong), wrong);
}

TEST_CASE("a size is in bytes or has a unit of 1024") {
  CHECK(read_size("4096") == 4096);
  CHECK(read_size("0x1000") == 4096);
  CHECK(read_size("64kB") == 65536);
  CHECK(read_size("16 MB") == 16 << 20);
  CHECK(read_size("1GB") == 1 << 30);
  CHECK(read_size("12B") == 12);
  for (auto wrong : {"", "kB", "1KB", "1.5kB", "-1kB", "9999999999TB", "8388608TB"})
    CHECK_MESSAGE(!read_size(wrong), wrong);
}

TEST_CASE("a time prints in seconds, as short as %g does") {
  CHECK(time_text(0s) == "0");
  CHECK(time_text(3600s) == "3600");
  CHECK(time_text(250ms) == "0.25");
  CHECK(time_text(1234567s) == "1.23457e+06");
}

TEST_CASE("a list drops blanks around its pieces and empty pieces") {
  CHECK(read_list("a, b ,c") == std::vector<std::string>{"a", "b", "c"});
  CHECK(read_list("a,,b,") == std::vector<std::string>{"a", "b"});
  CHECK(read_list("").empty());
}
