// One host's connection and its present probe; see the header.
#include "probe/host_probe.h"

#include <poll.h>

#include <charconv>
#include <string_view>
#include <vector>

#include "howdah/base/text.h"

namespace howdah::probe {

using base::cat;
using route::Cause;
using route::Sample;

namespace {

// All in one round trip, for everybody. A primary's timeline is that of the file it writes; a
// standby's the newest that it says anywhere (received_tli needs pg_monitor, the others lag behind
// until a restart point).
constexpr const char* kQuestion =
    "SELECT r, "
    "(CASE WHEN r THEN pg_catalog.pg_last_wal_replay_lsn() ELSE "
    "pg_catalog.pg_current_wal_insert_lsn() END"
    " OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8, "
    "CASE WHEN r THEN NULL ELSE pg_catalog.substr(pg_catalog.pg_walfile_name("
    "pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END, "
    "CASE WHEN r THEN pg_catalog.to_hex(GREATEST("
    "(SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver), "
    "(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), "
    "(SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery()))) END, "
    "(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
    "pg_catalog.current_setting('default_transaction_read_only'), "
    "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')), "
    HOWDAH_IDENTITY
    " FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) AS role";
constexpr const char* kPlainQuestion =
    "SELECT pg_catalog.pg_is_in_recovery(), NULL, NULL, NULL, NULL, "
    "pg_catalog.current_setting('default_transaction_read_only'), NULL, NULL";

template <typename Number>
Number number(const PGresult* result, int column, int base = 10) {
  Number value = 0;
  if (PQgetisnull(result, 0, column)) return value;
  std::string_view text(PQgetvalue(result, 0, column),
                        static_cast<std::size_t>(PQgetlength(result, 0, column)));
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

// ": 57P03: " in a message at PQERRORS_VERBOSE.
std::string_view sqlstate_in(std::string_view message) {
  for (std::size_t at = message.find(": "); at != message.npos; at = message.find(": ", at + 1)) {
    std::size_t from = message.find_first_not_of(' ', at + 1);
    if (from == message.npos || message.size() - from < 7) break;
    std::string_view code = message.substr(from, 5);
    bool right = message[from + 5] == ':';
    for (char c : code) right = right && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'));
    if (right && code[0] >= '0' && code[0] <= '9') return code;
  }
  return {};
}

std::string first_line(std::string_view text) {
  return std::string(base::trim(text.substr(0, text.find('\n'))));
}

}  // namespace

Failure classify(std::string_view message) {
  std::string_view code = sqlstate_in(message);
  std::string text = first_line(message);
  if (code == "57P03") return {Cause::StartingUp, text};
  if (code == "57P01" || code == "57P02") return {Cause::ShuttingDown, text};
  if (code == "53300") return {Cause::TooManyConnections, text};
  if (code.starts_with("28") || code == "3D000" || code == "42501")
    return {Cause::LoginFailed, text};
  if (!code.empty()) return {Cause::Failed, text};
  if (message.find("refused") != message.npos) return {Cause::Refused, text};
  // libpq's own objections to a login: no password, a method it does not know, TLS not offered.
  for (std::string_view ours : {"no password supplied", "authentication", "SSL", "certificate"})
    if (message.find(ours) != message.npos) return {Cause::LoginFailed, text};
  if (message.find("closed") != message.npos || message.find("reset") != message.npos)
    return {Cause::ConnectionLost, text};
  return {Cause::Failed, text};
}

HostProbe::HostProbe(route::Endpoint endpoint, Login login)
    : endpoint_(std::move(endpoint)), login_(std::move(login)) {}

void HostProbe::set_login(const Login& login) {
  if (login == login_) return;
  login_ = login;
  if (!busy()) close();
}

int HostProbe::fd() const { return connection_ ? PQsocket(connection_.get()) : -1; }

short HostProbe::events() const {
  if (state_ == State::Connecting) return wants_ == PGRES_POLLING_READING ? POLLIN : POLLOUT;
  return POLLIN;
}

void HostProbe::close() {
  connection_.reset();
  state_ = State::Idle;
  kept_ = false;
}

bool HostProbe::idle_died() {
  if (!connection_ || busy()) return false;
  bool dead = !PQconsumeInput(connection_.get()) || PQstatus(connection_.get()) != CONNECTION_OK;
  if (dead) close();
  return dead;
}

Outcome HostProbe::begin(TimePoint now, Duration patience) {
  deadline_ = now + patience;
  sample_.reset();
  error_.clear();
  kept_ = connection_ != nullptr;
  return kept_ ? ask() : connect();
}

Outcome HostProbe::connect() {
  std::string port = cat(endpoint_.port);
  // libpq would take the name of the process's user for none.
  std::string user = login_.user.empty() ? "howdah_monitor" : login_.user;
  std::vector<const char*> keys, values;
  auto give = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    keys.push_back(key);
    values.push_back(value.c_str());
  };
  give("host", endpoint_.host);
  give("hostaddr", endpoint_.address);
  give("port", port);
  give("user", user);
  give("password", login_.password);
  give("dbname", login_.dbname);
  give("sslmode", login_.sslmode);
  give("sslrootcert", login_.sslrootcert);
  give("sslcert", login_.sslcert);
  give("sslkey", login_.sslkey);
  const std::string kName = "howdah monitor", kNoGss = "disable", kNoFile = "/nonexistent";
  give("application_name", kName);
  give("gssencmode", kNoGss);
  give("passfile", kNoFile);
  keys.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(keys.data(), values.data(), 0));
  kept_ = false;
  if (!connection_) return failed({Cause::Failed, "out of memory"});
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
  if (PQstatus(connection_.get()) == CONNECTION_BAD)
    return failed(classify(PQerrorMessage(connection_.get())));
  state_ = State::Connecting;
  wants_ = PGRES_POLLING_WRITING;
  return {};
}

