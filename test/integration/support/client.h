// A libpq client that never hangs: every wait has a deadline and throws when it passes.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "process.h"

namespace howdah::test {

// An error message as the client got it. Code is the SQLSTATE, "" when the client lost the
// connection without a word.
struct ErrorReport {
  std::string severity, code, message, detail, hint;
};

struct SqlError : std::runtime_error {
  explicit SqlError(ErrorReport report_)
      : std::runtime_error(report_.severity + " " + report_.code + ": " + report_.message),
        report(std::move(report_)) {}
  ErrorReport report;
};

class Result {
 public:
  Result() = default;
  explicit Result(PGresult* result) : result_(result, PQclear) {}
  explicit operator bool() const { return result_ != nullptr; }
  ExecStatusType status() const { return PQresultStatus(result_.get()); }
  bool failed() const;
  int rows() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  std::string column(int index) const { return PQfname(result_.get(), index); }
  std::vector<std::string> column_names() const;
  bool null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string at(int row, int column) const { return PQgetvalue(result_.get(), row, column); }
  std::string at(int row, const std::string& column) const;  // throws for an unknown column
  std::string tag() const { return PQcmdStatus(result_.get()); }
  ErrorReport error() const;
  PGresult* raw() const { return result_.get(); }

 private:
  std::shared_ptr<PGresult> result_;
};

class Client {
 public:
  // Throws SqlError when the login fails.
  explicit Client(const std::string& conninfo, Millis patience = kPatience);
  Client(Client&&) noexcept = default;
  Client& operator=(Client&&) noexcept = default;

  // The last result of the string; throws SqlError when it is an error.
  Result exec(const std::string& sql);
  // As exec, but an error is the result.
  Result attempt(const std::string& sql);
  // Extended protocol, unnamed statement, text parameters.
  Result query(const std::string& sql, const std::vector<std::string>& parameters = {});
  // First column of the first row.
  std::string value(const std::string& sql) { return exec(sql).at(0, 0); }

  // Asynchronous use: send, then take results until the empty one.
  void send(const std::string& sql);
  void send_query(const std::string& sql, const std::vector<std::string>& parameters = {});
  Result next(Millis patience = kPatience);  // empty at the end of a command
  Result last(Millis patience = kPatience);  // reads to the end of the command, gives the last one
  bool has_answer();                         // a result could be taken without waiting

  // COPY, after exec() returned COPY_IN or COPY_OUT.
  void copy_put(std::string_view data);
  Result copy_end(const std::string* error = nullptr);
  std::optional<std::string> copy_get(Millis patience = kPatience);  // none at the end

  // Asks the other side to cancel what runs here, as Ctrl-C in psql.
  bool cancel();
  std::string parameter(const std::string& name) const;
  int backend_pid() const { return PQbackendPID(connection_.get()); }
  PGTransactionStatusType transaction() const { return PQtransactionStatus(connection_.get()); }
  bool lost() const { return PQstatus(connection_.get()) == CONNECTION_BAD; }
  // Waits until the other side says something or closes; the error it sent, if any.
  ErrorReport wait_closed(Millis patience = kPatience);
  std::vector<ErrorReport> notices();  // since the last call
  PGconn* raw() const { return connection_.get(); }
  int socket() const { return PQsocket(connection_.get()); }
  void close() { connection_.reset(); }

 private:
  void wait_readable(Clock::time_point deadline);
  void flush();

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_{nullptr, PQfinish};
  std::shared_ptr<std::vector<ErrorReport>> notices_ =
      std::make_shared<std::vector<ErrorReport>>();
};

// Logs in and expects to be refused; fails the test when it is let in.
ErrorReport refused(const std::string& conninfo, Millis patience = kPatience);

}  // namespace howdah::test
