// A client at random: its connection, its log-in, and the judgement of what comes back. What it says
// is in fake_client_talk.cpp; see the header.
#include "sim/fake_client.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "howdah/base/buffer.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/startup.h"

namespace howdah::sim {

using base::cat;
namespace be = wire::be;

namespace {
// No history allows these: they say that the pooler lost its way.
constexpr std::string_view kNeverLegal[] = {
    "out of step",       "unexpected",      "unknown",        "invalid message", "malformed",
    "bad packet",        "did not answer",  "invalid server", "a query of the",  "left a transaction",
    "oversized message", "internal"};

std::string printable(const std::string& body) {
  std::string text;
  for (char c : body.substr(0, 80)) text += c >= ' ' && c < 127 ? c : '.';
  return text;
}
}  // namespace

FakeClient::FakeClient(Around& around, std::uint64_t id, Habits habits)
    : around_(around), world_(around.world), random_(world_.random), id_(id), habits_(std::move(habits)) {}

void FakeClient::start() {
  socket_ = around_.dial();
  socket_->set_user(this);
  progress_ = world_.now;
  if (random_.chance(15)) {
    state_ = State::Encryption;
    base::Buffer bytes;
    wire::Message(bytes, 0).i32(static_cast<std::int32_t>(wire::kSslRequest));
    emit(std::string(bytes.view()));
  } else {
    send_startup();
  }
  if (random_.chance(3)) later(microseconds(random_.between(0, 20'000)), [this] { leave(); });
}

void FakeClient::send_startup() {
  state_ = State::Login;
  std::vector<std::pair<std::string, std::string>> parameters{{"user", habits_.user},
                                                              {"database", habits_.database}};
  if (random_.chance(60)) {
    name_ = cat("app", random_.below(3));
    parameters.emplace_back("application_name", name_);
  }
  engine_ = Engine(name_);
  base::Buffer bytes;
  wire::append_startup(bytes, parameters);
  emit(std::string(bytes.view()));
}

void FakeClient::later(Duration delay, std::function<void()> call) {
  std::weak_ptr<bool> alive = alive_;
  world_.after(delay, [this, alive, call = std::move(call)] {
    if (!alive.expired() && state_ != State::Gone) call();
  });
}

// Sometimes in two parts, the second one later.
void FakeClient::emit(const std::string& bytes) {
  if (holding_) {
    held_ += bytes;
    return;
  }
  if (bytes.size() < 2 || !random_.chance(10)) return socket_->send(bytes);
  std::size_t first = 1 + random_.below(bytes.size() - 1);
  socket_->send(std::string_view(bytes).substr(0, first));
  held_ = bytes.substr(first);
  holding_ = true;
  later(microseconds(random_.between(0, 50'000)), [this] {
    holding_ = false;
    socket_->send(std::exchange(held_, {}));
    progress_ = world_.now;
  });
}

void FakeClient::leave() {
  if (state_ == State::Gone) return;
  if (!expected_.empty()) ++around_.totals.left_busy;
  std::uint64_t way = random_.below(4);
  bool polite = state_ == State::Talk && !engine_.copy_in() && !holding_ && way < 2;
  state_ = State::Gone;
  around_.cancel_asked(cat("c", id_));
  if (polite) {
    base::Buffer bytes;
    wire::append_terminate(bytes);
    socket_->send(bytes.view());
    socket_->close_when_sent();
  } else if (way == 2) {
    socket_->reset();
  } else if (random_.chance(30)) {
    socket_->half_close();
  } else {
    socket_->close();
  }
  canceller_.reset();
}

void FakeClient::on_input(std::string_view bytes) {
  progress_ = world_.now;
  in_ += bytes;
  if (state_ == State::Encryption) {
    if (in_[0] == 'E') {
      state_ = State::Login;  // refused before it could ask
    } else {
      if (in_ != "N") world_.fail(cat(story(), " got ", in_, " for its SSLRequest"));
      in_.clear();
      send_startup();
      return;
    }
  }
  Message message;
  while (state_ != State::Gone && world_.failure().empty() && take_message(in_, message))
    on_message(message);
  // What has come of the next one must be its beginning: no error inside a half-sent row.
  if (state_ == State::Talk && !in_.empty() && in_[0] != be::kNoticeResponse &&
      in_[0] != be::kParameterStatus && in_[0] != be::kErrorResponse) {
    if (expected_.empty() || !encode(expected_.front()).starts_with(in_))
      world_.fail(cat(story(), " got a part that is no part of its answer: ", printable(in_)));
  }
}

void FakeClient::on_end(bool reset) {
  if (state_ == State::Gone) return;
  // The last words may be lost when the pooler closes before it has read all that we say.
  bool own_fault = reset && begged_;
  if (state_ != State::Told && !habits_.may_fail && !own_fault)
    world_.fail(cat(story(), " was cut off", reset ? " by a reset" : ""));
  // A part of an answer may stand there; the check above has looked at it.
  state_ = State::Gone;
  socket_->close();
  canceller_.reset();
}

void FakeClient::on_message(const Message& message) {
  if (world_.trace)
    std::fprintf(stderr, "    %s <- %c %s\n", story().c_str(), message.type,
                 printable(message.body).c_str());
  if (state_ == State::Told) return world_.fail(cat(story(), " got more after its FATAL error"));
  if (message.type == be::kNoticeResponse) return;
  if (state_ == State::Login) return on_login(message);
  if (message.type == be::kParameterStatus) return;
  if (message.type == be::kErrorResponse) {
    wire::ErrorFields fields = wire::read_error(message.body);
    if (fields.fatal()) return on_fatal(message);
    if (cancelled_ && fields.code == "57014" && !sleeping_mark_.empty()) {
      ++around_.totals.cancelled;
      engine_ = before_sleep_;
      Messages answers;
      engine_.feed(sleep_query_, answers, true);
      expected_.assign(answers.begin() + 1, answers.end());
      return;
    }
  }
  if (expected_.empty() || expected_.front() != message) return mismatch(message);
  expected_.pop_front();
  if (expected_.empty()) answered();
}

void FakeClient::mismatch(const Message& message) {
  world_.fail(cat(story(), " got ", message.type, " ", printable(message.body), " but expected ",
                  expected_.empty() ? std::string("nothing")
                                    : cat(expected_.front().type, " ",
                                          printable(expected_.front().body))));
}

void FakeClient::on_fatal(const Message& message) {
  wire::ErrorFields fields = wire::read_error(message.body);
  bool own_fault = begged_ && fields.message.starts_with("transaction blocks not allowed");
  if (!habits_.may_fail && !own_fault)
    return world_.fail(cat(story(), " was told: ", fields.message));
  for (std::string_view never : kNeverLegal) {
    if (fields.message.find(never) != std::string_view::npos)
      return world_.fail(cat(story(), " was told: ", fields.message));
  }
  // The pooler's own refusal (a server's says more): but all clients know their password.
  if (fields.message == cat("password authentication failed for user \"", habits_.user, "\""))
    return world_.fail(cat(story(), " was told: ", fields.message));
  ++around_.totals.fatal;
  state_ = State::Told;
  expected_.clear();
}

// --- Log-in -----------------------------------------------------------------------------------------

void FakeClient::on_login(const Message& message) {
  switch (message.type) {
    case be::kErrorResponse:
      return on_fatal(message);
    case be::kAuthentication:
      return on_auth(message);
    case be::kParameterStatus: {
      wire::Cursor cursor(message.body);
      if (cursor.cstring() != "application_name") return;
      if (std::string_view value = cursor.cstring(); value != name_)
        world_.fail(cat(story(), " was greeted with application_name ", value, ", asked for ", name_));
      return;
    }
    case be::kBackendKeyData:
      key_ = message.body;
      return;
    case be::kReadyForQuery:
      if (key_.size() != 8) world_.fail(cat(story(), " got no key"));
      state_ = State::Talk;
      ++around_.totals.logins;
      think();
      return;
    default:
      mismatch(message);
  }
}

void FakeClient::on_auth(const Message& message) {
  wire::Cursor cursor(message.body);
  std::int32_t code = cursor.i32();
  if (code == wire::kAuthOk) {
    if (exchange_ && !exchange_->finished()) world_.fail(cat(story(), " was let in without proof"));
    return;
  }
  if (!exchange_) {
    auth::ServerCredentials credentials;
    credentials.user = habits_.user;
    credentials.secret = auth::classify(habits_.password);
    exchange_ = auth::make_client_exchange(credentials);
  }
  auth::Outcome outcome = exchange_->feed(code, cursor.rest());
  while (outcome.kind == auth::Outcome::Kind::NeedHash)
    outcome = exchange_->hashed(exchange_->hash_job().run());
  if (outcome.kind == auth::Outcome::Kind::Failed)
    return world_.fail(cat(story(), " could not prove itself: ", outcome.error.text));
  if (outcome.kind == auth::Outcome::Kind::Reply) emit(encode({wire::fe::kPassword, outcome.body}));
}

// --- Liveness -----------------------------------------------------------------------------------------

void FakeClient::check_patience() {
  if (state_ == State::Gone || state_ == State::New) return;
  bool waits = state_ != State::Talk || !expected_.empty();
  if (!waits || world_.now - progress_ < habits_.patience) return;
  world_.fail(cat(story(), " has waited for ever"));
}

std::string FakeClient::story() const {
  static const char* kStates[] = {"new", "asks for TLS", "logs in", "talks", "told", "gone"};
  return cat("client c", id_, " (", habits_.database, "/", habits_.user, ", ",
             kStates[static_cast<int>(state_)], ", request ", sequence_, ", ", expected_.size(),
             " messages to come)");
}

}  // namespace howdah::sim
