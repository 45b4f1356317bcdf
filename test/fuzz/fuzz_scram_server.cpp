// A client that sends anything: the first byte picks method and secret, each message is a length
// byte and that many bytes. Nobody may get in without a password.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "howdah/auth/exchange.h"

using namespace howdah::auth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ServerKeyring kKeyring;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  auto pick = static_cast<unsigned>(static_cast<unsigned char>(rest[0]));
  rest.remove_prefix(1);
  static const StoredSecret kSecrets[] = {
      {},
      classify(""),
      classify("a long password that fuzzing does not find"),
      classify("md50123456789abcdef0123456789abcdef"),
      classify("SCRAM-SHA-256$1:c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")};
  auto exchange = make_server_exchange(static_cast<Method>(pick % 3), "bob", kSecrets[pick / 3 % 5],
                                       kKeyring, 1);
  Outcome outcome = exchange->start();
  while (outcome.kind != Outcome::Kind::Failed) {
    if (outcome.kind == Outcome::Kind::Ok) std::abort();
    if (outcome.kind == Outcome::Kind::NeedHash) {
      outcome = exchange->hashed(exchange->hash_job().run());
      continue;
    }
    if (rest.empty()) break;
    std::size_t length = static_cast<unsigned char>(rest[0]);
    rest.remove_prefix(1);
    outcome = exchange->feed(rest.substr(0, length));
    rest.remove_prefix(std::min(length, rest.size()));
  }
  (void)classify(rest);
  return 0;
}
