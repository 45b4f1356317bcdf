// The real Transport (uv_transport.h).
#include "net/uv_transport.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

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
    : fd_(-1), mask_(UV_WRITABLE), user_(&user), loop_(&loop), peer_(to) {
  fd_ = open_socket(to);
  if (fd_ < 0) {
    refuse(errno);
    return;
  }
  if (to.family != Address::Family::Unix) set_tcp_options(fd_, options);
  if (!try_connect()) loop.retry(*this);
}

UvTransport::~UvTransport() {
  detach();  // before close(2): epoll must forget the descriptor first
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
  loop_->refused(*this);
}

void UvTransport::tell_refused() { user_->on_ready(mask_ & UV_READABLE, mask_ & UV_WRITABLE); }

void UvTransport::loop_gone() {
  waiting = false;
  loop_ = nullptr;
}

void UvTransport::open_handle() {
  int status = handle_.make(
      this, [this](uv_poll_t* handle) { return uv_poll_init(loop_->uv(), handle, fd_); });
  if (status == 0 && mask_ != 0) status = uv_poll_start(handle_.uv(), mask_, on_poll);
  if (status < 0) {
    handle_.close();
    refuse(-status);
  }
}

void UvTransport::on_poll(uv_poll_t* handle, int status, int events) {
  auto& self = Handle<uv_poll_t>::owner_of<UvTransport>(handle);
  if (status < 0) {
    // libuv stops a handle whose socket has an error. The user finds out by recv or send, and may
    // first have to read what came before it: so go on polling.
    uv_poll_start(handle, self.mask_, on_poll);
    events = self.mask_;
  }
  self.user_->on_ready(events & UV_READABLE, events & UV_WRITABLE);  // may destroy us
}

void UvTransport::watch(bool readable, bool writable) {
  int mask = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (mask == mask_) return;
  mask_ = mask;
  if (!handle_.open()) return;
  if (mask == 0)
    uv_poll_stop(handle_.uv());
  else
    uv_poll_start(handle_.uv(), mask, on_poll);
}

IoResult UvTransport::recv(std::span<char> into) {
  if (error_ != 0) return {IoResult::Kind::Failed, 0, error_};
  if (into.empty()) return {IoResult::Kind::Again};
  ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
  if (got > 0) return {IoResult::Kind::Bytes, static_cast<std::size_t>(got)};
  if (got == 0) return {IoResult::Kind::Eof};
  return from_errno(errno);
}

IoResult UvTransport::send(std::span<const std::string_view> pieces) {
  if (error_ != 0) return {IoResult::Kind::Failed, 0, error_};
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
  if (waiting) loop_->forget(*this);
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
  if (error_ != 0)
    loop_->refused(*this);
  else
    open_handle();
}

}  // namespace howdah::net
