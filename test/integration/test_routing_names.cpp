// Names and addresses that are not one server each: a balancer behind one address, directories with
// colons, an address that moves to another server.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

const bool kSkip = on_pgbouncer();

// A TCP balancer: each new connection goes to the next of its ports.
class Balancer {
 public:
  explicit Balancer(std::vector<int> ports) : port_(free_port()) {
    aim(std::move(ports));
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at = address(port_);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(listen(listener_, 64) == 0);
    thread_ = std::thread([this] { run(); });
  }
  ~Balancer() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
    for (const Pair& pair : pairs_) drop(pair);
  }
  int port() const { return port_; }
  // Of new connections; those that are there stay.
  void aim(std::vector<int> ports) {
    std::lock_guard lock(mutex_);
    ports_ = std::move(ports);
  }

 private:
  struct Pair {
    int near, far;
  };
  static sockaddr_in address(int port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }
  static void drop(const Pair& pair) {
    ::close(pair.near);
    ::close(pair.far);
  }
  static bool copy(int from, int to) {
    char bytes[16384];
    ssize_t got = recv(from, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    for (ssize_t sent = 0; sent < got;) {
      ssize_t now = send(to, bytes + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
      if (now <= 0) return false;
      sent += now;
    }
    return true;
  }
  void accept_one() {
    int near = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (near < 0) return;
    int port;
    {
      std::lock_guard lock(mutex_);
      port = ports_[next_++ % ports_.size()];
    }
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at = address(port);
    if (connect(far, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) {
      pairs_.push_back({near, far});
    } else {
      drop({near, far});
    }
  }
  void run() {
    while (!stop_) {
      std::vector<pollfd> polled{{listener_, POLLIN, 0}};
      for (const Pair& pair : pairs_) {
        polled.push_back({pair.near, POLLIN, 0});
        polled.push_back({pair.far, POLLIN, 0});
      }
      if (poll(polled.data(), polled.size(), 50) <= 0) continue;
      std::vector<Pair> kept;
      for (std::size_t i = 0; i < pairs_.size(); ++i) {
        bool fine = (polled[1 + 2 * i].revents == 0 || copy(pairs_[i].near, pairs_[i].far)) &&
                    (polled[2 + 2 * i].revents == 0 || copy(pairs_[i].far, pairs_[i].near));
        if (fine) {
          kept.push_back(pairs_[i]);
        } else {
          drop(pairs_[i]);
        }
      }
      pairs_ = std::move(kept);
      if (polled[0].revents != 0) accept_one();
    }
  }
  const int port_;
  int listener_ = -1;
  std::mutex mutex_;
  std::vector<int> ports_;
  std::size_t next_ = 0;
  std::vector<Pair> pairs_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Trio {
  Trio()
      : primary({"listen_addresses = '127.0.0.1'"}),
        a(primary.make_replica()),
        b(primary.make_replica()) {
    primary.sql("create table t (id int)");
    primary.wait_replayed(*a);
    primary.wait_replayed(*b);
  }
  PgCluster primary;
  std::unique_ptr<PgCluster> a, b;
};

std::map<std::string, std::string> settings() {
  return {{"pool_mode", "transaction"},
          {"default_pool_size", "8"},
          {"monitor_user", "postgres"},
          {"health_check_interval", "0.2"}};
}

std::map<std::string, std::string> host(Pooler& pooler, int port) {
  return pooler.show("HOSTS", {{"port", std::to_string(port)}});
}

}  // namespace

TEST_CASE("behind a balancer nothing is read from a replica whose lag nobody measured" *
          doctest::skip(kSkip)) {
  Trio trio;
  Balancer balancer({trio.a->port(), trio.b->port()});
  std::string hosts = "host=127.0.0.1,127.0.0.1 port=" + std::to_string(trio.primary.port()) + "," +
                      std::to_string(balancer.port()) + " dbname=postgres ";
  Pooler pooler(
      {.settings = settings(),
       .databases = {
           "pref = " + hosts + "target_session_attrs=prefer-standby max_replica_lag_time=1",
           "any_lag = " + hosts + "target_session_attrs=standby"}});
  eventually("the monitor knows the roles", [&] {
    return pooler.console("show hosts").rows() == 2 &&
           host(pooler, balancer.port()).at("role") == "standby" &&
           host(pooler, trio.primary.port()).at("role") == "primary";
  });
  trio.b->sql("select pg_wal_replay_pause()");
  eventually("replay is paused", [&] {
    return trio.b->sql("select pg_get_wal_replay_pause_state()").at(0, 0) == "paused";
  });
  // Whoever gets a server of b sees an old count, but not later than a second after the write.
  for (int round = 1; round <= 4; ++round) {
    trio.primary.sql("insert into t values (1)");
    trio.primary.wait_replayed(*trio.a);
    std::this_thread::sleep_for(Millis{2100});  // the limit, and a second to notice
    std::vector<Client> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(pooler.connect("pref"));
      clients.back().exec("begin");
    }
    for (Client& client : clients) {
      CHECK(client.value("select count(*) from t") == std::to_string(round));
      client.exec("commit");
    }
  }
  eventually("it is called balanced", [&] {
    (void)pooler.connect("pref").value("select 1");
    return host(pooler, balancer.port()).at("cause") == "balanced: several servers";
  });
  CHECK(host(pooler, balancer.port()).at("lag_bytes") == "");
  // Without a limit there is nothing to measure: both replicas work.
  std::set<std::string> seen;
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(pooler.connect("any_lag"));
    clients.back().exec("begin");
    seen.insert(clients.back().value("select inet_server_port()"));
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("an address that moves to another server: what is parked there moves, too" *
          doctest::skip(kSkip)) {
  Trio trio;
  Balancer balancer({trio.a->port()});
  Pooler pooler({.settings = settings(),
                 .databases = {"ro = host=127.0.0.1,127.0.0.1 port=" +
                               std::to_string(trio.primary.port()) + "," +
                               std::to_string(balancer.port()) +
                               " dbname=postgres target_session_attrs=standby "
                               "max_replica_lag_time=5"}});
  Client client = pooler.connect("ro");
  CHECK(client.value("select inet_server_port()") == std::to_string(trio.a->port()));
  balancer.aim({trio.b->port()});
  // Those that are there go on; the first new one tells.
  std::vector<Client> more;
  client.exec("begin");
  eventually("a new connection leads to the other", [&] {
    more.push_back(pooler.connect("ro"));
    return more.back().value("select inet_server_port()") == std::to_string(trio.b->port());
  });
  client.exec("commit");
  eventually("nobody reads from the first any more", [&] {
    return client.value("select inet_server_port()") == std::to_string(trio.b->port());
  });
  CHECK(host(pooler, balancer.port()).at("cause") == "");
}

TEST_CASE("directories with colons are hosts: those of Cloud SQL" * doctest::skip(kSkip)) {
  Trio trio;
  TempDir cloud;
  auto directory = [&](const char* instance, const PgCluster& cluster) {
    std::string path = cloud / instance;
    std::filesystem::create_directory_symlink(cluster.socket_dir(), path);
    return path;
  };
  std::string hosts = directory("project:region:main", trio.primary) + "," +
                      directory("project:region:replica", *trio.a);
  std::string ports =
      std::to_string(trio.primary.port()) + "," + std::to_string(trio.a->port());
  Pooler pooler({.settings = settings(),
                 .databases = {"rw = host=" + hosts + " port=" + ports +
                                   " dbname=postgres target_session_attrs=primary",
                               "ro = host=" + hosts + " port=" + ports +
                                   " dbname=postgres target_session_attrs=standby "
                                   "max_replica_lag_time=5"}});
  Client writer = pooler.connect("rw");
  CHECK(writer.value("select pg_is_in_recovery()") == "f");
  CHECK(pooler.connect("ro").value("select pg_is_in_recovery()") == "t");
  CHECK(host(pooler, trio.a->port()).at("host") == cloud / "project:region:replica");
}
