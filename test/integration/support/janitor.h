// Tidies up after a test process that died: kills the processes and removes the directories that
// were registered and not taken back. It learns of the death from the end of its pipe.
#pragma once

#include <sys/types.h>

#include <string>

namespace howdah::test::janitor {

void register_process(pid_t pid);
void forget_process(pid_t pid);
void register_directory(const std::string& path);
void forget_directory(const std::string& path);

}  // namespace howdah::test::janitor
