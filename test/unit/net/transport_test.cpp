// Stream sockets on a loop: every family, refusals, destruction, back-pressure, resets.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/text.h"
#include "net_fixture.h"

using namespace howdah::net;
using howdah::base::cat;

namespace {

// Sends a text there and back through an accepted transport.
void echo_through(Loop& loop, Listener& listener) {
  User client_user, server_user;
  Pair pair(loop, listener, client_user, server_user);
  std::string answer;
  server_user.ready = [&](bool readable, bool) {
    if (readable) CHECK(send_text(*pair.server, recv_text(*pair.server)) == 5);
  };
  client_user.ready = [&](bool readable, bool) {
    if (!readable) return;
    answer += recv_text(*pair.client);
    loop.stop();
  };
  pair.client->watch(true, false);
  CHECK(send_text(*pair.client, "hello") == 5);
  loop.run();
  CHECK(answer == "hello");
  CHECK(pair.client->peer() == listener.address());
  PeerCredentials who = pair.server->credentials();
  if (listener.address().family == Address::Family::Unix) {
    CHECK(who.known);
    CHECK(who.pid == ::getpid());
    CHECK(who.uid == ::getuid());
    CHECK(pair.server->peer() == listener.address());
    CHECK(pair.client->local().text() == listener.address().text());
  } else {
    CHECK_FALSE(who.known);
    CHECK(pair.server->peer() == pair.client->local());
    CHECK(pair.server->local() == listener.address());
  }
}

}  // namespace

TEST_CASE("bytes go there and back over IPv4, IPv6, unix and abstract sockets") {
  Loop loop;
  Scratch scratch;
  echo_through(loop, *loopback());
  std::vector<std::string> warnings;
  auto six = Listener::tcp("::1", 0, {}, warnings);
  if (six.empty())
    MESSAGE("no IPv6 here: ", warnings.at(0));
  else
    echo_through(loop, *six[0]);
  auto file = Listener::unix_socket(scratch.path, 6432, {});
  REQUIRE(file.ok());
  echo_through(loop, **file);
  auto abstract = Listener::unix_socket(cat("@howdah-test-", ::getpid()), 6432, {});
  REQUIRE(abstract.ok());
  echo_through(loop, **abstract);
}

TEST_CASE("a refused connect is told as writable, after the call has returned") {
  Loop loop;
  Scratch scratch;
  Address closed = loopback()->address();  // nobody listens there any more
  Address missing{Address::Family::Unix, scratch.path + "/none", 1};
  Address overlong{Address::Family::Unix, "/" + std::string(200, 'x'), 1};
  for (auto [to, expected] : {std::pair{closed, ECONNREFUSED}, std::pair{missing, ENOENT},
                              std::pair{overlong, ENAMETOOLONG}, std::pair{Address{}, EINVAL}}) {
    CAPTURE(to.host);
    std::unique_ptr<Transport> transport;
    int told = 0;
    User user([&](bool readable, bool writable) {
      REQUIRE(transport);
      ++told;
      CHECK(writable);
      CHECK_FALSE(readable);
      CHECK(transport->connect_error() == expected);
      CHECK(transport->connect_error() == expected);
      char space[8];
      CHECK(transport->recv(space).kind == IoResult::Kind::Failed);
      transport.reset();
      loop.stop();
    });
    transport = loop.reactor->connect(to, {}, user);
    CHECK(told == 0);
    loop.run();
    CHECK(told == 1);
  }
}

TEST_CASE("a refused transport that is destroyed first tells nobody") {
  Loop loop;
  Scratch scratch;
  User user([](bool, bool) { FAIL("told after its death"); });
  Address missing{Address::Family::Unix, scratch.path + "/none", 1};
  auto one = loop.reactor->connect(missing, {}, user);
  std::unique_ptr<Transport> two;
  User killer([&](bool, bool) { two.reset(); });
  auto kills = loop.reactor->connect(missing, {}, killer);
  two = loop.reactor->connect(missing, {}, user);
  one.reset();
  loop.reactor->defer([&] { loop.reactor->defer([&] { loop.stop(); }); });
  loop.run();
  CHECK_FALSE(two);
}

