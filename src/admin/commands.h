// The table of commands: word, rights, handler, usage. What is not in the table does not exist, and
// the rights are tested before the handler is called, so a new command cannot forget to ask.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "admin/command_text.h"
#include "howdah/admin/console.h"

namespace howdah::admin {

// Sends the answer, once; a second call is dropped. Copies share the one answer.
class Reply {
 public:
  explicit Reply(std::function<void(base::Buffer&&)> send);
  void operator()(base::Buffer&& answer) const;

 private:
  std::shared_ptr<std::function<void(base::Buffer&&)>> send_;
};

struct Request {
  const CommandText& text;
  std::string_view query;  // for the error that echoes it
  Rights rights;
};

struct Command {
  std::string_view word;
  Rights rights;
  void (*handler)(const Request& request, Control& control, const Reply& reply);
  std::string_view usage;  // lines of SHOW HELP, without SHOW's words
};

std::span<const Command> commands();

}  // namespace howdah::admin
