// A PostgreSQL made of messages, for conversations: no tables, but the protocol's rules, those of
// COPY FROM STDIN and of errors in a batch among them.
//
// SQL it knows: "BEGIN", "COMMIT", "" and "SET name = 'value';"...; "echo X" gives one row X; "fail"
// an error; "copy" reads copy data; "copybad" fails at the first CopyData; "copytrigger" fails before
// it reads any. A Query may hold several statements, separated by ';'.
#pragma once

#include <string>
#include <string_view>

#include "bytes.h"
#include "howdah/base/text.h"

namespace howdah::session {

class FakePostgres {
 public:
  std::string out;       // to be taken by the reader
  int copied = 0;        // CopyData messages of copies that succeeded
  bool lost = false;     // it ended with FATAL: the peer broke the protocol

  void feed(std::string_view bytes) {
    in_ += bytes;
    while (step()) {
    }
  }

 private:
  bool step() {
    if (lost) return false;
    if (!started_) {
      if (in_.size() < 4 || in_.size() < wire::read_u32(in_.data())) return false;
      in_.erase(0, wire::read_u32(in_.data()));
      started_ = true;
      out += authentication(0) + status("server_version", "15.4") + status("application_name", "") +
             message('K', "12345678") + ready();
      return true;
    }
    wire::Header header;
    if (wire::read_header(in_, UINT32_MAX, header) != wire::HeaderState::Ok) return false;
    if (in_.size() - wire::kHeaderSize < header.body) return false;
    std::string body = in_.substr(wire::kHeaderSize, header.body);
    in_.erase(0, wire::kHeaderSize + header.body);
    if (copying_) {
      copy_message(header.type, body);
    } else {
      message_of(header.type, body);
    }
    return true;
  }
  char state() const { return !in_transaction_ ? 'I' : failed_ ? 'E' : 'T'; }

  void copy_message(char type, const std::string& body) {
    switch (type) {
      case 'd':
        if (bad_copy_) return end_copy(error("ERROR", "22P04", "bad copy data"), false);
        ++rows_;
        return;
      case 'c':
        copied += rows_;
        return end_copy(complete(base::cat("COPY ", rows_)), true);
      case 'f':
        return end_copy(error("ERROR", "57014", body), false);
      case 'H':
      case 'S':
        return;  // ignored for the convenience of libpq
      default:
        out += error("FATAL", "08P01", "unexpected message during COPY from stdin");
        lost = true;
    }
  }
  void end_copy(const std::string& answer, bool good) {
    copying_ = false;
    out += answer;
    if (!good) fail();
    if (simple_) {
      if (!good) rest_.clear();
      run_rest();
    }
  }
  void fail() {
    failed_ = in_transaction_;
    if (!simple_) skipping_ = true;
  }

  void message_of(char type, const std::string& body) {
    if (skipping_ && type != 'S') return;
    switch (type) {
      case 'Q':
        simple_ = true;
        rest_ = body.substr(0, body.size() - 1);
        if (rest_.empty()) {
          out += message('I') + ready(state());
          return;
        }
        run_rest();
        return;
      case 'P':
        simple_ = false;
        statement_ = body.substr(1, body.find('\0', 1) - 1);
        out += message('1');
        return;
      case 'B':
        out += message('2');
        return;
      case 'E':
        run(statement_);
        return;
      case 'S':
        skipping_ = false;
        out += ready(state());
        return;
      default:  // late copy messages, Flush
        return;
    }
  }
  // The statements of a Query that are left, up to a COPY that reads; ReadyForQuery behind the last.
  void run_rest() {
    while (!rest_.empty()) {
      std::size_t end = std::min(rest_.find(';'), rest_.size());
      std::string sql(base::trim(std::string_view(rest_).substr(0, end)));
      rest_.erase(0, end + 1);
      if (!sql.empty() && !run(sql)) rest_.clear();
      if (copying_) return;
    }
    out += ready(state());
  }
  bool run(const std::string& sql) {
    if (failed_ && sql != "COMMIT") {
      out += error("ERROR", "25P02", "current transaction is aborted");
      fail();
      return false;
    }
    if (sql == "BEGIN") {
      in_transaction_ = true;
      out += complete("BEGIN");
    } else if (sql == "COMMIT") {
      in_transaction_ = failed_ = false;
      out += complete("COMMIT");
    } else if (sql.starts_with("echo ")) {
      out += row(sql.substr(5) + " as " + application_) + complete("SELECT 1");
    } else if (sql.starts_with("SET application_name = '")) {
      application_ = sql.substr(24, sql.size() - 25);
      out += status("application_name", application_) + complete("SET");
    } else if (sql.starts_with("copy")) {
      out += message('G', std::string(3, '\0'));
      if (sql == "copytrigger") {
        out += error("ERROR", "P0001", "the trigger says no");
        fail();
        return false;
      }
      bad_copy_ = sql == "copybad";
      rows_ = 0;
      copying_ = true;
    } else {
      out += error("ERROR", "42601", "syntax error");
      fail();
      return false;
    }
    return true;
  }

  std::string in_, rest_, statement_, application_;
  bool started_ = false, copying_ = false, bad_copy_ = false, simple_ = true, skipping_ = false,
       in_transaction_ = false, failed_ = false;
  int rows_ = 0;
};

}  // namespace howdah::session
