// Who waits for a shared slot of a pool, in lines by the hosts that will do. A pool whose entry is
// not routed, and mostly the others too, has one line; each line is in the order of (since,
// sequence), and among lines that a slot would serve the oldest head goes first.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "pool/pool_state.h"

namespace howdah::pool {

inline bool within(HostMask hosts, std::size_t host) {
  return hosts == kAnyHost || (host < 64 && (hosts >> host & 1) != 0);
}

class Line {
 public:
  explicit Line(HostMask hosts) : hosts_(hosts) {}
  HostMask hosts() const { return hosts_; }
  Ticket* front() const { return queue_.front(); }
  std::size_t size() const { return queue_.size(); }
  template <typename F>
  void each(F&& visit) const {
    queue_.each(visit);
  }

 private:
  friend class Waiting;
  HostMask hosts_;
  base::List<Ticket, &Ticket::link> queue_;
};

class Waiting {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Lines may be empty.
  const std::vector<std::unique_ptr<Line>>& lines() const { return lines_; }

  // The oldest of all.
  Ticket* front() const {
    return oldest([](const Line&) { return true; });
  }
  // The oldest of those whom a slot of that host would serve.
  Ticket* front_for(std::size_t host) const {
    return oldest([host](const Line& line) { return within(line.hosts(), host); });
  }
  template <typename Wanted>
  Ticket* oldest(Wanted&& wanted) const {
    Ticket* best = nullptr;
    for (const auto& line : lines_) {
      Ticket* head = line->front();
      if (head && wanted(*line) && (!best || head->before(*best))) best = head;
    }
    return best;
  }

  // By ticket.hosts.
  void add(Ticket& ticket) {
    Line& line = line_for(ticket.hosts);
    ticket.line = &line;
    ++size_;
    auto& queue = line.queue_;
    if (queue.empty() || queue.back()->before(ticket)) return queue.push_back(ticket);
    Ticket* at = queue.front();
    while (at->before(ticket)) at = queue.next(*at);
    queue.insert_before(ticket, at);
  }
  void remove(Ticket& ticket) {
    ticket.line->queue_.remove(ticket);
    ticket.line = nullptr;
    --size_;
  }
  Ticket* pop_front() {
    Ticket* ticket = front();
    if (ticket) remove(*ticket);
    return ticket;
  }

 private:
  static constexpr std::size_t kMany = 8;
  Line& line_for(HostMask hosts) {
    for (const auto& line : lines_)
      if (line->hosts() == hosts) return *line;
    if (lines_.size() >= kMany)
      std::erase_if(lines_, [](const auto& line) { return line->size() == 0; });
    return *lines_.emplace_back(std::make_unique<Line>(hosts));
  }
  std::vector<std::unique_ptr<Line>> lines_;
  std::size_t size_ = 0;
};

}  // namespace howdah::pool