Outcome HostProbe::connecting() {
  wants_ = PQconnectPoll(connection_.get());
  if (wants_ == PGRES_POLLING_FAILED) return failed(classify(PQerrorMessage(connection_.get())));
  if (wants_ != PGRES_POLLING_OK) return {};
  PQsetnonblocking(connection_.get(), 1);
  return ask();
}

Outcome HostProbe::ask() {
  state_ = State::Asking;
  sent_ = base::monotonic_now();
  if (PQsendQuery(connection_.get(), plain_ ? kPlainQuestion : kQuestion)) return {};
  if (kept_) return connect();
  return failed(classify(PQerrorMessage(connection_.get())));
}

Outcome HostProbe::asking() {
  PGconn* connection = connection_.get();
  (void)PQflush(connection);
  if (!PQconsumeInput(connection)) {
    // Somebody ended the session that was kept: that says nothing of the host.
    if (kept_) return connect();
    return failed(classify(PQerrorMessage(connection)));
  }
  while (!PQisBusy(connection)) {
    std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(connection), &PQclear);
    if (!result) break;
    if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) {
      sample_ = read(result.get());
    } else {
      error_ = PQresultErrorMessage(result.get());
    }
  }
  if (PQisBusy(connection)) return {};
  if (PQstatus(connection) != CONNECTION_OK) {
    if (kept_) return connect();
    return failed(classify(error_));
  }
  if (sample_) {
    state_ = State::Idle;
    sample_->sent = sent_;
    sample_->new_connection = !kept_;
    sample_->answered = base::monotonic_now();
    return *sample_;
  }
  std::string_view code = sqlstate_in(error_);
  if (!plain_ && (code == "42883" || code == "42P01" || code == "42501" || code == "0A000")) {
    plain_ = true;  // something like PostgreSQL: its role is all it tells
    error_.clear();
    return ask();
  }
  return failed(classify(error_));
}

Outcome HostProbe::failed(Failure failure) {
  close();
  if (failure.cause == Cause::LoginFailed || failure.cause == Cause::TooManyConnections) {
    Sample alive;
    alive.sent = alive.answered = base::monotonic_now();
    alive.doubt = failure.cause;
    alive.text = failure.text;
    return alive;
  }
  return failure;
}

Outcome HostProbe::step(TimePoint now, bool ready) {
  if (!busy()) return {};
  if (ready) {
    Outcome outcome = state_ == State::Connecting ? connecting() : asking();
    if (outcome.index() != 0) return outcome;
  }
  if (now < deadline_) return {};
  close();
  return Failure{Cause::Timeout, "no answer in time"};
}

std::optional<Sample> HostProbe::read(const PGresult* result) const {
  if (PQntuples(result) != 1 || PQnfields(result) != 8) return {};
  Sample sample;
  bool standby = *PQgetvalue(result, 0, 0) == 't';
  sample.role = standby ? route::Role::Standby : route::Role::Primary;
  sample.position = number<std::uint64_t>(result, 1);
  auto segment = number<std::uint64_t>(result, 6);
  if (!standby) sample.position = route::without_page_header(sample.position, segment);
  sample.timeline = number<std::uint32_t>(result, standby ? 3 : 2, 16);
  sample.system = static_cast<std::uint64_t>(number<std::int64_t>(result, 4));
  sample.read_only = std::string_view(PQgetvalue(result, 0, 5)) == "on";
  sample.identity = PQgetvalue(result, 0, 7);
  return sample;
}

}  // namespace howdah::probe
