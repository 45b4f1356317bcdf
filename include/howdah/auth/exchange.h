// Authentication as exchanges without I/O: message bodies in, message bodies out.
//
// The slow part, PBKDF2, never runs here: an exchange that needs it gives a HashJob and goes on when
// hashed() brings the result (the worker runs it on a helper thread and caches it).
// RFC 5802, RFC 7677; PostgreSQL 15 manual 55.3 (SASL), 55.2.1. Thread: the owner's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "howdah/base/result.h"
#include "howdah/base/secret.h"

namespace howdah::auth {

using Key = std::array<std::uint8_t, 32>;

// What a userlist or auth_query entry holds, classified by its full shape (compat 2.1).
struct ScramVerifier {
  std::uint32_t iterations = 0;
  std::string salt;  // raw bytes
  Key stored_key{}, server_key{};
  ~ScramVerifier() {
    base::wipe(stored_key.data(), stored_key.size());
    base::wipe(server_key.data(), server_key.size());
  }
};
struct StoredSecret {
  enum class Kind { Missing, None, Plain, Md5, Scram } kind = Kind::Missing;
  // Missing: no such user. None: the user exists but has no password login (empty secret).
  base::Secret text;       // as stored (Plain: the password; Md5: "md5..." )
  ScramVerifier verifier;  // Scram
};
StoredSecret classify(std::string_view stored);

// SCRAM keys that a client's proof revealed: they let us log in as that user elsewhere, wherever the
// server's verifier has the same salt and iterations. Wiped on destruction.
struct ScramKeys {
  Key client_key{}, server_key{};
  ScramKeys() = default;
  ScramKeys(const ScramKeys&) = default;
  ScramKeys& operator=(const ScramKeys&) = default;
  ~ScramKeys() {
    base::wipe(client_key.data(), client_key.size());
    base::wipe(server_key.data(), server_key.size());
  }
};

// PBKDF2-HMAC-SHA256(SASLprep(password), salt, iterations): pure, slow.
struct HashJob {
  base::Secret password;
  std::string salt;
  std::uint32_t iterations = 4096;
  Key run() const;
};

// Random key of this process; makes mock salts and the salts of verifiers from plain secrets, so
// that both look alike and stay the same for one user name.
class ServerKeyring {
 public:
  ServerKeyring();
  ~ServerKeyring();
  std::string salt_for(std::string_view user) const;  // 16 bytes

 private:
  Key key_{};
};

struct Outcome {
  enum class Kind {
    Reply,     // send `code` + `body` as an Authentication message (or, as a client, a 'p' message)
    NeedHash,  // run hash_job(), then call hashed()
    NeedCheck, // let somebody else judge password_to_check(), then call checked()
    Ok,        // proved; send `body` first if there is one
    Failed,    // `error` says why (for the log); the peer gets the generic text
  } kind;
  std::int32_t code = 0;  // Authentication code, server side only
  std::string body;       // bytes after the code, or the body of the 'p' message
  base::Error error;
};

enum class Method { Plain, Md5, Scram };

// `end_point` below: RFC 5929 tls-server-end-point of the TLS connection that the exchange runs in,
// empty without TLS. With it SCRAM binds itself to that connection (SCRAM-SHA-256-PLUS), so that
// nobody who ends TLS in between can pass it on.

// The pooler as the server: a client proves that it knows a secret.
class ServerExchange {
 public:
  virtual ~ServerExchange() = default;
  virtual Outcome start() = 0;                          // Reply (the request) or NeedHash
  virtual Outcome feed(std::string_view password_message_body) = 0;
  virtual HashJob hash_job() const = 0;
  virtual Outcome hashed(const Key& salted_password) = 0;
  // After Failed for a wrong password: judges the same answer of the client by another secret, the
  // user's present one. A SCRAM proof holds for the salt it was asked for only: Failed again.
  virtual Outcome again(const StoredSecret& secret) = 0;
  // What a directory or PAM judges; only make_external_exchange()'s asks for that.
  virtual base::Secret password_to_check() const { return {}; }
  virtual Outcome checked(const base::Status& verdict);
  // After Ok: the keys a SCRAM proof revealed (pass-through), or the typed password (Plain).
  virtual std::optional<ScramKeys> scram_keys() const = 0;
  virtual base::Secret typed_password() const = 0;
};

// `secret` may be Missing or None: the exchange then runs to its end and fails (mock
// authentication), taking as long and looking the same. Method Md5 with a Scram secret must be
// passed as Method::Scram by the caller (compat 2.2); Method::Scram with an Md5 secret fails after
// the full exchange. Plain and Scram with a Plain or Scram secret may need a hash.
std::unique_ptr<ServerExchange> make_server_exchange(Method method, std::string_view user,
                                                     const StoredSecret& secret,
                                                     const ServerKeyring& keyring,
                                                     std::uint32_t scram_iterations,
                                                     std::string_view end_point = {});

// Asks for the password in clear text and lets the caller have it judged (LDAP, PAM).
std::unique_ptr<ServerExchange> make_external_exchange();

// What we have to log in to a PostgreSQL server with.
struct ServerCredentials {
  std::string user;
  StoredSecret secret;             // Plain can do all methods; Md5 only md5; Missing/None: trust
  std::optional<ScramKeys> keys;   // pass-through, used when there is no Plain secret
};

// The pooler as a client of a PostgreSQL server.
class ClientExchange {
 public:
  virtual ~ClientExchange() = default;
  // The body of an AuthenticationXXX message after its code, for codes 3, 5, 10, 11, 12. Reply's
  // body is that of the 'p' message. Ok on code 12 once the server's signature is right (the
  // caller still waits for AuthenticationOk). An AuthenticationOk that comes before the server
  // proved itself in a started SCRAM exchange must be refused: ask finished().
  virtual Outcome feed(std::int32_t code, std::string_view body) = 0;
  virtual HashJob hash_job() const = 0;
  virtual Outcome hashed(const Key& salted_password) = 0;
  virtual bool finished() const = 0;  // true also when nothing was ever asked
};

// Errors as compat 5.5: "server login failed: wrong password type",
// "server login failed: none of the server's SASL authentication mechanisms are supported",
// "server login failed: invalid server signature".
std::unique_ptr<ClientExchange> make_client_exchange(const ServerCredentials& credentials,
                                                     std::string_view end_point = {});

}  // namespace howdah::auth
