// The simulated world: its clock, its mailboxes, and what must hold after every event.
#include "sim/ledger_world.h"

#include <algorithm>

namespace howdah::sim {

LedgerWorld::LedgerWorld(std::uint64_t seed, bool trace, Totals& totals)
    : random_(seed), trace_(trace), totals_(totals) {
  workers_ = static_cast<WorkerId>(random_.between(1, 4));
  for (WorkerId i = 0; i < workers_; ++i)
    clock_off_.push_back(Duration(random_.chance(50) ? 0 : random_.between(0, 5000)));
  trouble_ = static_cast<int>(random_.chance(30) ? 0 : random_.between(1, 20));
  config_ = make_config();
  ledger_ = std::make_unique<Ledger>(config_, workers_);
  clients_.resize(static_cast<std::size_t>(random_.chance(95) ? random_.between(2, 14)
                                                              : random_.between(30, 60)));
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].id = i;
    clients_[i].worker = static_cast<WorkerId>(random_.below(workers_));
    later(random_.between(0, 20'000), [this, i] { client_step(i); });
  }
  later(random_.between(0, 100'000), [this] { tick_forever(); });
  later(random_.between(0, 200'000), [this] { operate(); });
}

void LedgerWorld::run() {
  run_until(now_ + std::chrono::milliseconds(random_.between(300, 3000)));
  freeze();
  calm();
  drain();
}

void LedgerWorld::later(std::int64_t microseconds, std::function<void()> run) {
  events_.push({now_ + Duration(microseconds), next_number_++, std::move(run)});
}

void LedgerWorld::post(WorkerId from, WorkerId to, std::function<void()> run) {
  std::int64_t delay = random_.chance(30)   ? 0
                       : random_.chance(90) ? random_.between(1, 500)
                                            : random_.between(1, 50'000);
  TimePoint& last = last_delivery_[{from, to}];
  last = std::max(last, now_ + Duration(delay));
  events_.push({last, next_number_++, std::move(run)});
}

void LedgerWorld::run_until(TimePoint end) {
  while (!events_.empty() && events_.top().at <= end) {
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ = std::max(now_, event.at);  // after a jump in time what is overdue happens at once
    event.run();
    after_event();
  }
  now_ = std::max(now_, end);
}

void LedgerWorld::after_event() {
  ++totals_.events;
  expect(actions_.empty(), "actions were left undone (the simulation is wrong)");
  if (std::string fault = ledger_->check_invariants(); !fault.empty()) violated(fault);
  // A slot nobody holds is lost for ever; a server without a slot breaks the limits.
  if (ledger_->servers() != servers_.size())
    violated(base::cat("the ledger knows ", ledger_->servers(), " servers, there are ",
                       servers_.size()));
}

}  // namespace howdah::sim
