// A PostgreSQL at the end of server transports: logins (trust, or SCRAM with a plain secret), the
// language of fake_engine.h, slow answers, cancel requests, and every way to fail that a seed allows.
//
// It watches, too: no more connections per pool than allowed, no query of one client inside the
// transaction (or, in session mode, between two resets, the session) of another, no cancel for a
// statement whose client did not ask for one.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "howdah/auth/exchange.h"
#include "sim/fake_engine.h"
#include "sim/sim_reactor.h"

namespace howdah::sim {

struct Faults {  // percent per event; all 0: a perfect server
  int refuse_connect = 0, black_hole = 0, refuse_login = 0, die_in_login = 0, die_idle = 0,
      die_busy = 0, notice = 0, slow = 0;
};

// What the operator of the simulation tells the servers, and what they count.
struct Ward {
  Faults faults;
  bool scram = false;
  std::string password;
  // By "database/user": the most connections that were ever allowed; absent = unlimited.
  std::map<std::string, std::size_t> limits;
  std::function<std::size_t(const std::string& pool)> held_of;  // over all servers
  std::set<std::string> session_databases;
  // Marks whose clients asked for a cancel, and clients that are gone.
  std::set<std::string> cancel_asked;
  bool kills = false;  // the pooler has closed clients of its own accord
  std::uint64_t queries = 0, logins = 0, deaths = 0, cancels = 0, refused = 0, cancels_hit = 0;
};

class FakePostgres;

class Backend final : public PeerUser {
 public:
  Backend(FakePostgres& owner, std::shared_ptr<SimSocket> socket, std::uint32_t pid);
  void on_input(std::string_view bytes) override;
  void on_end(bool reset) override;
  void cancel();
  void die();  // in one of several ways
  std::uint32_t pid() const { return pid_; }
  const std::string& key() const { return key_; }
  const std::string& pool() const { return pool_; }
  bool dead() const { return dead_; }
  bool held() const { return !dead_ && socket_->held(); }
  bool closed() const { return socket_->closed(); }
  // Works for a client, or has its transaction open.
  bool engaged() const {
    return held() && (engine_.tx() != 'I' || (!mark_.empty() && (sleeping_ || !todo_.empty())));
  }

 private:
  void start_up();
  void password(const std::string& body);
  void reply(auth::Outcome outcome);
  void welcome();
  void turn();
  void answer(const Message& message, bool cancelled);
  void watch_owner(const Message& message);
  void end();

  FakePostgres& owner_;
  std::shared_ptr<SimSocket> socket_;
  std::uint32_t pid_;
  enum class State { StartUp, Auth, Ready } state_ = State::StartUp;
  std::string in_, key_, pool_, database_, user_;
  std::unique_ptr<auth::ServerExchange> exchange_;
  Engine engine_;
  std::deque<Message> todo_;
  std::string client_;   // whose transaction or session it is: the client's part of the mark
  std::string mark_;     // of the statement that runs
  bool dead_ = false, sleeping_ = false, cancelled_ = false, scheduled_ = false;
  std::uint64_t nap_ = 0;
};

class FakePostgres final : public Place {
 public:
  FakePostgres(SimWorld& the_world, Ward& the_ward) : world(the_world), ward(the_ward) {}
  Fate fate() override;
  void accept(std::shared_ptr<SimSocket> socket) override;
  Backend* find(const std::string& key);
  // Runs `call` later if the backend still lives.
  void later(Backend& backend, Duration delay, std::function<void(Backend&)> call);
  void kill_one();
  std::size_t held() const;  // connections that workers hold
  std::size_t held_of(const std::string& pool) const;
  std::size_t engaged_of(const std::string& pool) const;
  void sweep();

  SimWorld& world;
  Ward& ward;
  auth::ServerKeyring keyring;

 private:
  std::vector<std::unique_ptr<Backend>> backends_;
  std::uint32_t next_pid_ = 1;
};

}  // namespace howdah::sim
