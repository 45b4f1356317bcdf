// How TLS begins on either side, and every byte that must not be there when it does.
#include <doctest/doctest.h>

#include "../auth/conversation.h"
#include "bytes.h"
#include "howdah/session/client_session.h"
#include "howdah/session/server_session.h"

using namespace howdah;
using namespace howdah::session;
using namespace std::string_literals;

namespace {

const std::string kSsl = big_endian(8) + big_endian(wire::kSslRequest);
const std::string kGss = big_endian(8) + big_endian(wire::kGssEncRequest);
const std::string kStartup = startup_packet({{"user", "bob"}});
const std::string kHello = "\x16\x03\x01 and more of a handshake";

// What a client hears and what it wants, byte by byte.
struct Client {
  explicit Client(bool offered = true, bool required = false) {
    if (offered) session.offer_tls(required);
  }
  ClientSession::Want feed(std::string_view bytes, unsigned way = 0) {
    ClientSession::Want last = ClientSession::Want::Bytes;
    for (std::string_view piece : cut(bytes, way)) {
      held += piece;
      auto step = session.feed(held, settings);
      held.erase(0, step.consumed);
      if (step.want != ClientSession::Want::Bytes) last = step.want;
    }
    return last;
  }
  std::string error() { return error_in(take_messages(session.out())); }
  ClientSession session;
  config::Settings settings;
  std::string held;
};

struct Server {
  explicit Server(ServerSession::Tls tls)
      : session({auth::with_password("pencil"), {{"user", "bob"}}, tls},
                std::make_shared<const TrackedNames>(std::vector<std::string>{})) {
    first = session.start();
  }
  std::string sent() {
    std::string bytes(session.out().view());
    session.out().clear();
    return bytes;
  }
  ServerSession session;
  ServerSession::Want first;
};

using CWant = ClientSession::Want;
using SWant = ServerSession::Want;
using Tls = ServerSession::Tls;

}  // namespace

TEST_CASE("an SSLRequest is answered S and TLS begins; what comes inside is a start-up") {
  for (bool required : {false, true}) {
    for (unsigned way : {0u, 1u}) {
      Client client(true, required);
      CHECK(client.feed(kGss, way) == CWant::Bytes);
      CHECK(client.session.out().view() == "N");
      client.session.out().clear();
      CHECK(client.feed(kSsl, way) == CWant::Tls);
      CHECK(client.session.out().view() == "S");
      CHECK(client.session.tls());
      CHECK_FALSE(client.session.direct_tls());
      CHECK(client.feed(kStartup, way) == CWant::LookUp);
    }
  }
}

TEST_CASE("a handshake as the first byte begins TLS at once, if TLS can be had") {
  Client client;
  CHECK(client.feed(kHello) == CWant::Tls);
  CHECK(client.held == kHello);  // for the transport
  CHECK(client.session.direct_tls());
  CHECK(client.session.out().empty());
  Client without(false);
  CHECK(without.feed(kHello) == CWant::Close);
  CHECK(without.error().starts_with("08P01 bad packet header"));
  Client late;
  CHECK(late.feed(kGss) == CWant::Bytes);
  CHECK(late.feed(kHello) == CWant::Close);
}

TEST_CASE("bytes in the same segment as an SSLRequest are refused, whatever they are") {
  for (const std::string& more : {kStartup, kHello, kSsl, std::string("x")}) {
    for (bool offered : {true, false}) {
      Client client(offered);
      CHECK(client.feed(kSsl + more) == CWant::Close);
      CHECK(client.session.out().view().substr(0, 1) == "E");  // neither S nor N came before
      CHECK(client.error() == "08P01 received unencrypted data after SSL request");
    }
  }
}

TEST_CASE("nobody asks for encryption inside TLS") {
  for (const std::string& request : {kSsl, kGss, kHello}) {
    Client client;
    CHECK(client.feed(kSsl) == CWant::Tls);
    client.session.out().clear();
    CHECK(client.feed(request) == CWant::Close);
    Client direct;
    CHECK(direct.feed(kHello) == CWant::Tls);
    direct.held.clear();
    CHECK(direct.feed(request) == CWant::Close);
  }
}

TEST_CASE("where TLS is required a plain start-up is refused, a plain cancel request is not") {
  Client client(true, true);
  CHECK(client.feed(kStartup) == CWant::Close);
  CHECK(client.error() == "28000 SSL required");
  Client canceller(true, true);
  CHECK(canceller.feed(big_endian(16) + big_endian(wire::kCancelRequest) + "12345678") ==
        CWant::Cancel);
  Client optional(true, false);
  CHECK(optional.feed(kStartup) == CWant::LookUp);
  CHECK_FALSE(optional.session.tls());
}

TEST_CASE("a server is asked for TLS before it hears anything else") {
  for (Tls tls : {Tls::Ask, Tls::Demand}) {
    Server server(tls);
    CHECK(server.first == SWant::Bytes);
    CHECK(server.sent() == kSsl);
    CHECK(server.session.feed("").want == SWant::Bytes);
    auto step = server.session.feed("S");
    CHECK(step.want == SWant::Tls);
    CHECK(step.consumed == 1);
    CHECK(server.sent() == "");
    server.session.tls_started("end point");
    CHECK(server.sent() == kStartup);
    CHECK(server.session.feed(authentication(10, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s)).want ==
          SWant::Bytes);
    CHECK(server.sent().find("p=tls-server-end-point,,") != std::string::npos);
  }
}

TEST_CASE("a server without TLS gets a plain login, or none where TLS is demanded") {
  Server optional(Tls::Ask);
  optional.sent();
  CHECK(optional.session.feed("N").want == SWant::Bytes);
  CHECK(optional.sent() == kStartup);
  CHECK(optional.session.feed(authentication(10, "SCRAM-SHA-256\0\0"s)).want == SWant::Bytes);
  CHECK(optional.sent().find("n,,n=") != std::string::npos);
  Server strict(Tls::Demand);
  strict.sent();
  CHECK(strict.session.feed("N").want == SWant::Close);
  CHECK(strict.session.close_reason().text == "server refused SSL");
  CHECK(strict.session.tls_refused());
  CHECK(strict.sent() == "");
}

TEST_CASE("anything behind or instead of the answer ends the connection before a secret is sent") {
  struct Case {
    std::string answer, reason;
  };
  const std::string trap = authentication(0) + ready();
  for (const Case& one : {Case{"S" + trap, "received unencrypted data after SSL response"},
                          Case{"Sx", "received unencrypted data after SSL response"},
                          Case{"N" + trap, "received data after SSL response"},
                          Case{"E", "answered the SSL request with an error"},
                          Case{error("FATAL", "53300", "go away"), "with an error"},
                          Case{trap, "is not PostgreSQL's protocol"},
                          Case{std::string(1, '\0'), "is not PostgreSQL's protocol"}}) {
    Server server(Tls::Ask);
    server.sent();
    CHECK(server.session.feed(one.answer).want == SWant::Close);
    CHECK(server.session.close_reason().text.find(one.reason) != std::string::npos);
    CHECK(server.session.close_reason().text.find("go away") == std::string::npos);
    CHECK(server.sent() == "");
  }
}

TEST_CASE("direct TLS begins without a word, and nothing is taken before it is there") {
  Server server(Tls::Direct);
  CHECK(server.first == SWant::Tls);
  CHECK(server.sent() == "");
  auto step = server.session.feed(authentication(0));
  CHECK(step.consumed == 0);
  CHECK(step.want == SWant::Bytes);
  server.session.tls_started("");
  CHECK(server.sent() == kStartup);
}
