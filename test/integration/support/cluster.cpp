#include "cluster.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace howdah::test {

namespace {

constexpr const char* kHba =
    "local all,replication all trust\n"
    "host all,replication all 127.0.0.1/32 trust\n"
    "host all,replication all ::1/128 trust\n";

void must_run(const std::vector<std::string>& argv) {
  Output output = run(argv);
  if (output.status != 0) {
    throw std::runtime_error(argv[0] + " failed: " + output.text);
  }
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    std::size_t after_name = stat.rfind(')');
    if (after_name == std::string::npos) continue;
    std::istringstream rest(stat.substr(after_name + 1));
    std::string state;
    pid_t ppid = 0;
    rest >> state >> ppid;
    if (ppid == parent) found.push_back(pid);
  }
  return found;
}

std::unique_ptr<PgCluster>& shared_primary() {
  static std::unique_ptr<PgCluster> cluster;
  return cluster;
}

}  // namespace

void make_template(const std::string& path) {
  must_run({pg_bin() + "/initdb", "-D", path, "-U", "postgres", "-A", "trust", "-N",
            "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"});
}

PgCluster::PgCluster(const std::vector<std::string>& settings) {
  const char* shared = std::getenv("HOWDAH_TEST_TEMPLATE");
  if (shared && std::filesystem::exists(std::string(shared) + "/PG_VERSION")) {
    must_run({"cp", "-r", shared, data()});
    must_run({"chmod", "700", data()});
  } else {
    make_template(data());
  }
  configure(settings);
  start_somewhere();
}

PgCluster::PgCluster(Replica, PgCluster& primary) {
  must_run({pg_bin() + "/pg_basebackup", "-D", data(), "-h", primary.socket_dir(), "-p",
            std::to_string(primary.port_), "-U", "postgres", "-R", "-c", "fast", "--no-sync"});
  configure({});
  start_somewhere();
}

PgCluster::~PgCluster() {
  superuser_.reset();
  if (!server_.running()) return;
  thaw();
  server_.signal(SIGQUIT);
  try {
    server_.wait(Millis{20000});
  } catch (const std::exception&) {
    server_.kill_hard();
  }
}

void PgCluster::configure(const std::vector<std::string>& settings) {
  std::ostringstream text;
  text << "listen_addresses = '127.0.0.1,::1'\n"
       << "unix_socket_directories = '" << directory_.path() << "'\n"
       << "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
       << "shared_buffers = 32MB\nmax_connections = 200\nmax_wal_senders = 8\n"
       << "wal_level = replica\nhot_standby = on\nmax_wal_size = 512MB\njit = off\n"
       << "autovacuum = off\nlogging_collector = off\nlog_line_prefix = '%m %p %u@%d '\n"
       << "authentication_timeout = 60s\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n"
       << "password_encryption = 'scram-sha-256'\nwal_receiver_timeout = 10s\n"
       << "wal_retrieve_retry_interval = 200ms\n"
       // A backend whose connection is cut says so soon, also in the middle of pg_sleep().
       << "client_connection_check_interval = 200ms\n";
  for (const auto& line : settings) text << line << "\n";
  write_file(data() + "/howdah.conf", text.str());
  std::string main = read_file(data() + "/postgresql.conf");
  if (main.find("howdah.conf") == std::string::npos) {
    write_file(data() + "/postgresql.conf", main + "\ninclude 'howdah.conf'\n");
  }
  write_file(data() + "/pg_hba.conf", kHba);
}

bool PgCluster::try_start() {
  Process::Options options;
  options.log = directory_ / "log";
  options.death_signal = SIGQUIT;
  server_ = Process({pg_bin() + "/postgres", "-D", data(), "-p", std::to_string(port_)}, options);
  eventually("PostgreSQL accepts connections or gives up", [this] {
    return !server_.running() || PQping(conninfo().c_str()) == PQPING_OK;
  });
  if (!server_.running()) return false;
  superuser_ = std::make_unique<Client>(conninfo());
  return true;
}

