#include "tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace howdah::test {

namespace {

void openssl(const std::vector<std::string>& words) {
  std::vector<std::string> argv{"openssl"};
  argv.insert(argv.end(), words.begin(), words.end());
  Output output = run(argv);
  if (output.status != 0) throw std::runtime_error("openssl: " + output.text);
}

bool wait_for(int fd, short what) {
  pollfd one{fd, what, 0};
  if (::poll(&one, 1, static_cast<int>(kPatience.count())) == 1) return true;
  throw std::runtime_error("TLS: the other side does nothing");
}

bool send_all(int fd, std::string_view bytes, std::size_t piece) {
  while (!bytes.empty()) {
    std::size_t size = piece == 0 ? bytes.size() : std::min(piece, bytes.size());
    wait_for(fd, POLLOUT);
    ssize_t sent = ::send(fd, bytes.data(), size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
           unsigned int count, void* wanted) {
  auto& name = *static_cast<std::string*>(wanted);
  std::string list = static_cast<char>(name.size()) + name;
  unsigned char* found = nullptr;
  int result = SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(list.data()),
                                     static_cast<unsigned int>(list.size()), offered, count);
  *out = reinterpret_cast<const unsigned char*>(name.data());
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

TestCa::TestCa(const std::string& name) {
  openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
           "-keyout", directory_ / "ca.key", "-out", crt(), "-subj", "/CN=" + name, "-days", "30"});
}

TestCa::Pair TestCa::issue(const std::string& file, const std::string& common_name,
                           const std::string& names, int days) {
  Pair pair{directory_ / (file + ".crt"), directory_ / (file + ".key")};
  std::string request = directory_ / (file + ".csr");
  std::vector<std::string> words{"req",  "-new",    "-newkey", "ec",   "-pkeyopt",
                                 "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pair.key,
                                 "-out", request,   "-subj",   "/CN=" + common_name};
  if (!names.empty()) words.insert(words.end(), {"-addext", "subjectAltName=" + names});
  openssl(words);
  openssl({"x509", "-req", "-in", request, "-CA", crt(), "-CAkey", directory_ / "ca.key",
           "-CAcreateserial", "-days", std::to_string(days), "-copy_extensions", "copy", "-out",
           pair.crt});
  return pair;
}

TlsEnd::TlsEnd(int fd, const Options& options) : fd_(fd), options_(options) {
  context_.reset(SSL_CTX_new(options.server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* context = context_.get();
  if (options.max_version != 0) {
    SSL_CTX_set_cipher_list(context, "DEFAULT@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(context, 0);
    SSL_CTX_set_max_proto_version(context, options.max_version);
  }
  if (!options.crt.empty() &&
      (SSL_CTX_use_certificate_chain_file(context, options.crt.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1)) {
    throw std::runtime_error("TLS: a bad certificate or key");
  }
  if (!options.ca.empty()) {
    SSL_CTX_load_verify_file(context, options.ca.c_str());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (options.server && !options_.alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(context, choose, &options_.alpn);
  }
  ssl_.reset(SSL_new(context));
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (options.server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    if (!options.alpn.empty()) {
      std::string list = static_cast<char>(options.alpn.size()) + options.alpn;
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned int>(list.size()));
    }
    if (options.session) SSL_set_session(ssl_.get(), options.session);
  }
}

// A session whose end was not orderly would not be resumed by OpenSSL.
TlsEnd::~TlsEnd() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

bool TlsEnd::flush() {
  char bytes[16384];
  for (int got; (got = BIO_read(SSL_get_wbio(ssl_.get()), bytes, sizeof bytes)) > 0;) {
    if (!send_all(fd_, {bytes, static_cast<std::size_t>(got)}, options_.piece)) return false;
  }
  return true;
}

bool TlsEnd::fill() {
  char bytes[16384];
  wait_for(fd_, POLLIN);
  ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  BIO_write(SSL_get_rbio(ssl_.get()), bytes, static_cast<int>(got));
  return true;
}

std::string TlsEnd::first_flight() {
  SSL_do_handshake(ssl_.get());
  std::string all(65536, '\0');
  int got = BIO_read(SSL_get_wbio(ssl_.get()), all.data(), static_cast<int>(all.size()));
  all.resize(static_cast<std::size_t>(std::max(got, 0)));
  return all;
}

bool TlsEnd::handshake() {
  while (true) {
    int done = SSL_do_handshake(ssl_.get());
    int error = SSL_get_error(ssl_.get(), done);
    if (!flush()) return false;
    if (done == 1) return true;
    if (error != SSL_ERROR_WANT_READ || !fill()) return false;
  }
}

bool TlsEnd::write(std::string_view bytes) {
  int sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  return sent == static_cast<int>(bytes.size()) && flush();
}

std::string TlsEnd::read() {
  char bytes[16384];
  while (true) {
    int got = SSL_read(ssl_.get(), bytes, sizeof bytes);
    int error = SSL_get_error(ssl_.get(), got);
    flush();
    if (got > 0) return {bytes, static_cast<std::size_t>(got)};
    if (error != SSL_ERROR_WANT_READ || !fill()) return "";
  }
}

std::string TlsEnd::read_exactly(std::size_t size) {
  std::string all(size, '\0');
  for (std::size_t at = 0; at < size;) {
    int got = SSL_read(ssl_.get(), all.data() + at, static_cast<int>(size - at));
    if (got > 0) {
      at += static_cast<std::size_t>(got);
    } else if (SSL_get_error(ssl_.get(), got) != SSL_ERROR_WANT_READ || !fill()) {
      return "";
    }
  }
  return all;
}

Socket::Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  }
  int yes = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

bool Socket::send(std::string_view bytes) { return send_all(fd_, bytes, 0); }

char Socket::read_byte() {
  char byte = 0;
  wait_for(fd_, POLLIN);
  return ::recv(fd_, &byte, 1, 0) == 1 ? byte : '\0';
}

std::string Socket::drain() {
  std::string all;
  char bytes[4096];
  while (true) {
    wait_for(fd_, POLLIN);
    ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return all;
    all.append(bytes, static_cast<std::size_t>(got));
  }
}

}  // namespace howdah::test
