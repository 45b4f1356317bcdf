// Primitives against published vectors, and base64.
#include "auth/crypto.h"

#include <doctest/doctest.h>

#include "howdah/base/text.h"

using namespace howdah;
using namespace howdah::auth;
using namespace std::string_view_literals;

TEST_CASE("published vectors of SHA-256, HMAC (RFC 4231), PBKDF2 (RFC 7914) and MD5 hold") {
  CHECK(base::hex(sha256("abc").view()) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(base::hex(hmac_sha256("Jefe", "what do ya want for nothing?").view()) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(base::hex(pbkdf2_sha256("passwd", "salt", 1).view()) ==
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  CHECK(md5_hex({"ab", "c"})->view() == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5_hex({})->view() == "d41d8cd98f00b204e9800998ecf8427e");
}

TEST_CASE("a hash that cannot be made is random, never a constant") {
  CHECK(pbkdf2_sha256("p", "s", 0).value != pbkdf2_sha256("p", "s", 0).value);
  CHECK(pbkdf2_sha256("p", "s", 0xffffffff).value != Key{});
}

TEST_CASE("base64: RFC 4648 vectors both ways") {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"},
                                                                   {"\xff\xef\xbe", "/+++"}};
  for (auto [bytes, text] : vectors) {
    CHECK(base64_encode(bytes) == text);
    REQUIRE(base64_decode(text));
    CHECK(*base64_decode(text) == bytes);
  }
}

TEST_CASE("base64: each value has one spelling and all others are refused") {
  for (std::string_view text :
       {"Zg"sv, "Zg="sv, "Zg==="sv, "Z==="sv, "===="sv, "="sv, "Zh=="sv, "Zm9="sv, "Zg==Zg=="sv,
        "Zm 9"sv, "Zm9v\n"sv, "Zm9-"sv, "Zm9_"sv, "Z=9v"sv, "Zm\0v"sv, "\xffm9v"sv, "Zg=a"sv}) {
    CHECK_MESSAGE(!base64_decode(text), text);
  }
}

TEST_CASE("base64: random bytes of every length come back") {
  std::string bytes;
  for (int size = 0; size < 100; ++size) {
    bytes.resize(static_cast<std::size_t>(size));
    base::random_bytes(bytes.data(), bytes.size());
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
  }
}
