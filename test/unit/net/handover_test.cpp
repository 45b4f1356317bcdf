// A transport that changes loops and threads: nothing is lost, nobody is told who has let go.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "howdah/net/mailbox.h"
#include "net_fixture.h"

using namespace howdah::net;

TEST_CASE("after detach no callback comes, after attach what has come meanwhile is told") {
  Loop first, second;
  auto listener = loopback();
  User client_user, server_user, new_user;
  Pair pair(first, *listener, client_user, server_user);
  server_user.ready = [](bool, bool) { FAIL("told after detach"); };
  // Readable already, but the loop has not run since.
  CHECK(send_text(*pair.client, "early ") == 6);
  pair.server->detach();
  CHECK(send_text(*pair.client, "late") == 4);
  first.reactor->defer([&] { first.reactor->defer([&] { first.stop(); }); });
  first.run();
  std::string got;
  new_user.ready = [&](bool readable, bool) {
    REQUIRE(readable);
    got += recv_text(*pair.server);
    if (got.size() == 10) second.stop();
  };
  pair.server->attach(*second.reactor, new_user);
  second.run();
  CHECK(got == "early late");
}

TEST_CASE("detach inside on_ready and attach again on the same loop keep the stream") {
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  std::string got;
  server_user.ready = [&](bool, bool) {
    char one[1];
    IoResult result = pair.server->recv(one);
    if (result.kind == IoResult::Kind::Bytes) got.append(one, result.count);
    pair.server->detach();
    pair.server->attach(*loop.reactor, server_user);
    if (got.size() == 6) loop.stop();
  };
  CHECK(send_text(*pair.client, "abcdef") == 6);
  loop.run();
  CHECK(got == "abcdef");
}

TEST_CASE("attaching to the loop it is on only changes the user") {
  Loop loop;
  auto listener = loopback();
  User client_user, old_user([](bool, bool) { FAIL("the old user was told"); });
  Pair pair(loop, *listener, client_user, old_user);
  User new_user([&](bool, bool) { loop.stop(); });
  pair.server->attach(*loop.reactor, new_user);
  CHECK(send_text(*pair.client, "x") == 1);
  loop.run();
}

TEST_CASE("a detached transport may die on any thread") {
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  pair.server->detach();
  std::thread([gone = std::move(pair.server)]() mutable { gone.reset(); }).join();
  bool ended = false;
  client_user.ready = [&](bool, bool) {
    char space[4];
    ended = pair.client->recv(space).kind == IoResult::Kind::Eof;
    loop.stop();
  };
  pair.client->watch(true, false);
  loop.run();
  CHECK(ended);
}

namespace {

// A thread with its loop and mailbox: reads some bytes of each transport it is given, then passes
// the transport on to its neighbour.
struct Station : ReactorUser {
  struct Adopt {
    std::unique_ptr<Transport> transport;
    std::string read;  // what all stations have read so far
    int visits;
  };
  struct Quit {};
  using Message = std::variant<Adopt, Quit>;

  struct Guest : TransportUser {
    Guest(Station& station, Adopt adopted) : home(station), state(std::move(adopted)) {
      state.transport->attach(*home.reactor, *this);
    }
    void on_ready(bool readable, bool) override {
      REQUIRE(readable);
      char space[7];
      IoResult result = state.transport->recv(space);
      if (result.kind == IoResult::Kind::Bytes) {
        state.read.append(space, result.count);
        ++state.visits;
        state.transport->detach();
        home.neighbour->box.post(std::move(state));
      } else if (result.kind == IoResult::Kind::Eof) {
        home.finished(std::move(state));
      } else {
        return;
      }
      home.forget(*this);
    }
    Station& home;
    Adopt state;
  };

  Station() : reactor(UvReactor::make()), box(reactor->waker()) { reactor->set_user(*this); }
  void on_timer() override {}
  void on_wake() override {
    box.drain(got);
    for (Message& message : got) {
      if (auto* adopt = std::get_if<Adopt>(&message))
        guests.push_back(std::make_unique<Guest>(*this, std::move(*adopt)));
      else
        reactor->stop();
    }
  }
  void forget(Guest& guest) {
    std::erase_if(guests, [&](auto& each) { return each.get() == &guest; });
  }

  std::unique_ptr<UvReactor> reactor;
  Mailbox<Message> box;
  std::vector<Message> got;
  std::vector<std::unique_ptr<Guest>> guests;
  Station* neighbour = nullptr;
  std::function<void(Adopt)> finished;
};

}  // namespace

TEST_CASE("sockets passed round between threads under load deliver every byte in order") {
  constexpr int kStreams = 8, kWrites = 400;
  Loop loop;
  auto listener = loopback();
  Station stations[3];
  for (int i = 0; i < 3; ++i) stations[i].neighbour = &stations[(i + 1) % 3];
  std::atomic<int> finished{0}, wrong{0}, visits{0};
  std::string expected;
  for (int i = 0; i < kWrites; ++i) expected += std::to_string(i) + " ";
  for (Station& station : stations)
    station.finished = [&](Station::Adopt adopt) {
      if (adopt.read != expected) ++wrong;
      visits += adopt.visits;
      if (++finished == kStreams)
        for (Station& each : stations) each.box.post(Station::Quit{});
    };
  std::vector<std::unique_ptr<Transport>> clients;
  User ignore;
  for (int i = 0; i < kStreams; ++i) {
    Pair pair(loop, *listener, ignore, ignore);
    pair.server->detach();
    pair.client->detach();
    clients.push_back(std::move(pair.client));
    stations[i % 3].box.post(Station::Adopt{std::move(pair.server), "", 0});
  }
  std::vector<std::thread> threads;
  for (Station& station : stations) threads.emplace_back([&] { station.reactor->run(); });
  std::thread writer([&] {
    for (int i = 0; i < kWrites; ++i)
      for (auto& client : clients) send_text(*client, std::to_string(i) + " ");
    clients.clear();
  });
  for (auto& thread : threads) thread.join();
  writer.join();
  CHECK(finished == kStreams);
  CHECK(wrong == 0);
  CHECK(visits >= kStreams * static_cast<int>(expected.size()) / 7);
}
