// From options to exit code; see the header.
#include "app/run.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/daemon.h"
#include "app/supervisor.h"
#include "howdah/auth/access.h"
#include "howdah/base/secret.h"
#include "howdah/base/text.h"
#include "howdah/config/loader.h"

namespace howdah::app {

using base::cat;

namespace {

// The configuration with the files it points to, judged together: all problems at once.
auth::LoadedAccess load_rules(config::Loaded& loaded) {
  if (!loaded.config) return {};
  auth::LoadedAccess access = auth::load_access(*loaded.config, auth::disk_sources());
  for (auto& problem : access.problems) loaded.problems.push_back(std::move(problem));
  if (!loaded.problems.empty()) loaded.config = nullptr;
  return access;
}

int check(const config::Loaded& loaded, const auth::LoadedAccess& access,
          const Options& options) {
  for (const auto& problem : loaded.problems) {
    std::fprintf(stderr, "%s: %s\n", problem.where.c_str(), problem.text.c_str());
  }
  if (!loaded.config) {
    std::fprintf(stderr, "%s: %zu problem%s\n", options.config.c_str(), loaded.problems.size(),
                 loaded.problems.size() == 1 ? "" : "s");
    return 1;
  }
  for (const std::string& warning : loaded.config->warnings) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  for (const std::string& warning : access.warnings) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  std::vector<std::string> wrong;
  if (!worker::make_tls_contexts(*loaded.config, nullptr, wrong)) {
    for (const std::string& text : wrong) {
      std::fprintf(stderr, "%s: TLS setup failed: %s\n", options.config.c_str(), text.c_str());
    }
    return 1;
  }
  std::printf("%s: ok\n", options.config.c_str());
  return 0;
}

}  // namespace

int run(const Options& options) {
  signal(SIGPIPE, SIG_IGN);
  // Before any secret is read, and again below: a change of the user id may undo it.
  base::keep_out_of_core_dumps();
  config::Loaded loaded = config::load(options.config);
  auth::LoadedAccess access = load_rules(loaded);
  if (options.check) return check(loaded, access, options);
  base::Log log;
  auto fatal = [&log](std::string_view text) {
    log.write(base::Level::Fatal, text);
    return 1;
  };
  if (!loaded.config) {
    for (const auto& problem : loaded.problems) log.error(cat(problem.where, ": ", problem.text));
    return fatal("cannot load config file");
  }
  const config::Settings& settings = loaded.config->settings;
  // As the user who started us, who may read keys that the other one may not.
  std::vector<std::string> wrong;
  auto tls = worker::make_tls_contexts(*loaded.config, nullptr, wrong);
  for (const std::string& text : wrong) log.error(cat("TLS setup failed: ", text));
  if (!tls) return fatal("cannot set up TLS");
  auto became = become_user(options.user.empty() ? settings.user : options.user);
  if (!became) return fatal(became.error().text);
  base::keep_out_of_core_dumps();

  base::LogTargets targets;
  targets.to_stderr = !options.quiet && !options.daemon;
  targets.file = settings.logfile;
  targets.syslog = settings.syslog;
  targets.syslog_ident = settings.syslog_ident;
  targets.syslog_facility = settings.syslog_facility;
  targets.verbose = std::max(settings.verbose, options.verbose);
  if (auto opened = log.open(targets); !opened) return fatal(opened.error().text);
  for (const std::string& warning : loaded.config->warnings) log.warning(warning);
  for (const std::string& warning : access.warnings) log.warning(warning);

  PidFile pidfile(settings.pidfile);
  if (auto free = pidfile.check(); !free) return fatal(free.error().text);
  if (options.daemon) {
    if (settings.pidfile.empty()) return fatal("daemon needs pidfile configured");
    if (auto done = daemonize(); !done) return fatal(done.error().text);
  }
  Supervisor supervisor(options, loaded.config, access.access, std::move(tls), log);
  if (auto listening = supervisor.listen(); !listening) return fatal(listening.error().text);
  if (auto written = pidfile.write(); !written) return fatal(written.error().text);
  return supervisor.run();
}

}  // namespace howdah::app
