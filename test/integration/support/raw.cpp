#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace howdah::test {

namespace msg {

std::string i16(int value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string i32(std::int64_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

namespace {
std::string cstring(std::string_view text) { return std::string(text) + '\0'; }
std::string codes(const std::vector<int>& values) {
  std::string out = i16(static_cast<int>(values.size()));
  for (int value : values) out += i16(value);
  return out;
}
std::string untyped(std::string_view body) {
  return i32(static_cast<std::int64_t>(body.size()) + 4) + std::string(body);
}
}  // namespace

std::string typed(char type, std::string_view body) { return type + untyped(body); }

std::string startup(const Parameters& parameters, std::int64_t version) {
  std::string body = i32(version);
  for (const auto& [name, value] : parameters) body += cstring(name) + cstring(value);
  return untyped(body + '\0');
}

std::string ssl_request() { return untyped(i32(80877103)); }
std::string gss_request() { return untyped(i32(80877104)); }
std::string cancel(std::string_view key) { return untyped(i32(80877102) + std::string(key)); }
std::string password(std::string_view text) { return typed('p', cstring(text)); }
std::string query(std::string_view sql) { return typed('Q', cstring(sql)); }

std::string parse(std::string_view name, std::string_view sql, const std::vector<int>& types) {
  std::string body = cstring(name) + cstring(sql) + i16(static_cast<int>(types.size()));
  for (int type : types) body += i32(type);
  return typed('P', body);
}

std::string bind(std::string_view portal, std::string_view statement,
                 const std::vector<std::string>& parameters) {
  return bind({std::string(portal),
               std::string(statement),
               {},
               {parameters.begin(), parameters.end()},
               {}});
}

std::string bind(const Binding& binding) {
  std::string body = cstring(binding.portal) + cstring(binding.statement) + codes(binding.formats);
  body += i16(static_cast<int>(binding.values.size()));
  for (const auto& value : binding.values) {
    body += i32(value ? static_cast<std::int64_t>(value->size()) : -1);
    if (value) body += *value;
  }
  return typed('B', body + codes(binding.result_formats));
}

std::string describe(char kind, std::string_view name) { return typed('D', kind + cstring(name)); }
std::string execute(std::string_view portal, int rows) {
  return typed('E', cstring(portal) + i32(rows));
}
std::string close(char kind, std::string_view name) { return typed('C', kind + cstring(name)); }
std::string sync() { return typed('S', ""); }
std::string flush() { return typed('H', ""); }
std::string terminate() { return typed('X', ""); }
std::string copy_data(std::string_view data) { return typed('d', data); }
std::string copy_done() { return typed('c', ""); }
std::string copy_fail(std::string_view reason) { return typed('f', cstring(reason)); }

std::string function_call(std::uint32_t oid, const std::vector<std::string>& text_arguments) {
  std::string body = i32(oid) + i16(0) + i16(static_cast<int>(text_arguments.size()));
  for (const auto& value : text_arguments) {
    body += i32(static_cast<std::int64_t>(value.size())) + value;
  }
  return typed('F', body + i16(0));
}

std::string extended(std::string_view sql, const std::vector<std::string>& parameters) {
  return parse("", sql) + msg::bind("", "", parameters) + describe('P', "") + execute("");
}

}  // namespace msg

namespace {

std::uint32_t u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

RawClient::RawClient(const std::string& address, int port) {
  bool v6 = address.find(':') != std::string::npos;
  fd_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(fd_ >= 0, "socket");
  sockaddr_in6 six{};
  sockaddr_in four{};
  six.sin6_family = AF_INET6;
  six.sin6_port = four.sin_port = htons(static_cast<std::uint16_t>(port));
  four.sin_family = AF_INET;
  ::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr);
  ::inet_pton(AF_INET, address.c_str(), &four.sin_addr);
  int connected = v6 ? ::connect(fd_, reinterpret_cast<sockaddr*>(&six), sizeof six)
                     : ::connect(fd_, reinterpret_cast<sockaddr*>(&four), sizeof four);
  must(connected == 0, "connect");
  int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RawClient::RawClient(const std::string& unix_path) {
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(fd_ >= 0, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  must(unix_path.size() < sizeof address.sun_path, "socket path");
  std::memcpy(address.sun_path, unix_path.data(), unix_path.size());
  if (unix_path[0] == '@') address.sun_path[0] = '\0';
  // An abstract name has no terminator: its length is part of it.
  socklen_t size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + unix_path.size());
  if (unix_path[0] != '@') ++size;
  must(::connect(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0, "connect");
}

RawClient::~RawClient() { close(); }

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(other.fd_),
      buffer_(std::move(other.buffer_)),
      key_(std::move(other.key_)),
      parameters_(std::move(other.parameters_)) {
  other.fd_ = -1;
}

void RawClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void RawClient::reset() {
  linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

void RawClient::shutdown_write() { ::shutdown(fd_, SHUT_WR); }

void RawClient::send(std::string_view bytes) {
  auto deadline = Clock::now() + kPatience;
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    must(errno == EAGAIN, "send");
    // Take what comes meanwhile, else both sides could wait for each other.
    pollfd poll_fd{fd_, POLLIN | POLLOUT, 0};
    ::poll(&poll_fd, 1, 1000);
    if (poll_fd.revents & POLLIN) fill(Millis{0});
    if (Clock::now() > deadline) throw std::runtime_error("the other side takes no bytes");
  }
}

void RawClient::send_slowly(std::string_view bytes) {
  for (char byte : bytes) send({&byte, 1});
}

bool RawClient::fill(Millis patience) {
  pollfd poll_fd{fd_, POLLIN, 0};
  if (::poll(&poll_fd, 1, static_cast<int>(patience.count())) == 0) {
    if (patience.count() == 0) return true;
    throw std::runtime_error("no answer in time");
  }
  char bytes[65536];
  ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got <= 0) return false;  // a reset is an end, too
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

char RawClient::read_byte(Millis patience) {
  while (buffer_.empty()) {
    if (!fill(patience)) return 0;
  }
  char byte = buffer_[0];
  buffer_.erase(0, 1);
  return byte;
}

Message RawClient::read(Millis patience) {
  while (buffer_.size() < 5 || buffer_.size() < 1 + std::size_t{u32({&buffer_[1], 4})}) {
    if (!fill(patience)) return {};
  }
  std::size_t size = 1 + std::size_t{u32({&buffer_[1], 4})};
  Message message{buffer_[0], buffer_.substr(5, size - 5)};
  buffer_.erase(0, size);
  note(message);
  return message;
}

void RawClient::note(const Message& message) {
  if (message.type == 'K') key_ = message.body;
  if (message.type == 'S') {
    std::size_t end = message.body.find('\0');
    parameters_[message.body.substr(0, end)] =
        message.body.substr(end + 1, message.body.size() - end - 2);
  }
}

std::vector<Message> RawClient::until(char type, Millis patience) {
  std::vector<Message> messages;
  do {
    messages.push_back(read(patience));
  } while (messages.back().type != type && messages.back().type != 0);
  return messages;
}

std::string RawClient::types_until(char type, Millis patience) {
  std::string types;
  for (const Message& message : until(type, patience)) types += message.type ? message.type : '.';
  return types;
}

ErrorReport RawClient::until_closed(Millis patience) {
  ErrorReport report;
  for (Message message; (message = read(patience)).type;) {
    if (message.type == 'E' && report.message.empty()) report = parse_error(message.body);
  }
  return report;
}

long RawClient::skip_message(char type, Millis patience) {
  while (true) {
    while (buffer_.size() < 5) {
      if (!fill(patience)) throw std::runtime_error("closed");
    }
    if (buffer_[0] != type) {
      read(patience);
      continue;
    }
    long size = static_cast<long>(u32({&buffer_[1], 4})) - 4;
    buffer_.erase(0, 5);
    for (long left = size; left > 0;) {
      if (buffer_.empty() && !fill(patience)) throw std::runtime_error("closed");
      auto taken = std::min(left, static_cast<long>(buffer_.size()));
      buffer_.erase(0, static_cast<std::size_t>(taken));
      left -= taken;
    }
    return size;
  }
}

bool RawClient::quiet_for(Millis span) {
  if (!buffer_.empty()) return false;
  pollfd poll_fd{fd_, POLLIN, 0};
  return ::poll(&poll_fd, 1, static_cast<int>(span.count())) == 0;
}

void RawClient::login(const std::string& database, const std::string& user, Parameters more) {
  Parameters all{{"user", user}, {"database", database}};
  all.insert(all.end(), more.begin(), more.end());
  send(msg::startup(all));
  for (Message message; (message = read()).type != 'Z';) {
    if (message.type == 'E') throw SqlError(parse_error(message.body));
    if (message.type == 0) throw std::runtime_error("closed during the login");
  }
}

std::string error_code(const std::vector<Message>& messages) {
  for (const Message& message : messages)
    if (message.type == 'E') return parse_error(message.body).code;
  return {};
}

ErrorReport parse_error(std::string_view body) {
  ErrorReport report;
  while (body.size() > 1) {
    char field = body[0];
    std::size_t end = body.find('\0', 1);
    std::string text(body.substr(1, end - 1));
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    switch (field) {
      case 'S': report.severity = text; break;
      case 'C': report.code = text; break;
      case 'M': report.message = text; break;
      case 'D': report.detail = text; break;
      case 'H': report.hint = text; break;
    }
  }
  return report;
}

std::vector<std::string> parse_row(std::string_view body) {
  std::vector<std::string> fields;
  body.remove_prefix(2);
  while (body.size() >= 4) {
    std::uint32_t size = u32(body);
    body.remove_prefix(4);
    if (size == 0xffffffff) {
      fields.emplace_back("<null>");
      continue;
    }
    fields.emplace_back(body.substr(0, size));
    body.remove_prefix(size);
  }
  return fields;
}

}  // namespace howdah::test
