// The three exchanges in which a client proves itself. Private to auth; made by
// make_server_exchange(). All work is done also for users that cannot log in (`doomed`), with keys
// that nobody knows, so that neither the messages nor the time tell who exists.
#pragma once

#include <string>

#include "auth/crypto.h"
#include "auth/scram.h"
#include "howdah/auth/exchange.h"

namespace howdah::auth {

// Code 3: the password itself, compared with whatever is stored.
//   New -> AwaitPassword -> (Hashing ->) Done | Failed
class PlainExchange final : public ServerExchange {
 public:
  PlainExchange(std::string_view user, const StoredSecret& secret, const ServerKeyring& keyring,
                std::uint32_t scram_iterations);
  Outcome start() override;
  Outcome feed(std::string_view body) override;
  HashJob hash_job() const override;
  Outcome hashed(const Key& salted_password) override;
  Outcome again(const StoredSecret& secret) override;
  std::optional<ScramKeys> scram_keys() const override { return std::nullopt; }
  base::Secret typed_password() const override;

 private:
  enum class State { New, AwaitPassword, Hashing, Done, Failed };
  Outcome fail(std::string_view sqlstate, std::string text);
  Outcome judge();
  Outcome decide(bool right);

  State state_ = State::New;
  std::string user_;
  StoredSecret secret_;
  bool doomed_;
  base::Secret typed_;  // kept after a wrong one, for again()
};

// Code 5: md5(md5(password + user) + salt).
//   New -> AwaitPassword -> Done | Failed
class Md5Exchange final : public ServerExchange {
 public:
  Md5Exchange(std::string_view user, const StoredSecret& secret, std::string salt);
  Outcome start() override;
  Outcome feed(std::string_view body) override;
  HashJob hash_job() const override { return {}; }
  Outcome hashed(const Key& salted_password) override;
  Outcome again(const StoredSecret& secret) override;
  std::optional<ScramKeys> scram_keys() const override { return std::nullopt; }
  base::Secret typed_password() const override { return {}; }

 private:
  enum class State { New, AwaitPassword, Done, Failed };
  Outcome fail(std::string_view sqlstate, std::string text);
  void take(const StoredSecret& secret);
  Outcome judge();

  State state_ = State::New;
  std::string user_;
  StoredSecret::Kind kind_ = StoredSecret::Kind::Missing;
  base::Secret inner_;  // hex of md5(password + user); empty if MD5 is not to be had
  base::Secret answer_;  // the client's, for again()
  std::string salt_;
};

// Codes 10, 11, 12.
//   New -> (Hashing ->) AwaitFirst -> AwaitFinal -> Done | Failed
class ScramExchange final : public ServerExchange {
 public:
  ScramExchange(std::string_view user, const StoredSecret& secret, const ServerKeyring& keyring,
                std::uint32_t scram_iterations, std::string nonce,
                std::string_view end_point = {});
  Outcome start() override;
  Outcome feed(std::string_view body) override;
  HashJob hash_job() const override;
  Outcome hashed(const Key& salted_password) override;
  Outcome again(const StoredSecret& secret) override;
  std::optional<ScramKeys> scram_keys() const override;
  base::Secret typed_password() const override { return {}; }

 private:
  enum class State { New, Hashing, AwaitFirst, AwaitFinal, Done, Failed };
  Outcome fail(base::Error error);
  Outcome protocol_fault(std::string_view what);
  Outcome offer();
  Outcome initial_response(std::string_view body);

  State state_ = State::New;
  StoredSecret::Kind kind_;
  bool plus_;              // channel binding is offered
  base::Secret password_;  // Plain, until hashed
  std::string salt_;
  std::uint32_t iterations_;
  WipedKey stored_key_, server_key_;
  ScramServer scram_;
};

// What is said of a wrong login, for the log.
std::string_view why_refused(StoredSecret::Kind kind, Method method);

}  // namespace howdah::auth
