// The real Listener at run time (uv_listener.h). Making sockets is in listen.cpp.
#include "net/uv_listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "net/socket.h"
#include "net/uv_loop.h"

namespace howdah::net {

namespace {

// So that a storm of new clients doesn't starve those who are in.
constexpr int kBatch = 64;
constexpr std::uint64_t kRestMs = 5000;

// Errors of one connection that is gone already (accept(2) passes network errors on), not ours.
bool lost_connection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:  // a firewall's no
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

UvListener::~UvListener() {
  if (told_) told_->current = false;
  poll_.close();
  timer_.close();
  // While our socket lives, its file's inode number can't be given to another file.
  struct stat now {};
  if (!file_.path.empty() && ::lstat(file_.path.c_str(), &now) == 0 && now.st_dev == file_.device &&
      now.st_ino == file_.inode)
    ::unlink(file_.path.c_str());
  ::close(fd_);
}

void UvListener::start(UvReactor& reactor, Accepted done, std::function<void(int)> failed) {
  auto& loop = static_cast<UvLoop&>(reactor);
  if (told_) told_->current = false;
  told_ = std::make_shared<Told>(Told{std::move(done), std::move(failed)});
  resting_ = false;
  int status =
      poll_.make(this, [&](uv_poll_t* handle) { return uv_poll_init(loop.uv(), handle, fd_); });
  timer_.make(this, [&](uv_timer_t* handle) { return uv_timer_init(loop.uv(), handle); });
  if (status < 0) {
    auto told = told_;
    if (told->failed) told->failed(-status);
    return;
  }
  watch();
}

void UvListener::watch() {
  if (!poll_.open()) return;
  if (paused_ || resting_) {
    uv_poll_stop(poll_.uv());
    return;
  }
  uv_poll_start(poll_.uv(), UV_READABLE, [](uv_poll_t* handle, int status, int) {
    auto& self = Handle<uv_poll_t>::owner_of<UvListener>(handle);
    if (status < 0)
      self.rest(-status);
    else
      self.accept_batch();
  });
}

void UvListener::accept_batch() {
  auto told = told_;
  for (int i = 0; i < kBatch && told->current && !paused_; ++i) {
    SocketAddress from;
    from.size = sizeof from.storage;
    int fd = ::accept4(fd_, from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      int error = errno;
      if (error == EAGAIN || error == EWOULDBLOCK) break;
      if (lost_connection(error)) continue;
      rest(error);
      return;
    }
    bool local = address_.family == Address::Family::Unix;
    told->done(fd, local ? address_ : from_socket_address(from));
  }
}

// Mostly for want of descriptors: trying again at once would only spin.
void UvListener::rest(int error) {
  resting_ = true;
  watch();
  uv_timer_start(
      timer_.uv(),
      [](uv_timer_t* handle) {
        auto& self = Handle<uv_timer_t>::owner_of<UvListener>(handle);
        self.resting_ = false;
        self.watch();
      },
      kRestMs, 0);
  auto told = told_;
  if (told->failed) told->failed(error);
}

void UvListener::pause() {
  if (paused_) return;
  paused_ = true;
  watch();
}

void UvListener::resume() {
  if (!paused_) return;
  paused_ = false;
  watch();
}

}  // namespace howdah::net
