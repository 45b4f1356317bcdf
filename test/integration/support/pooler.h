// The pooler under test: $HOWDAH_BIN with a configuration in a directory of its own.
//
// The same suite can be pointed at PgBouncer (HOWDAH_BIN=/usr/sbin/pgbouncer), which shows that the
// tests ask for what the field does; expectations that differ on purpose go through pooler_code().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "cluster.h"
#include "process.h"
#include "raw.h"

namespace howdah::test {

// What goes into the files. Unset settings get the harness's: loopback, a free port, trust, quiet.
struct PoolerConfig {
  std::map<std::string, std::string> settings;  // [pgbouncer]
  std::vector<std::string> databases;           // lines of [databases]
  std::vector<std::string> users;               // lines of [users]
  std::vector<std::pair<std::string, std::string>> userlist;  // name, secret
  std::vector<std::string> environment;                       // "NAME=value"
};

// A line of [databases] for a database of `cluster`: "name = host=... port=... dbname=... more".
std::string entry(const std::string& name, const PgCluster& cluster, const std::string& dbname,
                  const std::string& more = "");

bool on_pgbouncer();
// The SQLSTATE of a pooler-made error: howdah's own, or PgBouncer's one for all.
std::string pooler_code(const std::string& howdah_code);
// $HOWDAH_BIN, in a place where the service user may run it.
std::string pooler_binary();

class Pooler {
 public:
  // Writes the files, starts the program and waits until its console answers.
  explicit Pooler(PoolerConfig config);
  // Ends it, and fails the test case when it crashed, or a sanitizer reported something.
  ~Pooler();

  int port() const { return port_; }
  const std::string& directory() const { return directory_.path(); }
  std::string unix_socket() const;
  std::string conninfo(const std::string& database, const std::string& user,
                       const std::string& more = "") const;
  Client connect(const std::string& database, const std::string& user = "postgres",
                 const std::string& more = "") const {
    return Client(conninfo(database, user, more));
  }
  RawClient raw() const { return RawClient("127.0.0.1", port_); }
  RawClient raw(const std::string& database, const std::string& user = "postgres",
                const Parameters& more = {}) const;

  // A command on the console, as admin; the connection is kept.
  Result console(const std::string& command);
  // The row of SHOW <what> where every given column has the given value; throws if there is none.
  std::map<std::string, std::string> show(const std::string& what,
                                          const std::map<std::string, std::string>& where);
  // A number of SHOW POOLS.
  int pool(const std::string& database, const std::string& user, const std::string& column);
  void console_close() { console_.reset(); }

  PoolerConfig& config() { return config_; }
  void write_files();          // after a change of config()
  void write_ini(const std::string& text);  // exactly this
  std::string ini_path() const { return directory_ / "howdah.ini"; }

  std::string log() const { return read_file(directory_ / "log"); }
  bool logged(const std::string& text) const { return log().find(text) != std::string::npos; }
  Process& process() { return process_; }
  void start();                // again, after it ended
  // The end was asked for by the test: waits, and gives the exit code.
  int wait_exit(Millis patience = kPatience);

 private:
  std::string ini() const;

  TempDir directory_;
  PoolerConfig config_;
  int port_;
  Process process_;
  std::unique_ptr<Client> console_;
  bool ended_ = false;
};

}  // namespace howdah::test
