// Any query string gets one well-formed answer, whatever its rights (an immediate SHUTDOWN: none).
#include <cstdlib>

#include "support/console_answer.h"
#include "support/fake_control.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace howdah;
  if (size == 0) return 0;
  std::string_view query(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto rights = (data[0] & 1) != 0 ? admin::Rights::Admin : admin::Rights::Stats;
  test::FakeControl control;
  test::Answers answers;
  admin::run_command(query, rights, control, answers.receiver());
  bool shutdown = !control.calls.empty() && control.calls[0] == "shutdown now";
  if (answers.bytes.size() != (shutdown ? 0 : 1)) std::abort();
  if (!shutdown && !test::read_answer(answers.bytes[0]).valid) std::abort();
  return 0;
}
