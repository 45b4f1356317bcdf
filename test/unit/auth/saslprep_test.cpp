// SASLprep: RFC 4013's examples, PostgreSQL's ways on failure, and normalisation.
#include "auth/saslprep.h"

#include <doctest/doctest.h>

#include <string>

using namespace howdah;
using namespace howdah::auth;

namespace {
std::string prep(std::string_view text) { return std::string(saslprep(text).view()); }
}  // namespace

TEST_CASE("ASCII stays as it is, control characters too") {
  CHECK(prep("") == "");
  CHECK(prep("user") == "user");
  CHECK(prep("USER") == "USER");
  CHECK(prep("a\tb\x7f ") == "a\tb\x7f ");
}

TEST_CASE("the examples of RFC 4013") {
  CHECK(prep("I\u00adX") == "IX");
  CHECK(prep("\u00aa") == "a");
  CHECK(prep("\u2168") == "IX");
  CHECK(prep("\u0627\u0031") == "\u0627\u0031");  // bidi violation: taken raw
}

TEST_CASE("spaces become spaces and characters mapped to nothing vanish") {
  CHECK(prep("a\u00a0b\u3000c") == "a b c");
  CHECK(prep("p\u200da\ufe0fss\u00e9") == "pass\u00e9");
}

TEST_CASE("composed and decomposed spellings become one") {
  CHECK(prep("e\u0301") == "\u00e9");
  CHECK(prep("\u00e9") == "\u00e9");
  CHECK(prep("p\u00e4ssw\u00f6rd") == prep("pa\u0308sswo\u0308rd"));
  CHECK(prep("\u212b") == "\u00c5");
  CHECK(prep("a\u0323\u0302") == "\u1ead");
  CHECK(prep("a\u0302\u0323") == "\u1ead");  // marks sorted before they are composed
  CHECK(prep("\u1100\u1161\u11a8") == "\uac01");
  CHECK(prep("\uac00\u11a8") == "\uac01");
  CHECK(prep("\uac01") == "\uac01");
  CHECK(prep("\ufb01\u00b2") == "fi2");
  CHECK(prep("\ufdfa") ==
        "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 "
        "\u0648\u0633\u0644\u0645");
  CHECK(prep("\u0958") == "\u0915\u093c");  // excluded from composition
}

TEST_CASE("what fails a check is taken raw, not changed at all") {
  for (std::string text : {"\u00e9\x07 \u00a0", "\u00a0\ue000", "\u00a0\ufffd", "\u00a0\U0001f600",
                           "\u00ad", "\u00a0\u0627x\u0627", "\u00a0\u0627", "\u0627\u00a0"}) {
    CHECK(prep(text) == text);
  }
  CHECK(prep("\u0627\u00a0\u0627") == "\u0627 \u0627");
}

TEST_CASE("what is not UTF-8 is taken raw") {
  for (std::string bad :
       {"\xff", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xe2\x82", "\x80", "\xf0\x9f\x98"}) {
    CHECK(prep("\u00a0" + bad) == "\u00a0" + bad);
  }
}

TEST_CASE("long runs of combining marks take no quadratic time") {
  std::string text = "a";
  for (int i = 0; i < 30000; ++i) text += i % 2 ? "\u0301" : "\u0323";
  CHECK(prep(text).size() > 30000);
}
