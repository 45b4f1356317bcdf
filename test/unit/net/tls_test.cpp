// TLS inside transports: both ends on one loop, over real sockets.
#include <doctest/doctest.h>
#include <signal.h>

#include <string>
#include <thread>

#include "net/tls_context.h"
#include "tls_fixture.h"

using namespace howdah::net;
using State = TlsStatus::State;

namespace {

const bool kNoSigpipe = signal(SIGPIPE, SIG_IGN) != SIG_ERR;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t x = 1;
  for (char& c : text) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  return text;
}

// A pair whose handshake is run to its end, well or badly.
struct TlsPair {
  TlsPair(const TlsWorld& world, const TlsOptions& accepting, const TlsOptions& connecting,
          const TlsStart& start = {.host = "localhost"}, const TlsStart& server_start = {})
      : pair(loop, *listener, client_user, server_user) {
    client_user.ready = [this](bool, bool) { settle(); };
    server_user.ready = [this](bool, bool) { settle(); };
    pair.server->start_tls(world.make(accepting), server_start);
    pair.client->start_tls(world.make(connecting), start);
    settle();
    if (!settled()) loop.run();
    client_user.ready = server_user.ready = [](bool, bool) {};
  }
  bool settled() const {
    return pair.server->tls().state != State::Handshake &&
           pair.client->tls().state != State::Handshake;
  }
  void settle() {
    // An end that has failed lets the other one know by closing.
    for (auto* one : {&pair.server, &pair.client}) {
      if (*one && (*one)->tls().state == State::Failed) errors += (*one)->tls().error + "\n";
    }
    if (settled() || !errors.empty()) loop.stop();
  }
  bool on() const {
    return pair.server->tls().state == State::On && pair.client->tls().state == State::On;
  }
  std::string errors;
  Loop loop;
  std::unique_ptr<Listener> listener = loopback();
  User client_user, server_user;
  Pair pair;
};

struct Talk : TlsPair {
  explicit Talk(const TlsWorld& world) : TlsPair(world, world.accepting(), world.connecting()) {
    REQUIRE(on());
  }
};

}  // namespace

TEST_CASE("both ends agree on version, cipher and the server's end point") {
  TlsWorld world;
  Talk talk(world);
  TlsStatus server = talk.pair.server->tls(), client = talk.pair.client->tls();
  CHECK(server.text.starts_with("TLSv1.3/TLS_"));
  CHECK(server.text.find("/ECDH=") != std::string::npos);
  CHECK(server.text == client.text);
  CHECK(server.end_point.size() == 32);
  CHECK(server.end_point == client.end_point);
  CHECK(server.end_point == end_point_hash(world.server.x509.get()));
}

TEST_CASE("a chain is completed from ca_file when it is read, not in each handshake") {
  TlsWorld world;
  Certificate middle = make_certificate("middle", &world.ca, "", EVP_sha256(), make_key(), true);
  Certificate leaf = make_certificate("leaf", &middle, "DNS:localhost");
  TlsOptions accepting = world.accepting();
  accepting.cert_file = write_certificate(world.scratch.path + "/leaf.crt", leaf);
  accepting.key_file = write_key(world.scratch.path + "/leaf.key", leaf);
  auto mode = [](const TlsContext& context) {
    return SSL_CTX_get_mode(static_cast<const OpensslContext&>(context).ssl());
  };
  CHECK((mode(*world.make(accepting)) & SSL_MODE_NO_AUTO_CHAIN) != 0);
  CHECK((mode(*world.make(world.connecting())) & SSL_MODE_NO_AUTO_CHAIN) != 0);
  CHECK_FALSE(TlsPair(world, accepting, world.connecting()).on());
  accepting.ca_file = write_certificate(world.scratch.path + "/middle.crt", middle);
  CHECK(TlsPair(world, accepting, world.connecting()).on());
}

TEST_CASE("small pieces arrive in order; send says Again before the handshake is over") {
  TlsWorld world;
  Loop loop;
  auto listener = loopback();
  User client_user, server_user;
  Pair pair(loop, *listener, client_user, server_user);
  const std::string_view pieces[] = {"a", "", "bc", "def"};
  pair.client->start_tls(world.make(world.connecting()), {.host = "localhost"});
  CHECK(pair.client->send(pieces).kind == IoResult::Kind::Again);
  char byte[1];
  CHECK(pair.client->recv(byte).kind == IoResult::Kind::Again);
  client_user.ready = [&](bool, bool writable) {
    if (!writable) return;
    CHECK(pair.client->send(pieces).count == 6);
    pair.client->watch(true, false);
  };
  pair.client->watch(true, true);
  std::string got;
  server_user.ready = [&](bool, bool) {
    got += recv_text(*pair.server);
    if (got.size() == 6) loop.stop();
  };
  pair.server->start_tls(world.make(world.accepting()), {});
  loop.run();
  CHECK(got == "abcdef");
}

