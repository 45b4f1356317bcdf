// Runs console commands against a FakeControl and decodes their answers.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "support/console_answer.h"
#include "support/fake_control.h"

namespace howdah::test {

// Runs a query that is answered at once, and checks that it is, once and well formed.
inline ConsoleAnswer run(FakeControl& control, std::string_view query,
                         admin::Rights rights = admin::Rights::Admin) {
  Answers answers;
  admin::run_command(query, rights, control, answers.receiver());
  REQUIRE(answers.bytes.size() == 1);
  ConsoleAnswer answer = read_answer(answers.bytes[0]);
  CHECK(answer.valid);
  return answer;
}

// The text of the ERROR a query gets; also checks severity and SQLSTATE.
inline std::string error_of(FakeControl& control, std::string_view query,
                            admin::Rights rights = admin::Rights::Admin,
                            std::string_view code = "08P01") {
  ConsoleAnswer answer = run(control, query, rights);
  REQUIRE(answer.error);
  CHECK(answer.error->severity == "ERROR");
  CHECK(answer.error->code == code);
  CHECK(answer.rows.empty());
  CHECK(answer.tag.empty());
  return answer.error->message;
}

}  // namespace howdah::test
