// OpenSSL's errors as text. Its queue belongs to the thread: it is emptied before a call, and by
// whoever reads it. Private to net.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace howdah::net {

// Takes everything from the queue; the reason of the oldest entry, or `otherwise`.
std::string take_tls_error(const char* otherwise);

// Why the handshake of `ssl` failed, for a person; `result` is SSL_get_error's. Empties the queue.
// `refused`: not a broken connection, see TlsStatus.
std::string handshake_error(SSL* ssl, int result, int system_error, bool& refused);

}  // namespace howdah::net
