// The syntax of connect strings.
#include "config/connect_string.h"

#include <doctest/doctest.h>

#include <string>

using namespace howdah::config;

namespace {

Pairs parsed(std::string_view text) {
  auto pairs = parse_connect_string(text);
  INFO(text);
  REQUIRE(pairs.ok());
  return *pairs;
}

std::string error(std::string_view text) {
  auto pairs = parse_connect_string(text);
  INFO(text);
  REQUIRE_FALSE(pairs.ok());
  return pairs.error().text;
}

}  // namespace

TEST_CASE("pairs are separated by blanks, also around =") {
  CHECK(parsed("host=a port=1") == Pairs{{"host", "a"}, {"port", "1"}});
  CHECK(parsed("  host = a\t port\t=\t1  ") == Pairs{{"host", "a"}, {"port", "1"}});
  CHECK(parsed("").empty());
  CHECK(parsed("   ").empty());
}

TEST_CASE("a quoted value keeps its blanks, and a doubled quote is one") {
  CHECK(parsed("connect_query='SELECT ''x'' ; --' host=a") ==
        Pairs{{"connect_query", "SELECT 'x' ; --"}, {"host", "a"}});
  CHECK(parsed("password=''''") == Pairs{{"password", "'"}});
}

TEST_CASE("an unquoted value ends at a blank only") {
  CHECK(parsed("password=a=b;c#d'e\" user=u") == Pairs{{"password", "a=b;c#d'e\""}, {"user", "u"}});
}

TEST_CASE("duplicates stay in order, so that the last one wins") {
  CHECK(parsed("port=1 port=2") == Pairs{{"port", "1"}, {"port", "2"}});
}

TEST_CASE("an empty value is an error that names the key") {
  CHECK(error("host= ").find("'host' is empty") != std::string::npos);
  CHECK(error("password=''").find("'password' is empty") != std::string::npos);
  CHECK(error("host").find("key=value") != std::string::npos);
  CHECK(error("=a").find("key=value") != std::string::npos);
}

TEST_CASE("an open quote and text right behind a quote are errors") {
  CHECK(error("connect_query='SELECT 1").find("never closed") != std::string::npos);
  CHECK(error("user='a'port=1").find("blank after") != std::string::npos);
}

TEST_CASE("an error never repeats what may be a part of a password") {
  for (auto text : {"password='hunter2", "password='x'hunter2", "password=my hunter2 secret",
                    "password=my hunter2", "hunter2"})
    CHECK_MESSAGE(error(text).find("hunter2") == std::string::npos, text);
}
