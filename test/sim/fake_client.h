// A client at random: logs in, talks, leaves at any point. It feeds what it sends to an Engine of its
// own and compares every message that comes back: its own answers, in order and complete, or a FATAL
// error that this history allows, at a message boundary, and then the end.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "howdah/auth/exchange.h"
#include "sim/fake_engine.h"
#include "sim/sim_reactor.h"

namespace howdah::sim {

struct ClientTotals {
  std::uint64_t logins = 0, requests = 0, answers = 0, fatal = 0, cancels = 0, cancelled = 0,
                copies = 0, batches = 0, big = 0, transactions = 0, left_busy = 0;
};

struct Habits {  // of all clients of a history
  std::string database, user, password;
  bool session = false, statement = false;
  bool may_fail = false;      // FATAL errors may come
  bool wind_down = false;     // finish and leave
  int leave_percent = 3;      // chance to leave, at each turn
  Duration patience{};        // longest time without an answer
};

class FakeClient final : public PeerUser {
 public:
  // What a client needs of the world around it.
  struct Around {
    SimWorld& world;
    std::function<std::shared_ptr<SimSocket>()> dial;
    std::function<void(const std::string& mark)> cancel_asked;
    ClientTotals& totals;
  };

  FakeClient(Around& around, std::uint64_t id, Habits habits);
  void start();
  void on_input(std::string_view bytes) override;
  void on_end(bool reset) override;
  void wind_down() { habits_.wind_down = true; }
  // The database of a KILL, PAUSE, removal: from now on FATAL errors may come.
  void expect_failure() { habits_.may_fail = true; }
  bool gone() const { return state_ == State::Gone; }
  // Fails the world if it has waited too long.
  void check_patience();
  std::string story() const;

 private:
  enum class State { New, Encryption, Login, Talk, Told, Gone };
  // One CancelRequest on a connection of its own.
  struct Canceller final : PeerUser {
    std::shared_ptr<SimSocket> socket;
    bool done = false;
    void on_input(std::string_view) override {}
    void on_end(bool) override { done = true; }
  };

  void send_startup();
  void on_message(const Message& message);
  void on_login(const Message& message);
  void on_auth(const Message& message);
  void on_fatal(const Message& message);
  void mismatch(const Message& message);
  void act();
  void think();                 // act() after a while
  void later(Duration delay, std::function<void()> call);
  void leave();
  void emit(const std::string& bytes);
  void say(Message message);    // to the engine and to the wire
  void query(const std::string& sql) { say({'Q', query_body(sql)}); }
  std::string mark();
  std::string statement();
  void talk_simple();
  void talk_batch();
  void talk_copy_in(bool extended);
  void finish_copy(bool extended);
  void talk_sleep();
  void talk_transaction();
  void answered();

  Around& around_;
  SimWorld& world_;
  Random& random_;
  const std::uint64_t id_;
  Habits habits_;
  State state_ = State::New;
  std::shared_ptr<SimSocket> socket_;
  std::string in_, key_, name_, held_;
  std::unique_ptr<auth::ClientExchange> exchange_;
  Engine engine_, before_sleep_;
  std::deque<Message> expected_;
  std::function<void()> then_;      // goes on when all that is expected has come
  std::string sleeping_mark_;
  Message sleep_query_{};
  bool cancelled_ = false, acting_ = false, holding_ = false;
  bool begged_ = false;             // began a transaction where there are none
  std::unique_ptr<Canceller> canceller_;
  std::uint64_t sequence_ = 0;
  std::uint64_t round_ = 0;         // counts what was answered: a late cancel knows it is late
  TimePoint progress_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace howdah::sim
