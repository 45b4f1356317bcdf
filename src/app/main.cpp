// Entry point: options, then the supervisor. Composition only; see options.h and supervisor.h.
#include "app/options.h"
#include "app/run.h"

int main(int argc, char** argv) {
  howdah::app::Options options;
  if (auto exit_code = howdah::app::parse_options(argc, argv, options)) return *exit_code;
  return howdah::app::run(options);
}
