// Thousands of clients on a pool of 20: all are served, in turn, and idle ones cost little.
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr int kServers = 20;

int client_count() {
  return full_run() ? 10000 : 2000;
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  REQUIRE_MESSAGE(limit.rlim_cur > static_cast<rlim_t>(client_count()) + 200,
                  "the hard descriptor limit is too low for this test");
}

// Clients that run queries in a closed loop, all in this thread.
class Crowd {
 public:
  Crowd(Pooler& pooler, int count) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), done_(count, 0) {
    clients_.reserve(count);
    for (int i = 0; i < count; ++i) {
      clients_.push_back(pooler.connect("db"));
      epoll_event event{.events = EPOLLIN, .data = {.u32 = static_cast<std::uint32_t>(i)}};
      REQUIRE(::epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_.back().socket(), &event) == 0);
    }
  }
  ~Crowd() { ::close(epoll_); }

  // Every client runs `rounds` queries. The most by which any was ahead of the others, but for those
  // whose servers the system doesn't let run: as many as there are servers.
  int run(int rounds, const std::string& sql) {
    std::fill(done_.begin(), done_.end(), 0);
    std::vector<int> at_count(rounds + 1, 0);
    at_count[0] = static_cast<int>(clients_.size());
    for (auto& client : clients_) client.send(sql);
    int spread = 0;
    auto slowest = [&] {
      int round = 0;
      for (int behind = at_count[0]; round < rounds && behind <= kServers; behind += at_count[round])
        ++round;
      return round;
    };
    while (at_count[rounds] < static_cast<int>(clients_.size())) {
      epoll_event events[256];
      int ready = ::epoll_wait(epoll_, events, 256, static_cast<int>(kPatience.count()));
      if (ready <= 0) throw std::runtime_error("nobody is served any more");
      for (int i = 0; i < ready; ++i) {
        auto who = events[i].data.u32;
        if (!take_answer(clients_[who])) continue;
        --at_count[done_[who]];
        ++at_count[++done_[who]];
        spread = std::max(spread, done_[who] - slowest());
        if (done_[who] < rounds) clients_[who].send(sql);
      }
    }
    return spread;
  }

 private:
  bool take_answer(Client& client) {
    bool whole = false;
    while (client.has_answer()) {
      Result result = client.next();
      if (!result) return whole;
      if (result.failed()) throw SqlError(result.error());
      whole = true;
    }
    // The row is here, ReadyForQuery is not: libpq gives the end with the next input.
    if (whole) client.next();
    return whole;
  }

  int epoll_;
  std::vector<Client> clients_;
  std::vector<int> done_;
};

Pooler make_pooler() {
  primary().create_database("many");
  return Pooler({.settings = {{"pool_mode", "transaction"},
                              {"default_pool_size", std::to_string(kServers)},
                              {"max_client_conn", std::to_string(client_count() + 100)},
                              {"log_connections", "0"},
                              {"log_disconnections", "0"}},
                 .databases = {entry("db", primary(), "many")}});
}

}  // namespace

TEST_CASE("all of many clients run their queries on 20 servers, none more than a turn ahead") {
  raise_descriptor_limit();
  Pooler pooler = make_pooler();
  Crowd crowd(pooler, client_count());
  CHECK(pooler.pool("db", "postgres", "cl_active") == client_count());
  int spread = crowd.run(full_run() ? 10 : 5, "select 1");
  // First come first served: who was served goes to the end of the queue.
  CHECK(spread <= 2);
  CHECK(primary().backends("many") <= 20);
  CHECK(pooler.show("LISTS", {{"list", "used_clients"}}).at("items") ==
        std::to_string(client_count() + 1));
}

TEST_CASE("clients come and go while others work") {
  raise_descriptor_limit();
  Pooler pooler = make_pooler();
  Crowd crowd(pooler, 100);
  for (int i = 0; i < (full_run() ? 100 : 10); ++i) {
    std::vector<RawClient> passing;
    for (int j = 0; j < 50; ++j) passing.push_back(pooler.raw("db"));
    crowd.run(2, "select 1");
    for (auto& client : passing) client.send(msg::query("select 2"));
    for (std::size_t j = 0; j < passing.size(); j += 2) passing[j].reset();
    for (std::size_t j = 1; j < passing.size(); j += 2) {
      CHECK(passing[j].types_until('Z') == "TDCZ");
    }
  }
  eventually("only the crowd is left",
             [&] { return pooler.pool("db", "postgres", "cl_active") == 100; });
}

TEST_CASE("logins in a storm do not stall queries in flight") {
  raise_descriptor_limit();
  Pooler pooler({.settings = {{"auth_type", "scram-sha-256"},
                              {"pool_mode", "transaction"},
                              {"max_client_conn", "1000"},
                              {"log_connections", "0"},
                              {"log_disconnections", "0"}},
                 .databases = {entry("db", primary(), "postgres")},
                 .userlist = {{"postgres", "secret"}, {"admin", "admin-password"}}});
  Client busy = pooler.connect("db", "postgres", "password=secret");
  std::vector<std::unique_ptr<PGconn, decltype(&PQfinish)>> storm;
  std::string conninfo =
      pooler.conninfo("db", "postgres", "password=secret sslmode=disable gssencmode=disable");
  for (int i = 0; i < 200; ++i) storm.emplace_back(PQconnectStart(conninfo.c_str()), PQfinish);
  // They are half-way in; whoever is in already is served meanwhile.
  for (int i = 0; i < 50; ++i) CHECK(busy.value("select 1") == "1");
  int in = 0;
  for (auto& connection : storm) {
    eventually("the login ends", [&] {
      auto state = PQconnectPoll(connection.get());
      return state == PGRES_POLLING_OK || state == PGRES_POLLING_FAILED;
    });
    in += PQstatus(connection.get()) == CONNECTION_OK;
  }
  CHECK(in == 200);
}
