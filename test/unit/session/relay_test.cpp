// Both directions of the relay: each conversation whole, byte by byte and in random fragments gives
// the same bytes and the same events.
#include "howdah/session/relay.h"

#include <doctest/doctest.h>

#include "bytes.h"

using namespace howdah;
using namespace howdah::session;

namespace {

constexpr std::uint32_t kMax = 1 << 20;

struct ClientRun {
  std::string forwarded;
  ClientStream::Stop stop = ClientStream::Stop::Bytes;
  std::string error;
  bool nothing = false, boundary = false;
  bool operator==(const ClientRun&) const = default;
};
ClientRun run_client(std::string_view bytes, unsigned way, Owed& owed, ClientStream& stream) {
  ClientRun run;
  std::string held;
  for (std::string_view piece : cut(bytes, way)) {
    held += piece;
    auto taken = stream.forward(held, kMax, owed);
    REQUIRE(taken.forward <= held.size());
    run.forwarded += held.substr(0, taken.forward);
    held.erase(0, taken.forward);
    run.stop = taken.stop;
    if (taken.stop != ClientStream::Stop::Bytes) break;
    CHECK(held.size() < wire::kHeaderSize);  // bodies are never kept back
  }
  run.error = stream.error() ? stream.error() : "";
  run.nothing = owed.nothing();
  run.boundary = stream.at_boundary();
  return run;
}
ClientRun run_client_all_ways(std::string_view bytes) {
  Owed owed;
  ClientStream stream;
  ClientRun whole = run_client(bytes, 0, owed, stream);
  for (unsigned way = 1; way < kWays; ++way) {
    Owed other;
    ClientStream again;
    CHECK(run_client(bytes, way, other, again) == whole);
  }
  return whole;
}

struct ServerRun {
  std::string forwarded, error, app_of_server, app_of_client;
  std::vector<std::size_t> settled;  // bytes forwarded when it settled
  ServerStream::Event event = ServerStream::Event::Bytes;
  wire::TxStatus tx = wire::TxStatus::Idle;
  bool saw_error = false, saw_fatal = false, copy = false, boundary = false;
  std::string code, text;
  bool operator==(const ServerRun&) const = default;
};
ServerRun run_server(std::string_view bytes, unsigned way, std::string_view sent, bool keep) {
  TrackedNames names({});
  Parameters server(names.size()), client(names.size());
  ServerStream stream;
  Owed owed;
  for (char type : sent) owed.sent(type);
  stream.keep_error_text(keep);
  ServerRun run;
  std::string held;
  for (std::string_view piece : cut(bytes, way)) {
    held += piece;
    for (;;) {
      auto taken = stream.forward(held, ServerStream::Sides{names, server, &client, owed});
      REQUIRE(taken.forward <= held.size());
      run.forwarded += held.substr(0, taken.forward);
      held.erase(0, taken.forward);
      run.event = taken.event;
      if (taken.event != ServerStream::Event::Settled) break;
      run.settled.push_back(run.forwarded.size());
      CHECK(owed.nothing());
    }
    if (run.event == ServerStream::Event::Violation) break;
  }
  auto value = [&](const Parameters& from) {
    auto text = from.get(*names.find("application_name"));
    return text ? *text : "<not given>";
  };
  run.app_of_server = value(server);
  run.app_of_client = value(client);
  run.error = stream.error() ? stream.error() : "";
  run.tx = stream.tx();
  run.saw_error = stream.saw_error();
  run.saw_fatal = stream.saw_fatal();
  run.copy = stream.copy_in_begun();
  run.boundary = stream.at_boundary();
  run.code = stream.error_code();
  run.text = stream.error_text();
  return run;
}
ServerRun run_server_all_ways(std::string_view bytes, std::string_view sent, bool keep = true) {
  ServerRun whole = run_server(bytes, 0, sent, keep);
  for (unsigned way = 1; way < kWays; ++way) CHECK(run_server(bytes, way, sent, keep) == whole);
  return whole;
}

}  // namespace

TEST_CASE("a client's messages go on as they are, however they are cut") {
  std::string bytes = query("SELECT 1") + batch("SELECT 2") + message('H') +
                      message('d', std::string(300, 'x')) + message('c') + message('f', z("no")) +
                      message('F', "function") + message('D', z("S")) + message('C', z("S"));
  ClientRun run = run_client_all_ways(bytes);
  CHECK(run.forwarded == bytes);
  CHECK(run.stop == ClientStream::Stop::Bytes);
  CHECK(run.boundary);
  CHECK_FALSE(run.nothing);
}

TEST_CASE("a body that is not all there is no boundary") {
  std::string bytes = query("SELECT 1");
  ClientRun run = run_client_all_ways(bytes.substr(0, bytes.size() - 1));
  CHECK_FALSE(run.boundary);
  CHECK(run.forwarded.size() == bytes.size() - 1);
}

