// Bugs that were once in, each by its smallest reproduction.
#include <doctest/doctest.h>

#include <thread>

#include "support/fake_server.h"
#include "support/pooler.h"

using namespace howdah::test;

namespace {

std::string resident_kilobytes(Pooler& pooler) {
  std::string status = read_file("/proc/" + std::to_string(pooler.process().pid()) + "/status");
  std::size_t at = status.find("VmRSS:");
  return at == std::string::npos ? "0" : status.substr(at + 6, status.find("kB", at) - at - 6);
}

}  // namespace

TEST_CASE("a waiter whose server dies in the turn that gives it gets another one") {
  // The answer and the goodbye in one segment: the server is given on, and gone.
  FakeServer server([](FakeServer::Peer& peer) {
    peer.startup();
    peer.welcome();
    for (std::string message; !(message = peer.read_message()).empty() && message[0] == 'Q';) {
      bool last = message.find("goodbye") != std::string::npos;
      if (last) std::this_thread::sleep_for(Millis(200));  // until somebody stands in line
      std::string answer = msg::typed('C', std::string("SELECT 0\0", 9)) + msg::typed('Z', "I");
      if (last) answer += msg::typed('E', std::string("SFATAL\0C57P01\0Mgoodbye\0\0", 24));
      peer.send(answer);
      if (last) return;
    }
  });
  Pooler pooler({.settings = {{"pool_mode", "transaction"},
                              {"default_pool_size", "1"},
                              {"worker_threads", "1"}},
                 .databases = {"fake = host=127.0.0.1 port=" + std::to_string(server.port())}});
  RawClient one = pooler.raw("fake"), two = pooler.raw("fake");
  one.send(msg::query("goodbye"));
  eventually("the first is served",
             [&] { return pooler.pool("fake", "postgres", "sv_active") == 1; });
  two.send(msg::query("select"));
  CHECK(one.types_until('Z') == "CZ");
  CHECK(two.types_until('Z') == "CZ");
}

TEST_CASE("a tracked parameter that the server does not report is set once a link" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler({.settings = {{"pool_mode", "transaction"},
                              {"track_extra_parameters", "IntervalStyle, search_path"}},
                 .databases = {entry("db", primary(), "postgres")}});
  RawClient client = pooler.raw("db", "postgres", {{"search_path", "somewhere"}});
  client.send(msg::query("show search_path"));
  std::vector<Message> answer = client.until('Z');
  REQUIRE(answer.size() == 4);
  CHECK(parse_row(answer[1].body).at(0) == "somewhere");
}

TEST_CASE("a cancel request for a client that does not read its server's goodbye" *
          doctest::skip(on_pgbouncer())) {
  FakeServer brief([](FakeServer::Peer& peer) {
    peer.startup();
    peer.welcome();
    peer.read_message();
    std::string flood = msg::typed('N', "SNOTICE" + std::string(1, '\0') + "M" +
                                            std::string(200'000, 'x') + std::string(2, '\0'));
    peer.send(flood + msg::typed('E', std::string("SFATAL\0C57P01\0Mgoodbye\0\0", 24)));
  });
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"tcp_socket_buffer", "4096"}},
                 .databases = {"brief = host=127.0.0.1 port=" + std::to_string(brief.port()),
                               entry("db", primary(), "postgres")}});
  RawClient client = pooler.raw("brief");
  client.send(msg::query("select"));
  std::this_thread::sleep_for(Millis(300));
  RawClient other = pooler.raw();
  other.send(msg::cancel(client.key()));
  other.until_closed();
  CHECK(pooler.connect("db").value("select 1") == "1");
}

TEST_CASE("a client that sends and never reads takes no memory without bound") {
  // Each answer comes in one piece, so that its server is free again at once.
  FakeServer server([](FakeServer::Peer& peer) {
    peer.startup();
    peer.welcome();
    std::string answer =
        msg::typed('D', msg::i16(1) + msg::i32(50'000) + std::string(50'000, 'x')) +
        msg::typed('C', std::string("SELECT 1\0", 9)) + msg::typed('Z', "I");
    while (!peer.read_message().empty()) peer.send(answer);
  });
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "1"}},
                 .databases = {"fake = host=127.0.0.1 port=" + std::to_string(server.port())}});
  RawClient client = pooler.raw("fake");
  long before = std::stol(resident_kilobytes(pooler));
  constexpr int kQueries = 1500;  // 75 MB of answers
  for (int i = 0; i < kQueries; ++i) {
    client.send(msg::query("select"));
    std::this_thread::sleep_for(Millis(2));
  }
  CHECK(std::stol(resident_kilobytes(pooler)) - before < 25'000);
  for (int i = 0; i < kQueries; ++i) REQUIRE(client.types_until('Z') == "DCZ");
}

TEST_CASE("query_wait_timeout ends a login that waits for a server") {
  Pooler pooler({.settings = {{"query_wait_timeout", "1"}, {"client_login_timeout", "60"}},
                 .databases = {"dead = host=127.0.0.1 port=" + std::to_string(free_port())}});
  try {
    pooler.connect("dead");
    FAIL("logged in to nothing");
  } catch (const SqlError& error) {
    CHECK(error.report.message == "query_wait_timeout");
  }
}

// A thread's stack, or its time without end.
TEST_CASE("statements that execute each other in a circle or a long chain harm nobody" *
          doctest::skip(on_pgbouncer())) {
  std::string line =
      " = host=127.0.0.1 port=" + std::to_string(primary().port()) + " dbname=postgres ";
  Pooler pooler({.settings = {{"pool_mode", "transaction"}, {"monitor_user", "postgres"}},
                 .databases = {"plain" + line, "split" + line + "query_routing=split"}});
  auto said = [](RawClient& client, const std::string& messages) {
    client.send(messages + msg::sync());
    return error_code(client.until('Z'));
  };
  auto circle = [&](RawClient client, const std::string& run) {
    said(client, msg::parse("a", "execute b"));
    said(client, msg::parse("b", "execute a") + msg::parse("c", "execute c"));
    std::string code = said(client, run + msg::execute(""));
    CHECK(said(client, msg::extended("select 1")) == "");
    return code;
  };
  for (const std::string entry : {"plain", "split"}) {
    CAPTURE(entry);
    for (const char* name : {"a", "b", "c"}) {
      CAPTURE(name);
      for (const std::string& run :
           {msg::bind("", name),
            msg::parse("", std::string("execute ") + name) + msg::bind("", "")}) {
        RawClient direct("127.0.0.1", primary().port());
        direct.login("postgres", "postgres");
        CHECK(circle(pooler.raw(entry), run) == circle(std::move(direct), run));
      }
    }
    RawClient chain = pooler.raw(entry);
    CHECK(said(chain, msg::parse("s0", "select 1")) == "");
    for (int i = 1; i <= 10000; i += 100) {
      std::string batch;
      for (int n = i; n < i + 100; ++n)
        batch += msg::parse("s" + std::to_string(n), "execute s" + std::to_string(n - 1));
      said(chain, batch);
    }
    CHECK(said(chain, msg::bind("", "s4") + msg::execute("")) == "");
    CHECK(said(chain, msg::bind("", "s10000") + msg::execute("")) == "26000");
  }
  CHECK(pooler.connect("plain").value("select 1") == "1");
}
