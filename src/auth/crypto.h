// The few primitives that the exchanges are made of, on libcrypto. Private to auth.
//
// A primitive that libcrypto refuses (MD5 under FIPS, memory) gives nullopt or random bytes, never
// a constant: a login then fails, it does not pass.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "howdah/auth/exchange.h"
#include "howdah/base/secret.h"

namespace howdah::auth {

// A key that is wiped when it goes.
struct WipedKey {
  Key value{};
  WipedKey() = default;
  explicit WipedKey(const Key& key) : value(key) {}
  WipedKey(const WipedKey&) = default;
  WipedKey& operator=(const WipedKey&) = default;
  ~WipedKey() { base::wipe(value.data(), value.size()); }
  std::string_view view() const { return {reinterpret_cast<const char*>(value.data()), 32}; }
};

inline std::string_view bytes_of(const Key& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

WipedKey hmac_sha256(std::string_view key, std::string_view message);
WipedKey sha256(std::string_view message);
WipedKey pbkdf2_sha256(std::string_view password, std::string_view salt, std::uint32_t iterations);
WipedKey random_key();

// Lower-case hex of the MD5 of all pieces together (32 characters).
std::optional<base::Secret> md5_hex(std::initializer_list<std::string_view> pieces);

std::string base64_encode(std::string_view bytes);
// Strict: padded, no blanks, no stray bits (so each value has one spelling).
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace howdah::auth
