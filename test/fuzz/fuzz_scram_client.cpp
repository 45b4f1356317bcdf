// A server that asks anything: messages are a code byte, a length byte and that many bytes. Our
// nonce is fixed here, so that the fuzzer can find challenges that pass; no server without the
// password may prove itself.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/client_exchange.h"
#include "auth/saslprep.h"

using namespace howdah::auth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  (void)saslprep(rest);
  bool pass_through = size % 2;
  static const ServerCredentials kPlain{"bob", classify("a long password"), std::nullopt};
  static const ServerCredentials kKeys{"bob", {}, ScramKeys()};
  PasswordClient client(pass_through ? kKeys : kPlain, "nonce");
  while (rest.size() >= 2) {
    std::int32_t code = rest[0];
    std::size_t length = static_cast<unsigned char>(rest[1]);
    rest.remove_prefix(2);
    Outcome outcome = client.feed(code, rest.substr(0, length));
    rest.remove_prefix(std::min(length, rest.size()));
    if (outcome.kind == Outcome::Kind::NeedHash) {
      if (client.hash_job().iterations > kMaxScramIterations) std::abort();
      outcome = client.hashed(Key{1, 2, 3});  // the real one would be slow
    }
    if (outcome.kind == Outcome::Kind::Ok) std::abort();
    if (outcome.kind == Outcome::Kind::Failed && client.finished()) std::abort();
  }
  return 0;
}
