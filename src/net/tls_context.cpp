// Making an SSL_CTX out of TlsOptions (see tls_context.h).
#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <vector>

#include "howdah/base/secret.h"
#include "howdah/base/text.h"
#include "net/tls_error.h"
#include "net/tls_socket.h"

namespace howdah::net {

using base::cat;
using Side = TlsOptions::Side;
using Verify = TlsOptions::Verify;

namespace {

constexpr std::string_view kAlpn("\x0apostgresql");
constexpr std::size_t kTicketKeys = 80;  // what OpenSSL 3 takes: a name and two keys
constexpr std::size_t kMaxFile = 16u << 20;

base::Error wrong(std::string_view file, std::string_view why) {
  return {"config", cat(file, ": ", why)};
}

// Of a file that another user may read, as root does before it becomes somebody else, or of one that
// nobody can use.
base::Error unusable(const std::string& file, const char* what) {
  base::Error error = wrong(file, take_tls_error(what));
  if (::access(file.c_str(), R_OK) != 0 && errno == EACCES) error.code = TlsContext::kDenied;
  return error;
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                unsigned int offered_size, void*) {
  const auto* ours = reinterpret_cast<const unsigned char*>(kAlpn.data());
  unsigned char* chosen = nullptr;
  int found = SSL_select_next_proto(&chosen, size, ours, static_cast<unsigned int>(kAlpn.size()),
                                    offered, offered_size);
  *out = chosen;
  // A client that speaks other protocols only is not ours (cross-protocol attacks).
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Nobody is there to type a passphrase: a key that needs one is an error, not a question.
int no_passphrase(char*, int, int, void*) { return -1; }

std::string sha256(std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(out), size};
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char chunk[4096];
  while (text.size() < kMaxFile && (file.read(chunk, sizeof chunk) || file.gcount() > 0)) {
    text.append(chunk, static_cast<std::size_t>(file.gcount()));
  }
  return text;
}

struct Version {
  std::string_view name;
  int number;
  std::uint64_t off;
};
constexpr Version kVersions[] = {{"tlsv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1},
                                 {"tlsv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
                                 {"tlsv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
                                 {"tlsv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3}};

// A bit for each of kVersions.
unsigned versions_of(std::string_view list) {
  unsigned wanted = 0;
  std::string text = base::lower(list);
  std::replace(text.begin(), text.end(), ':', ',');
  for (std::string_view word : base::split(text, ',')) {
    bool without = word.starts_with("!");
    if (without) word = base::trim(word.substr(1));
    unsigned bits = 0;
    if (word == "all" || word == "tlsv1") bits = 0b1111;
    if (word == "secure" || word == "default") bits = 0b1100;
    for (std::size_t i = 0; i < std::size(kVersions); ++i) {
      if (word == kVersions[i].name) bits = 1u << i;
    }
    wanted = without ? wanted & ~bits : wanted | bits;
  }
  return wanted;
}

}  // namespace

std::string end_point_hash(const X509* certificate) {
  int digest = NID_undef;
  if (!X509_get_signature_info(const_cast<X509*>(certificate), &digest, nullptr, nullptr,
                               nullptr)) {
    ERR_clear_error();
    return {};
  }
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* algorithm = digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!algorithm || !X509_digest(certificate, algorithm, out, &size)) {
    ERR_clear_error();
    return {};
  }
  return {reinterpret_cast<const char*>(out), size};
}

base::Status OpensslContext::load_certificate() {
  SSL_CTX* context = ssl();
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (options_.cert_file.empty() && options_.key_file.empty()) {
    if (options_.side == Side::Connect) return base::Done{};
    return base::Error{"config", "a certificate and its key are needed"};
  }
  if (options_.cert_file.empty()) return wrong(options_.key_file, "there is no certificate for it");
  if (options_.key_file.empty()) return wrong(options_.cert_file, "there is no key for it");
  if (SSL_CTX_use_certificate_chain_file(context, options_.cert_file.c_str()) != 1) {
    return unusable(options_.cert_file, "not a certificate in PEM form");
  }
  if (SSL_CTX_use_PrivateKey_file(context, options_.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return unusable(options_.key_file, "not a key in PEM form");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return wrong(options_.key_file, cat("is not the key of ", options_.cert_file, " (",
                                        take_tls_error("mismatch"), ")"));
  }
  if (options_.side == Side::Accept) {
    end_point_ = end_point_hash(SSL_CTX_get0_certificate(context));
  }
  return base::Done{};
}

base::Status OpensslContext::load_ca() {
  SSL_CTX* context = ssl();
  if (options_.verify == Verify::None) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    // It does nothing then; but one that is broken would be found out only when it is needed.
    if (options_.ca_file.empty()) return base::Done{};
  } else {
    int mode = SSL_VERIFY_PEER;
    if (options_.verify != Verify::Given) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, nullptr);
  }
  if (options_.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    ERR_clear_error();
    return base::Done{};
  }
  if (SSL_CTX_load_verify_file(context, options_.ca_file.c_str()) != 1) {
    return wrong(options_.ca_file, take_tls_error("no certificates in PEM form"));
  }
  if (options_.side == Side::Accept) {
    auto* names = SSL_load_client_CA_file(options_.ca_file.c_str());
    if (!names) return wrong(options_.ca_file, take_tls_error("no certificates in PEM form"));
    SSL_CTX_set_client_CA_list(context, names);
  }
  return base::Done{};
}

// The certificates between ours and an authority, if cert_file has none. OpenSSL would look for them in
// every handshake, and without ca_file list the system's directory of certificates for that.
void OpensslContext::complete_chain() {
  SSL_CTX_set_mode(ssl(), SSL_MODE_NO_AUTO_CHAIN);
  if (options_.cert_file.empty()) return;
  STACK_OF(X509)* given = nullptr;
  SSL_CTX_get0_chain_certs(ssl(), &given);
  if (given && sk_X509_num(given) > 0) return;
  SSL_CTX_build_cert_chain(ssl(), SSL_BUILD_CHAIN_FLAG_NO_ROOT |
                                      SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR |
                                      SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
}

base::Status OpensslContext::set_versions() {
  unsigned wanted = versions_of(options_.protocols.empty() ? "secure" : options_.protocols);
  if (wanted == 0) {
    return base::Error{"config", cat("no TLS version is left of '", options_.protocols, "'")};
  }
  int lowest = 0, highest = 0;
  for (std::size_t i = 0; i < std::size(kVersions); ++i) {
    if ((wanted & 1u << i) == 0) {
      SSL_CTX_set_options(ssl(), kVersions[i].off);
      continue;
    }
    if (lowest == 0) lowest = kVersions[i].number;
    highest = kVersions[i].number;
  }
  if (SSL_CTX_set_min_proto_version(ssl(), lowest) != 1 ||
      SSL_CTX_set_max_proto_version(ssl(), highest) != 1) {
    return base::Error{"config", take_tls_error("this TLS version is not available")};
  }
  return base::Done{};
}

base::Status OpensslContext::set_ciphers() {
  std::string list = options_.ciphers;
  for (std::string_view word : {"default", "secure", "normal", "fast"}) {
    if (list == word) list.clear();
  }
  bool no_curve = options_.curve == "none";
  if (no_curve) list = cat(list.empty() ? "DEFAULT" : list, ":!kECDHE");
  if (!list.empty() && SSL_CTX_set_cipher_list(ssl(), list.c_str()) != 1) {
    return wrong(options_.ciphers, take_tls_error("not a list of ciphers"));
  }
  const std::string& suites = options_.tls13_ciphers;
  if (!suites.empty() && SSL_CTX_set_ciphersuites(ssl(), suites.c_str()) != 1) {
    return wrong(suites, take_tls_error("not a list of TLS 1.3 cipher suites"));
  }
  const std::string& curve = options_.curve;
  if (!curve.empty() && curve != "auto" && !no_curve &&
      SSL_CTX_set1_groups_list(ssl(), curve.c_str()) != 1) {
    ERR_clear_error();
    return wrong(curve, "not a curve that OpenSSL knows");
  }
  if (options_.side == Side::Accept) SSL_CTX_set_dh_auto(ssl(), options_.dh ? 1 : 0);
  return base::Done{};
}

// A ticket says "this client was checked before": it must not outlive the certificate that the
// client trusted, nor the CA and the demands by which it was checked.
void OpensslContext::keep_tickets(const OpensslContext* before) {
  std::string all = cat(static_cast<int>(options_.verify), '\n', options_.protocols, '\n',
                        options_.ciphers, '\n', options_.tls13_ciphers, '\n');
  for (const std::string* path : {&options_.cert_file, &options_.ca_file}) {
    if (!path->empty()) all += sha256(file_bytes(*path));
    all += '\n';
  }
  identity_ = sha256(all);
  // TLS 1.3 and stateless tickets need no store; without one nothing is kept for those who never
  // come again.
  SSL_CTX_set_session_cache_mode(ssl(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ssl(), 1);
  auto* id = reinterpret_cast<const unsigned char*>(identity_.data());
  SSL_CTX_set_session_id_context(
      ssl(), id, static_cast<unsigned int>(std::min<std::size_t>(identity_.size(), 32)));
  if (!before || before->identity_ != identity_) return;
  unsigned char keys[kTicketKeys];
  if (SSL_CTX_get_tlsext_ticket_keys(before->ssl(), keys, sizeof keys) == 1) {
    SSL_CTX_set_tlsext_ticket_keys(ssl(), keys, sizeof keys);
  }
  base::wipe(keys, sizeof keys);
  ERR_clear_error();
}

base::Status OpensslContext::configure(const OpensslContext* before) {
  SSL_CTX* context = ssl();
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_ENABLE_KTLS |
                                   // PostgreSQL's framing tells what is whole.
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // One record a call: a peer that sends only what is no data cannot hold the loop.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context, 1);
  for (auto step : {&OpensslContext::set_versions, &OpensslContext::set_ciphers,
                    &OpensslContext::load_certificate, &OpensslContext::load_ca}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  complete_chain();
  if (options_.side == Side::Accept) {
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, nullptr);
    keep_tickets(before);
  }
  return base::Done{};
}

base::Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsOptions& options,
                                                                 const TlsContext* before) {
  ERR_clear_error();
  SslContextPtr context(
      SSL_CTX_new(options.side == Side::Accept ? TLS_server_method() : TLS_client_method()));
  BioMethodPtr reading = TlsSocket::make_reading();
  if (!context || !reading) return base::Error{"tls", take_tls_error("OpenSSL is out of memory")};
  auto made = std::make_shared<OpensslContext>(std::move(context), std::move(reading), options);
  auto done = made->configure(static_cast<const OpensslContext*>(before));
  ERR_clear_error();
  if (!done) return done.error();
  return std::shared_ptr<const TlsContext>(std::move(made));
}

}  // namespace howdah::net
