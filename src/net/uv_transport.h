// The real Transport: a descriptor of our own, watched by a uv_poll_t while attached to a loop.
//
//   Detached --attach--> Attached <--> (watching nothing, reading, writing, both)
//      ^                    |
//      +------detach--------+        Refused: connect or polling failed at once; the user is
//                                    told through on_ready after the present callback
//                                    Retrying: a unix server's queue is full; tried again soon
//
// With TLS (start_tls) what the descriptor is polled for and what the user watches are two things:
// a handshake runs whatever the user wants, and OpenSSL may hold bytes that polling knows nothing of.
#pragma once

#include <cstdint>
#include <memory>

#include "howdah/net/transport.h"
#include "net/handle.h"
#include "net/tls_socket.h"

namespace howdah::net {

class UvLoop;

class UvTransport final : public Transport {
 public:
  // Takes over a connected descriptor; detached.
  UvTransport(int fd, const Address& peer);
  // Starts a connect on `loop`.
  UvTransport(UvLoop& loop, const Address& to, const TcpOptions& options, TransportUser& user);
  ~UvTransport() override;

  IoResult recv(std::span<char> into) override;
  IoResult send(std::span<const std::string_view> pieces) override;
  void start_tls(std::shared_ptr<const TlsContext> context, const TlsStart& start) override;
  TlsStatus tls() const override { return tls_ ? tls_->status() : TlsStatus{}; }
  void watch(bool readable, bool writable) override;
  void yield_to_others(bool yields) override { yields_ = yields; }
  int connect_error() override;
  const Address& peer() const override { return peer_; }
  Address local() const override;
  PeerCredentials credentials() const override;
  void detach() override;
  void attach(Reactor& reactor, TransportUser& user) override;

  // For UvLoop only.
  void tell();           // delivers a refusal, or what TLS holds
  bool try_connect();    // false: try again later
  void go_on();          // with what was put off
  bool waiting = false;  // the loop has us in a list of its own
  std::uint8_t put_off = 0;  // events that the loop tells when others are served
  void loop_gone();

 private:
  static void on_poll(uv_poll_t* handle, int status, int events);
  void happened(int events);
  void open_handle();
  void refuse(int error);
  void tell_soon();
  void poll();
  int wanted() const;
  void tls_event(int events);
  bool shake_hands();
  IoResult after_tls(IoResult result);

  std::uint8_t mask_ = 0;    // UV_READABLE | UV_WRITABLE as asked for
  std::uint8_t polled_ = 0;  // as libuv polls for
  bool yields_ = false;
  int fd_;
  int error_ = 0;  // once set, the socket is of no use
  TransportUser* user_ = nullptr;
  UvLoop* loop_ = nullptr;
  Handle<uv_poll_t> handle_;
  std::unique_ptr<TlsSocket> tls_;
  Address peer_;
};

}  // namespace howdah::net
