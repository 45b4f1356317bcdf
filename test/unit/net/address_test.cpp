// Addresses.
#include <doctest/doctest.h>

#include <string>

#include "net/socket.h"

using namespace howdah::net;
using Family = Address::Family;

TEST_CASE("addresses print as log lines and SHOW want them") {
  CHECK(Address{Family::Inet, "10.0.0.1", 5432}.text() == "10.0.0.1:5432");
  CHECK(Address{Family::Inet6, "::1", 5432}.text() == "[::1]:5432");
  CHECK(Address{Family::Unix, "/tmp/.s.PGSQL.5432", 5432}.text() == "unix:5432");
  CHECK(Address{}.text() == "");
}

TEST_CASE("every address survives the way through the kernel's form") {
  for (const Address& address :
       {Address{Family::Inet, "10.0.0.1", 65535}, Address{Family::Inet6, "2001:db8::1", 1},
        Address{Family::Inet6, "fe80::1%1", 5432}, unix_address("/tmp", 6432),
        unix_address("@howdah", 6432)}) {
    CAPTURE(address.host);
    SocketAddress raw;
    REQUIRE(to_socket_address(address, raw) == 0);
    CHECK(from_socket_address(raw) == address);
  }
}

TEST_CASE("only numeric hosts are numeric") {
  CHECK(numeric_address("127.0.0.1", 1)->family == Family::Inet);
  CHECK(numeric_address("::1", 1)->family == Family::Inet6);
  for (const char* name : {"", "localhost", "127.1", "1.2.3.4.5", "1.2.3.4%lo", ":::1", "[::1]"}) {
    CAPTURE(name);
    CHECK_FALSE(numeric_address(name, 1));
  }
}

TEST_CASE("a path the kernel would cut is refused, the longest that fits is not") {
  SocketAddress raw;
  std::string longest(107, 'x');
  CHECK(to_socket_address({Family::Unix, "/" + longest.substr(1), 0}, raw) == 0);
  CHECK(to_socket_address({Family::Unix, "/" + longest, 0}, raw) == ENAMETOOLONG);
  CHECK(to_socket_address({Family::Unix, "@" + longest, 0}, raw) == 0);
  CHECK(to_socket_address({Family::Unix, "@" + longest + "x", 0}, raw) == ENAMETOOLONG);
  CHECK(to_socket_address({Family::Unix, "", 0}, raw) == EINVAL);
  CHECK(to_socket_address({}, raw) == EINVAL);
}
