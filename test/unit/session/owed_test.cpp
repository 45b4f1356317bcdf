// What a server owes, request by request: simple, extended, pipelined, and COPY in all its ways.
#include "howdah/session/owed.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

using howdah::session::Owed;

namespace {
// Client messages as they are; from the server the messages as they are. Answers to Parse, Bind,
// Describe and Close (1, 2, n, 3) come by themselves before the event that follows them in the queue.
void client(Owed& owed, std::string_view types) {
  for (char type : types) owed.sent(type);
}
bool is_ready(Owed& owed) { return owed.ready() != Owed::Verdict::OutOfStep; }
bool server(Owed& owed, std::string_view events) {
  bool ok = true;
  std::unique_ptr<Owed::Detail> detail;
  for (char event : events) {
    for (Owed::Entry* head = owed.head(); event != 'E' && head; head = owed.head()) {
      char answer = head->kind == 'P' ? '1' : head->kind == 'B' ? '2' : head->kind == 'C' ? '3'
                    : head->kind == 'D' ? 'n' : '\0';
      if (answer == '\0') break;
      ok &= owed.answer(answer, detail) == Owed::Verdict::Forward;
    }
    if (event == 'E') {
      std::vector<Owed::Entry> dropped;
      owed.failed(dropped);
    } else if (event == 'Z') {
      // A Sync behind an Execute is reached only when that is answered.
      if (owed.head() && owed.head()->kind == 'E') ok &= owed.answer('C', detail) == Owed::Verdict::Forward;
      ok &= is_ready(owed);
    } else {
      ok &= owed.answer(event, detail) == Owed::Verdict::Forward;
    }
  }
  return ok;
}
}  // namespace

TEST_CASE("nothing is owed at the start, and a ReadyForQuery then is out of step") {
  Owed owed;
  CHECK(owed.nothing());
  CHECK_FALSE(is_ready(owed));
}

TEST_CASE("a Query, a FunctionCall and a Sync are each owed one ReadyForQuery") {
  for (char type : {'Q', 'F', 'S'}) {
    Owed owed;
    owed.sent(type);
    CHECK_FALSE(owed.nothing());
    CHECK(server(owed, type == 'Q' ? "CZ" : type == 'F' ? "VZ" : "Z"));
    CHECK(owed.nothing());
    CHECK_FALSE(is_ready(owed));
  }
}

TEST_CASE("Flush, Terminate, and copy messages out of place owe nothing") {
  Owed owed;
  client(owed, "HXdcf");
  CHECK(owed.nothing());
  CHECK_FALSE(is_ready(owed));
}

TEST_CASE("a batch is owed from its first message, and only its Sync ends it") {
  for (char type : {'P', 'B', 'D', 'E', 'C'}) {
    Owed owed;
    owed.sent(type);
    CHECK_FALSE(owed.nothing());
    CHECK(owed.open_batch());
    client(owed, "H");
    CHECK_FALSE(owed.nothing());
    client(owed, "S");
    CHECK_FALSE(owed.open_batch());
    CHECK_FALSE(owed.nothing());
    CHECK(server(owed, "Z"));
    CHECK(owed.nothing());
  }
}

TEST_CASE("an error in a batch ends with the batch's Sync, once") {
  Owed owed;
  client(owed, "PBDE");
  CHECK(server(owed, "E"));
  CHECK_FALSE(owed.nothing());
  client(owed, "PBES");
  CHECK(server(owed, "Z"));
  CHECK(owed.nothing());
}

TEST_CASE("pipelined requests settle with the last ReadyForQuery, not before") {
  Owed owed;
  client(owed, "QPBESPBESQSF");
  for (const char* answer : {"CZ", "CZ", "CZ", "CZ", "Z"}) {
    CHECK(server(owed, answer));
    CHECK_FALSE(owed.nothing());
  }
  CHECK(server(owed, "VZ"));
  CHECK(owed.nothing());
}

