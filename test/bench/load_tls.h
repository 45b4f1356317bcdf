// TLS for clients of the load generator: OpenSSL over a non-blocking descriptor, with the answers of
// send and recv. Every handshake is a whole one, nothing is verified: it is the pooler that is measured.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <memory>
#include <string_view>

namespace howdah::bench {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsLink = std::unique_ptr<SSL, FreeSsl>;

class TlsMaker {
 public:
  TlsMaker();
  TlsLink start(int fd) const;  // as the client

 private:
  std::unique_ptr<SSL_CTX, FreeSsl> context_;
};

enum class Handshake { kDone, kWaits, kFailed };
Handshake shake(const TlsLink& link);
// Bytes, 0 at the end, or -1 with errno (EAGAIN: later).
ssize_t tls_recv(const TlsLink& link, char* into, std::size_t room);
ssize_t tls_send(const TlsLink& link, std::string_view bytes);

}  // namespace howdah::bench
