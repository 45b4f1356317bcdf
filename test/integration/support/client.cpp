#include "client.h"

#include <poll.h>

#include <regex>

namespace howdah::test {

namespace {

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? text : "";
}

ErrorReport report_of(const PGresult* result) {
  ErrorReport report{field(result, PG_DIAG_SEVERITY), field(result, PG_DIAG_SQLSTATE),
                     field(result, PG_DIAG_MESSAGE_PRIMARY), field(result, PG_DIAG_MESSAGE_DETAIL),
                     field(result, PG_DIAG_MESSAGE_HINT)};
  if (report.message.empty()) report.message = PQresultErrorMessage(result);
  return report;
}

// What libpq kept of the error that ended a login: "FATAL:  28P01: text", with "DETAIL:  " lines.
ErrorReport report_of_login(const std::string& text) {
  ErrorReport report;
  std::smatch found;
  static const std::regex first("(FATAL|ERROR|PANIC):  ([0-9A-Z]{5}): ([^\n]*)");
  static const std::regex detail("DETAIL:  ([^\n]*)");
  static const std::regex hint("HINT:  ([^\n]*)");
  if (std::regex_search(text, found, first)) {
    report = {found[1], found[2], found[3], "", ""};
  } else {
    report.message = text;
  }
  if (std::regex_search(text, found, detail)) report.detail = found[1];
  if (std::regex_search(text, found, hint)) report.hint = found[1];
  return report;
}

void wait_for(int fd, short events, Clock::time_point deadline) {
  auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now()).count();
  pollfd poll_fd{fd, events, 0};
  if (left <= 0 || ::poll(&poll_fd, 1, static_cast<int>(left)) == 0) {
    throw std::runtime_error("the other side did not answer in time");
  }
}

}  // namespace

bool Result::failed() const {
  return result_ && (status() == PGRES_FATAL_ERROR || status() == PGRES_BAD_RESPONSE);
}

std::vector<std::string> Result::column_names() const {
  std::vector<std::string> names;
  for (int i = 0; i < columns(); ++i) names.push_back(column(i));
  return names;
}

std::string Result::at(int row, const std::string& column) const {
  int index = PQfnumber(result_.get(), column.c_str());
  if (index < 0) throw std::runtime_error("no column " + column);
  if (row >= rows()) throw std::runtime_error("no row " + std::to_string(row));
  return at(row, index);
}

ErrorReport Result::error() const { return report_of(result_.get()); }

Client::Client(const std::string& conninfo, Millis patience) {
  auto deadline = Clock::now() + patience;
  bool says = conninfo.find("sslmode=") != std::string::npos;
  connection_.reset(PQconnectStart(
      (conninfo + (says ? "" : " sslmode=disable") + " gssencmode=disable").c_str()));
  PGconn* connection = connection_.get();
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  PQsetNoticeReceiver(
      connection,
      [](void* to, const PGresult* notice) {
        static_cast<std::vector<ErrorReport>*>(to)->push_back(report_of(notice));
      },
      notices_.get());
  if (PQstatus(connection) == CONNECTION_BAD) {
    throw SqlError(report_of_login(PQerrorMessage(connection)));
  }
  for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    if (state == PGRES_POLLING_FAILED) {
      throw SqlError(report_of_login(PQerrorMessage(connection)));
    }
    wait_for(PQsocket(connection), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    state = PQconnectPoll(connection);
  }
  PQsetnonblocking(connection, 1);
}

void Client::wait_readable(Clock::time_point deadline) {
  wait_for(socket(), POLLIN, deadline);
  PQconsumeInput(connection_.get());
}

void Client::flush() {
  auto deadline = Clock::now() + kPatience;
  while (PQflush(connection_.get()) == 1) {
    wait_for(socket(), POLLIN | POLLOUT, deadline);
    PQconsumeInput(connection_.get());
  }
}