TEST_CASE("what OpenSSL has decrypted is told of, whatever the size of recv's buffer") {
  TlsWorld world;
  for (std::size_t size : {1u, 7u, 100u, 16384u}) {
    Talk talk(world);
    std::string sent = pattern(40000), got;
    std::vector<char> space(size);
    talk.server_user.ready = [&](bool, bool) {
      IoResult result = talk.pair.server->recv(space);
      if (result.kind == IoResult::Kind::Bytes) got.append(space.data(), result.count);
      if (got.size() == sent.size()) talk.loop.stop();
    };
    CHECK(send_text(*talk.pair.client, sent) == sent.size());
    talk.loop.run();
    CHECK(got == sent);
  }
}

TEST_CASE("bytes held while reading pauses are told when it goes on, also on another loop") {
  TlsWorld world;
  Talk talk(world);
  Loop other;
  std::string got;
  User new_user;
  talk.server_user.ready = [&](bool, bool) {
    char three[3];
    IoResult result = talk.pair.server->recv(three);
    if (result.kind != IoResult::Kind::Bytes) return;
    got.append(three, result.count);
    talk.pair.server->watch(false, false);
    talk.loop.stop();
  };
  CHECK(send_text(*talk.pair.client, "abcdefghij") == 10);
  talk.loop.run();
  CHECK(got == "abc");
  talk.loop.reactor->defer([&] { talk.pair.server->watch(true, false); });
  talk.loop.run();
  CHECK(got == "abcdef");
  talk.pair.server->detach();
  new_user.ready = [&](bool, bool) {
    got += recv_text(*talk.pair.server);
    if (got.size() == 10) other.stop();
  };
  talk.pair.server->attach(*other.reactor, new_user);
  other.run();
  CHECK(got == "abcdefghij");
  talk.pair.server.reset();
}

