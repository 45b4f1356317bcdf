// SCRAM-SHA-256 (RFC 5802, RFC 7677) as texts, both sides, without PostgreSQL's framing. The nonce
// is an argument, so that published vectors can be replayed. Private to auth.
//
//   client                                       server
//   n,,n=user,r=CN                         ->
//                                          <-    r=CNSN,s=salt,i=iterations
//   c=biws,r=CNSN,p=ClientProof            ->
//                                          <-    v=ServerSignature
//
// AuthMessage = client-first-bare , server-first , client-final-without-proof
// ClientProof = ClientKey xor HMAC(StoredKey, AuthMessage);  StoredKey = SHA256(ClientKey)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/crypto.h"
#include "howdah/auth/exchange.h"
#include "howdah/base/result.h"

namespace howdah::auth {

inline constexpr std::string_view kScramMechanism = "SCRAM-SHA-256";
// No honest SCRAM text comes near this; everything longer is refused unread.
inline constexpr std::size_t kMaxScramText = 2048;
inline constexpr std::size_t kMaxScramSalt = 256;
inline constexpr std::uint32_t kMaxScramIterations = 10'000'000;

// base64 of 18 random bytes.
std::string make_nonce();

struct DerivedKeys {
  WipedKey client, stored, server;
};
DerivedKeys derive_keys(const Key& salted_password);

class ScramServer {
 public:
  ScramServer(std::string salt, std::uint32_t iterations, std::string nonce);
  // client-first-message in, server-first-message out.
  base::Result<std::string> first(std::string_view client_first);
  // client-final-message in, server-final-message out. A wrong proof has code 28P01, a malformed
  // message 08P01. Does the same work whether the proof is right or wrong.
  base::Result<std::string> last(std::string_view client_final, const Key& stored_key,
                                 const Key& server_key);
  // The ClientKey that the proof revealed, once last() was ok.
  const Key& client_key() const { return client_key_.value; }

 private:
  std::string salt_;
  std::uint32_t iterations_;
  std::string nonce_;         // ours; after first() the whole one
  std::string binding_;       // what c= must say
  std::string auth_message_;  // grows with each message
  WipedKey client_key_;
};

class ScramClient {
 public:
  ScramClient(std::string_view user, std::string nonce);
  std::string first() const;  // client-first-message
  // server-first-message in; then salt() and iterations() are known and within bounds.
  base::Status challenge(std::string_view server_first);
  const std::string& salt() const { return salt_; }
  std::uint32_t iterations() const { return iterations_; }
  std::string last(const Key& client_key, const Key& server_key);  // client-final-message
  base::Status verify(std::string_view server_final) const;

 private:
  std::string bare_;
  std::string nonce_;
  std::string salt_;
  std::uint32_t iterations_ = 0;
  std::string auth_message_;
  WipedKey server_signature_;
};

}  // namespace howdah::auth
