// Classification of stored secrets by full shape, and the keyring.
#include <doctest/doctest.h>

#include "conversation.h"

using namespace howdah;
using namespace howdah::auth;

TEST_CASE("each kind is known by its full shape") {
  CHECK(classify("").kind == Kind::None);
  CHECK(classify("hunter2").kind == Kind::Plain);
  CHECK(classify(md5_secret("pw", "bob")).kind == Kind::Md5);
  StoredSecret scram = classify(scram_secret("pw", "salt", 4096));
  CHECK(scram.kind == Kind::Scram);
  CHECK(scram.verifier.iterations == 4096);
  CHECK(scram.verifier.salt == "salt");
  CHECK(scram.text.view() == scram_secret("pw", "salt", 4096));
}

TEST_CASE("what only begins like a hash is a plain password") {
  std::string md5 = md5_secret("pw", "bob");
  std::string upper = md5;
  for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  for (std::string text : {std::string("md5"), md5 + "0", md5.substr(0, 34), upper, " " + md5,
                           "MD5" + md5.substr(3), md5.substr(0, 34) + "g"}) {
    CHECK_MESSAGE(classify(text).kind == Kind::Plain, text);
  }
}

TEST_CASE("a SCRAM secret cut at any byte, or with a byte more, is a plain password") {
  std::string whole = scram_secret("pw");
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    CHECK(classify(whole.substr(0, cut)).kind == Kind::Plain);
  }
  CHECK(classify(whole + "=").kind == Kind::Plain);
  CHECK(classify(whole + "\n").kind == Kind::Plain);
  CHECK(classify(" " + whole).kind == Kind::Plain);
}

TEST_CASE("SCRAM secrets with a part that does not fit are plain passwords") {
  std::string key = base64_encode(std::string(32, 'k'));
  auto kind = [&](std::string iterations, std::string salt, std::string stored,
                  std::string server) {
    return classify("SCRAM-SHA-256$" + iterations + ":" + salt + "$" + stored + ":" + server).kind;
  };
  CHECK(kind("4096", "c2FsdA==", key, key) == Kind::Scram);
  CHECK(kind("2147483647", "c2FsdA==", key, key) == Kind::Scram);
  for (std::string count :
       {"", "0", "-1", "+1", "4096 ", "0x10", "2147483648", "99999999999999999999"}) {
    CHECK_MESSAGE(kind(count, "c2FsdA==", key, key) == Kind::Plain, count);
  }
  for (std::string salt : {"", "c2FsdA", "c2FsdB==", "!"})
    CHECK(kind("1", salt, key, key) == Kind::Plain);
  for (std::size_t size : {0, 31, 33}) {
    std::string other = base64_encode(std::string(size, 'k'));
    CHECK(kind("1", "c2FsdA==", other, key) == Kind::Plain);
    CHECK(kind("1", "c2FsdA==", key, other) == Kind::Plain);
  }
  CHECK(classify("SCRAM-SHA-1$1:c2FsdA==$" + key + ":" + key).kind == Kind::Plain);
}

TEST_CASE("salts are stable per user, differ between users and between processes") {
  ServerKeyring one, other;
  CHECK(one.salt_for("bob").size() == 16);
  CHECK(one.salt_for("bob") == one.salt_for("bob"));
  CHECK(one.salt_for("bob") != one.salt_for("eve"));
  CHECK(one.salt_for("bob") != other.salt_for("bob"));
}