TEST_CASE("megabytes pass whole against a slow reader, through short writes and moved buffers") {
  TlsWorld world;
  Talk talk(world);
  const std::string all = pattern(12'000'000);
  std::string unsent = all, got;
  std::size_t again = 0;
  talk.client_user.ready = [&](bool, bool writable) {
    if (!writable) return;
    // As two pieces, at another address each time.
    std::string first = unsent.substr(0, 1000), rest = unsent.substr(first.size(), 300'000);
    const std::string_view pieces[] = {first, rest};
    IoResult result = talk.pair.client->send(pieces);
    if (result.kind == IoResult::Kind::Again) ++again;
    if (result.kind == IoResult::Kind::Bytes) {
      if (result.count < first.size() + rest.size()) ++again;
      unsent.erase(0, result.count);
    }
    talk.pair.client->watch(true, !unsent.empty());
  };
  talk.server_user.ready = [&](bool, bool) {
    got += recv_text(*talk.pair.server);
    if (got.size() == all.size()) talk.loop.stop();
  };
  talk.pair.client->watch(true, true);
  talk.loop.run();
  CHECK(again > 0);
  CHECK(got == all);
}

TEST_CASE("an end closes the other: first its last words, then Eof") {
  TlsWorld world;
  Talk talk(world);
  std::string got;
  IoResult end{IoResult::Kind::Again};
  talk.server_user.ready = [&](bool, bool) {
    char space[100];
    end = talk.pair.server->recv(space);
    if (end.kind == IoResult::Kind::Bytes) got.append(space, end.count);
    if (end.kind == IoResult::Kind::Eof || end.kind == IoResult::Kind::Failed) talk.loop.stop();
  };
  CHECK(send_text(*talk.pair.client, "goodbye") == 7);
  recv_text(*talk.pair.client);  // the ticket; unread, it would make the close a reset
  talk.pair.client.reset();
  talk.loop.run();
  CHECK(got == "goodbye");
  CHECK(end.kind == IoResult::Kind::Eof);
}

TEST_CASE("a host's name or address must be the certificate's when names are verified") {
  TlsWorld world;
  for (std::string host : {"localhost", "127.0.0.1"}) {
    CHECK(TlsPair(world, world.accepting(), world.connecting(), {.host = host}).on());
  }
  for (std::string host : {"elsewhere", "127.0.0.2", "localhost.localdomain", "server", ""}) {
    CAPTURE(host);
    TlsPair pair(world, world.accepting(), world.connecting(), {.host = host});
    CHECK(pair.pair.client->tls().state == State::Failed);
    CHECK(pair.pair.client->tls().refused);
    auto by_chain = world.connecting();
    by_chain.verify = TlsOptions::Verify::Chain;
    CHECK(TlsPair(world, world.accepting(), by_chain, {.host = host}).on());
  }
}

TEST_CASE("a certificate of an unknown authority is refused, unless nothing is verified") {
  TlsWorld world, other;
  auto options = world.connecting();
  options.ca_file = other.ca_file;
  TlsPair refused(world, world.accepting(), options);
  CHECK(refused.pair.client->tls().error ==
        "certificate verify failed: certificate signature failure");
  CHECK(refused.pair.client->tls().refused);
  options.verify = TlsOptions::Verify::None;
  CHECK(TlsPair(world, world.accepting(), options).on());
}

TEST_CASE("a client's certificate: none, a good one, a stranger's") {
  TlsWorld world, other;
  auto with = [&](TlsOptions::Verify verify, const TlsWorld* whose) {
    auto accepting = world.accepting(), connecting = world.connecting();
    accepting.verify = verify;
    accepting.ca_file = world.ca_file;
    if (whose) {
      connecting.cert_file = whose->crt;
      connecting.key_file = whose->key;
    }
    // A TLS 1.3 client is through before it hears what the server thinks of its certificate.
    TlsPair pair(world, accepting, connecting);
    return pair.pair.server->tls().state == State::On;
  };
  using enum TlsOptions::Verify;
  CHECK(with(None, nullptr));
  CHECK(with(None, &other));
  CHECK(with(Given, nullptr));
  CHECK(with(Given, &world));
  CHECK_FALSE(with(Given, &other));
  CHECK_FALSE(with(Chain, nullptr));
  CHECK(with(Chain, &world));
  CHECK_FALSE(with(Chain, &other));
}

TEST_CASE("direct TLS needs the ALPN name, which our own client always offers") {
  TlsWorld world;
  CHECK(TlsPair(world, world.accepting(), world.connecting(), {.host = "localhost", .direct = true},
                {.direct = true})
            .on());
}

TEST_CASE("versions without one in common fail and say so") {
  TlsWorld world;
  auto old = world.connecting(), fresh = world.accepting();
  old.protocols = "tlsv1.2";
  CHECK(TlsPair(world, world.accepting(), old).pair.client->tls().text.starts_with("TLSv1.2/"));
  fresh.protocols = "secure,!tlsv1.2";
  TlsPair pair(world, fresh, old);
  CHECK(pair.errors.find("unsupported protocol") != std::string::npos);
}

TEST_CASE("what is no handshake fails with a reason; a peer that just leaves is no refusal") {
  TlsWorld world;
  Loop loop;
  auto listener = loopback();
  for (std::string said : {"hello, world", ""}) {
    User client_user, server_user;
    Pair pair(loop, *listener, client_user, server_user);
    IoResult result{IoResult::Kind::Again};
    server_user.ready = [&](bool, bool) {
      char space[10];
      result = pair.server->recv(space);
      loop.stop();
    };
    pair.server->start_tls(world.make(world.accepting()), {});
    if (!said.empty()) send_text(*pair.client, said);
    if (said.empty()) pair.client.reset();
    loop.run();
    CHECK(result.kind == IoResult::Kind::Failed);
    CHECK(pair.server->tls().state == State::Failed);
    CHECK_FALSE(pair.server->tls().error.empty());
    CHECK(pair.server->tls().refused == !said.empty());
    std::string_view piece = "x";
    CHECK(pair.server->send({&piece, 1}).kind == IoResult::Kind::Failed);
  }
}

TEST_CASE("a handshake whose beginning was read already goes on from there") {
  TlsWorld world;
  for (std::size_t most : {1u, 5u, 1000u}) {
    Loop loop;
    auto listener = loopback();
    User client_user, server_user;
    Pair pair(loop, *listener, client_user, server_user);
    pair.client->start_tls(world.make(world.connecting()), {.host = "localhost", .direct = true});
    bool begun = false;
    client_user.ready = [&](bool, bool) {
      if (pair.server->tls().state == State::On) loop.stop();
    };
    server_user.ready = [&](bool, bool) {
      if (std::exchange(begun, true)) {
        if (pair.client->tls().state == State::On) loop.stop();
        return;
      }
      char space[1000];
      IoResult result = pair.server->recv({space, most});
      REQUIRE(result.kind == IoResult::Kind::Bytes);
      pair.server->start_tls(world.make(world.accepting()),
                             {.received = {space, result.count}, .direct = true});
    };
    loop.run();
    CHECK(pair.server->tls().state == State::On);
  }
}
