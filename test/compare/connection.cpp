// A client's socket; see the header.
#include "compare/connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "compare/script.h"
#include "support/raw.h"

namespace howdah::compare {

namespace msg = howdah::test::msg;

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  key_ = std::move(other.key_);
  taken_ = std::exchange(other.taken_, 0);
  return *this;
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  in_.clear();
  out_.clear();
  taken_ = 0;
}

void Connection::open_silent(const std::string& unix_path) {
  close();
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (fd_ < 0 || unix_path.size() >= sizeof address.sun_path) throw std::runtime_error("socket");
  std::memcpy(address.sun_path, unix_path.data(), unix_path.size());
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("connect " + unix_path + ": " + std::strerror(errno));
  }
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
}

void Connection::open(const std::string& unix_path, const std::string& database) {
  open_silent(unix_path);
  send(msg::startup({{"user", "postgres"}, {"database", database}}));
  flush();
  while (true) {
    for (std::string_view message; !(message = next()).empty();) {
      if (message[0] == 'E') throw std::runtime_error("login: " + readable_answer(message));
      if (message[0] == 'K') key_.assign(message.substr(5));
      if (message[0] == 'Z') return;
    }
    if (!wait_readable(60000) || !fill()) throw std::runtime_error("no answer to the login");
  }
}

bool Connection::wait_readable(int milliseconds) {
  pollfd poll_fd{fd_, POLLIN, 0};
  return ::poll(&poll_fd, 1, milliseconds) > 0;
}

bool Connection::flush() {
  std::size_t done = 0;
  while (done < out_.size()) {
    ssize_t sent = ::send(fd_, out_.data() + done, out_.size() - done, MSG_NOSIGNAL);
    if (sent <= 0) {
      out_.erase(0, done);
      return errno == EAGAIN;
    }
    done += static_cast<std::size_t>(sent);
  }
  out_.clear();
  return true;
}

bool Connection::fill() {
  char bytes[65536];
  ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;
  in_.erase(0, std::exchange(taken_, 0));
  in_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::string_view Connection::next() {
  std::string_view rest = std::string_view(in_).substr(taken_);
  std::size_t size = message_size(rest);
  taken_ += size;
  return rest.substr(0, size);
}

}  // namespace howdah::compare
