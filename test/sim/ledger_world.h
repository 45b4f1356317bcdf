// A world around one pool ledger: virtual workers with mailboxes, their servers and clients, hosts
// that fail, an operator who interferes. One seed is one history. The world keeps its own books
// (who holds which server, who waits since when, which limits hold) and compares after every event.
//
// Time is virtual; each worker's clock is a little off. Messages between two workers arrive in the
// order they were sent, after a random while; so do a worker's messages to itself.
//
// Three phases: Storm (anything happens), Freeze (clients that hold a server keep it, hosts are
// well: whoever can be served must be served), Calm (servers are given back: everybody must be
// served), then a drain after which no server may be left.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

#include "howdah/base/text.h"
#include "howdah/pool/ledger.h"
#include "sim/random.h"

namespace howdah::sim {

using namespace pool;

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Totals {  // what the seeds together have exercised
  std::uint64_t events = 0, granted = 0, fetched = 0, given = 0, queued = 0, refused = 0,
                opened = 0, voided = 0, lost_in_transit = 0, sent = 0, evicted = 0, closed = 0,
                failed = 0, retried = 0, reserve = 0, forgotten = 0, connect_failures = 0,
                login_failures = 0, dropped = 0, own_asked = 0, own_given = 0, own_closed = 0;
};

class LedgerWorld {
 public:
  LedgerWorld(std::uint64_t seed, bool trace, Totals& totals);
  void run();  // throws Violation

 private:
  enum class Phase { Storm, Freeze, Calm, Drain };
  enum class ServerState { Connecting, Held, Parked, Travelling, Closing };
  enum class ClientState { Away, Idle, Waiting, Active };

  struct Server {
    Permit permit;
    SlotId slot = 0;
    PoolId pool = 0;
    std::string database, user;
    std::size_t host = 0;
    std::uint64_t epoch = 0;  // of the operator's changes when it was opened
    ServerState state = ServerState::Connecting;
    WorkerId at = 0;
    TicketId promised_to = 0;
    bool told_to_close = false;
    bool own = false;  // opened for one client only
  };
  struct Client {
    std::uint64_t id = 0;
    WorkerId worker = 0;
    ClientState state = ClientState::Away;
    PoolId pool = 0;
    std::string database, user;
    TicketId ticket = 0;
    SlotId slot = 0;
    TimePoint since{};
    std::uint64_t arrival = 0;
    bool retried = false;   // its place is where it once was, not where it came
    bool promised = false;  // a server is on its way to it
    bool own = false;       // it asked for a server of its own
  };
  struct Event {
    TimePoint at;
    std::uint64_t number;
    std::function<void()> run;
    bool operator<(const Event& other) const {  // the earliest on top
      return at != other.at ? at > other.at : number > other.number;
    }
  };

  // --- time and messages (ledger_world.cpp)
  TimePoint now(WorkerId worker) const { return now_ + clock_off_[worker]; }
  void later(std::int64_t microseconds, std::function<void()> run);
  void post(WorkerId from, WorkerId to, std::function<void()> run);
  void run_until(TimePoint end);
  void after_event();
  template <typename... Pieces>
  void say(const Pieces&... pieces);
  [[noreturn]] void violated(const std::string& what) const { throw Violation(what); }
  void expect(bool good, const char* what) const {
    if (!good) violated(what);
  }

  // --- workers (ledger_workers.cpp)
  void act(WorkerId worker);
  void begin_open(WorkerId worker, Open open);
  void end_connect(SlotId slot);
  void answer(Server& server, WorkerId worker, const Checkin& checkin);
  void fetch_asked(WorkerId home, SlotId slot, TicketId ticket, WorkerId to);
  void arrived(WorkerId worker, SlotId slot, TicketId ticket);
  void close_ordered(WorkerId home, SlotId slot);
  void lose(WorkerId worker, SlotId slot);
  void drop(SlotId slot);
  Permit take_permit(SlotId slot);
  void check_open(const Open& open, WorkerId worker) const;
  void check_turn(const Client& served) const;

  // --- clients (ledger_clients.cpp)
  void client_step(std::size_t index);
  void join(Client& client);
  void leave(Client& client);
  void ask(Client& client, bool again);
  void link(Client& client, Server& server);
  void release(Client& client);
  void server_dies_under(Client& client);
  void failed(std::uint64_t client, TicketId ticket);
  Client* waiting_with(TicketId ticket);
  bool paused(const std::string& database) const {
    return paused_all_ || paused_.contains(database);
  }

  // --- operator and ends (ledger_operator.cpp)
  std::shared_ptr<config::Config> make_config();
  void operate();
  void reload(std::shared_ptr<config::Config> config);
  void tick_forever();
  void freeze();
  void calm();
  void drain();
  void check_settled();
  void check_nothing_more_to_open();

  Random random_;
  const bool trace_;
  Totals& totals_;
  Phase phase_ = Phase::Storm;
  TimePoint now_{std::chrono::seconds(10'000)};
  Duration jumped_{};
  WorkerId workers_;
  std::vector<Duration> clock_off_;
  int trouble_;  // how often things fail, in percent
  std::priority_queue<Event> events_;
  std::uint64_t next_number_ = 0;
  std::map<std::pair<WorkerId, WorkerId>, TimePoint> last_delivery_;
  std::shared_ptr<config::Config> config_;
  std::unique_ptr<Ledger> ledger_;
  Actions actions_;
  std::map<SlotId, Server> servers_;  // destroyed before the ledger
  std::vector<Client> clients_;
  std::uint64_t next_arrival_ = 0;
  std::map<std::string, bool> paused_;
  bool paused_all_ = false;
  std::array<bool, 4> host_down_{};
  std::uint64_t epoch_ = 0;
  static constexpr TimePoint kUnknown = base::kNever;
  std::map<std::pair<PoolId, std::size_t>, TimePoint> not_before_;  // back-off as we know it
};

template <typename... Pieces>
void LedgerWorld::say(const Pieces&... pieces) {
  if (!trace_) return;
  std::string line = base::cat(now_.time_since_epoch().count(), " ", pieces...);
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace howdah::sim
