// TLS of one connected descriptor, which it does not own. Non-blocking; knows no loop.
//
//   Handshake --step()--> On | Failed        On --error--> Failed
//
// Reading goes through a BIO of our own, so that a call has a bound of system calls and it is known
// whether OpenSSL waits for the network or holds more. Writing goes through OpenSSL's socket BIO,
// which may hand encryption over to the kernel.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "howdah/net/transport.h"
#include "net/tls_context.h"

namespace howdah::net {

class TlsSocket {
 public:
  // null: OpenSSL is out of memory.
  static std::unique_ptr<TlsSocket> make(std::shared_ptr<const TlsContext> context,
                                         const TlsStart& start, int fd);
  static BioMethodPtr make_reading();
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  TlsStatus::State state() const { return state_; }
  // One step of the handshake.
  void step();
  IoResult read(std::span<char> into);
  IoResult write(std::span<const std::string_view> pieces);

  // What the descriptor must be watched for beside what the user wants: a handshake and the
  // answers inside TLS go both ways.
  bool wants_read() const { return wants_read_; }
  bool wants_write() const { return wants_write_; }
  // Bytes that no readiness will tell of are held: read() again soon.
  bool holds_more() const { return holds_more_; }
  TlsStatus status() const;

 private:
  explicit TlsSocket(std::shared_ptr<const TlsContext> context) : context_(std::move(context)) {}
  static int bio_read(BIO* bio, char* to, int size);
  static long bio_control(BIO* bio, int command, long number, void* pointer);
  int receive(BIO* bio, char* to, int size);
  void begin();
  IoResult failed(int result);
  void fail(std::string why, bool refused);
  const OpensslContext& context() const { return static_cast<const OpensslContext&>(*context_); }

  std::shared_ptr<const TlsContext> context_;  // before ssl_, which uses its BIO method
  SslPtr ssl_;
  int fd_ = -1;
  TlsStatus::State state_ = TlsStatus::State::Handshake;
  bool direct_ = false, wants_read_ = false, wants_write_ = false, holds_more_ = false;
  bool blocked_ = false;  // the BIO had nothing more to give in this call
  bool drained_ = false;  // the socket gave less than was asked for in this call
  bool ended_ = false, broken_ = false, refused_ = false;
  int calls_left_ = 0;    // recv calls that this call may still make
  int error_ = 0;         // errno of a broken connection
  std::string received_;  // read before TLS began
  std::string why_;
  std::optional<IoResult> end_;  // found behind bytes that were given first
};

}  // namespace howdah::net
