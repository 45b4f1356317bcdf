// The command line; see the header.
#include "app/options.h"

#include <getopt.h>

#include <cstdio>

namespace howdah::app {

namespace {

constexpr const char* kUsage =
    "Usage: howdah [OPTION]... CONFIG_FILE\n"
    "A PostgreSQL connection pooler; reads a pgbouncer.ini unchanged.\n\n"
    "  -d, --daemon        run in the background (needs pidfile)\n"
    "  -q, --quiet         do not log to stderr\n"
    "  -v, --verbose       log more; may be given twice\n"
    "  -u, --user=NAME     become this user after start (as root)\n"
    "      --check         read and judge CONFIG_FILE, print every problem, exit 0 or 1\n"
    "  -V, --version       show the version\n"
    "  -h, --help          show this help\n";

}  // namespace

std::optional<int> parse_options(int argc, char** argv, Options& options) {
  enum { kCheck = 1000 };
  const option known[] = {{"daemon", no_argument, nullptr, 'd'},
                          {"quiet", no_argument, nullptr, 'q'},
                          {"verbose", no_argument, nullptr, 'v'},
                          {"reboot", no_argument, nullptr, 'R'},
                          {"user", required_argument, nullptr, 'u'},
                          {"check", no_argument, nullptr, kCheck},
                          {"version", no_argument, nullptr, 'V'},
                          {"help", no_argument, nullptr, 'h'},
                          {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "dqvRu:Vh", known, nullptr)) != -1;) {
    switch (c) {
      case 'd':
        options.daemon = true;
        break;
      case 'q':
        options.quiet = true;
        break;
      case 'v':
        ++options.verbose;
        break;
      case 'u':
        options.user = optarg;
        break;
      case kCheck:
        options.check = true;
        break;
      case 'R':
        std::fputs(
            "howdah: -R (online restart) is not available: use so_reuseport and SIGTERM instead "
            "(howdah(1), ROLLING RESTART)\n",
            stderr);
        return 1;
      case 'V':
        std::printf("%s\nhowdah %s\n", kCompatVersion, kVersion);
        return 0;
      case 'h':
        std::fputs(kUsage, stdout);
        return 0;
      default:
        std::fputs("Try 'howdah --help'.\n", stderr);
        return 1;
    }
  }
  if (optind != argc - 1) {
    std::fprintf(stderr, "howdah: exactly one CONFIG_FILE is needed\n%s", kUsage);
    return 1;
  }
  options.config = argv[optind];
  return std::nullopt;
}

}  // namespace howdah::app
