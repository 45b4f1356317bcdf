// The pooler logging in to a PostgreSQL server. Private to auth; made by make_client_exchange().
#pragma once

#include <optional>
#include <string>

#include "auth/crypto.h"
#include "auth/scram.h"
#include "howdah/auth/exchange.h"

namespace howdah::auth {

//   Idle -> PasswordSent                                      (codes 3 and 5)
//   Idle -> FirstSent -> (Hashing ->) FinalSent -> Proved     (codes 10, 11, 12)
//   any -> Failed. A server may ask once: everything out of order fails.
class PasswordClient final : public ClientExchange {
 public:
  PasswordClient(const ServerCredentials& credentials, std::string nonce,
                 std::string_view end_point = {});
  Outcome feed(std::int32_t code, std::string_view body) override;
  HashJob hash_job() const override;
  Outcome hashed(const Key& salted_password) override;
  bool finished() const override;

 private:
  enum class State { Idle, PasswordSent, FirstSent, Hashing, FinalSent, Proved, Failed };
  Outcome fail(std::string_view sqlstate, std::string_view what);
  Outcome fail(base::Error error);
  Outcome cleartext(std::string_view body);
  Outcome md5(std::string_view salt);
  Outcome sasl(std::string_view mechanisms);
  Outcome sasl_continue(std::string_view server_first);
  Outcome sasl_final(std::string_view server_final);

  State state_ = State::Idle;
  ServerCredentials credentials_;
  std::string end_point_;
  ScramClient scram_;
};

}  // namespace howdah::auth
