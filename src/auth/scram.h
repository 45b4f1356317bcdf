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
// The first letter is n (no channel binding), y (the client could, but saw no offer) or
// p=tls-server-end-point (SCRAM-SHA-256-PLUS, RFC 5929); c= repeats it, with the binding's data.
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
inline constexpr std::string_view kScramPlusMechanism = "SCRAM-SHA-256-PLUS";
inline constexpr std::string_view kBindingHeader = "p=tls-server-end-point,,";
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
  // `end_point`: what a channel binding must hold; empty: none was offered.
  ScramServer(std::string salt, std::uint32_t iterations, std::string nonce,
              std::string_view end_point = {});
  // client-first-message in, server-first-message out. `plus`: the client chose the mechanism with
  // channel binding.
  base::Result<std::string> first(std::string_view client_first, bool plus = false);
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
  std::string end_point_;
  std::string binding_;       // what c= must say
  std::string auth_message_;  // grows with each message
  WipedKey client_key_;
};

class ScramClient {
 public:
  ScramClient(std::string_view user, std::string nonce);
  // Before first(). `header` is "n,,", "y,," or kBindingHeader, the latter with its data.
  void bind(std::string_view header, std::string_view data);
  std::string first() const;  // client-first-message
  // server-first-message in; then salt() and iterations() are known and within bounds.
  base::Status challenge(std::string_view server_first);
  const std::string& salt() const { return salt_; }
  std::uint32_t iterations() const { return iterations_; }
  std::string last(const Key& client_key, const Key& server_key);  // client-final-message
  base::Status verify(std::string_view server_final) const;

 private:
  std::string header_ = "n,,";
  std::string binding_;  // the data behind the header
  std::string bare_;
  std::string nonce_;
  std::string salt_;
  std::uint32_t iterations_ = 0;
  std::string auth_message_;
  WipedKey server_signature_;
};

}  // namespace howdah::auth
