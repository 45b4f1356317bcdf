// What a stored secret is, by its full shape; the keyring; the slow hash.
//   md5<32 lower-case hex>
//   SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>     (base64, keys of 32 bytes)
#include <algorithm>
#include <limits>

#include "auth/crypto.h"
#include "auth/saslprep.h"
#include "howdah/auth/exchange.h"
#include "howdah/base/text.h"

namespace howdah::auth {
namespace {

bool is_md5(std::string_view stored) {
  return stored.size() == 35 && stored.starts_with("md5") &&
         stored.find_first_not_of("0123456789abcdef", 3) == std::string_view::npos;
}

// Takes the text up to `end` off `rest`.
bool take(std::string_view& rest, char end, std::string_view& out) {
  std::size_t at = rest.find(end);
  if (at == std::string_view::npos) return false;
  out = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return true;
}

bool read_key(std::string_view text, Key& out) {
  auto bytes = base64_decode(text);
  if (!bytes) return false;
  bool fits = bytes->size() == out.size();
  if (fits) std::copy(bytes->begin(), bytes->end(), out.begin());
  base::wipe(bytes->data(), bytes->size());
  return fits;
}

bool read_verifier(std::string_view rest, ScramVerifier& out) {
  constexpr std::string_view kPrefix = "SCRAM-SHA-256$";
  if (!rest.starts_with(kPrefix)) return false;
  rest.remove_prefix(kPrefix.size());
  std::string_view iterations, salt, stored;
  if (!take(rest, ':', iterations) || !take(rest, '$', salt) || !take(rest, ':', stored)) {
    return false;
  }
  std::int64_t count = 0;
  if (iterations.find_first_not_of("0123456789") != std::string_view::npos ||
      !base::parse_int(iterations, count) || count < 1 ||
      count > std::numeric_limits<std::int32_t>::max()) {
    return false;
  }
  auto raw_salt = base64_decode(salt);
  if (!raw_salt || raw_salt->empty()) return false;
  out.iterations = static_cast<std::uint32_t>(count);
  out.salt = std::move(*raw_salt);
  return read_key(stored, out.stored_key) && read_key(rest, out.server_key);
}

}  // namespace

StoredSecret classify(std::string_view stored) {
  StoredSecret out;
  out.text = base::Secret(stored);
  if (stored.empty()) {
    out.kind = StoredSecret::Kind::None;
  } else if (is_md5(stored)) {
    out.kind = StoredSecret::Kind::Md5;
  } else if (read_verifier(stored, out.verifier)) {
    out.kind = StoredSecret::Kind::Scram;
  } else {
    out.kind = StoredSecret::Kind::Plain;
    out.verifier = {};
  }
  return out;
}

Key HashJob::run() const {
  base::Secret prepared = saslprep(password.view());
  return pbkdf2_sha256(prepared.view(), salt, iterations).value;
}

ServerKeyring::ServerKeyring() { base::random_bytes(key_.data(), key_.size()); }

ServerKeyring::~ServerKeyring() { base::wipe(key_.data(), key_.size()); }

std::string ServerKeyring::salt_for(std::string_view user) const {
  return std::string(hmac_sha256(bytes_of(key_), user).view().substr(0, 16));
}

}  // namespace howdah::auth
