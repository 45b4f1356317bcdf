// A throw-away PostgreSQL cluster on the loopback: a primary, or a streaming replica of one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "process.h"

namespace howdah::test {

class PgCluster {
 public:
  enum class Stop { Fast, Immediate };

  // Makes and starts a primary. `settings` are lines of postgresql.conf.
  explicit PgCluster(const std::vector<std::string>& settings = {});
  ~PgCluster();
  PgCluster(const PgCluster&) = delete;

  // A streaming replica of this one, started and connected.
  std::unique_ptr<PgCluster> make_replica();
  // Waits until `replica` has replayed all that this one has written.
  void wait_replayed(PgCluster& replica);

  int port() const { return port_; }
  const std::string& socket_dir() const { return directory_.path(); }
  std::string conninfo(const std::string& database = "postgres",
                       const std::string& user = "postgres") const;
  Client connect(const std::string& database = "postgres",
                 const std::string& user = "postgres") const {
    return Client(conninfo(database, user));
  }
  // Makes it unless it is there.
  void create_database(const std::string& name);
  void create_role(const std::string& name, const std::string& attributes = "login superuser");
  // As superuser on `database`.
  Result sql(const std::string& text, const std::string& database = "postgres");

  void start();
  void stop(Stop mode = Stop::Fast);
  void restart(Stop mode = Stop::Fast);
  void kill_hard();  // SIGKILL to the postmaster
  void promote();
  bool running() { return server_.running(); }
  // Stops and continues the postmaster and its children: the host that hangs without closing.
  void freeze();
  void thaw();

  // Rules put before the default ones (local and loopback: trust), "" to take them away; reloads.
  void set_hba(const std::string& rules);
  void reload();
  std::string log() const { return read_file(directory_ / "log"); }
  // Server processes of clients, as superuser's pg_stat_activity has them.
  int backends(const std::string& database);
  void drop_backends(const std::string& database);

 private:
  struct Replica {};
  PgCluster(Replica, PgCluster& primary);
  bool try_start();
  void start_somewhere();
  void configure(const std::vector<std::string>& settings);
  std::string data() const { return directory_ / "data"; }
  void signal_all(int number);

  TempDir directory_;
  int port_ = 0;
  Process server_;
  std::unique_ptr<Client> superuser_;
};

// The template data directory of this ctest run (HOWDAH_TEST_TEMPLATE): made once, copied after.
void make_template(const std::string& path);

// The primary shared by the tests of this process; started at the first call.
PgCluster& primary();
void stop_shared_clusters();

}  // namespace howdah::test
