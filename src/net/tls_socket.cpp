// TLS of one connected descriptor (see tls_socket.h).
#include "net/tls_socket.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "howdah/base/text.h"
#include "net/tls_error.h"
#include "net/tls_subject.h"

namespace howdah::net {

using State = TlsStatus::State;
using Side = TlsOptions::Side;
using Kind = IoResult::Kind;

namespace {

constexpr int kCalls = 4;     // recv calls in one read(): 64 kB of full records
constexpr int kRecords = 64;  // records in one read(), also those that carry no data
constexpr std::size_t kRecord = 16 * 1024;
constexpr unsigned char kAlpn[] = "\x0apostgresql";

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

bool expect_host(SSL* ssl, const std::string& host, bool verify) {
  bool address = is_address(host);
  if (!address && SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) return false;
  if (!verify) return true;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1
                 : X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) == 1;
}

}  // namespace

BioMethodPtr TlsSocket::make_reading() {
  constexpr int kType = 100 | BIO_TYPE_SOURCE_SINK;
  BioMethodPtr method(BIO_meth_new(kType, "howdah socket"));
  if (method) {
    BIO_meth_set_read(method.get(), bio_read);
    BIO_meth_set_ctrl(method.get(), bio_control);
  }
  return method;
}

int TlsSocket::bio_read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  return static_cast<TlsSocket*>(BIO_get_data(bio))->receive(bio, to, size);
}

long TlsSocket::bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return static_cast<TlsSocket*>(BIO_get_data(bio))->ended_;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int TlsSocket::receive(BIO* bio, char* to, int size) {
  if (!received_.empty()) {
    std::size_t count = std::min(received_.size(), static_cast<std::size_t>(size));
    std::memcpy(to, received_.data(), count);
    received_.erase(0, count);
    if (received_.empty()) received_.shrink_to_fit();
    return static_cast<int>(count);
  }
  if (calls_left_ > 0 && !drained_) {
    --calls_left_;
    ssize_t got = ::recv(fd_, to, static_cast<std::size_t>(size), 0);
    if (got > 0) {
      drained_ = got < size;
      return static_cast<int>(got);
    }
    if (got == 0) {
      ended_ = true;
      return 0;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      error_ = errno;
      return -1;
    }
  }
  blocked_ = true;
  BIO_set_retry_read(bio);
  return -1;
}

std::unique_ptr<TlsSocket> TlsSocket::make(std::shared_ptr<const TlsContext> context,
                                           const TlsStart& start, int fd) {
  ERR_clear_error();
  std::unique_ptr<TlsSocket> made(new TlsSocket(std::move(context)));
  const TlsOptions& options = made->context().options();
  made->fd_ = fd;
  made->direct_ = start.direct;
  made->received_ = start.received;
  made->ssl_.reset(SSL_new(made->context().ssl()));
  SSL* ssl = made->ssl_.get();
  BIO* reading = ssl ? BIO_new(made->context().reading()) : nullptr;
  if (!reading || SSL_set_fd(ssl, fd) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  BIO_set_data(reading, made.get());
  BIO_set_init(reading, 1);
  SSL_set0_rbio(ssl, reading);
  if (options.side == Side::Accept) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    SSL_set_alpn_protos(ssl, kAlpn, sizeof kAlpn - 1);
    bool verify = options.verify == TlsOptions::Verify::Name;
    if (!start.host.empty() && !expect_host(ssl, start.host, verify)) {
      made->fail(base::cat("'", start.host, "' cannot be the name of a TLS server"), true);
    } else if (start.host.empty() && verify) {
      made->fail("there is no host name to verify", true);
    }
  }
  ERR_clear_error();
  return made;
}

