// Book: waiters that not every host will do for (waiting.h): those of split entries, and those who
// look for another host than the one that failed them.
//
// pool_size is one budget over all hosts, so servers that nobody waits for make room for those that
// somebody does, and hosts that are short of servers take over, slowly, from hosts that are not.
#include <algorithm>
#include <chrono>

#include "pool/book.h"

namespace howdah::pool {

namespace {
constexpr Duration kMoveEvery = std::chrono::milliseconds(100);
}

HostMask Book::effective(const Pool& pool, HostMask asked) {
  if (pool.splits()) {
    HostMask hosts = asked & pool.readable;
    return hosts != 0 ? hosts : pool.writable;
  }
  if (asked == kAnyHost || !pool.routed()) return kAnyHost;
  HostMask hosts = asked & pool.working;
  return hosts != 0 ? hosts : kAnyHost;
}

// The hosts have changed: who waits waits for others now.
void Book::sort_into_lines(Pool& pool) {
  bool right = true;
  for (const auto& line : pool.waiting().lines())
    line->each([&](const Ticket& ticket) { right = right && ticket.hosts == effective(pool, ticket); });
  if (right) return;
  std::vector<Ticket*> all;
  while (Ticket* ticket = pool.waiting().pop_front()) all.push_back(ticket);
  for (Ticket* ticket : all) enqueue(*ticket);
}

std::size_t Book::connecting_for(const Pool& pool, HostMask hosts) const {
  if (hosts == kAnyHost) return pool.connecting();
  std::size_t sum = 0;
  for (std::size_t i = 0; i < pool.hosts.size(); ++i)
    if (within(hosts, i)) sum += pool.hosts[i].connecting;
  return sum;
}

std::size_t Book::servers_for(const Pool& pool, HostMask hosts) const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < pool.hosts.size(); ++i)
    if (within(hosts, i)) sum += pool.hosts[i].servers;
  return sum;
}

bool Book::short_of(const Pool& pool, const Line& line) const {
  return line.size() > connecting_for(pool, line.hosts());
}

Line* Book::next_line(const Pool& pool, std::span<const Line* const> but) const {
  Line* best = nullptr;
  for (const auto& line : pool.waiting().lines()) {
    if (line->size() == 0 || (best && best->front()->before(*line->front()))) continue;
    if (std::find(but.begin(), but.end(), line.get()) != but.end()) continue;
    if (short_of(pool, *line)) best = line.get();
  }
  return best;
}

// What is parked beside waiters is on hosts that will not do for them.
void Book::make_room_for(Pool& pool, const Line& line, Actions& actions) {
  if (line.hosts() == kAnyHost) return;
  std::size_t wanted = line.size() - connecting_for(pool, line.hosts());
  Slot* slot = pool.in(SlotState::Parked).front();
  while (slot && pool.in(SlotState::Closing).size() < wanted) {
    Slot* next = Pool::SlotList::next(*slot);
    if (!within(line.hosts(), slot->host)) close(*slot, "evicted", actions);
    slot = next;
  }
}

bool Book::yields_to_line(Pool& pool, const Slot& slot, const Ticket* next, TimePoint now) {
  if (pool.waiting().lines().size() < 2 && (next || pool.waiting().empty())) return false;
  if (!pool.in(SlotState::Closing).empty()) return false;  // there is room on its way
  const Line* line = nullptr;
  for (const auto& each : pool.waiting().lines()) {
    if (each->size() == 0 || within(each->hosts(), slot.host) || !short_of(pool, *each)) continue;
    if (!line || each->front()->before(*line->front())) line = each.get();
  }
  if (!line || has_room(pool, line->front(), now)) return false;
  if (!ready_host(pool, now, line->hosts())) return false;
  if (!next) return true;
  if (next->before(*line->front())) return false;
  if (servers_for(pool, line->hosts()) == 0) return true;
  // Both sides have servers and work: the older waiters' side grows a little, but never by the
  // other's last.
  if (servers_for(pool, next->hosts) < 2 || now < pool.moved_at + kMoveEvery ||
      now < line->front()->since + kMoveEvery)
    return false;
  pool.moved_at = now;
  return true;
}

}  // namespace howdah::pool
