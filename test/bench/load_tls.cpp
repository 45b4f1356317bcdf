#include "load_tls.h"

#include <openssl/err.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace howdah::bench {
namespace {

// What went wrong, as recv and send say it.
ssize_t as_errno(const TlsLink& link, int result) {
  const int error = SSL_get_error(link.get(), result);
  ERR_clear_error();
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    errno = EAGAIN;
  else if (error == SSL_ERROR_SSL || errno == 0)
    errno = EPROTO;
  return -1;
}

}  // namespace

TlsMaker::TlsMaker() : context_(SSL_CTX_new(TLS_client_method())) {
  if (!context_) {
    std::fprintf(stderr, "bench_load: OpenSSL makes no context\n");
    std::exit(1);
  }
  // Idle clients are many: their buffers go back when they are empty.
  SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
}

TlsLink TlsMaker::start(int fd) const {
  TlsLink link(SSL_new(context_.get()));
  if (link && SSL_set_fd(link.get(), fd) == 1) SSL_set_connect_state(link.get());
  return link;
}

Handshake shake(const TlsLink& link) {
  errno = 0;
  const int result = SSL_do_handshake(link.get());
  if (result == 1) return Handshake::kDone;
  return as_errno(link, result) < 0 && errno == EAGAIN ? Handshake::kWaits : Handshake::kFailed;
}

ssize_t tls_recv(const TlsLink& link, char* into, std::size_t room) {
  errno = 0;
  const int got = SSL_read(link.get(), into, static_cast<int>(room));
  return got > 0 ? got : as_errno(link, got);
}

ssize_t tls_send(const TlsLink& link, std::string_view bytes) {
  if (bytes.empty()) return 0;
  errno = 0;
  const int sent = SSL_write(link.get(), bytes.data(), static_cast<int>(bytes.size()));
  return sent > 0 ? sent : as_errno(link, sent);
}

}  // namespace howdah::bench
