// Primitives on libcrypto, and base64.
#include "auth/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <limits>
#include <memory>

#include "howdah/base/text.h"

namespace howdah::auth {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

const unsigned char* u8(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

WipedKey random_key() {
  WipedKey out;
  base::random_bytes(out.value.data(), out.value.size());
  return out;
}

WipedKey hmac_sha256(std::string_view key, std::string_view message) {
  WipedKey out;
  unsigned size = 0;
  constexpr std::size_t kMax = std::numeric_limits<int>::max();
  bool ok = key.size() <= kMax && HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                       u8(message), message.size(), out.value.data(), &size);
  return ok && size == out.value.size() ? out : random_key();
}

WipedKey sha256(std::string_view message) {
  WipedKey out;
  unsigned size = 0;
  bool ok =
      EVP_Digest(message.data(), message.size(), out.value.data(), &size, EVP_sha256(), nullptr);
  return ok && size == out.value.size() ? out : random_key();
}

WipedKey pbkdf2_sha256(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  WipedKey out;
  constexpr std::size_t kMax = std::numeric_limits<int>::max();
  bool ok = password.size() <= kMax && salt.size() <= kMax && iterations >= 1 &&
            iterations <= kMax &&
            PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), u8(salt),
                              static_cast<int>(salt.size()), static_cast<int>(iterations),
                              EVP_sha256(), static_cast<int>(out.value.size()), out.value.data());
  return ok ? out : random_key();
}

std::optional<base::Secret> md5_hex(std::initializer_list<std::string_view> pieces) {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char digest[16];
  unsigned size = 0;
  bool ok = context && EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr);
  for (std::string_view piece : pieces) {
    ok = ok && EVP_DigestUpdate(context.get(), piece.data(), piece.size());
  }
  ok = ok && EVP_DigestFinal_ex(context.get(), digest, &size) && size == sizeof digest;
  if (!ok) return std::nullopt;
  std::string text = base::hex({reinterpret_cast<const char*>(digest), sizeof digest});
  base::Secret out(text);
  base::wipe(text.data(), text.size());
  base::wipe(digest, sizeof digest);
  return out;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t left = bytes.size() - i;
    auto at = [&](std::size_t k) { return k < left ? unsigned{u8(bytes)[i + k]} : 0u; };
    unsigned group = at(0) << 16 | at(1) << 8 | at(2);
    out += kAlphabet[group >> 18];
    out += kAlphabet[group >> 12 & 63];
    out += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    out += left > 2 ? kAlphabet[group & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    bool last = text.size() - i == 4;
    int padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    unsigned group = 0;
    for (int k = 0; k < 4 - padding; ++k) {
      int value = sextet(text[i + static_cast<std::size_t>(k)]);
      if (value < 0) return std::nullopt;
      group |= static_cast<unsigned>(value) << (18 - 6 * k);
    }
    if ((padding == 1 && (group & 0xff)) || (padding == 2 && (group & 0xffff))) return std::nullopt;
    out += static_cast<char>(group >> 16);
    if (padding < 2) out += static_cast<char>(group >> 8);
    if (padding < 1) out += static_cast<char>(group);
  }
  return out;
}

}  // namespace howdah::auth
