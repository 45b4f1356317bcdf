// Main of the integration tests. `integration --make-template DIR` makes the data directory that the
// tests of one ctest run copy, --remove-template removes it; everything else is doctest's.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>

#include <cstring>
#include <filesystem>
#include <iostream>

#include "support/cluster.h"

int main(int argc, char** argv) {
  using namespace howdah::test;
  ::signal(SIGPIPE, SIG_IGN);
  if (argc == 3 && std::strcmp(argv[1], "--make-template") == 0) {
    std::filesystem::remove_all(argv[2]);
    make_template(argv[2]);
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "--remove-template") == 0) {
    std::filesystem::remove_all(argv[2]);
    return 0;
  }
  if (argc == 2 && std::strcmp(argv[1], "--crash-with-cluster") == 0) {
    PgCluster cluster;
    std::cout << cluster.socket_dir() << std::endl;
    ::raise(SIGKILL);
  }
  doctest::Context context(argc, argv);
  int result = context.run();
  stop_shared_clusters();
  return result;
}
