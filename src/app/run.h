// From options to exit code: reads the configuration, becomes another user or a daemon if told to,
// and runs the supervisor until it ends.
#pragma once

#include "app/options.h"

namespace howdah::app {

int run(const Options& options);

}  // namespace howdah::app
