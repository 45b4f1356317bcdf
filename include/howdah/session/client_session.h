// The protocol life of one client connection, without I/O.
//
//   Startup --SSLRequest, GSSENCRequest: 'N'--> Startup
//   Startup --SSLRequest: 'S', or a TLS handshake--> Startup      (Want::Tls, inside TLS from then on)
//   Startup --CancelRequest--> Closed                  (Want::Cancel, cancel_key())
//   Startup --StartupMessage--> LookUp                 (Want::LookUp, startup())
//   LookUp --begin(plan)--> Auth | Welcome             Auth <-> Hash (Want::Hash, Want::Check)
//   Auth --wrong, by a cached secret--> LookUp         (Want::AskAgain)
//   LookUp --asked_again(secret)--> Auth --> Welcome | Closed
//   Auth --proved--> Welcome                           (Want::Welcome)
//   Welcome --welcome()--> Idle
//   Idle --a message that needs a server--> Waiting    (Want::Server; bytes stay with the caller)
//   Idle --console query--> Waiting                    (Want::Command, command())
//   Waiting --link()--> Linked --unlink()--> Idle      relayed by the worker through stream()
//   Idle --link()--> Linked                            replication, right behind the welcome: passage.h
//   Waiting --answered()--> Idle                       console
//   Waiting --give_up_wait()--> Idle                   cancelled: the rest of the request is skipped
//   Idle --link()--> Linked                            a pinned client, which keeps its server
//   any --Terminate, error--> Closed                   (Want::Close)
//
// A server is asked for only when the first message is whole (or longer than kMaxWhole), so a client
// that sends slowly holds no server. Owner and thread: the worker that holds the client.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/auth/exchange.h"
#include "howdah/base/buffer.h"
#include "howdah/session/login_plan.h"
#include "howdah/session/parameters.h"
#include "howdah/session/relay.h"
#include "howdah/wire/error.h"
#include "howdah/wire/startup.h"

namespace howdah::session {

inline constexpr std::size_t kMaxWhole = 16 * 1024;
inline constexpr std::size_t kMaxConsoleQuery = 16 * 1024;

class ClientSession {
 public:
  enum class State : std::uint8_t {
    Startup, LookUp, Auth, Hash, Welcome, Idle, Waiting, Linked, Closed
  };
  // Tls: send out(), then begin TLS. With direct_tls() what was not consumed is its beginning.
  enum class Want {
    Bytes, Tls, LookUp, AskAgain, Hash, Check, Welcome, Server, Command, Cancel, Close
  };
  struct Step {
    std::size_t consumed = 0;
    Want want = Want::Bytes;
  };
  // What the login needs and nothing afterwards does; freed at the welcome.
  struct Login {
    wire::Startup startup;
    LoginPlan plan;
    std::unique_ptr<auth::ServerExchange> exchange;
  };

  ClientSession();

  // Before the first byte: TLS can be had (TCP and configured); `required`: nothing goes without.
  void offer_tls(bool required);
  bool tls() const { return tls_ == Tls::On; }  // begun; it need not work out
  bool direct_tls() const { return direct_tls_; }

  // Bytes from the client in any state but Linked. Unconsumed bytes are to be offered again.
  Step feed(std::string_view bytes, const config::Settings& settings);
  base::Buffer& out() { return out_; }

  const wire::Startup& startup() const { return login_->startup; }
  LoginPlan& plan() { return login_->plan; }
  // The answer to Want::LookUp. Gives Want::Bytes, Hash, Welcome or Close.
  Want begin(LoginPlan plan, const auth::ServerKeyring& keyring, const config::Settings& settings);
  // The answer to Want::AskAgain: what the server says of the user now. Gives what begin() gives.
  Want asked_again(const auth::StoredSecret& secret);
  auth::HashJob hash_job() const { return login_->exchange->hash_job(); }
  Want hashed(const auth::Key& salted_password);
  // Want::Check: a password for LDAP or PAM (plan().grant says which), and their answer to it.
  bool checking() const;
  base::Secret password_to_check() const { return login_->exchange->password_to_check(); }
  Want checked(const base::Status& verdict);
  // What the proof revealed, for logins to servers. Ask before welcome().
  std::optional<auth::ScramKeys> scram_keys() const;
  base::Secret typed_password() const;

