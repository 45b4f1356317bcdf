// The state file; see the header.
#include "probe/state_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "howdah/base/text.h"

namespace howdah::probe {

using base::cat;

base::Result<Timelines> read_state(const std::string& path) {
  Timelines timelines;
  std::ifstream file(path);
  if (!file) {
    if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return timelines;
    return base::Error{
        "io", cat("cannot read state_file ", path, ": ", std::string_view(strerror(errno)))};
  }
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::uint64_t system = 0;
    std::uint32_t timeline = 0;
    if (words >> system >> timeline) {
      timelines[system] = timeline;
    } else if (!base::trim(line).empty()) {
      return base::Error{"io",
                         cat("state_file ", path, " is not one of howdah's: ", line.substr(0, 80))};
    }
  }
  return timelines;
}

base::Status write_state(const std::string& path, const Timelines& timelines) {
  std::string beside = cat(path, ".new");
  FILE* file = fopen(beside.c_str(), "w");
  bool good = file != nullptr;
  for (const auto& [system, timeline] : timelines)
    good = good && fputs(cat(system, " ", timeline, "\n").c_str(), file) >= 0;
  if (file) good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
  if (file) good = fclose(file) == 0 && good;
  if (good && rename(beside.c_str(), path.c_str()) == 0) return base::Done{};
  return base::Error{
      "io", cat("cannot write state_file ", path, ": ", std::string_view(strerror(errno)))};
}

}  // namespace howdah::probe
