#include "fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "process.h"
#include "raw.h"

namespace howdah::test {

namespace {

std::uint32_t u32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

FakeServer::FakeServer(std::function<void(Peer&)> talk) : talk_(std::move(talk)) {
  port_ = free_port();
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 128) != 0) {
    throw std::runtime_error("fake server cannot listen");
  }
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  {
    std::lock_guard lock(mutex_);
    for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& talk : talks_) talk.join();
}

void FakeServer::accept_all() {
  for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
    ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(fd);
    talks_.emplace_back([this, fd] {
      Peer peer(fd);
      talk_(peer);
      std::lock_guard inner(mutex_);
      open_.remove(fd);
      ::close(fd);
    });
  }
}

bool FakeServer::Peer::read_exactly(char* to, std::size_t size) {
  while (size > 0) {
    ssize_t got = ::recv(fd_, to, size, 0);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::string FakeServer::Peer::startup() {
  while (true) {
    char head[4];
    if (!read_exactly(head, 4)) return "";
    std::string body(u32(head) - 4, '\0');
    if (!read_exactly(body.data(), body.size())) return "";
    if (body.size() == 4 && u32(body.data()) == 80877103) {
      send("N");
      continue;
    }
    return body;
  }
}

void FakeServer::Peer::welcome() {
  auto parameter = [](const std::string& name, const std::string& value) {
    return msg::typed('S', name + '\0' + value + '\0');
  };
  send(msg::typed('R', msg::i32(0)) + parameter("server_version", "15.0") +
       parameter("client_encoding", "UTF8") + parameter("DateStyle", "ISO, MDY") +
       parameter("TimeZone", "UTC") + parameter("standard_conforming_strings", "on") +
       parameter("IntervalStyle", "postgres") + parameter("application_name", "") +
       msg::typed('K', msg::i32(4711) + msg::i32(42)) + msg::typed('Z', "I"));
}

std::string FakeServer::Peer::read_message() {
  char head[5];
  if (!read_exactly(head, 5)) return "";
  std::string message(1 + u32(head + 1) - 4, '\0');
  message[0] = head[0];
  if (!read_exactly(message.data() + 1, message.size() - 1)) return "";
  return message;
}

void FakeServer::Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void FakeServer::Peer::send_slowly(std::string_view bytes) {
  for (char byte : bytes) send({&byte, 1});
}

}  // namespace howdah::test
