// The protocol life of one connection to a PostgreSQL server; see the header.
#include "howdah/session/server_session.h"

#include <cassert>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "howdah/wire/startup.h"

namespace howdah::session {

namespace {
// A server reports some 15 parameters at login; more than this is no PostgreSQL.
constexpr std::size_t kMaxReported = 500;
constexpr std::size_t kMaxCancelKey = 4 + 256;
}  // namespace

ServerSession::ServerSession(Login login, std::shared_ptr<const TrackedNames> names)
    : names_(std::move(names)), login_(std::move(login)), parameters_(names_->size()) {}

ServerSession::~ServerSession() = default;

void ServerSession::set_state(State next) {
  [[maybe_unused]] auto legal = [&] {
    switch (next) {
      case State::Login:
        return state_ == State::Hash || state_ == State::AskTls || state_ == State::Handshake;
      case State::AskTls:
        return state_ == State::Login;
      case State::Handshake:
        return state_ == State::Login || state_ == State::AskTls;
      case State::Hash:
        return state_ == State::Login;
      case State::Idle:
        return state_ == State::Login || state_ == State::Internal || state_ == State::Linked;
      case State::Internal:
      case State::Linked:
        return state_ == State::Idle;
      case State::Closed:
        return true;
    }
    return false;
  };
  assert(legal());
  state_ = next;
}

ServerSession::Step ServerSession::close(std::string_view code, std::string text) {
  close_reason_ = {std::string(code), std::move(text)};
  set_state(State::Closed);
  return {0, Want::Close};
}

ServerSession::Want ServerSession::start() {
  switch (login_.tls) {
    case Tls::Off:
      send_startup({});
      return Want::Bytes;
    case Tls::Ask:
    case Tls::Demand:
      wire::append_ssl_request(out_);
      set_state(State::AskTls);
      return Want::Bytes;
    case Tls::Direct:
      set_state(State::Handshake);
      return Want::Tls;
  }
  return Want::Bytes;
}

void ServerSession::send_startup(std::string_view end_point) {
  exchange_ = auth::make_client_exchange(login_.credentials, end_point);
  wire::append_startup(out_, login_.startup);
}

void ServerSession::tls_started(std::string_view end_point) {
  set_state(State::Login);
  send_startup(end_point);
}

// The answer to an SSLRequest is one byte without a frame. Nothing may stand behind it: inside TLS it
// would pass for the server's words (CVE-2021-23222).
ServerSession::Step ServerSession::on_tls_answer(std::string_view bytes) {
  if (bytes.empty()) return {};
  switch (bytes[0]) {
    case 'S':
      if (bytes.size() > 1) {
        return close(wire::sqlstate::kProtocolViolation,
                     "received unencrypted data after SSL response");
      }
      set_state(State::Handshake);
      return {1, Want::Tls};
    case 'N':
      if (login_.tls == Tls::Demand) {
        tls_refused_ = true;
        return close(wire::sqlstate::kConnectionFailure, "server refused SSL");
      }
      if (bytes.size() > 1) {
        return close(wire::sqlstate::kProtocolViolation, "received data after SSL response");
      }
      set_state(State::Login);
      send_startup({});
      return {1, Want::Bytes};
    case wire::be::kErrorResponse:
      // Said before anybody has proved to be the server, so its text is not repeated.
      return close(wire::sqlstate::kConnectionFailure,
                   "the server answered the SSL request with an error");
    default:
      return close(wire::sqlstate::kProtocolViolation,
                   "the server's answer to the SSL request is not PostgreSQL's protocol");
  }
}

ServerSession::Step ServerSession::on_auth_outcome(auth::Outcome outcome) {
  switch (outcome.kind) {
    case auth::Outcome::Kind::Reply: {
      wire::Message(out_, wire::fe::kPassword).bytes(outcome.body);
      base::wipe(outcome.body.data(), outcome.body.size());
      return {};
    }
    case auth::Outcome::Kind::NeedHash:
      set_state(State::Hash);
      return {0, Want::Hash};
    case auth::Outcome::Kind::Ok:
      return {};
    case auth::Outcome::Kind::NeedCheck:  // of clients only
    case auth::Outcome::Kind::Failed:
      login_refused_ = true;
      return close(outcome.error.code.empty() ? wire::sqlstate::kInvalidPassword
                                              : std::string_view(outcome.error.code),
                   outcome.error.text);
  }
  return {};
}

ServerSession::Step ServerSession::hashed(const auth::Key& salted_password) {
  if (state_ != State::Hash) return {};
  set_state(State::Login);
  return on_auth_outcome(exchange_->hashed(salted_password));
}

ServerSession::Step ServerSession::on_login_message(char type, std::string_view body) {
  wire::Cursor cursor(body);
  switch (type) {
    case wire::be::kAuthentication: {
      std::int32_t code = cursor.i32();
      if (!cursor.ok() || authenticated_) break;
      if (code == wire::kAuthOk) {
        if (!exchange_->finished()) {
          return close(wire::sqlstate::kProtocolViolation,
                       "server login failed: the server ended authentication without proving that "
                       "it knows the password");
        }
        authenticated_ = true;
        login_.credentials = {};
        return {};
      }
      return on_auth_outcome(exchange_->feed(code, cursor.rest()));
    }
    case wire::be::kErrorResponse: {
      wire::ErrorFields fields = wire::read_error(body);
      login_refused_ = true;
      return close(fields.code.empty() ? wire::sqlstate::kConnectionFailure : fields.code,
                   std::string(fields.message.substr(0, 1000)));
    }
    case wire::be::kNoticeResponse:
    case wire::be::kNotificationResponse:
      return {};
    case wire::be::kNegotiateProtocolVersion:
      if (!authenticated_) return {};
      break;
    case wire::be::kParameterStatus: {
      std::string_view name = cursor.cstring();
      std::string_view value = cursor.cstring();
      if (!cursor.ok() || !authenticated_ || reported_.size() >= kMaxReported) break;
      if (auto index = names_->find(name)) parameters_.set(*index, value);
      reported_.emplace_back(name, value);
      return {};
    }
    case wire::be::kBackendKeyData:
      if (!authenticated_ || body.size() < 8 || body.size() > kMaxCancelKey) break;
      cancel_key_.assign(body);
      return {};
    case wire::be::kReadyForQuery:
      if (!authenticated_ || body != "I") break;
      exchange_.reset();
      set_state(State::Idle);
      return {0, Want::Ready};
    default:
      break;
  }
  return close(wire::sqlstate::kProtocolViolation,
               base::cat("unexpected message '", type >= ' ' && type < 127 ? type : '?',
                         "' from server during login"));
}

ServerSession::Step ServerSession::feed(std::string_view bytes) {
  if (state_ == State::AskTls) return on_tls_answer(bytes);
  if (state_ == State::Handshake) return {};
  if (state_ != State::Login) return feed_idle(bytes);
  std::size_t at = 0;
  while (state_ == State::Login) {
    wire::Header header;
    auto read = wire::read_header(bytes.substr(at), kMaxHeld, header);
    if (read == wire::HeaderState::Incomplete) return {at, Want::Bytes};
    if (read == wire::HeaderState::Malformed) {
      Step step = close(wire::sqlstate::kProtocolViolation,
                        "the server's answer to our login is not PostgreSQL's protocol");
      return {at, step.want};
    }
    if (bytes.size() - at - wire::kHeaderSize < header.body) return {at, Want::Bytes};
    Step step = on_login_message(header.type, bytes.substr(at + wire::kHeaderSize, header.body));
    at += wire::kHeaderSize + header.body;
    if (step.want != Want::Bytes) return {at, step.want};
  }
  return {at, Want::Bytes};
}

ServerSession::Step ServerSession::feed_idle(std::string_view bytes) {
  if (state_ == State::Closed) return {bytes.size(), Want::Close};
  if (state_ == State::Hash) return {0, Want::Bytes};
  if (bytes.empty()) return {};
  if (state_ == State::Idle) {
    // An error of before, answered long ago, is not a goodbye.
    stream_.clear_error();
    stream_.keep_error_text(true);
  }
  auto taken = stream_.forward(bytes, {*names_, parameters_, nullptr, owed_, &statements_});
  if (taken.event == ServerStream::Event::Violation) {
    Step step = close(wire::sqlstate::kProtocolViolation, stream_.error());
    return {taken.forward, step.want};
  }
  if (rows_ && state_ == State::Internal) rows_->take(bytes.substr(0, taken.forward));
  if (state_ == State::Internal) {
    if (stream_.copy_in_begun() || (stream_.saw_error() && stream_.saw_fatal())) {
      bool copy = stream_.copy_in_begun();
      Step step = close(copy ? "" : stream_.error_code(),
                        copy ? "a query of the pooler began a COPY" : stream_.error_text());
      return {taken.forward, step.want};
    }
    if (taken.event == ServerStream::Event::Settled) {
      set_state(State::Idle);
      return {taken.forward, Want::Done};
    }
    return {taken.forward, Want::Bytes};
  }
  // Idle: an unasked ErrorResponse is the server's goodbye. (An unasked ReadyForQuery is a
  // Violation above: nothing is owed.)
  if (stream_.saw_error()) {
    Step step = close(stream_.error_code(), stream_.error_text());
    return {taken.forward, step.want};
  }
  return {taken.forward, Want::Bytes};
}

void ServerSession::run(Purpose purpose, std::string_view sql) {
  set_state(State::Internal);
  purpose_ = purpose;
  stream_.clear_error();
  stream_.keep_error_text(true);
  wire::append_query(out_, sql);
  owed_.sent(wire::fe::kQuery);
  statements_.unnamed_owner = 0;
}

void ServerSession::ask(std::string_view sql, std::string_view parameter) {
  set_state(State::Internal);
  purpose_ = Purpose::AuthQuery;
  stream_.clear_error();
  stream_.keep_error_text(true);
  rows_ = std::make_unique<RowReader>();
  wire::Message(out_, wire::fe::kParse).cstring("").cstring(sql).i16(0);
  wire::Message(out_, wire::fe::kBind)
      .cstring("")
      .cstring("")
      .i16(0)
      .i16(1)
      .i32(static_cast<std::int32_t>(parameter.size()))
      .bytes(parameter)
      .i16(0);
  wire::Message(out_, wire::fe::kExecute).cstring("").i32(0);
  wire::Message(out_, wire::fe::kSync);
  for (char type : {wire::fe::kParse, wire::fe::kBind, wire::fe::kExecute, wire::fe::kSync}) {
    owed_.sent(type);
  }
}

Answer ServerSession::take_answer() {
  Answer answer;
  auto reader = std::exchange(rows_, nullptr);
  if (!reader) return answer;
  answer.rows = reader->rows().size();
  answer.broken = answer.rows == 0 && reader->overflowed();
  if (answer.rows == 0) return answer;
  for (const auto& value : reader->rows().front()) {
    answer.columns.push_back(value ? std::optional<base::Secret>(*value) : std::nullopt);
  }
  return answer;
}

void ServerSession::run_for_rows(Purpose purpose, std::string_view sql) {
  run(purpose, sql);
  rows_ = std::make_unique<RowReader>();
}

void ServerSession::link() {
  set_state(State::Linked);
  purpose_ = Purpose::None;
  stream_.clear_error();
  stream_.keep_error_text(false);
  batch_.off();
}

void ServerSession::unlink() { set_state(State::Idle); }

}  // namespace howdah::session
