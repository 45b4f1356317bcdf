// Code 3 again, but somebody else judges the password: LDAP or PAM.
//   New -> AwaitPassword -> Checking -> Done | Failed
#include "auth/outcome.h"
#include "howdah/auth/exchange.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

namespace howdah::auth {

namespace sqlstate = wire::sqlstate;

Outcome ServerExchange::checked(const base::Status&) {
  return failed(sqlstate::kInternalError, "unexpected verdict on a password");
}

namespace {

class ExternalExchange final : public ServerExchange {
 public:
  Outcome start() override {
    if (state_ != State::New) return fail(sqlstate::kProtocolViolation, "exchange started twice");
    state_ = State::AwaitPassword;
    return reply(wire::kAuthCleartext, {});
  }

  Outcome feed(std::string_view body) override {
    if (state_ != State::AwaitPassword) {
      return fail(sqlstate::kProtocolViolation, "unexpected password message");
    }
    wire::Cursor cursor(body);
    std::string_view password = cursor.cstring();
    if (!cursor.done()) return fail(sqlstate::kProtocolViolation, "malformed password message");
    // A directory takes an empty password for a wish to stay anonymous, and agrees.
    if (password.empty()) {
      return fail(sqlstate::kInvalidPassword, "empty password returned by client");
    }
    typed_ = base::Secret(password);
    state_ = State::Checking;
    return {Outcome::Kind::NeedCheck, 0, {}, {}};
  }

  base::Secret password_to_check() const override {
    return state_ == State::Checking ? typed_ : base::Secret();
  }

  Outcome checked(const base::Status& verdict) override {
    if (state_ != State::Checking) return fail(sqlstate::kInternalError, "unexpected verdict");
    if (!verdict) return fail(sqlstate::kInvalidPassword, verdict.error().text);
    state_ = State::Done;
    return proved();
  }

  Outcome again(const StoredSecret&) override {
    return fail(sqlstate::kInternalError, "there is no secret to judge by");
  }
  HashJob hash_job() const override { return {}; }
  Outcome hashed(const Key&) override { return fail(sqlstate::kInternalError, "unexpected hash"); }
  std::optional<ScramKeys> scram_keys() const override { return std::nullopt; }
  base::Secret typed_password() const override {
    return state_ == State::Done ? typed_ : base::Secret();
  }

 private:
  enum class State { New, AwaitPassword, Checking, Done, Failed };
  Outcome fail(std::string_view code, std::string text) {
    state_ = State::Failed;
    typed_.clear();
    return failed(code, std::move(text));
  }

  State state_ = State::New;
  base::Secret typed_;
};

}  // namespace

std::unique_ptr<ServerExchange> make_external_exchange() {
  return std::make_unique<ExternalExchange>();
}

}  // namespace howdah::auth
