// Book: what it looks like from outside, and whether it is sound.
#include "howdah/base/text.h"
#include "pool/book.h"

namespace howdah::pool {

std::vector<PoolSnapshot> Book::snapshot() const {
  std::vector<PoolSnapshot> rows;
  rows.reserve(index_.size());
  for (const auto& entry : index_) {
    const Pool* pool = entry.second;
    PoolSnapshot& row = rows.emplace_back();
    row.id = pool->id;
    row.database = pool->database;
    row.user = pool->user;
    row.waiting = pool->waiting().size() + pool->waiting_own.size();
    row.active = pool->in(SlotState::Active).size();
    row.parked = pool->in(SlotState::Parked).size();
    row.connecting = pool->in(SlotState::Connecting).size();
    row.promised = pool->in(SlotState::Promised).size();
    row.clients = pool->clients;
    row.oldest_waiter = pool->oldest() ? pool->oldest()->since : base::kNever;
    row.paused = paused(*pool);
    row.closing = pool->in(SlotState::Closing).size();
    for (const auto& list : pool->slots)
      list.each([&](const Slot& slot) { row.obsolete += slot.epoch != pool->epoch; });
  }
  return rows;
}

std::size_t Book::servers_of(ScopeKind kind, std::string_view name) const {
  auto found = scopes_[kind].find(name);
  return found == scopes_[kind].end() ? 0 : found->second.servers;
}

std::size_t Book::servers_at(const config::Host& host, std::string_view address) const {
  std::size_t sum = 0;
  for (const auto& entry : index_) {
    const Pool* pool = entry.second;
    if (!pool->routed() || !pool->places) continue;
    const HostSet& places = *pool->places;
    for (const auto& list : pool->slots)
      list.each([&](const Slot& slot) {
        if (slot.own) return;
        // Numbers of hosts keep their meaning as long as the entry is routed.
        bool there = slot.host >= places.size() ||
                     (places[slot.host].host == host && places[slot.host].address == address);
        sum += there || slot.epoch != pool->epoch ? 1 : 0;
      });
  }
  return sum;
}

std::string Book::check_invariants() const {
  std::size_t slots = 0, tickets = 0;
  std::map<const Scope*, Scope> sums;
  std::map<const Scope*, std::size_t> idle;
  for (const auto& entry : index_) {
    const Pool* pool = entry.second;
    auto broken = [&](std::string_view what) {
      return base::cat("pool ", pool->database, "/", pool->user, ": ", what);
    };
    if (find(pool->id) != pool) return broken("not found by its id");
    bool due = pool->attention.armed() && pool->attention.at() == TimePoint::min();
    for (const auto& line : pool->waiting().lines())
      if (line->size() != 0 && !due && choose_parked(*pool, 0, line->hosts()))
        return broken("a waiter beside a parked server");
    if (paused(*pool) && !pool->in(SlotState::Parked).empty()) return broken("parked in a pause");
    if (hopeless(*pool) && pool->oldest() && !due)
      return broken("a waiter without hope or tick");
    if (pool->count() < pool->minimum && kept_filled(*pool) && !pool->attention.armed())
      return broken("below min_pool_size and no tick will look");
    std::string fault;
    std::size_t promises = 0, on_workers = 0;
    std::array<std::size_t, kSlotStates> own{};
    std::vector<std::size_t> connecting(pool->hosts.size()), on_host(pool->hosts.size());
    for (std::size_t state = 0; state < kSlotStates; ++state)
      pool->slots[state].each([&](const Slot& slot) {
        if (slot.pool != pool || slot.state != static_cast<SlotState>(state) || slot.id == 0)
          fault = "a slot in a wrong list";
        bool on_its_way = slot.state == SlotState::Promised ||
                          (slot.own && slot.state == SlotState::Connecting);
        if (slot.ticket && (!on_its_way || slot.own != slot.ticket->own || slot.ticket->slot != &slot ||
                            !pool->promised.contains(*slot.ticket)))
          fault = "a promise that only the slot knows";
        promises += slot.ticket != nullptr;
        own[state] += slot.own;
        if (slot.own && (slot.state == SlotState::Parked || slot.state == SlotState::Promised))
          fault = "a slot of one client is handed on";
        bool parked = slot.state == SlotState::Parked;
        if (slot.on_worker.linked() != parked) fault = "a slot in a wrong worker's list";
        for (std::size_t kind = 0; kind < kScopeKinds; ++kind)
          if (slot.idle[kind].link.linked() != (parked && pool->scopes[kind]->limit != 0))
            fault = "an idle server that its limit does not know";
        if (parked && slot.epoch != pool->epoch) fault = "an obsolete server is parked";
        if (slot.epoch != pool->epoch) return;
        if (slot.state == SlotState::Connecting) ++connecting[slot.host];
        if (slot.state != SlotState::Closing) ++on_host[slot.host];
        if (parked && pool->hosts[slot.host].weight == 0)
          fault = "parked on a host that is not to be used";
      });
    for (WorkerId worker = 0; worker < workers_; ++worker)
      on_workers += pool->parked_on[worker].size();
    if (on_workers != pool->in(SlotState::Parked).size()) fault = "parked on no worker";
    for (std::size_t i = 0; i < connecting.size(); ++i)
      if (connecting[i] != pool->hosts[i].connecting || on_host[i] != pool->hosts[i].servers) fault = "servers on a host are miscounted";
    if (promises != pool->promised.size()) fault = "a ticket is promised nothing";
    if (own != pool->own) fault = "slots of single clients are miscounted";
    auto check_queue = [&](const auto& queue, const Line* line) {
      const Ticket* before = nullptr;
      queue.each([&](const Ticket& ticket) {
        if (ticket.slot || ticket.pool != pool || ticket.id == 0) fault = "a waiter with a slot";
        if (ticket.own != !line || ticket.line != line) fault = "a ticket in the wrong queue";
        if (line && (ticket.hosts != line->hosts() || ticket.hosts != effective(*pool, ticket)))
          fault = "a waiter in the line of other hosts";
        if (before && !before->before(ticket)) fault = "the queue is out of order";
        before = &ticket;
      });
    };
    std::size_t in_lines = 0;
    for (const auto& line : pool->waiting().lines()) {
      check_queue(*line, line.get());
      in_lines += line->size();
    }
    if (in_lines != pool->waiting().size()) fault = "waiters are miscounted";
    check_queue(pool->waiting_own, nullptr);
    if (!fault.empty()) return broken(fault);
    slots += pool->count();
    tickets += pool->waiting().size() + pool->waiting_own.size() + pool->promised.size();
    for (Scope* scope : pool->scopes) {
      sums[scope].servers += pool->count();
      sums[scope].closing += pool->in(SlotState::Closing).size();
      ++sums[scope].pools;
      idle[scope] += scope->limit ? pool->in(SlotState::Parked).size() : 0;
    }
  }
  for (const auto& [scope, sum] : sums)
    if (scope->servers != sum.servers || scope->closing != sum.closing ||
        scope->pools != sum.pools || scope->idle.size() != idle[scope])
      return "a limit over pools is miscounted";
  if (slots != slots_.used()) return "a slot is in no pool";
  if (tickets != tickets_.used()) return "a ticket is in no pool";
  return {};
}

}  // namespace howdah::pool
