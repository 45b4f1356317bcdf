// What a PostgreSQL answers, as a pure machine: one message of a client in, the messages of the server
// out. Fake servers answer with it; each fake client feeds its own copy with what it sends and so knows
// to the byte what has to come back, from however many servers the pooler uses.
//
// Its language (a statement; several may stand in one Query, separated by ';'):
//   ROWS mark n size   n rows: mark, application_name, number and padding
//   BEGIN mark | COMMIT mark | ROLLBACK mark
//   ERROR mark         fails               SLEEP mark ms     one row, later (the caller's business)
//   COPYIN mark [k]    COPY FROM STDIN; fails after k CopyData if k is given
//   COPYOUT mark n size
//   SET application_name = 'x' | DISCARD ALL | (empty)
//   what the pooler asks and cleans with (session/harvest.h, kCleanSql)
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace howdah::sim {

struct Message {
  char type;
  std::string body;
  bool operator==(const Message&) const = default;
};
using Messages = std::vector<Message>;

std::string encode(const Message& message);
// Takes whole messages off the front of `bytes`.
bool take_message(std::string& bytes, Message& into);
std::string query_body(std::string_view sql);
// SQLSTATE and text of an ErrorResponse.
Message error_message(std::string_view severity, std::string_view code, std::string_view text);

class Engine {
 public:
  explicit Engine(std::string application_name = "")
      : application_name_(application_name), default_name_(std::move(application_name)) {}

  // `cancelled`: a cancel request hit this message's statement.
  void feed(const Message& message, Messages& out, bool cancelled = false);

  char tx() const { return tx_; }
  bool copy_in() const { return copy_in_; }
  // At a place where a pooler may hand the server on.
  bool idle() const { return tx_ == 'I' && !copy_in_ && !batch_; }
  const std::string& application_name() const { return application_name_; }

 private:
  void run_simple(Messages& out, bool cancelled);
  // False: it failed, or (copy_in_) goes on later.
  bool run(std::string_view statement, Messages& out, bool describe);
  void fail(std::string_view code, std::string_view text, Messages& out);
  void ready(Messages& out);
  void end_copy(bool failed, Messages& out);
  void set_name(const std::string& name, Messages& out);

  char tx_ = 'I';
  std::string application_name_, default_name_;
  std::vector<std::string> pending_;  // statements of the present Query still to run, last first
  bool simple_ = false;               // the statement came by Query
  bool copy_in_ = false, batch_ = false, skipping_ = false;
  long copy_count_ = 0, copy_limit_ = -1;
  std::string copy_mark_;
  std::string prepared_, portal_;
};

// The mark in a statement ("c12.3"), or empty.
std::string_view mark_of(std::string_view sql);
// The time a statement sleeps, in ms; 0 = not.
long sleep_of(std::string_view sql);

}  // namespace howdah::sim
