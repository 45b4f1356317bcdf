// The highest timeline ever seen of each system, kept over restarts: a line "system timeline" each.
// Written whole to a file beside it, which then takes its name. Thread: the caller's; it touches
// the disk, rarely.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "howdah/base/result.h"

namespace howdah::probe {

using Timelines = std::map<std::uint64_t, std::uint32_t>;

// A file that is not there is empty; one that cannot be read is an error.
base::Result<Timelines> read_state(const std::string& path);
base::Status write_state(const std::string& path, const Timelines& timelines);

}  // namespace howdah::probe
