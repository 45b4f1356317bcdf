// Whom a certificate is for. Private to net.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace howdah::net {

// UTF-8; empty when there is no common name, more than one, or one with a zero byte in it.
std::string common_name_of(const X509_NAME* name);
// "CN=bob,OU=staff,O=Example", RFC 2253.
std::string subject_of(const X509_NAME* name);

}  // namespace howdah::net
