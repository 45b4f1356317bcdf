// A server that sends anything, in any fragments: at login, to our own queries, idle and linked.
// The second byte's bits choose what the pooler does whenever the server is idle.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "howdah/session/server_session.h"

using namespace howdah;
using namespace howdah::session;
using State = ServerSession::State;
using Want = ServerSession::Want;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto kNames = std::make_shared<const TrackedNames>(std::vector<std::string>{});
  if (size < 3) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 3), size - 3);
  ServerSession session({{"bob", auth::classify("pencil"), {}}, {{"user", "bob"}}}, kNames);
  session.start();
  Parameters client(kNames->size());
  std::string held;
  unsigned turn = data[1];
  while (!bytes.empty()) {
    std::size_t piece = std::min<std::size_t>(bytes.size(), 1 + data[0] % 64);
    held += bytes.substr(0, piece);
    bytes.remove_prefix(piece);
    for (;;) {
      std::size_t consumed = 0;
      if (session.state() == State::Linked) {
        auto taken = session.stream().forward(held, {*kNames, session.parameters(), &client,
                                               session.owed()});
        consumed = taken.forward;
        if (taken.event == ServerStream::Event::Violation) return 0;
        if (taken.event == ServerStream::Event::Settled) session.unlink();
      } else {
        auto step = session.feed(held);
        consumed = step.consumed;
        if (step.want == Want::Hash) {
          if (session.hash_job().iterations > 5000) return 0;  // slow, and auth's own target's
          step = session.hashed(session.hash_job().run());
        }
        if (step.want == Want::Close) return 0;
      }
      if (consumed > held.size()) std::abort();
      held.erase(0, consumed);
      if (consumed == 0) break;
      if (session.state() != State::Idle || !session.clean()) continue;
      turn = turn * 5 + data[2];
      if (turn % 3 == 1) session.run(Purpose::Check, "");
      if (turn % 3 == 2) {
        session.link();
        for (char type : std::string_view(turn % 2 ? "QQ" : "PBESdcS")) session.owed().sent(type);
      }
    }
  }
  return 0;
}
