// A server that says what a test tells it to: for what no real PostgreSQL would ever send.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace howdah::test {

class FakeServer {
 public:
  // One connection, in a thread of its own. Calls return empty when the pooler has gone.
  class Peer {
   public:
    explicit Peer(int fd) : fd_(fd) {}
    std::string startup();       // reads the StartupMessage (answers N to SSLRequest); its bytes
    void welcome();              // AuthenticationOk, parameters, key, ReadyForQuery
    std::string read_message();  // type and body of the next message
    void send(std::string_view bytes);
    void send_slowly(std::string_view bytes);
    int fd() const { return fd_; }

   private:
    bool read_exactly(char* to, std::size_t size);
    int fd_;
  };

  // `talk` runs for every connection; the connection closes when it returns.
  explicit FakeServer(std::function<void(Peer&)> talk);
  ~FakeServer();
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept_all();

  std::function<void(Peer&)> talk_;
  int listener_ = -1, port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::list<int> open_;
  std::list<std::thread> talks_;
  std::thread acceptor_;
};

}  // namespace howdah::test
