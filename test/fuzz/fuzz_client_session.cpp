// A client that sends anything, in any fragments: before, during and after a login that it cannot
// pass, or (first byte even) that asks no proof. Then its bytes run through the relay.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "howdah/session/client_session.h"

using namespace howdah;
using namespace howdah::session;
using Want = ClientSession::Want;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auth::ServerKeyring kKeyring;
  static const TrackedNames kNames({"search_path"});
  static const config::Settings kSettings = [] {
    config::Settings settings;
    settings.scram_iterations = 1;
    return settings;
  }();
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  bool trusted = data[0] % 2 == 0, console = data[0] % 4 == 2;
  config::Config config;
  config.settings = kSettings;
  ClientSession session;
  Owed owed;
  std::string held;
  auto after = [&](Want want) {
    if (want == Want::Hash) want = session.hashed(session.hash_job().run());
    if (want != Want::Welcome) return;
    if (!trusted) std::abort();
    session.set_parameters(Parameters(kNames.size()));
    console ? session.welcome_console() : session.welcome({}, "12345678", kNames);
  };
  while (!bytes.empty()) {
    std::size_t piece = std::min<std::size_t>(bytes.size(), 1 + data[1] % 64);
    held += bytes.substr(0, piece);
    bytes.remove_prefix(piece);
    for (;;) {
      if (session.state() == ClientSession::State::Linked) {
        auto taken = session.stream().forward(held, kSettings.max_packet_size, owed);
        if (taken.forward > held.size()) std::abort();
        held.erase(0, taken.forward);
        if (taken.stop != ClientStream::Stop::Bytes) session.fail({"FATAL", "08P01", "x"});
        if (data[0] % 8 == 4 && session.stream().at_boundary() &&
            session.state() != ClientSession::State::Closed) {
          session.unlink();
        }
        break;
      }
      auto step = session.feed(held, kSettings);
      if (step.consumed > held.size()) std::abort();
      held.erase(0, step.consumed);
      if (step.want == Want::Close || step.want == Want::Cancel) return 0;
      if (step.want == Want::LookUp) {
        LoginPlan plan;
        if (auto made = plan_login(config, session.startup(), kNames, {})) plan = *made;
        plan.console = console;
        plan.proof = trusted ? LoginPlan::Proof::None : LoginPlan::Proof::Exchange;
        plan.method = static_cast<auth::Method>(data[0] / 2 % 3);
        after(session.begin(std::move(plan), kKeyring, kSettings));
      } else if (step.want == Want::Server) {
        // An odd length: the wait is cancelled, and the request is skipped.
        if (held.size() % 2 == 0 || !session.give_up_wait(held, {"ERROR", "57014", "cancelled"})) {
          session.link();
        }
      } else if (step.want == Want::Command) {
        session.answered();
      } else if (step.want != Want::Bytes) {
        after(step.want);
      } else if (step.consumed == 0) {
        break;
      }
    }
  }
  return 0;
}
