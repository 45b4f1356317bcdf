// Main of the comparison. See README.md for what it shows; --help for the options.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <iostream>

#include "compare/generator.h"
#include "compare/runner.h"
#include "compare/shrink.h"

using namespace howdah::compare;
namespace test = howdah::test;

namespace {

struct Options {
  std::uint64_t seed = 1;
  long conversations = 0;  // 0: as many as fit into `seconds`
  int seconds = 0;
  int clients = 6;
  WorldOptions world;
  std::uint32_t features = kDefaultFeatures;
  int keep_going = 0;  // differences to report before the end
  int patience = 60;   // seconds without any answer
};

constexpr int kScriptsInRound = 6, kShrinkStall = 2000, kShrinkSeconds = 60, kMostLeftOut = 20;

[[noreturn]] void usage() {
  std::cerr << "compare [--seed N] [--conversations N] [--seconds N] [--clients N] [--servers N]\n"
               "        [--max-prepared N] [--pool-mode session|transaction] [--features LIST]\n"
               "        [--keep-going N] [--patience SECONDS]\n"
               "LIST is of: "
            << feature_names() << "; -name takes one away\n";
  std::exit(2);
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    std::string name = argv[i];
    if (i + 1 == argc) usage();
    std::string value = argv[i + 1];
    long number = std::atol(value.c_str());
    if (name == "--seed") {
      options.seed = static_cast<std::uint64_t>(number);
    } else if (name == "--conversations") {
      options.conversations = number;
    } else if (name == "--seconds") {
      options.seconds = static_cast<int>(number);
    } else if (name == "--clients" && number > 0) {
      options.clients = static_cast<int>(number);
    } else if (name == "--servers" && number > 0) {
      options.world.servers = static_cast<int>(number);
    } else if (name == "--max-prepared") {
      options.world.max_prepared = static_cast<int>(number);
    } else if (name == "--pool-mode") {
      options.world.pool_mode = value;
    } else if (name == "--keep-going") {
      options.keep_going = static_cast<int>(number);
    } else if (name == "--patience" && number > 0) {
      options.patience = static_cast<int>(number);
    } else if (name == "--features" && parse_features(value) != 0) {
      options.features = parse_features(value);
    } else {
      usage();
    }
  }
  if (options.conversations == 0 && options.seconds == 0) {
    options.conversations = 100000;
    if (!test::full_run()) options.seconds = 8;
  }
  return options;
}

Round make_round(const Options& options, std::uint64_t number, bool first) {
  // Numbers of neighbouring seeds are the same but for the first: mixed once more.
  Generator generator(howdah::sim::Random(options.seed * 1000003 + number).next(),
                      options.features);
  Round round;
  for (int client = 0; client < options.clients; ++client) {
    auto& scripts = round.emplace_back();
    for (int i = 0; i < kScriptsInRound; ++i) scripts.push_back(generator.make(client, first));
  }
  return round;
}

void print(const Round& round, const Difference& difference) {
  std::cout << difference.what << ": client " << difference.client << ", script "
            << difference.script << ", step " << difference.step << "\n";
  for (std::size_t client = 0; client < round.size(); ++client) {
    for (std::size_t script = 0; script < round[client].size(); ++script) {
      std::cout << "client " << client << " script " << script << "\n"
                << readable(round[client][script]);
    }
  }
  auto side = [](const char* name, const Answer& answer) {
    std::cout << name << "\n"
              << readable_answers(answer.bytes) << (answer.closed ? "    closed\n" : "");
  };
  side("  PostgreSQL says", difference.wanted);
  side("  through the pooler", difference.got);
  std::cout << std::flush;
}

int run(const Options& options) {
  WorldOptions world_options = options.world;
  world_options.slots = options.clients + 1;
  World world(world_options);
  Runner runner(world, options.patience * 1000);
  std::uint32_t bad = kDisconnect | kCancel;
  Chaos chaos(world, options.seed, options.features, options.clients);
  auto begin = test::Clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(test::Clock::now() - begin).count(); };
  long done = 0;
  int differences = 0, left_out = 0;
  bool first = true;
  for (std::uint64_t number = 0;; ++number) {
    if (options.conversations > 0 && done >= options.conversations) break;
    if (options.seconds > 0 && elapsed() > options.seconds) break;
    Round round = make_round(options, number, first);
    first = false;
    howdah::sim::Random random(howdah::sim::Random(options.seed + number).next());
    auto difference = runner.run(round, random, (options.features & bad) ? &chaos : nullptr);
    if (runner.nonsense()) {
      // outstanding.h is a model, and a rare conversation is beyond it: nothing can be said of it.
      std::cout << "round " << number << " is left out: PostgreSQL itself does not answer it\n";
      if (++left_out > kMostLeftOut) {
        std::cout << runner.places();
        return 1;
      }
      runner.reset();
      world.reset();
      chaos.restart();
      first = true;
      continue;
    }
    if (difference) {
      std::cout << "seed " << options.seed << " round " << number << ", ";
      std::cout << difference->what << ": client " << difference->client << ", step "
                << difference->step << " of\n"
                << readable(round[difference->client][difference->script]);
      print({}, *difference);
      runner.set_stall(kShrinkStall);
      Shrunk shrunk = shrink(runner, world, round, *difference, kShrinkSeconds);
      runner.set_stall(options.patience * 1000);
      std::cout << (shrunk.reproduced ? "made smaller in " : "not seen again in ") << shrunk.runs
                << " runs\n";
      if (shrunk.reproduced) print(shrunk.round, shrunk.difference);
      if (++differences > options.keep_going) return 1;
      runner.reset();
      world.reset();
      chaos.restart();
      first = true;
    }
    done += static_cast<long>(options.clients) * kScriptsInRound;
    if (number % 100 == 99) world.clean_up();
  }
  std::cout << done << " conversations in " << elapsed() << " s; beside them " << chaos.left()
            << " clients left and " << chaos.cancelled() << " queries were cancelled\n";
  return differences > 0;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Options options = read_options(argc, argv);
  // The harness checks with doctest, and here is no test case around it.
  static bool failed = false;
  doctest::Context context;
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler([](const doctest::AssertData& data) {
    if (!data.m_failed) return;
    failed = true;
    std::cout << data.m_decomp << data.m_exception << std::endl;
  });
  int status = 1;
  try {
    status = run(options);
  } catch (const std::exception& error) {
    std::cout << "failed: " << error.what() << std::endl;
  }
  test::stop_shared_clusters();
  return failed ? 1 : status;
}