  // The answer to Want::Welcome: `reported` are the server's ParameterStatus; the client's own
  // tracked values (in parameters()) replace them. Ends with ReadyForQuery.
  void welcome(const std::vector<std::pair<std::string, std::string>>& reported,
               std::string_view cancel_key, const TrackedNames& names);
  // The console's welcome is made by admin; the caller appends it to out().
  void welcome_console();

  // The message at the start of the waiting bytes, for Want::Command.
  std::string_view command() const { return words_ ? std::string_view(words_->command) : ""; }
  void link();
  void unlink();
  void answered();  // Waiting -> Idle without a server
  // The request in `waiting` (what has come of it) is answered with `error` instead of being run.
  // The caller offers the same bytes to feed() again, which skips it, however long it is and whenever
  // it comes, and then says ReadyForQuery. False: there is nothing to give up.
  bool give_up_wait(std::string_view waiting, const wire::ErrorText& error);
  // The same with an error that is a whole message, and the state that ReadyForQuery tells.
  bool give_up_wait(std::string_view waiting, std::string_view error, wire::TxStatus at_end);
  // Its server was lost in the middle of a batch, and that has been told: Idle, all up to the next
  // Sync is skipped, which is answered by a ReadyForQuery of this state.
  void skip_to_sync(wire::TxStatus at_end);
  // It speaks protocol 3.2: its cancel key may be longer than 8 bytes.
  bool long_key() const { return long_key_; }
  // Tells the client (FATAL) and closes. Does nothing when already closed.
  void fail(const wire::ErrorText& error);

  State state() const { return state_; }
  bool console() const { return console_; }
  bool logged_in() const { return state_ >= State::Idle && state_ != State::Closed; }
  // True when bytes of a ReadyForQuery-ended conversation may be mixed in: not within a message.
  Parameters& parameters() { return parameters_; }
  void set_parameters(Parameters parameters) { parameters_ = std::move(parameters); }
  ClientStream& stream() { return stream_; }
  std::string_view cancel_request() const { return command(); }  // Want::Cancel: 8 bytes
  // It failed to prove itself: the refusal is what out() ends with.
  bool password_refused() const { return password_refused_; }
  // What went wrong, for the log, when feed() gave Close. Null: the client simply left.
  std::string_view close_reason() const {
    return words_ ? std::string_view(words_->close_reason) : "";
  }

 private:
  void set_state(State next);
  Step feed_startup(std::string_view bytes, const config::Settings& settings);
  Step feed_password(std::string_view bytes, const config::Settings& settings);
  Step feed_idle(std::string_view bytes, const config::Settings& settings);
  Step feed_skipped(std::string_view bytes, const config::Settings& settings);
  Step feed_console(const wire::Header& header, std::string_view bytes);
  Want on_outcome(auth::Outcome outcome);
  Step violation(std::string_view text);

  enum class Skip : std::uint8_t { Nothing, Request, ToSync };
  enum class Tls : std::uint8_t { Off, Offered, Required, On };
  Step feed_encryption(bool ssl, std::size_t consumed, std::size_t size);

  State state_ = State::Startup;
  Tls tls_ = Tls::Off;
  bool direct_tls_ = false;
  Skip skip_ = Skip::Nothing;
  wire::TxStatus skip_state_ = wire::TxStatus::Idle;  // at the end of it
  bool long_key_ = false;
  bool in_skipped_ = false, skip_ends_ = false;  // inside a skipped message; it is the last one
  std::uint32_t skip_left_ = 0;
  bool console_ = false, ssl_asked_ = false, gss_asked_ = false,
       password_refused_ = false;
  std::unique_ptr<Login> login_;
  Parameters parameters_;
  ClientStream stream_;
  base::Buffer out_;
  // What most clients never have.
  struct Words {
    std::string command, close_reason;
  };
  Words& words();
  std::unique_ptr<Words> words_;
};

}  // namespace howdah::session
