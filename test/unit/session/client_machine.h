// A client session that is fed by hand, for session's tests.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes.h"
#include "howdah/session/client_session.h"

namespace howdah::session {

using Want = ClientSession::Want;

inline const auth::ServerKeyring kKeyring;

struct Machine {
  // Feeds fragments until something but bytes is wanted; the rest stays in `held`.
  Want feed(std::string_view bytes, unsigned way = 0) {
    for (std::string_view piece : cut(bytes, way)) {
      held += piece;
      if (last != Want::Bytes) continue;
      pump();
    }
    return std::exchange(last, Want::Bytes);
  }
  void pump() {
    while (last == Want::Bytes && !held.empty()) {
      auto step = session.feed(held, settings);
      REQUIRE(step.consumed <= held.size());
      held.erase(0, step.consumed);
      last = step.want;
      if (step.consumed == 0) break;
    }
  }
  std::vector<Seen> said() { return take_messages(session.out()); }
  LoginPlan plan(LoginPlan::Proof proof, auth::Method method, std::string_view stored) {
    LoginPlan made;
    made.user = "bob";
    made.proof = proof;
    made.method = method;
    if (stored != "<missing>") made.secret = auth::classify(stored);
    return made;
  }
  // To Idle, as a client of a database or of the console.
  void log_in(bool console = false) {
    CHECK(feed(startup_packet({{"user", "bob"}})) == Want::LookUp);
    auto trusted = plan(LoginPlan::Proof::None, auth::Method::Plain, "");
    trusted.console = console;
    CHECK(session.begin(std::move(trusted), kKeyring, settings) == Want::Welcome);
    session.set_parameters(Parameters(names.size()));
    if (console) {
      session.welcome_console();
    } else {
      session.welcome({{"TimeZone", "UTC"}}, "87654321", names);
    }
    session.out().clear();
    REQUIRE(session.state() == ClientSession::State::Idle);
    CHECK(session.logged_in());
  }
  ClientSession session;
  config::Settings settings;
  TrackedNames names{{}};
  std::string held;
  Want last = Want::Bytes;
};

}  // namespace howdah::session