TEST_CASE("a batch begun before the last answer came keeps the server") {
  Owed owed;
  client(owed, "PBESPB");
  CHECK(server(owed, "Z"));
  CHECK_FALSE(owed.nothing());
  client(owed, "ES");
  CHECK(server(owed, "Z"));
  CHECK(owed.nothing());
}

TEST_CASE("a Query ends a batch that got no Sync") {
  Owed owed;
  client(owed, "PBEQ");
  CHECK(server(owed, "CCZ"));
  CHECK(owed.nothing());
}

TEST_CASE("COPY FROM STDIN by a Query settles after CopyDone or CopyFail") {
  for (char end : {'c', 'f'}) {
    Owed owed;
    client(owed, "Q");
    server(owed, "G");
    client(owed, "ddd");
    CHECK(owed.copy_in());
    CHECK_FALSE(owed.nothing());
    owed.sent(end);
    CHECK(server(owed, end == 'c' ? "CZ" : "EZ"));
    CHECK(owed.nothing());
    CHECK_FALSE(owed.doubtful());
  }
}

TEST_CASE("several copies in one query string, then a plain statement") {
  Owed owed;
  client(owed, "Q");
  for (int copy = 0; copy < 3; ++copy) {
    server(owed, "G");
    client(owed, "dc");
    server(owed, "C");
    CHECK_FALSE(owed.nothing());
  }
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
}

TEST_CASE("copy data sent before the server said that it copies") {
  for (std::string_view copies : {"Qddc", "Qddcddc", "PBEddcS"}) {
    Owed owed;
    client(owed, copies);
    server(owed, "GC");
    if (copies == "Qddcddc") server(owed, "GC");
    CHECK_FALSE(owed.nothing());
    CHECK(server(owed, "Z"));
    CHECK(owed.nothing());
    CHECK_FALSE(is_ready(owed));
  }
}

TEST_CASE("the early Sync of an extended COPY is not answered, the one after CopyDone is") {
  for (bool late_response : {false, true}) {
    Owed owed;
    client(owed, late_response ? "PBDES" : "PBDE");
    server(owed, "G");
    if (!late_response) client(owed, "S");
    CHECK(owed.open_batch());
    client(owed, "SSddSHd");  // none of these is answered
    CHECK_FALSE(owed.nothing());
    client(owed, "cS");
    CHECK_FALSE(owed.nothing());
    CHECK(server(owed, "CZ"));
    CHECK(owed.nothing());
    CHECK_FALSE(owed.doubtful());  // it completed, so it read all of them
    CHECK_FALSE(is_ready(owed));
  }
}

TEST_CASE("requests pipelined before an extended COPY keep their answers") {
  Owed owed;
  client(owed, "QPBESPBES");
  CHECK(server(owed, "CZCZG"));
  client(owed, "dcS");
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
}

TEST_CASE("a batch with an un-awaited COPY behind another batch") {
  Owed owed;
  client(owed, "PBESPBEdcS");
  CHECK(server(owed, "CZGC"));
  CHECK_FALSE(owed.nothing());
  CHECK(server(owed, "Z"));
  CHECK(owed.nothing());
}

TEST_CASE("batches pipelined behind a COPY that fails at once keep their answers") {
  Owed owed;
  client(owed, "QQPBESQ");
  CHECK(server(owed, "GEZCZCZ"));
  CHECK_FALSE(owed.nothing());
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
  CHECK_FALSE(owed.doubtful());
}

TEST_CASE("a stray Sync behind a COPY by Query leaves no batch open") {
  Owed owed;
  client(owed, "QS");
  server(owed, "G");
  client(owed, "dc");
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
}

TEST_CASE("a COPY that fails before CopyDone: late data, CopyDone and CopyFail owe nothing") {
  for (std::string_view late : {"", "d", "ddc", "f", "cc"}) {
    Owed owed;
    client(owed, "Q");
    server(owed, "G");
    client(owed, "d");
    SUBCASE("sent before the ReadyForQuery") {
      server(owed, "E");
      client(owed, late);
      CHECK(server(owed, "Z"));
      CHECK(owed.nothing());
    }
    SUBCASE("sent after it") {
      CHECK(server(owed, "EZ"));
      client(owed, late);
      CHECK(owed.nothing());
    }
    client(owed, "Q");
    CHECK(server(owed, "CZ"));
    CHECK(owed.nothing());
    CHECK_FALSE(owed.doubtful());
  }
}

