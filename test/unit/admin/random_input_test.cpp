// Whatever comes in, one well-formed answer goes out, and with stats rights nothing is done.
#include <random>

#include "run.h"

namespace {

using namespace howdah;
using test::Answers;
using test::FakeControl;

void check(std::string_view query) {
  FakeControl control;
  Answers answers;
  admin::run_command(query, admin::Rights::Stats, control, answers.receiver());
  bool sound = answers.bytes.size() == 1 && test::read_answer(answers.bytes[0]).valid;
  for (const std::string& call : control.calls) sound = sound && call.starts_with("gather");
  if (!sound) FAIL("broken by: ", base::hex(query));
}

TEST_CASE("random bytes get one well-formed answer") {
  std::mt19937 random(20250701);
  for (int round = 0; round < 20000; ++round) {
    std::string query(random() % 80, '\0');
    for (char& c : query) c = static_cast<char>(random());
    check(query);
  }
}

TEST_CASE("random rows of command pieces get one well-formed answer") {
  const std::string_view pieces[] = {
      "SHOW",     "set",
      "PAUSE",    "kill_client",
      "SHUTDOWN", "to",
      "=",        "'",
      "\"",       ";",
      " ",        "\n",
      "version",  "pools",
      "help",     "fds",
      "''",       "\"\"",
      "1",        "x_9",
      "RELOAD",   "SELECT",
      "timezone", "\xff",
      "--",       "/*",
      "\\",       ",",
      "config",   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  std::mt19937 random(20250702);
  for (int round = 0; round < 20000; ++round) {
    std::string query;
    for (auto left = random() % 8; left > 0; --left) query += pieces[random() % std::size(pieces)];
    check(query);
  }
}

}  // namespace
