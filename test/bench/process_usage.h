// CPU time and memory of another process, with all its threads and (for poolers that fork) its
// descendants. Two calls, because reading memory can stall the process that is being measured.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace howdah::bench {

// User and system time in nanoseconds; nothing when the process is gone. A descendant that has
// ended is no longer counted.
std::optional<std::uint64_t> cpu_ns_of(pid_t pid);

// Resident kB; with descendants the sum of the proportional shares.
std::uint64_t memory_kb_of(pid_t pid);

}  // namespace howdah::bench
