// The history of a seed: its workers, its clients, its checks; see the header.
#include "sim/workers_world.h"

#include <algorithm>
#include <cstdio>

#include "howdah/base/text.h"

namespace howdah::sim {

using base::cat;

namespace {
constexpr Duration kGoodbye = seconds(10);  // what the pooler leaves a client to read its last error
constexpr const char* kUsers[] = {"ann", "bob"};

net::Address inet(const char* host) { return {net::Address::Family::Inet, host, 5432}; }
}  // namespace

WorkersWorld::WorkersWorld(std::uint64_t seed, bool trace, WorkersTotals& totals)
    : world_(seed),
      totals_(totals),
      around_{world_,
              [this] {
                int fd;
                net::Address from{net::Address::Family::Inet, "10.2.0.1", 40000};
                auto socket = world_.dial(fd, from);
                auto place = budget_.connection(
                    static_cast<std::size_t>(config_->settings.max_client_conn));
                auto fewest = std::min_element(
                    workers_.begin(), workers_.end(), [](const auto& a, const auto& b) {
                      return a->client_count() < b->client_count();
                    });
                (*fewest)->deal(worker::NewClient{fd, from, std::move(place)});
                return socket;
              },
              [this](const std::string& mark) { ward_.cancel_asked.insert(mark); },
              totals.clients} {
  Random& random = world_.random;
  world_.trace = trace;
  base::LogTargets targets;
  targets.to_stderr = trace;
  (void)log_.open(targets);
  gentle_ = random.chance(35);
  stormy_quit_ = !gentle_ && random.chance(25);
  count_ = static_cast<pool::WorkerId>(random.between(1, 4));
  world_.delay_percent = static_cast<int>(random.between(0, 40));
  knobs_ = {static_cast<int>(random.between(1, 4)), static_cast<int>(random.between(2, 6)),
            static_cast<int>(random.between(1, 3)), static_cast<int>(random.below(2)),
            static_cast<int>(random.below(3)),      0};
  if (random.chance(25)) knobs_.max_db = static_cast<int>(random.between(1, 4));
  static const char* kAuth[] = {"trust", "plain", "md5", "scram-sha-256"};
  auth_type_ = kAuth[random.below(4)];
  ward_.scram = random.chance(40);
  ward_.password = "elephant";
  ward_.session_databases = {"ds"};
  ward_.held_of = [this](const std::string& pool) {
    return home_.held_of(pool) + second_.held_of(pool);
  };
  wait_timeout_ = gentle_ ? 120 : static_cast<int>(random.between(2, 12));
  login_timeout_ = gentle_ ? 60 : static_cast<int>(random.between(2, 15));
  auto pick = [&](std::initializer_list<const char*> values) {
    return *(values.begin() + random.below(values.size()));
  };
  settings_ = cat("query_wait_timeout = ", wait_timeout_, "\nclient_login_timeout = ", login_timeout_,
                  "\nserver_connect_timeout = 3\nserver_idle_timeout = ", pick({"1", "4", "600"}),
                  "\nserver_lifetime = ", pick({"0", "2", "3600"}),
                  "\nserver_login_retry = ", pick({"1", "3"}),
                  "\nserver_check_query = ", pick({"ROWS k 1", "<empty>", ""}),
                  "\nserver_check_delay = ", pick({"0", "1", "30"}),
                  "\nserver_round_robin = ", pick({"0", "1"}),
                  "\nserver_reset_query_always = ", pick({"0", "0", "1"}),
                  "\nreserve_pool_timeout = ", pick({"0", "1", "5"}),
                  "\nquery_wait_notify = ", pick({"0", "1"}),
                  "\npool_idle_timeout = ", pick({"0", "2"}), "\n");
  if (!gentle_) {
    settings_ += cat("query_timeout = ", pick({"0", "0", "1"}),
                     "\nidle_transaction_timeout = ", pick({"0", "0.05", "1"}),
                     "\ntransaction_timeout = ", pick({"0", "0.2", "3"}),
                     "\nclient_idle_timeout = ", pick({"0", "1"}),
                     "\nmax_client_conn = ", pick({"1000", "1000", "6"}), "\n");
  }
  world_.listen(inet("10.0.0.1"), home_);
  world_.listen(inet("10.0.0.2"), second_);
  world_.name("home", {inet("10.0.0.1")});
  world_.name("second", {inet("10.0.0.2"), inet("10.0.0.1")});
}

WorkersWorld::~WorkersWorld() = default;

// --- Configuration ----------------------------------------------------------------------------------

std::shared_ptr<const config::Config> WorkersWorld::load() {
  const char* host = knobs_.second_home ? "second" : "home";
  std::string text =
      cat("[databases]\n", "dt = host=", host, " pool_mode=transaction pool_size=", knobs_.size_t,
          " max_db_connections=", knobs_.max_db, "\n",
          "ds = host=home,second pool_mode=session pool_size=", knobs_.size_s, "\n",
          "dm = host=", host, " pool_mode=statement pool_size=", knobs_.size_m, "\n",
          "df = host=home user=boss password=elephant connect_query='ROWS k 1' "
          "pool_mode=transaction pool_size=", knobs_.size_t, " min_pool_size=", knobs_.min, "\n",
          knobs_.spare ? cat("dx = host=second pool_mode=transaction pool_size=2\n") : std::string(),
          "[pgbouncer]\nlisten_port = 6432\nmax_client_conn = 1000\nauth_file = users.txt\n",
          "auth_type = ", auth_type_, "\nscram_iterations = 16\nreserve_pool_size = ",
          knobs_.reserve, "\nmin_pool_size = ", knobs_.min,
          "\nlog_connections = 0\nlog_disconnections = ", world_.trace ? "1" : "0",
          "\nlog_pooler_errors = ", world_.trace ? "1" : "0", "\n", settings_);
  auto read = [](const std::string&) -> base::Result<std::string> {
    return std::string("\"ann\" \"elephant\"\n\"bob\" \"elephant\"\n\"boss\" \"elephant\"\n");
  };
  auto loaded = config::load_text(text, "sim.ini", read);
  for (const auto& problem : loaded.problems)
    world_.fail(cat("configuration: ", problem.where, ": ", problem.text));
  return loaded.config;
}

// A pool may have as many servers as it was ever allowed (a smaller limit takes its time).
void WorkersWorld::note_limits() {
  auto note = [&](const char* database, int size) {
    for (const char* user : {"ann", "bob", "boss"}) {
      auto& most = ward_.limits[cat(database, "/", user)];
      most = std::max(most, static_cast<std::size_t>(size + knobs_.reserve));
    }
  };
  note("dt", knobs_.size_t);
  note("ds", knobs_.size_s);
  note("dm", knobs_.size_m);
  note("df", knobs_.size_t);
  note("dx", 2);
}

void WorkersWorld::start_workers() {
  ledger_ = std::make_unique<pool::Ledger>(config_, count_);
  shared_ = std::unique_ptr<worker::Shared>(new worker::Shared{
      .ledger = *ledger_,
      .clients = budget_,
      .hashes = hashes_,
      .keyring = keyring_,
      .log = log_,
      .names = std::make_shared<session::TrackedNames>(config_->settings.track_extra_parameters),
      .supervisor = mailbox_,
      .version = "simulated"});
  for (pool::WorkerId id = 0; id < count_; ++id) {
    reactors_.push_back(&world_.add_reactor());
    workers_.push_back(worker::Worker::make(id, *reactors_[id], *shared_, config_, id == 0));
    shared_->workers.push_back(&workers_[id]->mailbox());
    workers_[id]->on_quit([this, id] {
      reactors_[id]->stop();
      ++quit_;
    });
  }
}

// --- Clients ------------------------------------------------------------------------------------------

void WorkersWorld::add_client() {
  static const char* kDatabases[] = {"dt", "dt", "ds", "dm", "df", "dx"};
  Random& random = world_.random;
  Habits habits;
  habits.database = kDatabases[random.below(6)];
  // A database that comes and goes is not for those who expect no error.
  if (gentle_ && habits.database == "dx") habits.database = "dt";
  habits.user = kUsers[random.below(2)];
  habits.password = "elephant";
  habits.session = habits.database == "ds";
  habits.statement = habits.database == "dm";
  habits.may_fail = !gentle_;
  habits.wind_down = calm_;
  habits.leave_percent = static_cast<int>(random.between(0, 8));
  habits.patience = seconds(std::max(wait_timeout_, login_timeout_)) + kGoodbye + seconds(5);
  clients_.push_back(std::make_unique<FakeClient>(around_, next_client_++, habits));
  clients_.back()->start();
}

void WorkersWorld::each_step() {
  std::uint64_t turn = world_.events;
  drain_supervisor();
  if (turn % 16 == 0) {
    if (std::string broken = ledger_->check_invariants(); !broken.empty())
      world_.fail(cat("ledger: ", broken));
    compare_books();
  }
  if (turn % 64 == 0) {
    std::erase_if(clients_, [](const auto& client) { return client->gone(); });
    home_.sweep();
    second_.sweep();
  }
  if (turn % 256 == 0)
    for (const auto& client : clients_) client->check_patience();
}

// What the ledger says against what is so.
void WorkersWorld::compare_books() {
  std::size_t tickets = 0, clients = 0;
  for (const auto& worker : workers_) clients += worker->client_count();
  for (const auto& pool : ledger_->snapshot()) {
    tickets += pool.waiting + pool.promised;
    std::string name = cat(pool.database, "/", pool.user);
    std::size_t engaged = home_.engaged_of(name) + second_.engaged_of(name);
    if (engaged > pool.active)
      world_.fail(cat("pool ", name, ": ", engaged, " servers work, the ledger counts ", pool.active));
  }
  if (tickets > clients) world_.fail(cat(tickets, " tickets are out for ", clients, " clients"));
}

void WorkersWorld::drain_supervisor() {
  std::vector<worker::SupervisorMessage> messages;
  mailbox_.drain(messages);
  for (const auto& message : messages)
    if (std::holds_alternative<worker::Report>(message)) ++reports_;
}

void WorkersWorld::expect_failures() {
  for (const auto& client : clients_) client->expect_failure();
}

// --- The history --------------------------------------------------------------------------------------

std::string WorkersWorld::run() {
  Random& random = world_.random;
  config_ = load();
  if (!config_) return world_.failure();
  note_limits();
  start_workers();
  ++totals_.workers[count_];
  totals_.gentle += gentle_;
  TimePoint end = world_.now + milliseconds(random.between(300, 5000));
  auto sometime = [&] { return world_.now + microseconds(random.between(0, (end - world_.now).count())); };
  for (std::int64_t left = random.between(1, 30); left > 0; --left)
    world_.at(random.chance(30) ? world_.now : sometime(), [this] { add_client(); });
  for (std::int64_t left = random.between(0, 8); left > 0; --left)
    world_.at(sometime(), [this] { operate(); });
  if (!gentle_) cause_trouble();
  auto each = [this] { each_step(); };
  world_.run_until(end, each);
  if (!stormy_quit_) {
    calm();
    TimePoint limit = world_.now + seconds(2 * (wait_timeout_ + login_timeout_) + 40);
    while (!clients_.empty() && world_.now < limit && world_.failure().empty()) {
      world_.run_until(world_.now + seconds(1), each);
      std::erase_if(clients_, [](const auto& client) { return client->gone(); });
    }
    if (!clients_.empty() && world_.failure().empty())
      world_.fail(cat(clients_.front()->story(), " does not come to an end"));
    world_.run_until(world_.now + seconds(20), each);
    // min_pool_size may have one opened at any time; that is soon over.
    for (int left = 50; left > 0 && !at_rest().empty(); --left)
      world_.run_until(world_.now + milliseconds(100), each);
    if (world_.failure().empty()) check_settled();
  } else {
    ++totals_.stormy_quits;
  }
  if (world_.failure().empty()) quit();
  totals_.events += world_.events;
  totals_.queries += ward_.queries;
  totals_.server_logins += ward_.logins;
  totals_.deaths += ward_.deaths;
  totals_.refused += ward_.refused;
  totals_.cancels_hit += ward_.cancels_hit;
  return world_.failure().empty() ? std::string() : cat(world_.failure(), "\n", books());
}

// Empty, or the pool that is not.
std::string WorkersWorld::at_rest() const {
  for (const auto& pool : ledger_->snapshot()) {
    std::string name = cat("pool ", pool.database, "/", pool.user);
    if (pool.active || pool.promised || pool.waiting || pool.connecting || pool.closing)
      return cat(name, " is not at rest");
    if (pool.clients) return cat(name, " counts ", pool.clients, " clients");
  }
  return {};
}

void WorkersWorld::check_settled() {
  if (std::string unsettled = at_rest(); !unsettled.empty())
    world_.fail(cat("settled: ", unsettled));
  if (world_.transports() != ledger_->servers())
    world_.fail(cat("settled: ", world_.transports(), " connections, the ledger counts ",
                    ledger_->servers()));
  if (home_.held() + second_.held() != ledger_->servers())
    world_.fail(cat("settled: ", home_.held() + second_.held(), " servers in use, the ledger counts ",
                    ledger_->servers()));
  if (budget_.connections() != 0)
    world_.fail(cat("settled: ", budget_.connections(), " clients are still counted"));
  for (const auto& worker : workers_)
    if (worker->client_count() != 0) world_.fail("settled: a worker still counts clients");
}

void WorkersWorld::quit() {
  expect_failures();
  post_all([] { return worker::Quit{}; });
  TimePoint limit = world_.now + seconds(30);
  while (quit_ < workers_.size() && world_.now < limit && world_.failure().empty())
    world_.run_until(world_.now + milliseconds(100), [this] { drain_supervisor(); });
  if (quit_ < workers_.size()) world_.fail("a worker does not quit");
  if (!world_.failure().empty()) return;
  workers_.clear();
  shared_->workers.clear();
  if (world_.transports() != 0) world_.fail(cat("quit: ", world_.transports(), " connections leak"));
  if (ledger_->servers() != 0) world_.fail(cat("quit: ", ledger_->servers(), " slots leak"));
  if (budget_.connections() != 0)
    world_.fail(cat("quit: ", budget_.connections(), " clients are still counted"));
}

std::string WorkersWorld::books() const {
  std::string text = cat("  at ", (world_.now - TimePoint(seconds(1000))).count(), " us, ", count_,
                         " workers, ", gentle_ ? "gentle" : "rough", ", auth ", auth_type_, "\n");
  for (const auto& pool : ledger_->snapshot())
    text += cat("  pool ", pool.database, "/", pool.user, ": waiting ", pool.waiting, " active ",
                pool.active, " parked ", pool.parked, " connecting ", pool.connecting, " promised ",
                pool.promised, " closing ", pool.closing, pool.paused ? " paused" : "", "\n");
  for (const auto& client : clients_)
    if (!client->gone()) text += cat("  ", client->story(), "\n");
  return text;
}

void WorkersWorld::trace(const std::string& text) const {
  if (world_.trace)
    std::fprintf(stderr, "  %10lld %s\n",
                 static_cast<long long>((world_.now - TimePoint(seconds(1000))).count()),
                 text.c_str());
}

}  // namespace howdah::sim
