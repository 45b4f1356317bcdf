// The real Transport (uv_transport.h).
#include "net/uv_transport.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/socket.h"
#include "net/uv_loop.h"

namespace howdah::net {

namespace {

// More pieces than this wait for the next call: a short send is always allowed.
constexpr std::size_t kMaxPieces = 64;

IoResult from_errno(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return {IoResult::Kind::Again};
  return {IoResult::Kind::Failed, 0, error};
}

}  // namespace

UvTransport::UvTransport(int fd, const Address& peer) : fd_(fd), peer_(peer) {}

UvTransport::UvTransport(UvLoop& loop, const Address& to, const TcpOptions& options,
                         TransportUser& user)
    : mask_(UV_WRITABLE), fd_(-1), user_(&user), loop_(&loop), peer_(to) {
  fd_ = open_socket(to);
  if (fd_ < 0) {
    refuse(errno);
    return;
  }
  if (to.family != Address::Family::Unix) set_tcp_options(fd_, options);
  if (!try_connect()) loop.retry(*this);
}

UvTransport::~UvTransport() {
  detach();      // before close(2): epoll must forget the descriptor first
  tls_.reset();  // says goodbye on it: after close(2) its number may be somebody else's
  if (fd_ >= 0) ::close(fd_);
}

bool UvTransport::try_connect() {
  SocketAddress address;
  int error = to_socket_address(peer_, address);
  if (error == 0 && ::connect(fd_, address.get(), address.size) != 0) error = errno;
  // A unix socket whose listen queue is full answers EAGAIN and nothing is under way.
  if (error == EAGAIN && peer_.family == Address::Family::Unix) return false;
  if (error == 0 || error == EINPROGRESS || error == EINTR)
    open_handle();
  else
    refuse(error);
  return true;
}

void UvTransport::refuse(int error) {
  error_ = error;
  tell_soon();
}

void UvTransport::tell_soon() {
  if (!waiting && loop_) loop_->tell_soon(*this);
}

void UvTransport::tell() {
  bool readable = mask_ & UV_READABLE, writable = mask_ & UV_WRITABLE;
  if (readable || writable) user_->on_ready(readable, writable);
}

void UvTransport::loop_gone() {
  waiting = false;
  put_off = 0;
  loop_ = nullptr;
}

void UvTransport::open_handle() {
  polled_ = 0;
  int status = handle_.make(
      this, [this](uv_poll_t* handle) { return uv_poll_init(loop_->uv(), handle, fd_); });
  int mask = wanted();
  if (status == 0 && mask != 0) status = uv_poll_start(handle_.uv(), mask, on_poll);
  if (status < 0) {
    handle_.close();
    refuse(-status);
    return;
  }
  polled_ = static_cast<std::uint8_t>(mask);
}

int UvTransport::wanted() const {
  if (!tls_) return mask_;
  if (tls_->state() == TlsStatus::State::Handshake) {
    return tls_->wants_write() ? UV_WRITABLE : UV_READABLE;
  }
  int mask = mask_;
  if ((mask & UV_READABLE) && tls_->wants_write()) mask |= UV_WRITABLE;
  if ((mask & UV_WRITABLE) && tls_->wants_read()) mask |= UV_READABLE;
  return mask;
}

void UvTransport::poll() {
  int mask = wanted();
  if (mask == polled_ || !handle_.open()) return;
  polled_ = static_cast<std::uint8_t>(mask);
  if (mask == 0)
    uv_poll_stop(handle_.uv());
  else
    uv_poll_start(handle_.uv(), mask, on_poll);
}

void UvTransport::on_poll(uv_poll_t* handle, int status, int events) {
  auto& self = Handle<uv_poll_t>::owner_of<UvTransport>(handle);
  if (status < 0) {
    // libuv stops a handle whose socket has an error. The user finds out by recv or send, and may
    // first have to read what came before it: so go on polling.
    uv_poll_start(handle, self.polled_, on_poll);
    events = self.polled_;
  }
  if (self.yields_) return self.loop_->put_off(self, events);
  self.happened(events);
}

void UvTransport::happened(int events) {
  if (tls_) return tls_event(events);
  user_->on_ready(events & UV_READABLE, events & UV_WRITABLE);  // may destroy us
}

void UvTransport::go_on() {
  int events = std::exchange(put_off, 0) & polled_;  // less may be wanted by now
  if (events != 0) happened(events);
}

void UvTransport::watch(bool readable, bool writable) {
  auto mask =
      static_cast<std::uint8_t>((readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0));
  if (mask == mask_) return;
  mask_ = mask;
  poll();
  if (tls_ && mask != 0 && (tls_->holds_more() || error_ != 0)) tell_soon();
}

// --- TLS ------------------------------------------------------------------------------------------

void UvTransport::start_tls(std::shared_ptr<const TlsContext> context, const TlsStart& start) {
  tls_ = TlsSocket::make(std::move(context), start, fd_);
  if (!tls_) return refuse(ENOMEM);
  if (shake_hands()) tell_soon();
}

// True when it is over, well or badly.
bool UvTransport::shake_hands() {
  tls_->step();
  if (tls_->state() == TlsStatus::State::Failed) {
    handle_.close();
    error_ = EPROTO;
    return true;
  }
  poll();
  return tls_->state() == TlsStatus::State::On;
}

void UvTransport::tls_event(int events) {
  if (tls_->state() == TlsStatus::State::Handshake) {
    if (shake_hands()) tell();
    return;
  }
  // Each direction may be waiting for the other one's readiness.
  bool readable = (events & UV_READABLE) || (tls_->wants_write() && (events & UV_WRITABLE));
  bool writable = (events & UV_WRITABLE) || (tls_->wants_read() && (events & UV_READABLE));
  readable = readable && (mask_ & UV_READABLE);
  writable = writable && (mask_ & UV_WRITABLE);
  if (readable || writable) user_->on_ready(readable, writable);
}

IoResult UvTransport::after_tls(IoResult result) {
  poll();
  // Polling knows only of what is still in the kernel.
  if (tls_->holds_more() && (mask_ & UV_READABLE)) tell_soon();
  return result;
}

IoResult UvTransport::recv(std::span<char> into) {
  if (error_ != 0) return {IoResult::Kind::Failed, 0, error_};
  if (into.empty()) return {IoResult::Kind::Again};
  if (tls_) return after_tls(tls_->read(into));
  ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
  if (got > 0) return {IoResult::Kind::Bytes, static_cast<std::size_t>(got)};
  if (got == 0) return {IoResult::Kind::Eof};
  return from_errno(errno);
}

IoResult UvTransport::send(std::span<const std::string_view> pieces) {
  if (error_ != 0) return {IoResult::Kind::Failed, 0, error_};
  if (tls_) return after_tls(tls_->write(pieces));
  iovec parts[kMaxPieces];
  std::size_t count = 0;
  for (std::string_view piece : pieces) {
    if (piece.empty()) continue;
    if (count == kMaxPieces) break;
    parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  if (count == 0) return {IoResult::Kind::Bytes, 0};
  ssize_t sent;
  if (count == 1) {
    sent = ::send(fd_, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  }
  if (sent >= 0) return {IoResult::Kind::Bytes, static_cast<std::size_t>(sent)};
  return from_errno(errno);
}

int UvTransport::connect_error() {
  if (error_ != 0) return error_;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  error_ = error;  // the kernel tells it only once
  return error;
}

Address UvTransport::local() const {
  if (fd_ < 0) return {};
  // The connecting end of a unix socket has no name; the pair shares the listener's.
  Address address = local_address(fd_);
  if (address.family == Address::Family::Unix && address.host.empty()) return peer_;
  return address;
}

PeerCredentials UvTransport::credentials() const {
  ucred who{};
  socklen_t size = sizeof who;
  if (fd_ < 0 || peer_.family != Address::Family::Unix) return {};
  if (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
  return {who.pid, who.uid, who.gid, true};
}

void UvTransport::detach() {
  if (waiting || put_off != 0) loop_->forget(*this);
  handle_.close();
  loop_ = nullptr;
  user_ = nullptr;
}

void UvTransport::attach(Reactor& reactor, TransportUser& user) {
  auto& loop = static_cast<UvLoop&>(reactor);
  if (loop_ == &loop && handle_.open()) {
    user_ = &user;
    watch(true, false);
    return;
  }
  if (loop_) detach();
  loop_ = &loop;
  user_ = &user;
  mask_ = UV_READABLE;
  if (error_ != 0) return tell_soon();
  open_handle();
  if (tls_ && tls_->holds_more()) tell_soon();
}

}  // namespace howdah::net