TlsSocket::~TlsSocket() {
  // "That was all": without it the other side cannot tell an end from a cut.
  if (state_ == State::On && !broken_ && !wants_read_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

void TlsSocket::begin() {
  ERR_clear_error();
  calls_left_ = kCalls;
  blocked_ = drained_ = false;
  errno = 0;
}

void TlsSocket::fail(std::string why, bool refused) {
  state_ = State::Failed;
  why_ = std::move(why);
  refused_ = refused;
  wants_read_ = wants_write_ = holds_more_ = false;
}

void TlsSocket::step() {
  if (state_ != State::Handshake) return;
  begin();
  wants_read_ = wants_write_ = false;
  int done = SSL_do_handshake(ssl_.get());
  if (done != 1) {
    int system_error = error_ != 0 ? error_ : errno;
    int result = SSL_get_error(ssl_.get(), done);
    if (result == SSL_ERROR_WANT_READ) {
      wants_read_ = true;
    } else if (result == SSL_ERROR_WANT_WRITE) {
      wants_write_ = true;
    } else {
      bool refused = false;
      std::string why = handshake_error(ssl_.get(), result, system_error, refused);
      fail(std::move(why), refused);
    }
    return;
  }
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  if (direct_ && size == 0) {
    fail("a direct TLS connection needs the ALPN protocol 'postgresql'", true);
    return;
  }
  state_ = State::On;
  holds_more_ = true;  // the first message may have come along with the end of the handshake
}

// What a read or write that did not work out means.
IoResult TlsSocket::failed(int result) {
  switch (result) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {Kind::Again};
    case SSL_ERROR_ZERO_RETURN:
      return {Kind::Eof};
    default:
      break;
  }
  int error = error_ != 0 ? error_ : errno;
  broken_ = true;
  if (result == SSL_ERROR_SYSCALL && error == 0) return {Kind::Eof};
  if (result == SSL_ERROR_SSL) {
    why_ = take_tls_error("protocol error");
    error = EPROTO;
  }
  return {Kind::Failed, 0, error};
}

IoResult TlsSocket::read(std::span<char> into) {
  if (state_ == State::Handshake) return {Kind::Again};
  if (end_) return *end_;
  if (state_ == State::Failed || broken_) return {Kind::Failed, 0, EPROTO};
  begin();
  std::size_t count = 0;
  holds_more_ = wants_write_ = false;
  for (int i = 0; i < kRecords; ++i) {
    if (count == into.size()) {
      holds_more_ = SSL_has_pending(ssl_.get()) == 1;
      break;
    }
    blocked_ = false;
    int got = SSL_read(ssl_.get(), into.data() + count, static_cast<int>(into.size() - count));
    if (got > 0) {
      count += static_cast<std::size_t>(got);
      if (drained_ && SSL_has_pending(ssl_.get()) == 0) break;
      continue;
    }
    int result = SSL_get_error(ssl_.get(), got);
    if (result == SSL_ERROR_WANT_WRITE) wants_write_ = true;
    // A record that carried no data: the next one may be here already.
    if (result == SSL_ERROR_WANT_READ && !blocked_) {
      holds_more_ = i == kRecords - 1;
      continue;
    }
    IoResult what = failed(result);
    if (count == 0) return what;
    if (what.kind != Kind::Again) {  // what came before the end is given first
      end_ = what;
      holds_more_ = true;
    }
    break;
  }
  if (count == 0) return {Kind::Again};
  return {Kind::Bytes, count};
}

IoResult TlsSocket::write(std::span<const std::string_view> pieces) {
  if (state_ == State::Handshake) return {Kind::Again};
  if (state_ == State::Failed || broken_) return {Kind::Failed, 0, EPROTO};
  begin();
  wants_read_ = false;
  std::size_t taken = 0;
  char record[kRecord];
  std::string_view rest;
  while (true) {
    while (rest.empty() && !pieces.empty()) {
      rest = pieces.front();
      pieces = pieces.subspan(1);
    }
    if (rest.empty()) break;
    std::string_view plain = rest;
    if (rest.size() < kRecord && !pieces.empty()) {
      // Small pieces share a record. A call that is repeated must offer at least as much again,
      // so it is filled to the brim.
      std::size_t filled = rest.copy(record, kRecord);
      for (std::string_view piece : pieces) {
        filled += piece.copy(record + filled, kRecord - filled);
        if (filled == kRecord) break;
      }
      plain = {record, filled};
    }
    int sent = SSL_write(ssl_.get(), plain.data(),
                         static_cast<int>(std::min<std::size_t>(plain.size(), 1u << 30)));
    if (sent <= 0) {
      int result = SSL_get_error(ssl_.get(), sent);
      if (result == SSL_ERROR_WANT_READ) wants_read_ = true;
      if (taken > 0 && (result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE)) break;
      return failed(result);
    }
    auto count = static_cast<std::size_t>(sent);
    taken += count;
    while (count >= rest.size() && count > 0) {
      count -= rest.size();
      rest = {};
      if (pieces.empty()) break;
      rest = pieces.front();
      pieces = pieces.subspan(1);
    }
    rest.remove_prefix(std::min(count, rest.size()));
  }
  return {Kind::Bytes, taken};
}

TlsStatus TlsSocket::status() const {
  TlsStatus status;
  status.state = state_;
  status.error = why_;
  status.refused = refused_;
  if (state_ != State::On) return status;
  SSL* ssl = ssl_.get();
  status.text = base::cat(std::string_view(SSL_get_version(ssl)), '/',
                          std::string_view(SSL_get_cipher_name(ssl)));
  auto group = static_cast<int>(SSL_get_negotiated_group(ssl));
  const char* name = group != NID_undef ? OBJ_nid2sn(group) : nullptr;
  if (name) {
    bool finite = std::string_view(name).starts_with("ffdhe");
    status.text += base::cat(finite ? "/DH=" : "/ECDH=", std::string_view(name));
  }
  status.resumed = SSL_session_reused(ssl) == 1;
  if (context().options().side == Side::Accept) {
    status.end_point = context().end_point();
    X509* shown = SSL_get0_peer_certificate(ssl);
    if (shown && SSL_get_verify_result(ssl) == X509_V_OK &&
        (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 && !context().options().ca_file.empty()) {
      status.certificate = true;
      status.common_name = common_name_of(X509_get_subject_name(shown));
      status.subject = subject_of(X509_get_subject_name(shown));
    }
  } else if (X509* certificate = SSL_get0_peer_certificate(ssl)) {
    status.end_point = end_point_hash(certificate);
  }
  ERR_clear_error();
  return status;
}

}  // namespace howdah::net