void Client::send(const std::string& sql) {
  if (!PQsendQuery(connection_.get(), sql.c_str())) {
    throw std::runtime_error(PQerrorMessage(connection_.get()));
  }
  flush();
}

void Client::send_query(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters) values.push_back(parameter.c_str());
  if (!PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                         values.data(), nullptr, nullptr, 0)) {
    throw std::runtime_error(PQerrorMessage(connection_.get()));
  }
  flush();
}

bool Client::has_answer() {
  PQconsumeInput(connection_.get());
  return PQisBusy(connection_.get()) == 0;
}

Result Client::next(Millis patience) {
  auto deadline = Clock::now() + patience;
  flush();
  while (PQisBusy(connection_.get())) wait_readable(deadline);
  PGresult* result = PQgetResult(connection_.get());
  return result ? Result(result) : Result();
}

Result Client::last(Millis patience) {
  Result kept;
  for (Result result; (result = next(patience));) {
    // An error stays the answer even when libpq adds "connection lost" after it.
    if (!kept.failed()) kept = result;
    auto status = result.status();
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) break;
  }
  return kept;
}

Result Client::attempt(const std::string& sql) {
  send(sql);
  return last();
}

Result Client::exec(const std::string& sql) {
  Result result = attempt(sql);
  if (result.failed()) throw SqlError(result.error());
  return result;
}

Result Client::query(const std::string& sql, const std::vector<std::string>& parameters) {
  send_query(sql, parameters);
  Result result = last();
  if (result.failed()) throw SqlError(result.error());
  return result;
}

void Client::copy_put(std::string_view data) {
  auto deadline = Clock::now() + kPatience;
  int done;
  while ((done = PQputCopyData(connection_.get(), data.data(), static_cast<int>(data.size()))) ==
         0) {
    wait_for(socket(), POLLOUT, deadline);
    PQflush(connection_.get());
  }
  if (done < 0) throw std::runtime_error(PQerrorMessage(connection_.get()));
  flush();
}

Result Client::copy_end(const std::string* error) {
  if (PQputCopyEnd(connection_.get(), error ? error->c_str() : nullptr) < 0) {
    throw std::runtime_error(PQerrorMessage(connection_.get()));
  }
  return last();
}

std::optional<std::string> Client::copy_get(Millis patience) {
  auto deadline = Clock::now() + patience;
  while (true) {
    char* data = nullptr;
    int size = PQgetCopyData(connection_.get(), &data, 1);
    if (size > 0) {
      std::string row(data, static_cast<std::size_t>(size));
      PQfreemem(data);
      return row;
    }
    if (size < 0) return std::nullopt;
    wait_readable(deadline);
  }
}

bool Client::cancel() {
  std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(connection_.get()),
                                                            PQfreeCancel);
  char error[256];
  return PQcancel(cancel.get(), error, sizeof error) == 1;
}

std::string Client::parameter(const std::string& name) const {
  const char* value = PQparameterStatus(connection_.get(), name.c_str());
  return value ? value : "";
}

ErrorReport Client::wait_closed(Millis patience) {
  auto deadline = Clock::now() + patience;
  ErrorReport report;
  while (!lost()) {
    wait_for(socket(), POLLIN, deadline);
    if (!PQconsumeInput(connection_.get())) break;
    PQisBusy(connection_.get());  // parses, so that an unasked error becomes a notice
  }
  for (const auto& notice : notices()) {
    if (notice.severity == "FATAL") report = notice;
  }
  return report;
}

std::vector<ErrorReport> Client::notices() {
  std::vector<ErrorReport> taken;
  taken.swap(*notices_);
  return taken;
}

ErrorReport refused(const std::string& conninfo, Millis patience) {
  try {
    Client client(conninfo, patience);
  } catch (const SqlError& error) {
    return error.report;
  }
  throw std::runtime_error("was let in: " + conninfo);
}

}  // namespace howdah::test
