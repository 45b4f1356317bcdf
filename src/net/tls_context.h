// The real TlsContext: one SSL_CTX, made once and shared by all connections of its kind.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "howdah/net/tls.h"

namespace howdah::net {

template <auto free_it>
struct FreedBy {
  template <typename T>
  void operator()(T* it) const {
    free_it(it);
  }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, FreedBy<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreedBy<SSL_free>>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, FreedBy<BIO_meth_free>>;

class OpensslContext final : public TlsContext {
 public:
  OpensslContext(SslContextPtr context, BioMethodPtr reading, const TlsOptions& options)
      : context_(std::move(context)), reading_(std::move(reading)), options_(options) {}

  const std::string& end_point() const override { return end_point_; }
  // OpenSSL counts references inside: handing it out as non-const changes no configuration.
  SSL_CTX* ssl() const { return context_.get(); }
  BIO_METHOD* reading() const { return reading_.get(); }  // of the BIO that TlsSocket reads by
  const TlsOptions& options() const { return options_; }

  // For make() only: reads the files and applies the options. The error names the file.
  base::Status configure(const OpensslContext* before);

 private:
  base::Status load_certificate();
  base::Status load_ca();
  void complete_chain();
  base::Status set_versions();
  base::Status set_ciphers();
  void keep_tickets(const OpensslContext* before);

  SslContextPtr context_;
  BioMethodPtr reading_;
  TlsOptions options_;
  std::string end_point_;
  std::string identity_;  // hash of all that a session ticket vouches for
};

// RFC 5929, 4.1: the hash of the certificate's signature algorithm, SHA-256 for MD5 and SHA-1.
// Empty when the algorithm has none of its own.
std::string end_point_hash(const X509* certificate);

}  // namespace howdah::net
