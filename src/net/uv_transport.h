// The real Transport: a descriptor of our own, watched by a uv_poll_t while attached to a loop.
//
//   Detached --attach--> Attached <--> (watching nothing, reading, writing, both)
//      ^                    |
//      +------detach--------+        Refused: connect or polling failed at once; the user is
//                                    told through on_ready after the present callback
//                                    Retrying: a unix server's queue is full; tried again soon
#pragma once

#include "howdah/net/transport.h"
#include "net/handle.h"

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
  void watch(bool readable, bool writable) override;
  int connect_error() override;
  const Address& peer() const override { return peer_; }
  Address local() const override;
  PeerCredentials credentials() const override;
  void detach() override;
  void attach(Reactor& reactor, TransportUser& user) override;

  // For UvLoop only.
  void tell_refused();   // delivers the refusal
  bool try_connect();    // false: try again later
  bool waiting = false;  // the loop has us in a list of its own
  void loop_gone();

 private:
  static void on_poll(uv_poll_t* handle, int status, int events);
  void open_handle();
  void refuse(int error);

  int fd_;
  int mask_ = 0;   // UV_READABLE | UV_WRITABLE as asked for
  int error_ = 0;  // once set, the socket is of no use
  TransportUser* user_ = nullptr;
  UvLoop* loop_ = nullptr;
  Handle<uv_poll_t> handle_;
  Address peer_;
};

}  // namespace howdah::net
