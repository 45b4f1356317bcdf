// PasswordClient: cleartext, md5 and SCRAM towards a server that is not trusted.
#include "auth/client_exchange.h"

#include "auth/outcome.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

namespace howdah::auth {
namespace {

using Kind = StoredSecret::Kind;
namespace sqlstate = wire::sqlstate;

constexpr std::string_view kWrongType = "wrong password type";

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

}  // namespace

// The user name inside SCRAM stays empty, as libpq does it: the start-up packet names the user.
PasswordClient::PasswordClient(const ServerCredentials& credentials, std::string nonce,
                               std::string_view end_point)
    : credentials_(credentials), end_point_(end_point), scram_("", std::move(nonce)) {}

Outcome PasswordClient::fail(base::Error error) {
  state_ = State::Failed;
  return failed(std::move(error));
}

Outcome PasswordClient::fail(std::string_view sqlstate, std::string_view what) {
  return fail({std::string(sqlstate), base::cat("server login failed: ", what)});
}

bool PasswordClient::finished() const {
  return state_ == State::Idle || state_ == State::PasswordSent || state_ == State::Proved;
}

Outcome PasswordClient::feed(std::int32_t code, std::string_view body) {
  State wanted = State::Idle;
  switch (code) {
    case wire::kAuthCleartext:
    case wire::kAuthMd5:
    case wire::kAuthSasl:
      break;
    case wire::kAuthSaslContinue:
      wanted = State::FirstSent;
      break;
    case wire::kAuthSaslFinal:
      wanted = State::FinalSent;
      break;
    default:
      return fail(sqlstate::kFeatureNotSupported,
                  base::cat("the server asks for authentication method ", code,
                            ", which is not supported"));
  }
  if (state_ != wanted) {
    return fail(sqlstate::kProtocolViolation,
                base::cat("authentication request ", code, " out of order"));
  }
  switch (code) {
    case wire::kAuthCleartext:
      return cleartext(body);
    case wire::kAuthMd5:
      return md5(body);
    case wire::kAuthSasl:
      return sasl(body);
    case wire::kAuthSaslContinue:
      return sasl_continue(body);
    default:
      return sasl_final(body);
  }
}

Outcome PasswordClient::cleartext(std::string_view body) {
  if (!body.empty()) return fail(sqlstate::kProtocolViolation, "malformed password request");
  std::string_view password = credentials_.secret.text.view();
  if (credentials_.secret.kind != Kind::Plain || password.find('\0') != std::string_view::npos) {
    return fail(sqlstate::kInvalidPassword, kWrongType);
  }
  state_ = State::PasswordSent;
  std::string answer;
  answer.reserve(password.size() + 1);  // growing would leave copies behind
  answer.append(password).push_back('\0');
  return reply(0, std::move(answer));
}

Outcome PasswordClient::md5(std::string_view salt) {
  if (salt.size() != 4) return fail(sqlstate::kProtocolViolation, "malformed md5 request");
  std::optional<base::Secret> inner;
  switch (credentials_.secret.kind) {
    case Kind::Plain:
      inner = md5_hex({credentials_.secret.text.view(), credentials_.user});
      break;
    case Kind::Md5:
      inner = base::Secret(credentials_.secret.text.view().substr(3));
      break;
    case Kind::Missing:
    case Kind::None:
    case Kind::Scram:
      return fail(sqlstate::kInvalidPassword, kWrongType);
  }
  auto answer = inner ? md5_hex({inner->view(), salt}) : std::nullopt;
  if (!answer) return fail(sqlstate::kInternalError, "MD5 is not available (FIPS mode?)");
  state_ = State::PasswordSent;
  return reply(0, base::cat("md5", answer->view(), '\0'));
}

Outcome PasswordClient::sasl(std::string_view mechanisms) {
  wire::Cursor cursor(mechanisms);
  bool offered = false, plus = false;
  for (;;) {
    std::string_view name = cursor.cstring();
    if (name.empty()) break;
    offered |= name == kScramMechanism;
    plus |= name == kScramPlusMechanism;
  }
  if (!cursor.done()) return fail(sqlstate::kProtocolViolation, "malformed SASL request");
  plus = plus && !end_point_.empty();
  if (!offered && !plus) {
    return fail(sqlstate::kFeatureNotSupported,
                "none of the server's SASL authentication mechanisms are supported");
  }
  if (credentials_.secret.kind != Kind::Plain && !credentials_.keys) {
    return fail(sqlstate::kInvalidPassword, kWrongType);
  }
  state_ = State::FirstSent;
  // y tells a server whose offer was taken away by somebody in between.
  if (plus) {
    scram_.bind(kBindingHeader, end_point_);
  } else {
    scram_.bind(end_point_.empty() ? "n,," : "y,,", "");
  }
  std::string first = scram_.first();
  return reply(0, base::cat(plus ? kScramPlusMechanism : kScramMechanism, '\0',
                            big_endian(static_cast<std::uint32_t>(first.size())), first));
}

Outcome PasswordClient::sasl_continue(std::string_view server_first) {
  if (auto status = scram_.challenge(server_first); !status) return fail(status.error());
  if (credentials_.secret.kind == Kind::Plain) {
    state_ = State::Hashing;
    return need_hash();
  }
  const StoredSecret& secret = credentials_.secret;
  if (secret.kind == Kind::Scram && (secret.verifier.salt != scram_.salt() ||
                                     secret.verifier.iterations != scram_.iterations())) {
    return fail(sqlstate::kInvalidPassword,
                "the server's SCRAM secret differs from the one stored here (other salt or "
                "iteration count), so the client's keys cannot be passed on");
  }
  state_ = State::FinalSent;
  return reply(0, scram_.last(credentials_.keys->client_key, credentials_.keys->server_key));
}

HashJob PasswordClient::hash_job() const {
  return {credentials_.secret.text, scram_.salt(), scram_.iterations()};
}

Outcome PasswordClient::hashed(const Key& salted_password) {
  if (state_ != State::Hashing) return fail(sqlstate::kInternalError, "unexpected hash");
  DerivedKeys keys = derive_keys(salted_password);
  state_ = State::FinalSent;
  return reply(0, scram_.last(keys.client.value, keys.server.value));
}

Outcome PasswordClient::sasl_final(std::string_view server_final) {
  if (auto status = scram_.verify(server_final); !status) return fail(status.error());
  state_ = State::Proved;
  return proved();
}

std::unique_ptr<ClientExchange> make_client_exchange(const ServerCredentials& credentials,
                                                     std::string_view end_point) {
  return std::make_unique<PasswordClient>(credentials, make_nonce(), end_point);
}

}  // namespace howdah::auth