void PgCluster::start_somewhere() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    port_ = free_port();
    if (try_start()) return;
  }
  throw std::runtime_error("PostgreSQL does not start:\n" + log());
}

void PgCluster::start() {
  eventually("PostgreSQL starts again on its port", [this] { return try_start(); });
}

void PgCluster::stop(Stop mode) {
  superuser_.reset();
  thaw();
  server_.signal(mode == Stop::Fast ? SIGINT : SIGQUIT);
  server_.wait();
}

void PgCluster::restart(Stop mode) {
  stop(mode);
  start();
}

void PgCluster::kill_hard() {
  superuser_.reset();
  auto children = children_of(server_.pid());
  server_.kill_hard();
  eventually("the backends of a killed postmaster end", [&] {
    for (pid_t pid : children) {
      if (::kill(pid, 0) == 0) return false;
    }
    return true;
  });
}

void PgCluster::signal_all(int number) {
  if (!server_.running()) return;
  auto children = children_of(server_.pid());
  server_.signal(number);
  for (pid_t pid : children) ::kill(pid, number);
}

void PgCluster::freeze() { signal_all(SIGSTOP); }
void PgCluster::thaw() { signal_all(SIGCONT); }

void PgCluster::promote() {
  sql("select pg_promote(true, 60)");
  eventually("the replica is a primary",
             [this] { return sql("select pg_is_in_recovery()").at(0, 0) == "f"; });
}

std::unique_ptr<PgCluster> PgCluster::make_replica() {
  std::unique_ptr<PgCluster> replica(new PgCluster(Replica{}, *this));
  eventually("the replica streams", [&] {
    return replica->sql("select count(*) from pg_stat_wal_receiver where status = 'streaming'")
               .at(0, 0) == "1";
  });
  return replica;
}

void PgCluster::wait_replayed(PgCluster& replica) {
  std::string position = sql("select pg_current_wal_insert_lsn()").at(0, 0);
  eventually("the replica has replayed " + position, [&] {
    return replica.sql("select pg_last_wal_replay_lsn() >= '" + position + "'").at(0, 0) == "t";
  });
}

std::string PgCluster::conninfo(const std::string& database, const std::string& user) const {
  return "host=" + directory_.path() + " port=" + std::to_string(port_) + " dbname=" + database +
         " user=" + user + " sslmode=disable";
}

Result PgCluster::sql(const std::string& text, const std::string& database) {
  if (database == "postgres" && superuser_ && !superuser_->lost()) return superuser_->exec(text);
  return connect(database).exec(text);
}

void PgCluster::set_hba(const std::string& rules) {
  write_file(data() + "/pg_hba.conf", "local all postgres trust\n" + rules + kHba);
  reload();
}

void PgCluster::reload() {
  // The postmaster reads the files some time after the signal; new connections then obey them.
  std::string before = sql("select pg_conf_load_time()").at(0, 0);
  server_.signal(SIGHUP);
  eventually("PostgreSQL read its files again", [&] {
    return connect().exec("select pg_conf_load_time()").at(0, 0) != before;
  });
}

void PgCluster::create_database(const std::string& name) {
  if (sql("select 1 from pg_database where datname = '" + name + "'").rows() == 0) {
    sql("create database " + name);
  }
}

void PgCluster::create_role(const std::string& name, const std::string& attributes) {
  if (sql("select 1 from pg_roles where rolname = '" + name + "'").rows() == 0) {
    sql("create role " + name + " " + attributes);
  }
}

int PgCluster::backends(const std::string& database) {
  return std::stoi(sql("select count(*) from pg_stat_activity where datname = '" + database +
                       "' and backend_type = 'client backend'")
                       .at(0, 0));
}

void PgCluster::drop_backends(const std::string& database) {
  sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + database +
      "' and backend_type = 'client backend'");
}

PgCluster& primary() {
  if (!shared_primary()) shared_primary() = std::make_unique<PgCluster>();
  return *shared_primary();
}

void stop_shared_clusters() { shared_primary().reset(); }

}  // namespace howdah::test
