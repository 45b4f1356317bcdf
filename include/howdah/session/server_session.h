// The protocol life of one connection to a PostgreSQL server, without I/O.
//
//   Login --start(), TLS wanted: SSLRequest--> AskTls --'N'--> Login
//                                              AskTls --'S'--> Handshake      (Want::Tls)
//   Login --start(), direct TLS--> Handshake --tls_started()--> Login
//   Login --AuthenticationXXX--> Login ( --SCRAM/PBKDF2--> Hash --hashed()--> Login )
//   Login --ReadyForQuery--> Idle
//   Idle --run(purpose)--> Internal --ReadyForQuery--> Idle     our own query; answers swallowed
//   Idle --link()--> Linked --unlink()--> Idle                  relayed by the worker through stream()
//   any --error, FATAL, bad byte--> Closed                      close_reason() for log and waiters
//
// Linked servers are not fed here: the worker calls stream().forward(). Unlinked ones are, so that
// notices, notifications and parameter changes of an idle server are digested and a dying server's
// last words are known. Owner and thread: the worker that holds the server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/auth/exchange.h"
#include "howdah/base/buffer.h"
#include "howdah/session/owed.h"
#include "howdah/session/parameters.h"
#include "howdah/session/relay.h"
#include "howdah/session/row_reader.h"

namespace howdah::session {

// Why an internal query runs. AuthQuery: see ask().
// SetParameters: parameters and state of the client; Harvest: see harvest.h; Clean: kCleanSql.
enum class Purpose {
  None, Connect, Check, Reset, SetParameters, Harvest, Clean, Rollback, AuthQuery, Identity, Catalogue
};

// What came back for ask(): the columns of the first row, unset for NULL. `broken`: that row is
// longer than RowReader keeps, or no row at all.
struct Answer {
  std::size_t rows = 0;
  bool broken = false;
  std::vector<std::optional<base::Secret>> columns;
};

class ServerSession {
 public:
  enum class State { Login, AskTls, Handshake, Hash, Idle, Internal, Linked, Closed };
  enum class Want {
    Bytes,  // nothing to do until more comes
    Tls,    // begin TLS, then tls_started()
    Hash,   // run hash_job(), then hashed()
    Ready,  // logged in: Idle for the first time
    Done,   // the internal query of purpose() has ended: Idle
    Close,  // close_reason() says why
  };
  struct Step {
    std::size_t consumed = 0;
    Want want = Want::Bytes;
  };
  enum class Tls { Off, Ask, Demand, Direct };  // Ask: plain text if the server has none
  struct Login {
    auth::ServerCredentials credentials;
    std::vector<std::pair<std::string, std::string>> startup;  // user, database, ...
    Tls tls = Tls::Off;
  };

  ServerSession(Login login, std::shared_ptr<const TrackedNames> names);
  ~ServerSession();

  // Writes the StartupMessage or what comes before it to out(). Gives Bytes, or Tls.
  Want start();
  // The handshake is over; `end_point`: the server's tls-server-end-point, for channel binding.
  void tls_started(std::string_view end_point);
  Step feed(std::string_view bytes);
  auth::HashJob hash_job() const { return exchange_->hash_job(); }
  Step hashed(const auth::Key& salted_password);
  base::Buffer& out() { return out_; }

  // Runs one of our queries on an Idle server; written to out().
  void run(Purpose purpose, std::string_view sql);
  // The same with one text parameter, as an unnamed statement of the extended protocol, so that the
  // parameter is never part of the SQL. Purpose::AuthQuery; take_answer() once it is Done.
  void ask(std::string_view sql, std::string_view parameter);
  Answer take_answer();
  // The same, and keeps the rows and notifications that come. take_rows() once it is Done.
  void run_for_rows(Purpose purpose, std::string_view sql);
  std::unique_ptr<RowReader> take_rows() { return std::move(rows_); }
  void link();
  void unlink();

  State state() const { return state_; }
  Purpose purpose() const { return purpose_; }
  ServerStream& stream() { return stream_; }
  const ServerStream& stream() const { return stream_; }
  Owed& owed() { return owed_; }
  const Owed& owed() const { return owed_; }
  Parameters& parameters() { return parameters_; }
  Batch& batch() { return batch_; }
  ServerStatements& statements() { return statements_; }
  const ServerStatements& statements() const { return statements_; }
  const TrackedNames& names() const { return *names_; }
  // Nothing owed, not in a transaction, at a message boundary: may be handed on.
  bool clean() const {
    return owed_.nothing() && stream_.tx() == wire::TxStatus::Idle && stream_.at_boundary();
  }

  // All ParameterStatus of the login, in order: the welcome for clients. Moved out once.
  const std::vector<std::pair<std::string, std::string>>& reported() const { return reported_; }
  std::vector<std::pair<std::string, std::string>> take_reported() { return std::move(reported_); }
  const std::string& cancel_key() const { return cancel_key_; }  // 8 bytes once logged in
  // Why it is closed: SQLSTATE (empty: no ErrorResponse, a broken connection) and text.
  const base::Error& close_reason() const { return close_reason_; }
  // The server refused the login by an ErrorResponse.
  bool login_refused() const { return login_refused_; }
  // The server has no TLS and we demand it.
  bool tls_refused() const { return tls_refused_; }

 private:
  void set_state(State next);
  Step close(std::string_view code, std::string text);
  Step on_login_message(char type, std::string_view body);
  Step on_auth_outcome(auth::Outcome outcome);
  void send_startup(std::string_view end_point);
  Step on_tls_answer(std::string_view bytes);
  Step feed_idle(std::string_view bytes);

  State state_ = State::Login;
  Purpose purpose_ = Purpose::None;
  std::shared_ptr<const TrackedNames> names_;
  Login login_;
  std::unique_ptr<auth::ClientExchange> exchange_;
  bool authenticated_ = false, login_refused_ = false, tls_refused_ = false;
  Parameters parameters_;
  ServerStream stream_;
  Owed owed_;
  ServerStatements statements_;
  Batch batch_;
  base::Buffer out_;
  std::unique_ptr<RowReader> rows_;
  std::vector<std::pair<std::string, std::string>> reported_;
  std::string cancel_key_;
  base::Error close_reason_;
};

}  // namespace howdah::session