TEST_CASE("a unix server whose queue is full is asked again until it has room") {
  Loop loop;
  Scratch scratch;
  Listener::Options options;
  options.backlog = 1;
  auto listener = Listener::unix_socket(scratch.path, 1, options);
  REQUIRE(listener.ok());
  constexpr int kClients = 8;
  int connected = 0, accepted = 0;
  std::vector<std::unique_ptr<Transport>> clients(kClients);
  std::vector<std::unique_ptr<User>> users;
  for (auto& client : clients) {
    users.push_back(std::make_unique<User>([&](bool, bool writable) {
      CHECK(writable);
      CHECK(client->connect_error() == 0);
      client->watch(false, false);
      if (++connected == kClients && accepted == kClients) loop.stop();
    }));
    client = loop.reactor->connect((*listener)->address(), {}, *users.back());
  }
  std::unique_ptr<Transport> gone;
  User nobody([](bool, bool) { FAIL("told after its death"); });
  gone = loop.reactor->connect((*listener)->address(), {}, nobody);
  gone.reset();
  (*listener)->start(
      *loop.reactor,
      [&](int fd, const Address&) {
        ::close(fd);
        if (++accepted == kClients && connected == kClients) loop.stop();
      },
      [](int error) { FAIL("accept: ", error); });
  loop.run();
  CHECK(connected == kClients);
}

TEST_CASE("a transport may be destroyed in its own on_ready, or in another's of the same round") {
  Loop loop;
  auto listener = loopback();
  User a_client, a_server, b_client, b_server;
  Pair a(loop, *listener, a_client, a_server);
  Pair b(loop, *listener, b_client, b_server);
  int told = 0;
  // Both are readable in the same round: whoever is told first ends both.
  auto kill_both = [&](bool, bool) {
    ++told;
    a.server.reset();
    b.server.reset();
    loop.reactor->defer([&] { loop.stop(); });
  };
  a_server.ready = b_server.ready = kill_both;
  CHECK(send_text(*a.client, "x") == 1);
  CHECK(send_text(*b.client, "x") == 1);
  loop.run();
  CHECK(told == 1);
}

TEST_CASE("readiness is level-triggered: bytes left unread are told again") {
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  std::string got;
  server_user.ready = [&](bool readable, bool writable) {
    REQUIRE(readable);
    CHECK_FALSE(writable);
    char one[1];
    IoResult result = pair.server->recv(one);
    REQUIRE(result.kind == IoResult::Kind::Bytes);
    got.append(one, result.count);
    if (got.size() == 5) loop.stop();
  };
  CHECK(send_text(*pair.client, "abcde") == 5);
  loop.run();
  CHECK(got == "abcde");
}

TEST_CASE("pieces arrive in order, also more of them than one call takes") {
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  std::vector<std::string> texts;
  std::string expected, got;
  for (int i = 0; i < 200; ++i) texts.push_back(i % 3 ? cat("<", i, ">") : "");
  std::vector<std::string_view> pieces(texts.begin(), texts.end());
  for (auto& text : texts) expected += text;
  std::size_t sent = 0;
  IoResult result = pair.client->send(pieces);
  REQUIRE(result.kind == IoResult::Kind::Bytes);
  sent = result.count;
  CHECK(sent < expected.size());
  CHECK(send_text(*pair.client, std::string_view(expected).substr(sent)) == expected.size() - sent);
  server_user.ready = [&](bool, bool) {
    got += recv_text(*pair.server);
    if (got.size() >= expected.size()) loop.stop();
  };
  loop.run();
  CHECK(got == expected);
  std::string_view empty[] = {"", ""};
  result = pair.client->send(empty);
  CHECK(result.kind == IoResult::Kind::Bytes);
  CHECK(result.count == 0);
}

TEST_CASE("a full socket says Again and is writable once the peer has read") {
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  std::string chunk(100000, 'x');
  std::string_view piece = chunk;
  std::size_t sent = 0, got = 0, total = 0;
  IoResult result{IoResult::Kind::Bytes};
  while ((result = pair.client->send({&piece, 1})).kind == IoResult::Kind::Bytes)
    sent += result.count;
  CHECK(result.kind == IoResult::Kind::Again);
  CHECK(sent > 0);
  total = sent;
  client_user.ready = [&](bool readable, bool writable) {
    CHECK_FALSE(readable);
    REQUIRE(writable);
    total += send_text(*pair.client, "end");
    pair.client->watch(false, false);
    if (got == total) loop.stop();
  };
  server_user.ready = [&](bool, bool) {
    got += recv_text(*pair.server).size();
    if (total > sent && got == total) loop.stop();
  };
  pair.client->watch(false, true);
  loop.run();
  CHECK(got == sent + 3);
}

