// A client's socket that never blocks, for many conversations at a time: bytes out, whole messages
// in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace howdah::compare {

class Connection {
 public:
  Connection() = default;
  ~Connection() { close(); }
  Connection(Connection&& other) noexcept { *this = std::move(other); }
  Connection& operator=(Connection&& other) noexcept;

  // Opens, logs in and waits for the first ReadyForQuery; throws std::runtime_error.
  void open(const std::string& unix_path, const std::string& database);
  // Opens without a word: for a CancelRequest.
  void open_silent(const std::string& unix_path);
  bool is_open() const { return fd_ >= 0; }
  void close();

  void send(std::string_view bytes) { out_.append(bytes); }
  bool unsent() const { return !out_.empty(); }
  bool flush();  // false when the other side is gone
  bool fill();   // reads what is there; false at the end
  // The next whole message, "" when there is none. Valid until the next call.
  std::string_view next();
  bool wait_readable(int milliseconds);

  int fd() const { return fd_; }
  const std::string& key() const { return key_; }

 private:
  int fd_ = -1;
  std::string in_, out_, key_;
  std::size_t taken_ = 0;
};

}  // namespace howdah::compare
