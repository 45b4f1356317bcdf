// What the load generator is asked to do, and the bytes each mode sends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace howdah::bench {

enum class Mode {
  kSimple,    // Query
  kExtended,  // Parse, Bind, Describe, Execute on the unnamed statement, Sync
  kPrepared,  // Parse of a named statement once; then Bind, Describe, Execute, Sync
  kPipeline,  // `depth` times Parse, Bind, Describe, Execute, then one Sync
  kConnect,   // connect, one simple query, Terminate, over and over
};

struct LoadOptions {
  std::string host = "127.0.0.1";
  int port = 6432;
  std::string database = "bench";
  std::string user = "bench";
  std::string query = "SELECT 1";
  Mode mode = Mode::kSimple;
  std::string mode_name = "simple";
  int depth = 10;
  int clients = 20;
  std::uint64_t queries = 0;  // stop after so many; 0: by time only
  std::int64_t run_ns = 0;    // 0 with `queries`: no bound in time but the timeout
  std::int64_t warmup_ns = 0;
  std::int64_t timeout_ns = 120'000'000'000;  // of the whole program
  pid_t pid = 0;                              // of the pooler; 0: nobody is measured
  bool tls = false;
  bool json = false;
};

// Ends the program with a usage message on a mistake.
LoadOptions read_options(int argc, char** argv);

std::string ssl_request();
std::string startup_packet(const LoadOptions& options);
// Sent once after login; empty unless the mode prepares a statement.
std::string prepare_bytes(const LoadOptions& options);
// One closed-loop step: it ends with the one ReadyForQuery it brings.
std::string query_bytes(const LoadOptions& options);
// How many queries a step counts for.
int queries_per_step(const LoadOptions& options);

}  // namespace howdah::bench
