// What the tests of net share: a loop that can't hang, users made of lambdas, a scratch directory.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "howdah/net/uv_reactor.h"

namespace howdah::net {

struct User : TransportUser {
  User() = default;
  explicit User(std::function<void(bool, bool)> f) : ready(std::move(f)) {}
  void on_ready(bool readable, bool writable) override { ready(readable, writable); }
  std::function<void(bool, bool)> ready = [](bool, bool) {};
};

// A reactor whose run() ends by stop(), or fails the test after ten seconds.
struct Loop : ReactorUser {
  Loop() : reactor(UvReactor::make()) {
    REQUIRE(reactor);
    reactor->set_user(*this);
  }
  void on_timer() override { timer(); }
  void on_wake() override { wake(); }
  void run() {
    reactor->set_timer(reactor->now() + std::chrono::seconds(10));
    reactor->run();
    reactor->set_timer(base::kNever);
  }
  void stop() { reactor->stop(); }

  std::unique_ptr<UvReactor> reactor;
  std::function<void()> wake = [] {};
  std::function<void()> timer = [this] {
    stop();
    FAIL("the loop waits for something that doesn't come");
  };
};

struct Scratch {
  Scratch() {
    char name[] = "/tmp/howdah-net-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::string path;
};

inline std::unique_ptr<Listener> loopback(const Listener::Options& options = {}) {
  std::vector<std::string> warnings;
  auto listeners = Listener::tcp("127.0.0.1", 0, options, warnings);
  REQUIRE(warnings.empty());
  REQUIRE(listeners.size() == 1);
  return std::move(listeners[0]);
}

// Two connected transports on `loop`, both attached; their users are the caller's.
struct Pair {
  Pair(Loop& loop, Listener& listener, TransportUser& client_user, TransportUser& server_user) {
    listener.start(
        *loop.reactor,
        [&](int fd, const Address& peer) {
          server = loop.reactor->adopt(fd, peer);
          server->attach(*loop.reactor, server_user);
          if (connected) loop.stop();
        },
        [](int error) { FAIL("accept: ", error); });
    User connecting([&](bool, bool writable) {
      REQUIRE(writable);
      connected = client->connect_error() == 0;
      client->watch(false, false);
      if (!connected || server) loop.stop();
    });
    client = loop.reactor->connect(listener.address(), {}, connecting);
    loop.run();
    REQUIRE(connected);
    client->attach(*loop.reactor, client_user);
  }
  bool connected = false;
  std::unique_ptr<Transport> client, server;
};

inline std::size_t send_text(Transport& transport, std::string_view text) {
  IoResult result = transport.send({&text, 1});
  return result.kind == IoResult::Kind::Bytes ? result.count : 0;
}

inline std::string recv_text(Transport& transport) {
  char space[65536];
  IoResult result = transport.recv(space);
  return result.kind == IoResult::Kind::Bytes ? std::string(space, result.count) : "";
}

}  // namespace howdah::net