TEST_CASE("a COPY that fails after CopyDone was sent") {
  Owed owed;
  client(owed, "PBE");
  server(owed, "G");
  client(owed, "dcS");
  CHECK(server(owed, "EZ"));
  CHECK(owed.nothing());
  CHECK_FALSE(owed.doubtful());
}

TEST_CASE("the end of a failed copy is not taken for the end of the next one") {
  Owed owed;
  client(owed, "QcQ");  // the first Query is refused, its CopyDone comes anyway
  CHECK(server(owed, "EZG"));
  CHECK(owed.copy_in());
  client(owed, "d");
  CHECK_FALSE(owed.nothing());
  client(owed, "c");
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
}

// The early Sync of a COPY may be answered after all: when the COPY failed before it read anything.
TEST_CASE("an extended COPY that fails leaves the server doubtful until a Query is answered") {
  Owed owed;
  client(owed, "PBDES");
  server(owed, "G");
  client(owed, "dcS");
  SUBCASE("the early Sync was ignored: one ReadyForQuery") {
    CHECK(server(owed, "EZ"));
    CHECK(owed.nothing());
    CHECK(owed.doubtful());
    client(owed, "Q");
    CHECK(server(owed, "IZ"));
  }
  SUBCASE("it was answered: two, and the second is not the Query's") {
    CHECK(server(owed, "EZ"));
    CHECK(owed.doubtful());
    client(owed, "Q");
    CHECK(server(owed, "Z"));
    CHECK_FALSE(owed.nothing());
    CHECK(server(owed, "IZ"));
  }
  SUBCASE("it was answered, and the second is seen at once") {
    CHECK(server(owed, "EZZ"));
    CHECK(owed.nothing());
  }
  CHECK(owed.nothing());
  CHECK_FALSE(owed.doubtful());
  CHECK_FALSE(is_ready(owed));
}

TEST_CASE("a batch behind a doubtful copy is not settled by the copy's late ReadyForQuery") {
  Owed owed;
  client(owed, "PBDES");
  server(owed, "G");
  client(owed, "dcS");
  CHECK(server(owed, "EZ"));
  client(owed, "PBES");
  CHECK(is_ready(owed));
  CHECK_FALSE(owed.nothing());
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
  CHECK_FALSE(owed.doubtful());
}

TEST_CASE("a stray Sync behind a Query's COPY that fails is doubted beyond that Query's answer") {
  Owed owed;
  client(owed, "QS");
  CHECK(server(owed, "GEZ"));
  CHECK(owed.nothing());
  CHECK(owed.doubtful());
  CHECK(server(owed, "Z"));
  CHECK_FALSE(owed.doubtful());
}

TEST_CASE("an early Sync that is answered before the next one is sent settles the doubt") {
  Owed owed;
  client(owed, "PBDES");
  CHECK(server(owed, "GEZ"));
  CHECK_FALSE(owed.doubtful());
  client(owed, "cS");
  CHECK_FALSE(owed.nothing());
  CHECK(server(owed, "Z"));
  CHECK(owed.nothing());
}

TEST_CASE("a Query answered by ReadyForQuery alone still settles") {
  Owed owed;
  client(owed, "QQ");
  CHECK(server(owed, "ZZ"));
  CHECK(owed.nothing());
}

TEST_CASE("a million pipelined Syncs before a COPY cost no more than time to look at each once") {
  Owed owed;
  client(owed, "PBE");
  for (int i = 0; i < 1'000'000; ++i) owed.sent('S');
  auto start = std::chrono::steady_clock::now();
  CHECK(server(owed, "G"));
  for (int i = 0; i < 100'000; ++i) owed.sent('S');
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  client(owed, "cS");
  CHECK(server(owed, "CZ"));
  CHECK(owed.nothing());
}
