// Host lists and ports.
#include "config/hosts.h"

#include <doctest/doctest.h>

using namespace howdah::config;

namespace {

std::vector<Host> hosts(std::string_view names, std::string_view ports = "") {
  auto list = parse_hosts(names, ports);
  INFO(names);
  REQUIRE(list.ok());
  return *list;
}

std::string error(std::string_view names, std::string_view ports = "") {
  auto list = parse_hosts(names, ports);
  INFO(names);
  REQUIRE_FALSE(list.ok());
  return list.error().text;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("one port serves all hosts, or each has its own") {
  CHECK(hosts("a") == std::vector<Host>{{"a", 5432}});
  CHECK(hosts("a, b,c", "6000") == std::vector<Host>{{"a", 6000}, {"b", 6000}, {"c", 6000}});
  CHECK(hosts("a,b", "6000, 6001") == std::vector<Host>{{"a", 6000}, {"b", 6001}});
  CHECK(has(error("a,b,c", "1,2"), "2 ports for 3 hosts"));
  CHECK(has(error("a", "1,2"), "2 ports for 1 hosts"));
}

TEST_CASE("a colon is an IPv6 address unless the name is a socket directory") {
  CHECK(hosts("::1")[0].name == "::1");
  CHECK(hosts("[fe80::1]")[0].name == "fe80::1");
  CHECK(hosts("fe80::1%eth0")[0].name == "fe80::1%eth0");
  CHECK(hosts("/cloudsql/project:region:instance")[0].name == "/cloudsql/project:region:instance");
  CHECK(hosts("@abstract:x")[0].name == "@abstract:x");
  CHECK(has(error("db.example:5432"), "port="));
}

TEST_CASE("an empty place in the list and names that no host has are errors") {
  CHECK(has(error("a,,b"), "empty place"));
  CHECK(has(error("a,"), "empty place"));
  CHECK(has(error("[]"), "empty"));
  CHECK(has(error("a b"), "no host name"));
  CHECK(has(error("postgres/db"), "no host name"));
  CHECK(has(error(std::string(256, 'x')), "too long"));
}

TEST_CASE("a port is 1 to 65535") {
  CHECK(hosts("a", "65535")[0].port == 65535);
  for (auto port : {"0", "65536", "-1", "x", "1.5"}) CHECK(has(error("a", port), "1 to 65535"));
}

TEST_CASE("a socket path that does not fit a socket address is refused") {
  // "/.s.PGSQL.5432" has 14 bytes, and 107 fit.
  std::string fits = "/" + std::string(92, 'd');
  CHECK(hosts(fits)[0].name == fits);
  CHECK(has(error(fits + "d"), "107 bytes"));
}
