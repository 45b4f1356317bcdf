// TLS for transports: what a side is configured with, made into an immutable context that all
// threads share, and what one connection asks for and can tell. OpenSSL stays behind it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "howdah/base/result.h"

namespace howdah::net {

struct TlsOptions {
  enum class Side { Accept, Connect };  // the TLS server, the TLS client
  // Given: a certificate of the other side is checked if it has one (Accept only). Chain: it must
  // have one that our CA signed. Name: and it must be the host's (Connect only).
  enum class Verify { None, Given, Chain, Name };
  Side side = Side::Accept;
  Verify verify = Verify::None;
  std::string ca_file;  // empty: the system's
  std::string cert_file, key_file;
  std::string ciphers;  // up to TLS 1.2; "default", "secure", "normal", "fast": OpenSSL's
  std::string tls13_ciphers;
  std::string protocols;  // "secure", "all", "tlsv1.2,!tlsv1.3" ...
  std::string curve;      // "auto", "none" or a list of groups
  bool dh = true;         // finite-field Diffie-Hellman (Accept only)
};

// Immutable, any thread. Certificates are read when it is made and not again.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  // RFC 5929 tls-server-end-point of our own certificate; empty: it has none (Ed25519), or we are
  // the TLS client.
  virtual const std::string& end_point() const = 0;

  // `before`: the context that this one replaces (null: none). While certificate, CA and demands
  // stay the same, its session tickets stay valid. The error's text names the file and what is
  // wrong; its code is kDenied when certificate or key may not be read by who we are.
  static constexpr const char* kDenied = "denied";
  static base::Result<std::shared_ptr<const TlsContext>> make(const TlsOptions& options,
                                                              const TlsContext* before);
};

struct TlsStart {
  std::string host;           // Connect: sent as SNI if it is a name, and checked by Verify::Name
  std::string_view received;  // Accept: bytes of the handshake that were read already
  bool direct = false;        // no SSLRequest came first: ALPN "postgresql" must be agreed on
};

struct TlsStatus {
  enum class State { Off, Handshake, On, Failed } state = State::Off;
  std::string text;       // On: "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519"
  std::string error;      // Failed: why, for the log
  bool refused = false;   // Failed: one side would not trust or understand the other; it is no
                          // broken connection and will not mend by itself
  std::string end_point;  // On: RFC 5929 tls-server-end-point of the TLS server; empty: none
  bool resumed = false;   // On: from a session ticket
  // On, Accept: the client has shown a certificate that a CA of ca_file signed (of a configured one:
  // anybody can have a certificate of a public CA). Its subject: the common name if there is just
  // one, and the whole in the form of RFC 2253.
  bool certificate = false;
  std::string common_name, subject;
};

}  // namespace howdah::net
