// ScramExchange: PostgreSQL's framing of the server's side of SCRAM (manual 55.3).
//   R(10) "SCRAM-SHA-256\0\0"    p: mechanism\0 int32 length, client-first
//         (with TLS "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
//   R(11) server-first           p: client-final
//   R(12) server-final
#include "auth/outcome.h"
#include "auth/server_exchange.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/message.h"

namespace howdah::auth {
namespace {

using Kind = StoredSecret::Kind;
namespace sqlstate = wire::sqlstate;

}  // namespace

// The salt of a real secret is its own; everyone else's comes from the keyring, so that a user with
// a plain secret and one who does not exist look alike and stay the same from login to login.
ScramExchange::ScramExchange(std::string_view user, const StoredSecret& secret,
                             const ServerKeyring& keyring, std::uint32_t scram_iterations,
                             std::string nonce, std::string_view end_point)
    : kind_(secret.kind),
      plus_(!end_point.empty()),
      salt_(secret.kind == Kind::Scram ? secret.verifier.salt : keyring.salt_for(user)),
      iterations_(secret.kind == Kind::Scram ? secret.verifier.iterations : scram_iterations),
      scram_(salt_, iterations_, std::move(nonce), end_point) {
  switch (kind_) {
    case Kind::Scram:
      stored_key_ = WipedKey(secret.verifier.stored_key);
      server_key_ = WipedKey(secret.verifier.server_key);
      break;
    case Kind::Plain:
      password_ = secret.text;
      break;
    case Kind::Missing:
    case Kind::None:
    case Kind::Md5:
      stored_key_ = random_key();
      server_key_ = random_key();
      break;
  }
}

Outcome ScramExchange::fail(base::Error error) {
  state_ = State::Failed;
  password_.clear();
  return failed(std::move(error));
}

Outcome ScramExchange::protocol_fault(std::string_view what) {
  return fail({std::string(sqlstate::kProtocolViolation), std::string(what)});
}

Outcome ScramExchange::offer() {
  state_ = State::AwaitFirst;
  std::string offered = base::cat(kScramMechanism, '\0', '\0');
  if (plus_) offered.insert(0, base::cat(kScramPlusMechanism, '\0'));
  return reply(wire::kAuthSasl, std::move(offered));
}

Outcome ScramExchange::start() {
  if (state_ != State::New) return protocol_fault("exchange started twice");
  if (kind_ != Kind::Plain) return offer();
  state_ = State::Hashing;
  return need_hash();
}

Outcome ScramExchange::again(const StoredSecret& secret) {
  return fail({std::string(sqlstate::kInvalidPassword),
               secret.kind == Kind::Scram && secret.verifier.salt != salt_
                   ? "wrong password, or the one that was changed on the server since it was "
                     "last looked up: another try is judged by the new one"
                   : std::string(why_refused(secret.kind, Method::Scram))});
}

HashJob ScramExchange::hash_job() const { return {password_, salt_, iterations_}; }

Outcome ScramExchange::hashed(const Key& salted_password) {
  if (state_ != State::Hashing) return protocol_fault("unexpected hash");
  DerivedKeys keys = derive_keys(salted_password);
  stored_key_ = keys.stored;
  server_key_ = keys.server;
  password_.clear();
  return offer();
}

Outcome ScramExchange::initial_response(std::string_view body) {
  wire::Cursor cursor(body);
  std::string_view mechanism = cursor.cstring();
  std::int32_t length = cursor.i32();
  if (!cursor.ok()) return protocol_fault("malformed SASL initial response");
  bool plus = plus_ && mechanism == kScramPlusMechanism;
  if (!plus && mechanism != kScramMechanism) {
    return protocol_fault("client selected an invalid SASL authentication mechanism");
  }
  // -1 would mean "no data yet"; SCRAM's client always speaks first.
  if (length < 0 || static_cast<std::size_t>(length) != cursor.rest().size()) {
    return protocol_fault("malformed SASL initial response");
  }
  auto server_first = scram_.first(cursor.rest(), plus);
  if (!server_first) return fail(server_first.error());
  state_ = State::AwaitFinal;
  return reply(wire::kAuthSaslContinue, std::move(*server_first));
}

Outcome ScramExchange::feed(std::string_view body) {
  switch (state_) {
    case State::AwaitFirst:
      return initial_response(body);
    case State::AwaitFinal:
      break;
    case State::New:
    case State::Hashing:
    case State::Done:
    case State::Failed:
      return protocol_fault("unexpected password message");
  }
  auto server_final = scram_.last(body, stored_key_.value, server_key_.value);
  bool usable = kind_ == Kind::Plain || kind_ == Kind::Scram;
  if (!server_final) {
    if (server_final.error().code != sqlstate::kInvalidPassword) return fail(server_final.error());
    usable = false;
  }
  if (!usable) {
    return fail(
        {std::string(sqlstate::kInvalidPassword), std::string(why_refused(kind_, Method::Scram))});
  }
  state_ = State::Done;
  return proved(wire::kAuthSaslFinal, std::move(*server_final));
}

std::optional<ScramKeys> ScramExchange::scram_keys() const {
  // Keys made from a plain secret have our salt, so no server would take them.
  if (state_ != State::Done || kind_ != Kind::Scram) return std::nullopt;
  ScramKeys keys;
  keys.client_key = scram_.client_key();
  keys.server_key = server_key_.value;
  return keys;
}

}  // namespace howdah::auth
