// %env(NAME) in values: the environment variable NAME stands there, so that secrets need not be in
// files.
#pragma once

#include <string>
#include <string_view>

#include "howdah/base/result.h"

namespace howdah::config {

// `text` with every %env(NAME) replaced; what comes from the environment is not looked into again.
// The error names what is wrong and never a value.
base::Result<std::string> expand_environment(std::string_view text);

}  // namespace howdah::config
