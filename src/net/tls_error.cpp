// OpenSSL's errors as text (see tls_error.h).
#include "net/tls_error.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <cstring>

#include "howdah/base/text.h"

namespace howdah::net {

std::string take_tls_error(const char* otherwise) {
  unsigned long code = ERR_get_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  std::string text = reason ? reason : otherwise;
  // A file that cannot be opened is a system error, whose text OpenSSL 3 knows by another way.
  if (code != 0 && !reason && ERR_SYSTEM_ERROR(code)) text = ::strerror(ERR_GET_REASON(code));
  ERR_clear_error();
  return text;
}

std::string handshake_error(SSL* ssl, int result, int system_error, bool& refused) {
  refused = false;
  switch (result) {
    case SSL_ERROR_SSL: {
      refused = true;
      // The last entry is TLS's own; what comes before it are details of cryptography.
      unsigned long code = ERR_peek_last_error();
      const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
      std::string text = reason ? reason : "protocol error";
      ERR_clear_error();
      long verified = SSL_get_verify_result(ssl);
      bool checked = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
      if (checked && verified != X509_V_OK) {
        text += base::cat(": ", std::string_view(X509_verify_cert_error_string(verified)));
      }
      return text;
    }
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      if (system_error != 0) return ::strerror(system_error);
      return "the other side closed the connection";
    default:
      ERR_clear_error();
      return "the other side closed the connection";
  }
}

}  // namespace howdah::net
