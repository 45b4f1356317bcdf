// The protocol life of one client connection; see the header.
#include "howdah/session/client_session.h"

#include <algorithm>
#include <cassert>

#include "howdah/base/text.h"
#include "howdah/wire/appender.h"

namespace howdah::session {

namespace sqlstate = wire::sqlstate;

ClientSession::ClientSession() : login_(std::make_unique<Login>()) {}

ClientSession::Words& ClientSession::words() {
  if (!words_) words_ = std::make_unique<Words>();
  return *words_;
}

void ClientSession::set_state(State next) {
  [[maybe_unused]] auto legal = [&] {
    switch (next) {
      case State::Startup:
        return false;
      case State::LookUp:
        return state_ == State::Startup || state_ == State::Auth;
      case State::Auth:
        return state_ == State::LookUp || state_ == State::Hash;
      case State::Hash:
        return state_ == State::Auth;
      case State::Welcome:
        return state_ == State::LookUp || state_ == State::Auth;
      case State::Idle:
        return state_ == State::Welcome || state_ == State::Waiting || state_ == State::Linked;
      case State::Waiting:
        return state_ == State::Idle;
      case State::Linked:
        return state_ == State::Waiting || state_ == State::Idle;
      case State::Closed:
        return true;
    }
    return false;
  };
  assert(legal());
  state_ = next;
}

void ClientSession::fail(const wire::ErrorText& error) {
  if (state_ == State::Closed) return;
  words().close_reason.assign(error.message);
  wire::append_error(out_, error);
  set_state(State::Closed);
}

ClientSession::Step ClientSession::violation(std::string_view text) {
  fail({"FATAL", sqlstate::kProtocolViolation, text});
  return {0, Want::Close};
}

ClientSession::Step ClientSession::feed(std::string_view bytes, const config::Settings& settings) {
  switch (state_) {
    case State::Startup:
      return feed_startup(bytes, settings);
    case State::Auth:
      return feed_password(bytes, settings);
    case State::Idle:
      return feed_idle(bytes, settings);
    case State::LookUp:
    case State::Hash:
    case State::Welcome:
    case State::Waiting:
    case State::Linked:
      return {0, Want::Bytes};
    case State::Closed:
      return {bytes.size(), Want::Close};
  }
  return {};
}

ClientSession::Step ClientSession::feed_startup(std::string_view bytes,
                                                const config::Settings& settings) {
  constexpr char kTlsHandshake = 0x16;
  bool first = !ssl_asked_ && !gss_asked_;
  if (first && !bytes.empty() && bytes[0] == kTlsHandshake &&
      (tls_ == Tls::Offered || tls_ == Tls::Required)) {
    tls_ = Tls::On;
    direct_tls_ = true;
    return {0, Want::Tls};
  }
  auto read = wire::read_startup(bytes);
  if (!read) {
    fail({"FATAL", read.error().code, read.error().text});
    return {0, Want::Close};
  }
  std::size_t consumed = read->consumed;
  if (std::holds_alternative<wire::NeedMore>(read->packet)) return {};
  bool ssl = std::holds_alternative<wire::SslRequest>(read->packet);
  if (ssl || std::holds_alternative<wire::GssEncRequest>(read->packet)) {
    return feed_encryption(ssl, consumed, bytes.size());
  }
  if (auto* cancel = std::get_if<wire::CancelRequest>(&read->packet)) {
    words().command = std::move(cancel->key);
    set_state(State::Closed);
    return {consumed, Want::Cancel};
  }
  if (tls_ == Tls::Required) {
    fail({"FATAL", sqlstate::kInvalidAuthorization, "SSL required", "",
          "Connect with sslmode=require or a stricter one."});
    return {0, Want::Close};
  }
  login_->startup = std::move(std::get<wire::Startup>(read->packet));
  (void)settings;
  auto unsupported = unsupported_protocol_options(login_->startup);
  std::uint32_t version = std::min(login_->startup.version, wire::kProtocol32);
  long_key_ = version == wire::kProtocol32;
  if (login_->startup.version > version || !unsupported.empty()) {
    wire::Message message(out_, wire::be::kNegotiateProtocolVersion);
    message.i32(static_cast<std::int32_t>(version));
    message.i32(static_cast<std::int32_t>(unsupported.size()));
    for (std::string_view name : unsupported) message.cstring(name);
  }
  set_state(State::LookUp);
  return {consumed, Want::LookUp};
}

void ClientSession::offer_tls(bool required) {
  tls_ = required ? Tls::Required : Tls::Offered;
}

// An SSLRequest or GSSENCRequest of `consumed` bytes, of which there are `size`.
ClientSession::Step ClientSession::feed_encryption(bool ssl, std::size_t consumed,
                                                   std::size_t size) {
  bool& asked = ssl ? ssl_asked_ : gss_asked_;
  if (asked || tls_ == Tls::On) {
    return violation("bad packet header: encryption was asked for twice");
  }
  asked = true;
  if (size > consumed) {
    // Whatever stands there was sent without waiting for our answer (CVE-2021-3935).
    return violation(ssl ? "received unencrypted data after SSL request"
                         : "received unencrypted data after GSSAPI encryption request");
  }
  if (!ssl || tls_ == Tls::Off) {
    out_.append("N");
    return {consumed, Want::Bytes};
  }
  out_.append("S");
  tls_ = Tls::On;
  return {consumed, Want::Tls};
}

ClientSession::Want ClientSession::begin(LoginPlan plan, const auth::ServerKeyring& keyring,
                                         const config::Settings& settings) {
  login_->plan = std::move(plan);
  LoginPlan& p = login_->plan;
  console_ = p.console;
  switch (p.proof) {
    case LoginPlan::Proof::Refuse:
      fail({"FATAL", p.refusal.code, p.refusal.text});
      return Want::Close;
    case LoginPlan::Proof::None:
      set_state(State::Welcome);
      return Want::Welcome;
    case LoginPlan::Proof::Exchange:
      login_->exchange = auth::make_server_exchange(
          p.method, p.user, p.secret, keyring,
          static_cast<std::uint32_t>(settings.scram_iterations), p.end_point);
      break;
    case LoginPlan::Proof::External:
      login_->exchange = auth::make_external_exchange();
      break;
    case LoginPlan::Proof::Rules:
    case LoginPlan::Proof::Peer:
      // Nobody has decided: no way in.
      fail({"FATAL", sqlstate::kInvalidAuthorization, "bouncer config error"});
      return Want::Close;
  }
  set_state(State::Auth);
  return on_outcome(login_->exchange->start());
}

ClientSession::Want ClientSession::on_outcome(auth::Outcome outcome) {
  switch (outcome.kind) {
    case auth::Outcome::Kind::Reply:
      wire::append_auth(out_, outcome.code, outcome.body);
      return Want::Bytes;
    case auth::Outcome::Kind::NeedHash:
      set_state(State::Hash);
      return Want::Hash;
    case auth::Outcome::Kind::NeedCheck:
      set_state(State::Hash);
      return Want::Check;
    case auth::Outcome::Kind::Ok:
      if (!outcome.body.empty()) wire::append_auth(out_, outcome.code, outcome.body);
      set_state(State::Welcome);
      return Want::Welcome;
    case auth::Outcome::Kind::Failed:
      break;
  }
  const LoginPlan& p = login_->plan;
  bool external = p.proof == LoginPlan::Proof::External;
  if (p.may_be_old && !external && outcome.error.code == sqlstate::kInvalidPassword) {
    set_state(State::LookUp);
    return Want::AskAgain;
  }
  // One text for every cause and method, PostgreSQL's: which cause it was is for the log.
  std::string text = base::cat("password authentication failed for user \"", p.user, "\"");
  if (external) {
    bool pam = p.grant && p.grant->method == auth::RuleMethod::Pam;
    text = pam ? "PAM authentication failed" : "LDAP authentication failed";
  }
  fail({"FATAL", sqlstate::kInvalidPassword, text});
  words().close_reason = outcome.error.text;
  password_refused_ = true;
  return Want::Close;
}

ClientSession::Want ClientSession::asked_again(const auth::StoredSecret& secret) {
  if (state_ != State::LookUp || !login_->exchange) return Want::Bytes;
  set_state(State::Auth);
  login_->plan.may_be_old = false;
  return on_outcome(login_->exchange->again(secret));
}

ClientSession::Want ClientSession::hashed(const auth::Key& salted_password) {
  if (state_ != State::Hash) return Want::Bytes;
  set_state(State::Auth);
  return on_outcome(login_->exchange->hashed(salted_password));
}

bool ClientSession::checking() const {
  return state_ == State::Hash && login_->plan.proof == LoginPlan::Proof::External;
}

ClientSession::Want ClientSession::checked(const base::Status& verdict) {
  if (!checking()) return Want::Bytes;
  set_state(State::Auth);
  return on_outcome(login_->exchange->checked(verdict));
}

std::optional<auth::ScramKeys> ClientSession::scram_keys() const {
  return login_ && login_->exchange ? login_->exchange->scram_keys() : std::nullopt;
}

base::Secret ClientSession::typed_password() const {
  return login_ && login_->exchange ? login_->exchange->typed_password() : base::Secret();
}

ClientSession::Step ClientSession::feed_password(std::string_view bytes,
                                                 const config::Settings&) {
  wire::Header header;
  switch (wire::read_header(bytes, kMaxHeld, header)) {
    case wire::HeaderState::Incomplete:
      return {};
    case wire::HeaderState::Malformed:
      return violation("bad packet header during authentication");
    case wire::HeaderState::Ok:
      break;
  }
  if (header.type == wire::fe::kTerminate) {
    set_state(State::Closed);
    return {bytes.size(), Want::Close};
  }
  if (header.type != wire::fe::kPassword) {
    return violation("expected a password message during authentication");
  }
  if (bytes.size() - wire::kHeaderSize < header.body) return {};
  std::size_t consumed = wire::kHeaderSize + header.body;
  Want want = on_outcome(login_->exchange->feed(bytes.substr(wire::kHeaderSize, header.body)));
  return {consumed, want};
}

void ClientSession::welcome(const std::vector<std::pair<std::string, std::string>>& reported,
                            std::string_view cancel_key, const TrackedNames& names) {
  wire::append_auth(out_, wire::kAuthOk);
  for (const auto& [name, value] : reported) {
    auto index = names.find(name);
    if (index && !parameters_.get(*index)) parameters_.set(*index, value);
    wire::append_parameter_status(out_, name, index ? *parameters_.get(*index) : value);
  }
  wire::append_backend_key_data(out_, cancel_key);
  wire::append_ready_for_query(out_, wire::TxStatus::Idle);
  set_state(State::Idle);
  login_.reset();
}

void ClientSession::welcome_console() {
  set_state(State::Idle);
  login_.reset();
}

ClientSession::Step ClientSession::feed_idle(std::string_view bytes,
                                             const config::Settings& settings) {
  std::size_t dropped = 0;
  if (!in_skipped_) {
    dropped = stream_.drop_late_copy(bytes, settings.max_packet_size);
    bytes.remove_prefix(dropped);
  }
  if (skip_ != Skip::Nothing) {
    Step step = feed_skipped(bytes, settings);
    step.consumed += dropped;
    return step;
  }
  wire::Header header;
  switch (wire::read_header(bytes, settings.max_packet_size, header)) {
    case wire::HeaderState::Incomplete:
      return {dropped, Want::Bytes};
    case wire::HeaderState::Malformed:
      return violation("invalid message length");
    case wire::HeaderState::Ok:
      break;
  }
  if (header.type == wire::fe::kTerminate) {
    set_state(State::Closed);
    return {dropped + bytes.size(), Want::Close};
  }
  if (!is_client_message(header.type)) return violation("unknown pkt");
  stream_.forbid_query(settings.disable_pqexec);  // for the relay
  if (settings.disable_pqexec && header.type == wire::fe::kQuery) {
    return violation("PQexec disallowed");
  }
  if (console_) {
    Step step = feed_console(header, bytes);
    step.consumed += dropped;
    return step;
  }
  bool whole = bytes.size() - wire::kHeaderSize >= header.body;
  if (!whole && bytes.size() < kMaxWhole) return {dropped, Want::Bytes};
  set_state(State::Waiting);
  return {dropped, Want::Server};
}

ClientSession::Step ClientSession::feed_console(const wire::Header& header,
                                                std::string_view bytes) {
  if (header.type != wire::fe::kQuery) {
    bool extended = header.type == wire::fe::kParse || header.type == wire::fe::kBind ||
                    header.type == wire::fe::kExecute;
    std::string text =
        extended ? "extended query protocol not supported by admin console"
                 : base::cat("unsupported packet type for admin console: ",
                             static_cast<int>(static_cast<unsigned char>(header.type)));
    wire::append_error(out_, {"ERROR", sqlstate::kProtocolViolation, text});
    return violation("bad packet");
  }
  if (header.body > kMaxConsoleQuery) return violation("console query too long");
  if (bytes.size() - wire::kHeaderSize < header.body) return {};
  wire::Cursor cursor(bytes.substr(wire::kHeaderSize, header.body));
  std::string_view query = cursor.cstring();
  if (!cursor.done()) return violation("broken Query packet");
  words().command.assign(query);
  set_state(State::Waiting);
  return {wire::kHeaderSize + header.body, Want::Command};
}

void ClientSession::link() { set_state(State::Linked); }
void ClientSession::unlink() { set_state(State::Idle); }
void ClientSession::answered() {
  if (words_) words_->command.clear();
  set_state(State::Idle);
}

bool ClientSession::give_up_wait(std::string_view waiting, const wire::ErrorText& error) {
  base::Buffer message;
  wire::append_error(message, error);
  return give_up_wait(waiting, message.view(), wire::TxStatus::Idle);
}

void ClientSession::skip_to_sync(wire::TxStatus at_end) {
  skip_ = Skip::ToSync;
  skip_state_ = at_end;
}

bool ClientSession::give_up_wait(std::string_view waiting, std::string_view error,
                                 wire::TxStatus at_end) {
  if (state_ != State::Waiting) return false;
  // A Flush asks for nothing: the first message behind it is what PostgreSQL would have failed.
  wire::Header header{};
  while (wire::read_header(waiting, UINT32_MAX, header) == wire::HeaderState::Ok &&
         header.type == wire::fe::kFlush && waiting.size() >= wire::kHeaderSize + header.body) {
    waiting.remove_prefix(wire::kHeaderSize + header.body);
  }
  if (waiting.size() < wire::kHeaderSize || header.type == wire::fe::kFlush) return false;
  bool simple = header.type == wire::fe::kQuery || header.type == wire::fe::kFunctionCall;
  skip_ = simple ? Skip::Request : Skip::ToSync;
  skip_state_ = at_end;
  set_state(State::Idle);
  out_.append(error);
  return true;
}

// As PostgreSQL does behind an error: a Query is over, a batch is skipped up to its Sync.
ClientSession::Step ClientSession::feed_skipped(std::string_view bytes,
                                                const config::Settings& settings) {
  std::size_t at = 0;
  while (true) {
    if (in_skipped_) {
      auto part = std::min<std::size_t>(skip_left_, bytes.size() - at);
      at += part;
      skip_left_ -= static_cast<std::uint32_t>(part);
      if (skip_left_ > 0) return {at, Want::Bytes};
      in_skipped_ = false;
      if (skip_ends_) {
        skip_ = Skip::Nothing;
        wire::append_ready_for_query(out_, skip_state_);
        return {at, Want::Bytes};
      }
    }
    wire::Header header;
    switch (wire::read_header(bytes.substr(at), settings.max_packet_size, header)) {
      case wire::HeaderState::Incomplete:
        return {at, Want::Bytes};
      case wire::HeaderState::Malformed:
        return violation("invalid message length");
      case wire::HeaderState::Ok:
        break;
    }
    if (header.type == wire::fe::kTerminate) {
      set_state(State::Closed);
      return {bytes.size(), Want::Close};
    }
    if (!is_client_message(header.type)) return violation("unknown pkt");
    at += wire::kHeaderSize;
    in_skipped_ = true;
    skip_left_ = header.body;
    skip_ends_ = header.type == wire::fe::kSync ||
                 (skip_ == Skip::Request && header.type != wire::fe::kFlush);
  }
}

}  // namespace howdah::session
