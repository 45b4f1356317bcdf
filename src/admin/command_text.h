// Reads one console command (compat 3.1):
//
//   [WORD [ARG]] [;]                 SHOW POOLS;   PAUSE "My db"   SHUTDOWN wait_for_clients
//   SET KEY (= | TO) VALUE [;]       SET pool_mode = 'session'
//   SWITCHOVER ARG [VALUE] [;]       SWITCHOVER acs 'db2:5432'
//
// A word is [0-9A-Za-z_]+ or a "quoted ""name"""; VALUE may also be a 'string ''text'''. The whole
// text must match: no comments, no second statement.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace howdah::admin {

inline constexpr std::size_t kMaxWord = 15, kMaxArgument = 63, kMaxValue = 255;

struct CommandText {
  enum class Kind {
    Empty,    // nothing but blanks and a semicolon
    Invalid,  // not of the form above
    TooLong,  // of the form, but a part is longer than allowed, or a name is ""
    Plain,    // word, and argument if has_argument, and value of SWITCHOVER
    Set,      // word is SET; argument is the key
  };
  Kind kind = Kind::Invalid;
  std::string word;      // as typed
  std::string argument;  // as typed; unquoted
  bool has_argument = false;
  std::string value;
};

CommandText read_command(std::string_view query);

}  // namespace howdah::admin