TEST_CASE("watching nothing tells nothing, and the end of the stream is told as readable") {
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  server_user.ready = [](bool, bool) { FAIL("not watched"); };
  pair.server->watch(false, false);
  CHECK(send_text(*pair.client, "x") == 1);
  User other_client, other_server([&](bool, bool) { loop.stop(); });
  {
    Pair other(loop, *listener, other_client, other_server);
    CHECK(send_text(*other.client, "y") == 1);
    loop.run();
  }
  std::string got;
  server_user.ready = [&](bool readable, bool) {
    REQUIRE(readable);
    char space[16];
    IoResult result = pair.server->recv(space);
    if (result.kind == IoResult::Kind::Bytes) got.append(space, result.count);
    if (result.kind == IoResult::Kind::Eof) loop.stop();
  };
  pair.client.reset();
  pair.server->watch(true, false);
  loop.run();
  CHECK(got == "x");
}

TEST_CASE("a reset is told, shows as Failed, and silence after it needs only watch nothing") {
  Loop loop;
  auto listener = loopback();
  User client_user;
  int raw = -1;
  std::unique_ptr<Transport> client;
  bool connected = false;
  listener->start(
      *loop.reactor,
      [&](int fd, const Address&) {
        raw = fd;
        if (connected) loop.stop();
      },
      [](int) {});
  client_user.ready = [&](bool, bool) {
    connected = true;
    client->watch(true, false);
    if (raw >= 0) loop.stop();
  };
  client = loop.reactor->connect(listener->address(), {}, client_user);
  loop.run();
  linger hard{1, 0};
  ::setsockopt(raw, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(raw);
  int error = 0, told = 0;
  client_user.ready = [&](bool readable, bool) {
    CHECK(readable);
    // The first is ignored: readiness must come again, as for any level-triggered user.
    if (++told == 1) return;
    char space[16];
    IoResult result = client->recv(space);
    REQUIRE(result.kind == IoResult::Kind::Failed);
    error = result.error;
    client->watch(false, false);
    loop.reactor->defer([&] { loop.stop(); });
  };
  loop.run();
  CHECK(error == ECONNRESET);
  CHECK(told == 2);
  CHECK(client->send(std::vector<std::string_view>{"a", "b"}).kind == IoResult::Kind::Failed);
}

TEST_CASE("who yields is served after the others, and a slice at a time") {
  Loop loop;
  auto listener = loopback();
  constexpr std::size_t kPatient = 12;
  std::vector<std::unique_ptr<User>> users;
  std::vector<std::unique_ptr<Pair>> pairs;
  std::size_t served = 0, before = 0, most = 0;
  for (std::size_t i = 0; i <= kPatient; ++i) {
    users.push_back(std::make_unique<User>());
    users.push_back(std::make_unique<User>());
    User& user = *users.back();
    pairs.push_back(std::make_unique<Pair>(loop, *listener, *users[2 * i], user));
    if (i < kPatient) {
      pairs.back()->server->yield_to_others(true);
      user.ready = [&, i](bool, bool) {
        CHECK(recv_text(*pairs[i]->server) == "x");
        ++served;
        auto until = howdah::base::monotonic_now() + std::chrono::microseconds(600);
        while (howdah::base::monotonic_now() < until) {
        }
        if (served == kPatient) loop.stop();
      };
    } else {  // it never reads: it is told in each iteration
      user.ready = [&](bool, bool) {
        most = std::max(most, served - before);
        before = served;
      };
    }
  }
  for (auto& pair : pairs) CHECK(send_text(*pair->client, "x") == 1);
  loop.run();
  CHECK(served == kPatient);
  CHECK(most >= 1);
  CHECK(most <= 2);
}

TEST_CASE("a connection that yields may go while it waits for its turn") {
  Loop loop;
  auto listener = loopback();
  User patient, other, client_a, client_b;
  Pair a(loop, *listener, client_a, patient), b(loop, *listener, client_b, other);
  a.server->yield_to_others(true);
  bool told = false;
  patient.ready = [&](bool, bool) { told = true; };
  other.ready = [&](bool readable, bool) {
    if (!readable) return;
    recv_text(*b.server);
    a.server.reset();  // put off in this very iteration
    loop.reactor->defer([&] { loop.reactor->defer([&] { loop.stop(); }); });
  };
  CHECK(send_text(*a.client, "x") == 1);
  CHECK(send_text(*b.client, "x") == 1);
  loop.run();
  CHECK_FALSE(told);
}
