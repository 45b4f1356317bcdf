// Certificates made on the spot, and one end of a TLS connection whose bytes the test may cut.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "process.h"

namespace howdah::test {

// A certificate authority of its own in a directory of its own, by the openssl program.
class TestCa {
 public:
  explicit TestCa(const std::string& name = "howdah test CA");
  std::string crt() const { return directory_ / "ca.crt"; }
  struct Pair {
    std::string crt, key;
  };
  // `names` as openssl writes them: "DNS:localhost,IP:127.0.0.1". `days` may be negative: expired.
  Pair issue(const std::string& file, const std::string& common_name,
             const std::string& names = "", int days = 30);
  std::string path(const std::string& name) const { return directory_ / name; }

 private:
  TempDir directory_;
};

// TLS over a connected socket by memory BIOs. Every call blocks, with a deadline.
class TlsEnd {
 public:
  struct Options {
    bool server = false;
    std::string crt, key, ca;         // ca: the other side is verified
    std::string alpn;                 // offered, or as a server chosen
    int max_version = 0;
    std::size_t piece = 0;            // most bytes in one send; 0: all
    SSL_SESSION* session = nullptr;   // to resume
  };
  TlsEnd(int fd, const Options& options);  // does not own the descriptor
  ~TlsEnd();

  bool handshake();  // false: it failed
  // False, or "": the other side has closed.
  bool write(std::string_view bytes);
  std::string read();  // what comes next
  std::string read_exactly(std::size_t size);
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  SSL* ssl() const { return ssl_.get(); }
  // What the handshake began with and was not sent: the bytes of a ClientHello.
  std::string first_flight();
  // The ticket that the other side sent; the caller owns it.
  SSL_SESSION* session() const { return SSL_get1_session(ssl_.get()); }

 private:
  bool flush();
  bool fill();
  int fd_;
  Options options_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
};

// A connected socket to 127.0.0.1:port that is closed at the end.
class Socket {
 public:
  explicit Socket(int port);
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  int fd() const { return fd_; }
  bool send(std::string_view bytes);
  char read_byte();     // 0: the end
  std::string drain();  // everything up to the end

 private:
  int fd_;
};

}  // namespace howdah::test
