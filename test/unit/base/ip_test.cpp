// IP addresses and ranges, as configuration lists them.
#include "howdah/base/ip.h"

#include <doctest/doctest.h>

using namespace howdah::base;

TEST_CASE("numeric addresses are read and written back, names are not") {
  for (const char* text : {"10.1.2.3", "0.0.0.0", "::1", "2001:db8::7", "::"}) {
    REQUIRE(Ip::parse(text));
    CHECK(Ip::parse(text)->text() == text);
  }
  CHECK(Ip::parse("::ffff:10.1.2.3") == Ip::parse("10.1.2.3"));
  CHECK(Ip::parse("fe80::1%eth0") == Ip::parse("fe80::1"));
  CHECK(Ip::parse("10.1.2.3")->v4());
  CHECK_FALSE(Ip::parse("::1")->v4());
  for (const char* text : {"", "localhost", "10.1.2", "10.1.2.3.4", "256.1.1.1", "010.1.1.1",
                           ":::", "10.1.2.3 ", "unix", "%", "1"}) {
    CHECK_MESSAGE(!Ip::parse(text), text);
  }
  CHECK_FALSE(Ip::parse(std::string("10.1.2.3\0x", 10)));
}

TEST_CASE("a range holds its addresses and no others, of both families") {
  auto in = [](const char* range, const char* ip) {
    auto made = IpRange::parse(range);
    REQUIRE_MESSAGE(made.ok(), range);
    return made->contains(*Ip::parse(ip));
  };
  CHECK(in("10.0.0.0/8", "10.255.0.1"));
  CHECK_FALSE(in("10.0.0.0/8", "11.0.0.1"));
  CHECK(in("10.0.0.0/8", "::ffff:10.1.1.1"));
  CHECK(in("10.1.2.3", "10.1.2.3"));
  CHECK_FALSE(in("10.1.2.3", "10.1.2.2"));
  CHECK(in("10.1.2.3/32", "10.1.2.3"));
  CHECK(in("0.0.0.0/0", "1.2.3.4"));
  CHECK_FALSE(in("0.0.0.0/0", "2001:db8::1"));
  CHECK(in("::/0", "2001:db8::1"));
  CHECK(in("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(in("::1", "::1"));
}

TEST_CASE("what is no range is an error") {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "10.0.0.1/8",
        "2001:db8::1/32", "all", "10.0.0.0/ 8", "10.0.0.0/+8"}) {
    CHECK_MESSAGE(!IpRange::parse(text).ok(), text);
  }
}

TEST_CASE("a prefix keeps its bits only") {
  CHECK(Ip::parse("2001:db8:1:2:3:4:5:6")->prefix(64).text() == "2001:db8:1:2::");
  CHECK(Ip::parse("2001:db8:ffff::")->prefix(36).text() == "2001:db8:f000::");
  CHECK(Ip::parse("10.1.2.3")->prefix(128).text() == "10.1.2.3");
  CHECK(Ip::parse("::1")->prefix(0) == Ip{});
}
