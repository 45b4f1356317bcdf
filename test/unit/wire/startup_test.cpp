// Start-up packets: each kind, each way to break it, whole and byte by byte.
#include "howdah/wire/startup.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "howdah/base/text.h"
#include "howdah/wire/appender.h"

using namespace howdah;
using namespace std::string_literals;

namespace {

std::string u32(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string packet(std::uint32_t code, const std::string& body) {
  return u32(static_cast<std::uint32_t>(body.size() + 8)) + u32(code) + body;
}
base::Result<wire::StartupRead> read_exact(std::string_view bytes) {
  std::vector<char> exact(bytes.begin(), bytes.end());
  return wire::read_startup({exact.data(), exact.size()});
}
std::string error_of(std::string_view bytes) {
  auto read = read_exact(bytes);
  if (read.ok()) return "ok";
  CHECK(read.error().code == "08P01");
  return read.error().text;
}
template <typename T>
bool is(const wire::StartupRead& read) {
  return std::holds_alternative<T>(read.packet);
}

using Settings = std::vector<std::pair<std::string, std::string>>;
const std::string kLayout = "invalid startup packet layout: expected terminator as last byte";

}  // namespace

TEST_CASE("what append_startup writes read_startup reads back") {
  Settings parameters = {{"user", "bob"}, {"database", ""}, {"options", "-c a=b"}};
  base::Buffer buffer;
  wire::append_startup(buffer, parameters);
  std::size_t size = buffer.size();
  buffer.append("next message");
  auto read = wire::read_startup(buffer.view());
  REQUIRE(read.ok());
  CHECK(read->consumed == size);
  auto& startup = std::get<wire::Startup>(read->packet);
  CHECK(startup.version == wire::kProtocol30);
  CHECK(startup.parameters == parameters);
  REQUIRE(startup.find("database"));
  CHECK(startup.find("database")->empty());
  CHECK(startup.find("data") == nullptr);
}

TEST_CASE("every packet cut at any byte needs more and consumes nothing") {
  base::Buffer startup;
  wire::append_startup(startup, {{"user", "bob"}, {"database", "shop"}});
  base::Buffer cancel;
  wire::append_cancel_request(cancel, "12345678");
  for (std::string whole : {std::string(startup.view()), std::string(cancel.view()),
                            packet(wire::kSslRequest, ""), packet(wire::kGssEncRequest, "")}) {
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      auto read = read_exact(whole.substr(0, cut));
      REQUIRE(read.ok());
      CHECK(is<wire::NeedMore>(*read));
      CHECK(read->consumed == 0);
    }
    auto read = read_exact(whole);
    REQUIRE(read.ok());
    CHECK_FALSE(is<wire::NeedMore>(*read));
    CHECK(read->consumed == whole.size());
  }
}

TEST_CASE("SSL, GSS and cancel requests are told apart and have the lengths they may have") {
  auto ssl = read_exact(packet(wire::kSslRequest, "") + "more");
  REQUIRE(ssl.ok());
  CHECK(is<wire::SslRequest>(*ssl));
  CHECK(ssl->consumed == 8);
  auto gss = read_exact(packet(wire::kGssEncRequest, ""));
  REQUIRE(gss.ok());
  CHECK(is<wire::GssEncRequest>(*gss));
  auto cancel = read_exact(packet(wire::kCancelRequest, "\0\1\2\3\4\5\6\7"s));
  REQUIRE(cancel.ok());
  CHECK(std::get<wire::CancelRequest>(cancel->packet).key == "\0\1\2\3\4\5\6\7"s);

  CHECK(error_of(packet(wire::kSslRequest, "x")) == "bad packet header: '0000000904d2162f'");
  CHECK(error_of(packet(wire::kGssEncRequest, "x")) == "bad packet header: '0000000904d21630'");
  for (std::size_t size : {8, 9, 36, 260}) {
    std::string key(size, 'k');
    auto longer = read_exact(packet(wire::kCancelRequest, key));
    REQUIRE(longer.ok());
    CHECK(std::get<wire::CancelRequest>(longer->packet).key == key);
  }
  for (std::size_t size : {0, 7, 261, 60000}) {
    CHECK(error_of(packet(wire::kCancelRequest, std::string(size, 'k')))
              .starts_with("bad packet header: '"));
  }
}

