// Contexts: what can be wrong with files and lists, and the hash that channel binding is made of.
#include <doctest/doctest.h>

#include <fstream>

#include "net/tls_context.h"
#include "tls_fixture.h"

using namespace howdah::net;

namespace {

std::string error_of(const TlsOptions& options) {
  auto made = TlsContext::make(options, nullptr);
  return made ? "" : made.error().text;
}

std::string ticket_keys(const TlsContext& context) {
  std::string keys(80, '\0');
  CHECK(SSL_CTX_get_tlsext_ticket_keys(static_cast<const OpensslContext&>(context).ssl(),
                                       keys.data(), static_cast<long>(keys.size())) == 1);
  return keys;
}

std::string digest(const Certificate& certificate, const EVP_MD* algorithm) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  REQUIRE(X509_digest(certificate.x509.get(), algorithm, out, &size) == 1);
  return {reinterpret_cast<const char*>(out), size};
}

}  // namespace

TEST_CASE("an error names the file and what is wrong with it") {
  TlsWorld world;
  const std::string missing = world.scratch.path + "/missing";
  std::string nonsense = world.scratch.path + "/nonsense";
  std::ofstream(nonsense) << "nonsense\n";
  auto with = [&](std::string TlsOptions::*field, const std::string& value) {
    TlsOptions options = world.accepting();
    options.verify = TlsOptions::Verify::Chain;
    options.ca_file = world.ca_file;
    options.*field = value;
    return error_of(options);
  };
  for (auto field : {&TlsOptions::cert_file, &TlsOptions::key_file, &TlsOptions::ca_file}) {
    CHECK(with(field, missing) == missing + ": No such file or directory");
    CHECK(with(field, nonsense).starts_with(nonsense + ": "));
  }
  TlsWorld other;
  CHECK(with(&TlsOptions::key_file, other.key).starts_with(other.key + ": "));
  CHECK(with(&TlsOptions::ca_file, world.key).starts_with(world.key + ": "));
  CHECK(with(&TlsOptions::cert_file, "") != "");
  CHECK(with(&TlsOptions::key_file, "") != "");
  CHECK(with(&TlsOptions::ciphers, "nonsense") != "");
  CHECK(with(&TlsOptions::tls13_ciphers, "nonsense") != "");
  CHECK(with(&TlsOptions::curve, "nonsense") != "");
  CHECK(with(&TlsOptions::protocols, "secure,!all") != "");
  for (auto [field, value] : {std::pair{&TlsOptions::ciphers, "fast"},
                              {&TlsOptions::ciphers, "ECDHE+AESGCM"},
                              {&TlsOptions::tls13_ciphers, "TLS_AES_128_GCM_SHA256"},
                              {&TlsOptions::curve, "none"},
                              {&TlsOptions::curve, "X25519:P-256"},
                              {&TlsOptions::protocols, "tlsv1.2:tlsv1.3"},
                              {&TlsOptions::protocols, "all:!tlsv1.0"}})
    CHECK(with(field, value) == "");
}

TEST_CASE("a key behind a passphrase is an error, not a question") {
  TlsWorld world;
  std::string path = world.scratch.path + "/locked.key";
  FILE* file = std::fopen(path.c_str(), "w");
  char secret[] = "secret";
  REQUIRE(PEM_write_PrivateKey(file, world.server.key.get(), EVP_aes_128_cbc(),
                               reinterpret_cast<unsigned char*>(secret), 6, nullptr, nullptr) == 1);
  std::fclose(file);
  TlsOptions options = world.accepting();
  options.key_file = path;
  CHECK(error_of(options).starts_with(path + ": "));
}

TEST_CASE("to connect, no file at all is needed") {
  CHECK(error_of({.side = TlsOptions::Side::Connect}) == "");
  CHECK(error_of({.side = TlsOptions::Side::Accept}) != "");
}

TEST_CASE("ticket keys go on while certificate, authority and demands are the same") {
  TlsWorld world;
  TlsOptions options = world.accepting();
  options.ca_file = world.ca_file;
  auto first = world.make(options);
  auto second = world.make(options, first.get());
  CHECK(ticket_keys(*first) == ticket_keys(*second));
  CHECK(ticket_keys(*first) != ticket_keys(*world.make(options)));
  TlsOptions stricter = options;
  stricter.verify = TlsOptions::Verify::Chain;
  CHECK(ticket_keys(*first) != ticket_keys(*world.make(stricter, first.get())));
  // Another certificate in the same file.
  Certificate fresh = make_certificate("server", &world.ca, "DNS:localhost");
  write_certificate(world.crt, fresh);
  write_key(world.key, fresh);
  CHECK(ticket_keys(*first) != ticket_keys(*world.make(options, first.get())));
}

TEST_CASE("the end point is hashed as the certificate was signed, but never by MD5 or SHA-1") {
  struct Case {
    const EVP_MD* signature;
    const EVP_MD* hash;
  };
  for (auto [signature, hash] : {Case{EVP_sha1(), EVP_sha256()}, Case{EVP_md5(), EVP_sha256()},
                                 Case{EVP_sha256(), EVP_sha256()}, Case{EVP_sha384(), EVP_sha384()},
                                 Case{EVP_sha512(), EVP_sha512()}}) {
    Certificate made = make_certificate("x", nullptr, "", signature, make_key("RSA"));
    CHECK(end_point_hash(made.x509.get()) == digest(made, hash));
  }
  // Ed25519 has no hash of its own: RFC 5929 leaves it undefined.
  Certificate made = make_certificate("x", nullptr, "", nullptr, make_key("ED25519"));
  CHECK(end_point_hash(made.x509.get()) == "");
}