TEST_CASE("Terminate stops the walk, and what went before it goes on") {
  ClientRun run = run_client_all_ways(query("SELECT 1") + message('X') + query("SELECT 2"));
  CHECK(run.forwarded == query("SELECT 1"));
  CHECK(run.stop == ClientStream::Stop::Terminate);
}

TEST_CASE("every byte that is no client message is refused at the header") {
  std::string allowed = "BCdcfDEHFPQSX";
  for (int byte = 0; byte < 256; ++byte) {
    char type = static_cast<char>(byte);
    bool ok = allowed.find(type) != std::string::npos;
    CHECK(is_client_message(type) == ok);
    if (ok) continue;
    ClientRun run = run_client_all_ways(sync_batch() + message(type, "abc") + sync_batch());
    CHECK(run.stop == ClientStream::Stop::Violation);
    CHECK(run.error == "unknown pkt");
    CHECK(run.forwarded == sync_batch());
  }
}

TEST_CASE("lengths below 4 and above the limit are refused, those at the limit are not") {
  for (std::uint32_t length : {0u, 1u, 3u, kMax + 1, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    ClientRun run = run_client_all_ways(sync_batch() + "Q" + big_endian(length) + "abc");
    CHECK(run.stop == ClientStream::Stop::Violation);
    CHECK(run.error == "invalid message length");
    CHECK(run.forwarded == sync_batch());
  }
  CHECK(run_client_all_ways("Q" + big_endian(kMax) + "abc").stop == ClientStream::Stop::Bytes);
}

TEST_CASE("a Query that is forbidden is refused anywhere in the stream") {
  ClientStream stream;
  Owed owed;
  stream.forbid_query(true);
  ClientRun run = run_client(batch("SELECT 1") + query("SELECT 2"), 0, owed, stream);
  CHECK(run.forwarded == batch("SELECT 1"));
  CHECK(run.error == "PQexec disallowed");
}

TEST_CASE("late copy messages are dropped up to the first other message, however they are cut") {
  std::string late = message('d', std::string(100, 'x')) + message('c') + message('d', "y") +
                     message('f', z("stop"));
  const std::string bytes = late + sync_batch() + message('d', "z");
  for (unsigned way = 0; way < kWays; ++way) {
    ClientStream stream;
    std::string held;
    std::size_t dropped = 0;
    for (std::string_view piece : cut(bytes, way)) {
      held += piece;
      std::size_t drop = stream.drop_late_copy(held, kMax);
      held.erase(0, drop);
      dropped += drop;
    }
    CHECK(dropped == late.size());
    CHECK(held == sync_batch() + message('d', "z"));
  }
}

TEST_CASE("a server's answers go on as they are and settle at the last ReadyForQuery") {
  std::string one = message('T', "columns") + row("1") + row(std::string(500, 'r')) + complete() +
                    ready();
  std::string two = message('1') + message('2') + message('t', "") + message('n') + message('s') +
                    message('3') + complete() + ready('T');
  ServerRun run = run_server_all_ways(one + notice("hi") + two, "QPBDECES");
  CHECK(run.forwarded == one + notice("hi") + two);
  CHECK(run.settled == std::vector<std::size_t>{run.forwarded.size()});
  CHECK(run.tx == wire::TxStatus::InTransaction);
  CHECK(run.boundary);
}

TEST_CASE("bytes after the last ReadyForQuery are not part of the conversation") {
  std::string answer = complete() + ready();
  SUBCASE("asynchronous ones are looked at all the same") {
    ServerRun run = run_server_all_ways(answer + status("application_name", "x") + notice("n") +
                                            message('A', "notify"),
                                        "Q");
    CHECK(run.settled == std::vector<std::size_t>{answer.size()});
    CHECK(run.event == ServerStream::Event::Bytes);
    CHECK(run.app_of_server == "x");
  }
  SUBCASE("an answer that nobody asked for is out of step") {
    for (std::string more : {row("1"), complete(), message('T', "x"), message('1'), message('G', "x"),
                             message('d', "x"), message('I'), message('s'), message('n')}) {
      ServerRun run = run_server_all_ways(answer + more, "Q");
      CHECK(run.forwarded == answer);
      CHECK(run.event == ServerStream::Event::Violation);
      CHECK(run.error == "unexpected message from server");
    }
    ServerRun run = run_server_all_ways(answer + ready(), "Q");
    CHECK(run.forwarded == answer);
    CHECK(run.error == "unexpected ReadyForQuery from server");
  }
}

TEST_CASE("messages that no server sends after its login are refused") {
  std::string allowed = "DTE123CSZdcHIVnNAtsGW";
  for (int byte = 0; byte < 256; ++byte) {
    char type = static_cast<char>(byte);
    if (allowed.find(type) != std::string::npos) continue;
    ServerRun run = run_server_all_ways(row("1") + message(type, "abcd"), "Q");
    CHECK(run.event == ServerStream::Event::Violation);
    CHECK(run.forwarded == row("1"));
  }
}

TEST_CASE("malformed lengths, ReadyForQuery and ParameterStatus from a server are refused") {
  for (std::string bad :
       {"D" + big_endian(3), "Z" + big_endian(0), message('Z'), message('Z', "X"),
        message('Z', "II"), message('S', "no end"), message('S', z("only a name")), message('S'),
        message('S', std::string(kMaxHeld + 1, 'a')), message('Z', std::string(kMaxHeld + 1, 'I'))}) {
    ServerRun run = run_server(row("1") + bad, 0, "Q", true);
    CHECK(run.event == ServerStream::Event::Violation);
    CHECK(run.forwarded == row("1"));
    if (bad.size() < 100) CHECK(run_server_all_ways(row("1") + bad, "Q") == run);
  }
}

TEST_CASE("ParameterStatus of tracked names is taken over by both, in any case of the name") {
  std::string bytes = status("APPLICATION_NAME", "one") + status("other", "x") +
                      status("application_name", "two") + complete() + ready();
  ServerRun run = run_server_all_ways(bytes, "Q");
  CHECK(run.forwarded == bytes);
  CHECK(run.app_of_server == "two");
  CHECK(run.app_of_client == "two");
}

TEST_CASE("errors are seen, a fatal one as such; texts are kept when wanted or fatal") {
  std::string plain = error("ERROR", "22012", "division by zero") + ready();
  ServerRun kept = run_server_all_ways(plain, "Q", true);
  CHECK(kept.forwarded == plain);
  CHECK(kept.saw_error);
  CHECK_FALSE(kept.saw_fatal);
  CHECK(kept.code == "22012");
  CHECK(kept.text == "division by zero");
  CHECK(run_server_all_ways(plain, "Q", false).text.empty());
  ServerRun fatal = run_server_all_ways(error("FATAL", "57P01", "bye"), "Q", false);
  CHECK(fatal.saw_fatal);
  CHECK(fatal.text == "bye");
}

TEST_CASE("every field of an error may be missing, and its body may be cut anywhere") {
  std::string body = error("FATAL", "57P01", "bye").substr(wire::kHeaderSize);
  for (std::size_t size = 0; size <= body.size(); ++size) {
    ServerRun run = run_server(message('E', body.substr(0, size)) + ready(), 0, "Q", true);
    CHECK(run.saw_error);
    CHECK(run.settled.size() == 1);
  }
}

TEST_CASE("an error too long to look into passes through, and ends a copy") {
  std::string bytes = message('G', "x") +
                      error("ERROR", "XX000", std::string(2 * kMaxHeld, 'e')) + ready();
  for (unsigned way : {0u, 7u}) {
    ServerRun run = run_server(bytes, way, "Q", true);
    CHECK(run.forwarded == bytes);
    CHECK(run.saw_error);
    CHECK(run.copy);
    CHECK(run.settled.size() == 1);
  }
}

TEST_CASE("a copy in extended mode settles once, after the Sync that followed CopyDone") {
  TrackedNames names({});
  Parameters server(names.size());
  ServerStream stream;
  Owed owed;
  ClientStream client;
  auto from_server = [&](const std::string& bytes) {
    auto taken = stream.forward(bytes, ServerStream::Sides{names, server, nullptr, owed});
    CHECK(taken.forward == bytes.size());
    return taken.event;
  };
  client.forward(batch("COPY t FROM STDIN"), kMax, owed);
  CHECK(from_server(message('1') + message('2') + message('G', "x")) == ServerStream::Event::Bytes);
  client.forward(message('d', "1\n") + message('c') + sync_batch(), kMax, owed);
  CHECK(from_server(complete("COPY 1") + ready()) == ServerStream::Event::Settled);
  CHECK_FALSE(owed.doubtful());
}

TEST_CASE("clear_error() forgets errors, their texts and copies") {
  TrackedNames names({});
  Parameters server(names.size());
  ServerStream stream;
  Owed owed;
  owed.sent('Q');
  stream.forward(message('G', "x") + error("FATAL", "57P01", "bye"), {names, server, nullptr, owed});
  CHECK((stream.saw_fatal() && stream.saw_error() && stream.copy_in_begun()));
  stream.clear_error();
  CHECK_FALSE((stream.saw_fatal() || stream.saw_error() || stream.copy_in_begun()));
  CHECK(stream.error_text().empty());
}
