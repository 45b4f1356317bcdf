// PROXY protocol headers: both versions, however they are cut, and what is none.
#include "howdah/wire/proxy.h"

#include <doctest/doctest.h>

#include <random>

using namespace howdah::wire;

namespace {

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string v2(std::uint8_t command, std::uint8_t family, const std::string& rest) {
  std::string out = kSignature + static_cast<char>(command) + static_cast<char>(family);
  out += static_cast<char>(rest.size() >> 8);
  out += static_cast<char>(rest.size() & 0xff);
  return out + rest;
}
std::string v4_addresses() {
  return std::string("\x0a\x01\x02\x03\x0a\0\0\x01\x30\x39\x19\x20", 12);  // 10.1.2.3:12345
}
std::string v6_addresses() {
  return std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16) + std::string(16, '\1') +
         std::string("\x30\x39\x19\x20", 4);
}
// "host:port", "-" for the connection's own address, "more", or "bad".
std::string said(std::string_view bytes) {
  std::string exact(bytes);  // its own allocation, so that a sanitizer sees a read past the end
  auto read = read_proxy_header(exact);
  if (std::holds_alternative<NeedMore>(read.header)) return "more";
  if (std::holds_alternative<ProxyMalformed>(read.header)) return "bad";
  const auto& source = std::get<ProxySource>(read.header);
  CHECK(read.consumed <= bytes.size());
  if (!source.known) return "-";
  return source.host + (source.v6 ? " " : ":") + std::to_string(source.port);
}

const std::vector<std::pair<std::string, std::string>> kGood = {
    {"PROXY TCP4 10.1.2.3 10.0.0.1 12345 6432\r\n", "10.1.2.3:12345"},
    {"PROXY TCP6 2001:db8::7 ::1 12345 6432\r\n", "2001:db8::7 12345"},
    {"PROXY TCP4 10.1.2.3 10.0.0.1 0 65535\r\n", "10.1.2.3:0"},
    {"PROXY UNKNOWN\r\n", "-"},
    {"PROXY UNKNOWN ffff::1 whatever 1 2 3\r\n", "-"},
    {v2(0x21, 0x11, v4_addresses()), "10.1.2.3:12345"},
    {v2(0x21, 0x21, v6_addresses()), "2001:db8::7 12345"},
    {v2(0x21, 0x11, v4_addresses() + std::string("\x04\0\x03xyz", 6)), "10.1.2.3:12345"},  // TLV
    {v2(0x21, 0x11, v4_addresses() + std::string(4000, 'T')), "10.1.2.3:12345"},
    {v2(0x20, 0x00, ""), "-"},                     // LOCAL
    {v2(0x20, 0x11, v4_addresses()), "-"},         // LOCAL with addresses
    {v2(0x21, 0x00, "anything"), "-"},             // UNSPEC
    {v2(0x21, 0x31, std::string(216, 'u')), "-"},  // unix
};

}  // namespace

TEST_CASE("headers of both versions, whole and byte by byte, leave what follows alone") {
  for (const auto& [header, wanted] : kGood) {
    CHECK(said(header) == wanted);
    CHECK(said(header + "startup") == wanted);
    CHECK(read_proxy_header(header + "startup").consumed == header.size());
    for (std::size_t size = 0; size < header.size(); ++size) {
      CHECK(said(std::string_view(header).substr(0, size)) == "more");
    }
  }
}

TEST_CASE("what is no header is malformed, at its first wrong byte") {
  for (const std::string& bytes :
       {std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8), std::string("GET / HTTP"),
        std::string("PROXI"), std::string("\r\n\r\nx"), std::string("P\0", 2),
        std::string("\x16\x03")}) {
    CHECK(said(bytes) == "bad");
  }
  for (const char* line :
       {"PROXY TCP4 10.1.2.3 10.0.0.1 12345 6432\n", "PROXY TCP4 10.1.2.3 10.0.0.1 12345\r\n",
        "PROXY TCP4 10.1.2.3 10.0.0.1 12345 6432 \r\n", "PROXY TCP4  10.1.2.3 10.0.0.1 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 10.1.2.3 10.0.0.1 1 2\r\n",
        "PROXY TCP6 fe80::1%1 ::1 1 2\r\n", "PROXY TCP4 10.1.2.3 10.0.0.1 65536 1\r\n",
        "PROXY TCP4 10.1.2.3 10.0.0.1 01 1\r\n", "PROXY TCP4 10.1.2.3 10.0.0.1 -1 1\r\n",
        "PROXY TCP4 10.1.2.3 10.0.0.1 1 x\r\n", "PROXY TCP4 host 10.0.0.1 1 1\r\n", "PROXY \r\n",
        "PROXY UDP4 10.1.2.3 10.0.0.1 1 2\r\n", "PROXY TCP4\r\n",
        "PROXY TCP45 1.1.1.1 1.1.1.1 1 1\r\n"}) {
    CHECK_MESSAGE(said(line) == "bad", line);
  }
  CHECK(said("PROXY UNKNOWN " + std::string(200, 'x')) == "bad");  // no line end in sight
  CHECK(said("PROXY UNKNOWN " + std::string(92, 'x')) == "more");
  for (const std::string& bytes :
       {v2(0x11, 0x11, v4_addresses()), v2(0x31, 0x11, v4_addresses()),
        v2(0x22, 0x11, v4_addresses()), v2(0x21, 0x12, v4_addresses()),
        v2(0x21, 0x41, v4_addresses()), v2(0x21, 0x13, v4_addresses()),
        v2(0x21, 0x11, v4_addresses().substr(1)), v2(0x21, 0x21, v4_addresses()),
        v2(0x21, 0x11, std::string(4081, 'T')), v2(0x21, 0x11, std::string(65535, 'T'))}) {
    CHECK(said(bytes) == "bad");
  }
  // Refused as soon as its length is known, not when it is all there.
  CHECK(said(v2(0x21, 0x11, std::string(60000, 'T')).substr(0, 16)) == "bad");
}

TEST_CASE(
    "random bytes: no crash, no header beyond what there is, nothing awaited beyond the limit") {
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) {
    std::string bytes = kGood[random() % kGood.size()].first;
    for (int change = static_cast<int>(random() % 4); change > 0; --change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    (void)said(bytes);
    CHECK_FALSE(said(bytes + std::string(kMaxProxyHeader, 'x')) == "more");
  }
}
