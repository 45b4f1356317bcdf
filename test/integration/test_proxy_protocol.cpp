// PROXY protocol: the client's own address counts everywhere, and nobody else may claim one.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

std::string v1(const std::string& source) {
  return "PROXY TCP4 " + source + " 10.0.0.1 12345 6432\r\n";
}
std::string v2(char command, char family, const std::string& rest) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + command + family +
         msg::i16(static_cast<int>(rest.size())) + rest;
}
std::string v6_of(char last) {
  return std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + last + std::string(15, '\0') +
         '\1' + msg::i16(4444) + msg::i16(6432);
}

// A pooler behind a load balancer at 127.0.0.1. The console's connection is older than that rule.
struct Balanced {
  using Settings = std::map<std::string, std::string>;
  explicit Balanced(Settings more, const std::string& from = "127.0.0.1")
      : pooler({.settings = with_log(std::move(more)),
                .databases = {entry("db", primary(), "postgres")}}) {
    pooler.console("set proxy_protocol_from = '10.9.9.9, " + from + "'");
  }
  static std::map<std::string, std::string> with_log(std::map<std::string, std::string> more) {
    more.emplace("log_connections", "1");
    return more;
  }
  Pooler pooler;
};

std::map<std::string, std::string> console_row(Pooler& pooler, const std::string& addr) {
  return pooler.show("clients", {{"addr", addr}, {"database", "db"}});
}

}  // namespace

TEST_CASE("both versions: SHOW CLIENTS, the log and application_name have the real client") {
  Balanced balanced(Balanced::Settings{{"application_name_add_host", "1"}});
  Pooler& pooler = balanced.pooler;
  struct Case {
    std::string header, address, port;
  };
  const Case cases[] = {
      {v1("192.0.2.7"), "192.0.2.7", "12345"},
      {v2(0x21, 0x21, v6_of('\x07')), "2001:db8::7", "4444"},
      {v2(0x21, 0x21, v6_of('\x08') + std::string("\x04\0\x05hello", 8)), "2001:db8::8", "4444"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.address);
    for (bool slowly : {false, true}) {
      RawClient client = pooler.raw();
      slowly ? client.send_slowly(one.header) : client.send(one.header);
      client.login("db", "postgres", {{"application_name", "shop"}});
      auto row = console_row(pooler, one.address);
      CHECK(row["port"] == one.port);
      CHECK(row["application_name"].find("shop - ") == 0);
      CHECK(row["application_name"].find(one.address) != std::string::npos);
      client.send(msg::query("select 1"));
      CHECK(client.types_until('Z') == "TDCZ");
    }
    CHECK(pooler.logged(one.address));
  }
}

TEST_CASE("header and start-up packet in one segment; LOCAL and UNKNOWN keep the proxy's address") {
  Balanced balanced(Balanced::Settings{});
  Pooler& pooler = balanced.pooler;
  for (const std::string& header :
       {v1("192.0.2.1"), v2(0x20, 0, ""), v2(0x21, 0, "tlv"), std::string("PROXY UNKNOWN\r\n")}) {
    RawClient client = pooler.raw();
    client.send(header + msg::startup({{"user", "postgres"}, {"database", "db"}}));
    CHECK(client.until('Z').back().type == 'Z');
    if (header != v1("192.0.2.1")) CHECK(!console_row(pooler, "127.0.0.1").empty());
  }
}

TEST_CASE("a listed address must send a header, and a whole and right one") {
  Balanced balanced(Balanced::Settings{{"client_login_timeout", "2"}});
  Pooler& pooler = balanced.pooler;
  for (const std::string& bytes :
       {msg::startup({{"user", "postgres"}, {"database", "db"}}), msg::ssl_request(),
        std::string("PROXY TCP4 1.2.3.4\r\n"),
        std::string("PROXY UNKNOWN ") + std::string(200, 'x'),
        v2(0x21, 0x11, std::string(60000, 'T')), std::string("GET / HTTP/1.0\r\n\r\n")}) {
    RawClient client = pooler.raw();
    client.send(bytes);
    CHECK(client.until_closed().code.empty());  // not a word to who may be no PostgreSQL client
  }
  CHECK(pooler.logged("no valid PROXY header: there is none"));
  CHECK(pooler.logged("no valid PROXY header: it is too long"));
  RawClient half = pooler.raw();
  half.send("PROXY TCP4");
  CHECK(half.until_closed().message == "client_login_timeout");
}

TEST_CASE("who is not listed may not claim an address") {
  Balanced balanced(Balanced::Settings{}, "127.0.0.2");
  Pooler& pooler = balanced.pooler;
  RawClient liar = pooler.raw();
  liar.send(v1("192.0.2.7") + msg::startup({{"user", "postgres"}, {"database", "db"}}));
  CHECK(liar.until_closed().severity == "FATAL");
  RawClient honest = pooler.raw();
  honest.login("db", "postgres");
  pooler.console("set proxy_protocol_from = '0.0.0.0/0, ::/0'");
  RawClient local(pooler.unix_socket());
  local.login("db", "postgres");
}

TEST_CASE("a header comes once: a second one is no start-up packet") {
  Balanced balanced(Balanced::Settings{});
  Pooler& pooler = balanced.pooler;
  RawClient client = pooler.raw();
  client.send(v1("192.0.2.7") + v1("192.0.2.8"));
  CHECK(client.until_closed().severity == "FATAL");
}

TEST_CASE("a reload changes who must send one; a wrong list is refused") {
  Balanced balanced(Balanced::Settings{});
  Pooler& pooler = balanced.pooler;
  CHECK_THROWS(pooler.console("set proxy_protocol_from = 'proxy.example.net'"));
  CHECK(pooler.show("config", {{"key", "proxy_protocol_from"}})["value"] == "10.9.9.9, 127.0.0.1");
  pooler.console("reload");  // the file has none
  RawClient client = pooler.raw();
  client.login("db", "postgres");
}
