#include "pooler.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace howdah::test {

namespace fs = std::filesystem;

std::string entry(const std::string& name, const PgCluster& cluster, const std::string& dbname,
                  const std::string& more) {
  return name + " = host=127.0.0.1 port=" + std::to_string(cluster.port()) + " dbname=" + dbname +
         " " + more;
}

namespace {

std::string configured_binary() {
  const char* binary = std::getenv("HOWDAH_BIN");
  if (!binary || !fs::exists(binary)) {
    throw std::runtime_error("HOWDAH_BIN does not name a program");
  }
  return binary;
}

}  // namespace

bool on_pgbouncer() {
  const char* binary = std::getenv("HOWDAH_BIN");
  return binary && fs::path(binary).filename() == "pgbouncer";
}

std::string pooler_code(const std::string& howdah_code) {
  return on_pgbouncer() ? "08P01" : howdah_code;
}

std::string pooler_binary() {
  if (::getuid() != 0) return configured_binary();
  // The build directory may be closed to the service user.
  static const TempDir* directory = new TempDir();
  static const std::string copy = [] {
    std::string path = *directory / fs::path(configured_binary()).filename().string();
    fs::copy_file(configured_binary(), path);
    fs::permissions(path, fs::perms::all);
    return path;
  }();
  return copy;
}

Pooler::Pooler(PoolerConfig config) : config_(std::move(config)), port_(free_port()) {
  write_files();
  start();
}

Pooler::~Pooler() {
  console_.reset();
  if (!ended_ && process_.started()) {
    if (!process_.running()) {
      FAIL_CHECK("the pooler ended by itself: " << process_.wait() << "\n" << log());
    } else {
      process_.signal(on_pgbouncer() ? SIGTERM : SIGQUIT);
      try {
        int code = process_.wait();
        if (code != 0 && !on_pgbouncer()) FAIL_CHECK("the pooler's exit code is " << code << "\n" << log());
      } catch (const std::exception&) {
        FAIL_CHECK("the pooler does not end on SIGQUIT\n" << log());
      }
    }
  }
  std::string text = log();
  if (text.find("Sanitizer") != std::string::npos || text.find("runtime error:") != std::string::npos) {
    FAIL_CHECK("a sanitizer has something to say:\n" << text);
  }
}

std::string Pooler::ini() const {
  std::map<std::string, std::string> settings{
      {"listen_addr", "127.0.0.1"},
      {"listen_port", std::to_string(port_)},
      {"unix_socket_dir", directory_.path()},
      {"auth_type", "trust"},
      {"auth_file", directory_ / "userlist.txt"},
      {"admin_users", "admin"},
      {"stats_users", "stats"},
      {"max_client_conn", "500"},
      {"server_tls_sslmode", "disable"},
  };
  if (!on_pgbouncer()) settings["worker_threads"] = std::to_string(test_workers());
  for (const auto& [key, value] : config_.settings) settings[key] = value;
  std::ostringstream text;
  text << "[pgbouncer]\n";
  for (const auto& [key, value] : settings) text << key << " = " << value << "\n";
  text << "[databases]\n";
  for (const auto& line : config_.databases) text << line << "\n";
  text << "[users]\n";
  for (const auto& line : config_.users) text << line << "\n";
  return text.str();
}

void Pooler::write_files() {
  std::ostringstream users;
  bool admin = false;
  for (const auto& [name, secret] : config_.userlist) {
    users << '"' << name << "\" \"" << secret << "\"\n";
    admin = admin || name == "admin";
  }
  // Known, so that trust lets them in.
  if (!admin) users << "\"admin\" \"admin-password\"\n\"stats\" \"\"\n\"postgres\" \"\"\n";
  write_file(directory_ / "userlist.txt", users.str());
  write_file(ini_path(), ini());
}

void Pooler::write_ini(const std::string& text) { write_file(ini_path(), text); }

void Pooler::start() {
  Process::Options options;
  options.log = directory_ / "log";
  options.environment = config_.environment;
  // libpam loses 96 bytes for a service that is not there.
  write_file(directory_ / "lsan", "leak:libpam.so\n");
  options.environment.push_back("LSAN_OPTIONS=print_suppressions=0:suppressions=" +
                                (directory_ / "lsan"));
  process_ = Process({pooler_binary(), ini_path()}, options);
  ended_ = false;
  console_.reset();
  eventually("the pooler's console answers", [this] {
    if (!process_.running()) {
      ended_ = true;
      throw std::runtime_error("the pooler does not start:\n" + log());
    }
    try {
      console("SHOW VERSION");
      return true;
    } catch (const SqlError&) {
      console_.reset();
      return false;
    }
  });
}

int Pooler::wait_exit(Millis patience) {
  ended_ = true;
  console_.reset();
  return process_.wait(patience);
}

std::string Pooler::unix_socket() const {
  return directory_.path() + "/.s.PGSQL." + std::to_string(port_);
}

std::string Pooler::conninfo(const std::string& database, const std::string& user,
                             const std::string& more) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " dbname=" + database + " user=" + user +
         " " + more;
}

RawClient Pooler::raw(const std::string& database, const std::string& user,
                      const Parameters& more) const {
  RawClient client = raw();
  client.login(database, user, more);
  return client;
}

Result Pooler::console(const std::string& command) {
  if (!console_) {
    // TLS may need a certificate that we don't have; the unix socket has no TLS.
    bool tls = config_.settings.contains("client_tls_sslmode");
    console_ = std::make_unique<Client>(conninfo(
        "pgbouncer", "admin",
        "password=admin-password" + (tls ? " host=" + directory_.path() : std::string())));
  }
  return console_->exec(command);
}

std::map<std::string, std::string> Pooler::show(const std::string& what,
                                                const std::map<std::string, std::string>& where) {
  Result result = console("SHOW " + what);
  for (int row = 0; row < result.rows(); ++row) {
    std::map<std::string, std::string> found;
    for (int i = 0; i < result.columns(); ++i) found[result.column(i)] = result.at(row, i);
    bool fits = true;
    for (const auto& [column, value] : where) fits = fits && found[column] == value;
    if (fits) return found;
  }
  throw std::runtime_error("SHOW " + what + " has no such row");
}

int Pooler::pool(const std::string& database, const std::string& user, const std::string& column) {
  return std::stoi(show("POOLS", {{"database", database}, {"user", user}}).at(column));
}

}  // namespace howdah::test