TEST_CASE("lengths out of bounds and unknown codes are bad headers, never waits") {
  for (std::uint32_t length : {0u, 4u, 7u, 65536u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    std::string bytes = u32(length) + u32(wire::kProtocol30);
    CHECK(error_of(bytes) == "bad packet header: '" + base::hex(bytes) + "'");
  }
  for (std::uint32_t code : {0u, 1u << 16, 4u << 16, 80877105u, 0xffffffffu}) {
    CHECK(error_of(packet(code, "\0"s)).starts_with("bad packet header: '"));
  }
  CHECK(error_of("GET / HTTP/1.1\r\n") == "bad packet header: '474554202f204854'");
  CHECK(error_of(packet(2u << 16, std::string(288, 'v'))) == "old V2 protocol not supported");
}

TEST_CASE("a password message before any start-up packet is named as such") {
  CHECK(error_of("p\0\0\0\x08pw\0\0"s) == "client password pkt before startup packet");
}

TEST_CASE("the longest packet is read and one byte more is refused") {
  std::string value(wire::kMaxStartup - 8 - 7, 'x');  // "user" NUL value NUL NUL
  auto read = read_exact(packet(wire::kProtocol30, "user\0"s + value + "\0\0"s));
  REQUIRE(read.ok());
  CHECK(*std::get<wire::Startup>(read->packet).find("user") == value);
  CHECK(error_of(packet(wire::kProtocol30, "user\0x"s + value + "\0\0"s))
            .starts_with("bad packet header"));
}

TEST_CASE("later minor versions are given as they came") {
  auto read = read_exact(packet(wire::kProtocol30 + 2, "user\0a\0\0"s));
  REQUIRE(read.ok());
  CHECK(std::get<wire::Startup>(read->packet).version == wire::kProtocol30 + 2);
}

TEST_CASE("parameters must be pairs, with the terminator as the very last byte") {
  for (std::string body : {""s, "user"s, "user\0"s, "user\0bob"s, "user\0bob\0"s, "user\0bob\0\0x"s,
                           "user\0bob\0\0\0"s, "user\0bob\0database\0\0"s, "\0user\0bob\0\0"s}) {
    CHECK(error_of(packet(wire::kProtocol30, body)) == kLayout);
  }
  auto empty = read_exact(packet(wire::kProtocol30, "\0"s));
  REQUIRE(empty.ok());
  CHECK(std::get<wire::Startup>(empty->packet).parameters.empty());
}

TEST_CASE("a body cut at any byte, with a length that fits the cut, is never taken as whole") {
  std::string body = "user\0bob\0database\0shop\0\0"s;
  for (std::size_t cut = 0; cut < body.size(); ++cut) {
    std::string text = error_of(packet(wire::kProtocol30, body.substr(0, cut)));
    CHECK_MESSAGE(text == kLayout, "cut at " << cut);
  }
}

TEST_CASE("of parameters sent twice the last counts") {
  auto read = read_exact(packet(wire::kProtocol30, "user\0a\0user\0b\0\0"s));
  REQUIRE(read.ok());
  CHECK(*std::get<wire::Startup>(read->packet).find("user") == "b");
}

TEST_CASE("a parameter without a name cannot end the list early") {
  base::Buffer buffer;
  wire::append_startup(buffer, {{"", "x"}, {"user", "bob"}});
  auto read = wire::read_startup(buffer.view());
  REQUIRE(read.ok());
  CHECK(std::get<wire::Startup>(read->packet).parameters == Settings{{"user", "bob"}});
}

TEST_CASE("options: the three forms, escapes and blanks") {
  auto parsed = [](std::string_view text) {
    auto out = wire::parse_options(text);
    REQUIRE(out.ok());
    return *out;
  };
  CHECK(parsed("").empty());
  CHECK(parsed(" \t\n ").empty());
  CHECK(parsed("-c a=b") == Settings{{"a", "b"}});
  CHECK(parsed("-ca=b") == Settings{{"a", "b"}});
  CHECK(parsed("--a=b") == Settings{{"a", "b"}});
  CHECK(parsed("--statement-timeout=5") == Settings{{"statement_timeout", "5"}});
  CHECK(parsed("  -c  a=b\t--c=d -ce=f ") == Settings{{"a", "b"}, {"c", "d"}, {"e", "f"}});
  CHECK(parsed(R"(-c a=x\ y\\z)") == Settings{{"a", R"(x y\z)"}});
  CHECK(parsed(R"(-c a=b\)") == Settings{{"a", "b"}});
  CHECK(parsed("-c a=") == Settings{{"a", ""}});
  CHECK(parsed("-c a=b=c-d") == Settings{{"a", "b=c-d"}});
}

TEST_CASE("options: anything else is refused with the documented text") {
  for (std::string_view text : {"-c", "--", "-c a", "-c =b", "--=b", "--a", "-d 1", "a=b", "-",
                                "-c a=b x", R"(\ )", "-ca", "-c -c"}) {
    auto out = wire::parse_options(text);
    REQUIRE_MESSAGE(!out.ok(), text);
    CHECK(out.error().text ==
          "unsupported options startup parameter: only '-c config=val' and '--config=val' are "
          "allowed");
  }
}
