// Certificates made in memory for the tests of TLS, written as PEM files.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "net_fixture.h"

namespace howdah::net {

struct Certificate {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> x509;
};

inline std::shared_ptr<EVP_PKEY> make_key(const char* type = "EC") {
  EVP_PKEY* key = std::string(type) == "EC"    ? EVP_EC_gen("P-256")
                  : std::string(type) == "RSA" ? EVP_RSA_gen(2048)
                                               : EVP_PKEY_Q_keygen(nullptr, nullptr, type);
  REQUIRE(key);
  return {key, EVP_PKEY_free};
}

// Signed by `issuer`, or by itself. `names` as openssl writes them; `digest` null: the key's own.
inline Certificate make_certificate(const std::string& common_name, const Certificate* issuer,
                                    const std::string& names = "",
                                    const EVP_MD* digest = EVP_sha256(),
                                    std::shared_ptr<EVP_PKEY> key = make_key(),
                                    bool authority = false) {
  std::shared_ptr<X509> x509(X509_new(), X509_free);
  X509_set_version(x509.get(), 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
  X509_set_pubkey(x509.get(), key.get());
  X509_NAME* name = X509_get_subject_name(x509.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(x509.get(), issuer ? X509_get_subject_name(issuer->x509.get()) : name);
  auto extend = [&](int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer ? issuer->x509.get() : x509.get(), x509.get(), nullptr, nullptr,
                   0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    REQUIRE(extension);
    X509_add_ext(x509.get(), extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (!issuer || authority) extend(NID_basic_constraints, "critical,CA:TRUE");
  if (!names.empty()) extend(NID_subject_alt_name, names);
  REQUIRE(X509_sign(x509.get(), issuer ? issuer->key.get() : key.get(), digest) > 0);
  return {key, x509};
}

inline std::string write_certificate(const std::string& path, const Certificate& certificate) {
  FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(PEM_write_X509(file, certificate.x509.get()) == 1);
  std::fclose(file);
  return path;
}

inline std::string write_key(const std::string& path, const Certificate& certificate) {
  FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(PEM_write_PrivateKey(file, certificate.key.get(), nullptr, nullptr, 0, nullptr,
                               nullptr) == 1);
  std::fclose(file);
  return path;
}

// An authority, a server's certificate for localhost and 127.0.0.1, and contexts of both sides.
struct TlsWorld {
  Scratch scratch;
  Certificate ca = make_certificate("test CA", nullptr);
  Certificate server = make_certificate("server", &ca, "DNS:localhost,IP:127.0.0.1");
  std::string ca_file = write_certificate(scratch.path + "/ca.crt", ca);
  std::string crt = write_certificate(scratch.path + "/server.crt", server);
  std::string key = write_key(scratch.path + "/server.key", server);

  TlsOptions accepting() const {
    return {.side = TlsOptions::Side::Accept, .cert_file = crt, .key_file = key};
  }
  TlsOptions connecting() const {
    return {
        .side = TlsOptions::Side::Connect, .verify = TlsOptions::Verify::Name, .ca_file = ca_file};
  }
  static std::shared_ptr<const TlsContext> make(const TlsOptions& options,
                                                const TlsContext* before = nullptr) {
    auto made = TlsContext::make(options, before);
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text));
    return *made;
  }
};

}  // namespace howdah::net
