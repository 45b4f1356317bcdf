// PlainExchange and Md5Exchange, and the choice between the three.
#include "auth/server_exchange.h"

#include "auth/outcome.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

namespace howdah::auth {
namespace {

using Kind = StoredSecret::Kind;
namespace sqlstate = wire::sqlstate;

bool cannot_log_in(Kind kind) { return kind == Kind::Missing || kind == Kind::None; }

// The text of a password message, which must be all of its body.
bool read_password(std::string_view body, std::string_view& out) {
  wire::Cursor cursor(body);
  out = cursor.cstring();
  return cursor.done();
}

}  // namespace

std::string_view why_refused(Kind kind, Method method) {
  switch (kind) {
    case Kind::Missing:
      return "no such user";
    case Kind::None:
      return "the user has no password";
    case Kind::Md5:
      if (method == Method::Scram) {
        return "the user's stored secret is an md5 hash, which cannot be used with SCRAM";
      }
      return "wrong password";
    case Kind::Scram:
      if (method == Method::Md5) {
        return "the user's stored secret is a SCRAM secret, which cannot be used with md5";
      }
      return "wrong password";
    case Kind::Plain:
      return "wrong password";
  }
  return "unknown kind of secret";
}

PlainExchange::PlainExchange(std::string_view user, const StoredSecret& secret,
                             const ServerKeyring& keyring, std::uint32_t scram_iterations)
    : user_(user), secret_(secret), doomed_(cannot_log_in(secret.kind)) {
  if (doomed_) {
    // Looks like a SCRAM secret, what most users have.
    secret_.verifier.salt = keyring.salt_for(user);
    secret_.verifier.iterations = scram_iterations;
    secret_.verifier.stored_key = random_key().value;
  }
}

Outcome PlainExchange::fail(std::string_view sqlstate, std::string text) {
  state_ = State::Failed;
  return failed(sqlstate, std::move(text));
}

Outcome PlainExchange::start() {
  if (state_ != State::New) return fail(sqlstate::kProtocolViolation, "exchange started twice");
  state_ = State::AwaitPassword;
  return reply(wire::kAuthCleartext, {});
}

Outcome PlainExchange::feed(std::string_view body) {
  if (state_ != State::AwaitPassword) {
    return fail(sqlstate::kProtocolViolation, "unexpected password message");
  }
  std::string_view password;
  if (!read_password(body, password)) {
    return fail(sqlstate::kProtocolViolation, "malformed password message");
  }
  if (password.empty()) {
    return fail(sqlstate::kInvalidPassword, "empty password returned by client");
  }
  typed_ = base::Secret(password);
  return judge();
}

Outcome PlainExchange::judge() {
  switch (secret_.kind) {
    case Kind::Plain:
      return decide(typed_ == secret_.text);
    case Kind::Md5: {
      auto digest = md5_hex({typed_.view(), user_});
      return decide(digest &&
                    base::equal_constant_time(digest->view(), secret_.text.view().substr(3)));
    }
    case Kind::Missing:
    case Kind::None:
    case Kind::Scram:
      break;
  }
  if (secret_.verifier.iterations > kMaxScramIterations) {
    return fail(sqlstate::kInvalidPassword,
                "the stored SCRAM secret has more than 10000000 iterations");
  }
  state_ = State::Hashing;
  return need_hash();
}

Outcome PlainExchange::again(const StoredSecret& secret) {
  if (state_ != State::Failed || typed_.empty() || cannot_log_in(secret.kind)) {
    return fail(sqlstate::kInvalidPassword,
                std::string(why_refused(secret.kind, Method::Plain)));
  }
  secret_ = secret;
  doomed_ = false;
  return judge();
}

HashJob PlainExchange::hash_job() const {
  return {typed_, secret_.verifier.salt, secret_.verifier.iterations};
}

Outcome PlainExchange::hashed(const Key& salted_password) {
  if (state_ != State::Hashing) return fail(sqlstate::kInternalError, "unexpected hash");
  DerivedKeys keys = derive_keys(salted_password);
  bool right = base::equal_constant_time(keys.stored.view(), bytes_of(secret_.verifier.stored_key));
  return decide(right && !doomed_);
}

Outcome PlainExchange::decide(bool right) {
  if (!right) {
    return fail(sqlstate::kInvalidPassword, std::string(why_refused(secret_.kind, Method::Plain)));
  }
  state_ = State::Done;
  return proved();
}

base::Secret PlainExchange::typed_password() const {
  return state_ == State::Done ? typed_ : base::Secret();
}

Md5Exchange::Md5Exchange(std::string_view user, const StoredSecret& secret, std::string salt)
    : user_(user), salt_(std::move(salt)) {
  take(secret);
}

void Md5Exchange::take(const StoredSecret& secret) {
  kind_ = secret.kind;
  inner_.clear();
  switch (secret.kind) {
    case Kind::Md5:
      inner_ = base::Secret(secret.text.view().substr(3));
      break;
    case Kind::Plain:
      if (auto digest = md5_hex({secret.text.view(), user_})) inner_ = *digest;
      break;
    case Kind::Missing:
    case Kind::None:
    case Kind::Scram:
      if (auto digest = md5_hex({random_key().view(), user_})) inner_ = *digest;
      break;
  }
}

Outcome Md5Exchange::fail(std::string_view sqlstate, std::string text) {
  state_ = State::Failed;
  inner_.clear();
  return failed(sqlstate, std::move(text));
}

Outcome Md5Exchange::start() {
  if (state_ != State::New) return fail(sqlstate::kProtocolViolation, "exchange started twice");
  state_ = State::AwaitPassword;
  return reply(wire::kAuthMd5, salt_);
}

Outcome Md5Exchange::feed(std::string_view body) {
  if (state_ != State::AwaitPassword) {
    return fail(sqlstate::kProtocolViolation, "unexpected password message");
  }
  std::string_view answer;
  if (!read_password(body, answer)) {
    return fail(sqlstate::kProtocolViolation, "malformed password message");
  }
  if (answer.empty()) {
    return fail(sqlstate::kInvalidPassword, "empty password returned by client");
  }
  answer_ = base::Secret(answer);
  return judge();
}

Outcome Md5Exchange::judge() {
  std::string_view answer = answer_.view();
  auto expected = inner_.empty() ? std::nullopt : md5_hex({inner_.view(), salt_});
  if (!expected) return fail(sqlstate::kInternalError, "MD5 is not available (FIPS mode?)");
  bool usable = kind_ == Kind::Plain || kind_ == Kind::Md5;
  bool right =
      answer.starts_with("md5") && base::equal_constant_time(answer.substr(3), expected->view());
  if (!right || !usable) {
    return fail(sqlstate::kInvalidPassword, std::string(why_refused(kind_, Method::Md5)));
  }
  state_ = State::Done;
  inner_.clear();
  answer_.clear();
  return proved();
}

Outcome Md5Exchange::again(const StoredSecret& secret) {
  if (state_ != State::Failed || answer_.empty()) {
    return fail(sqlstate::kInvalidPassword, "wrong password");
  }
  take(secret);
  return judge();
}

Outcome Md5Exchange::hashed(const Key&) {
  return fail(sqlstate::kInternalError, "unexpected hash");
}

std::unique_ptr<ServerExchange> make_server_exchange(Method method, std::string_view user,
                                                     const StoredSecret& secret,
                                                     const ServerKeyring& keyring,
                                                     std::uint32_t scram_iterations,
                                                     std::string_view end_point) {
  switch (method) {
    case Method::Plain:
      return std::make_unique<PlainExchange>(user, secret, keyring, scram_iterations);
    case Method::Md5: {
      char salt[4];
      base::random_bytes(salt, sizeof salt);
      return std::make_unique<Md5Exchange>(user, secret, std::string(salt, sizeof salt));
    }
    case Method::Scram:
      break;
  }
  return std::make_unique<ScramExchange>(user, secret, keyring, scram_iterations, make_nonce(),
                                         end_point);
}

}  // namespace howdah::auth
