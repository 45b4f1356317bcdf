// A replication connection's directions: bytes go through, Terminate is seen, however they are cut.
#include "howdah/session/passage.h"

#include <doctest/doctest.h>

#include "bytes.h"

namespace howdah::session {
namespace {

using Side = Passage::Side;
using Stop = Passage::Stop;

// Feeds in pieces of `size`; what went through, and how it stopped.
std::pair<std::string, Stop> through(Side side, const std::string& bytes, std::size_t size) {
  Passage passage;
  std::string held, out;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    held += bytes.substr(at, size);
    auto taken = passage.walk(side, held, 1000);
    out += held.substr(0, taken.forward);
    held.erase(0, taken.forward);
    CHECK(held.size() < wire::kHeaderSize + (taken.stop == Stop::Bytes ? 0 : size + 1));
    if (taken.stop != Stop::Bytes) return {out, taken.stop};
  }
  return {out, Stop::Bytes};
}

TEST_CASE("all goes through but for a client's Terminate and lengths that no message has") {
  std::string talk = query("START_REPLICATION") + message('d', std::string(300, 'X')) +
                     message('c') + message('S') + message('d', "X") ;
  for (std::size_t size : {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{10000}}) {
    CHECK(through(Side::Client, talk, size) == std::pair{talk, Stop::Bytes});
    CHECK(through(Side::Client, talk + message('X') + "more", size) ==
          std::pair{talk, Stop::Terminate});
    std::string from_server = talk + message('X') + talk;
    CHECK(through(Side::Server, from_server, size) == std::pair{from_server, Stop::Bytes});
    for (const std::string& bad : {"d" + big_endian(3), "d" + big_endian(1001), "d" + big_endian(0x80000000)}) {
      CHECK(through(Side::Client, talk + bad, size) == std::pair{talk, Stop::Violation});
    }
  }
}

TEST_CASE("it knows where messages end and which came last") {
  Passage passage;
  CHECK((passage.at_boundary() && passage.last() == 0));
  passage.walk(Side::Server, message('d', "abc").substr(0, 6), 1000);
  CHECK((!passage.at_boundary() && passage.last() == 'd'));
  passage.walk(Side::Server, "bc" + message('C', "x"), 1000);
  CHECK((passage.at_boundary() && passage.last() == 'C'));
}

}  // namespace
}  // namespace howdah::session
