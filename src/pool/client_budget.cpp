// Counts of clients (howdah/pool/client_budget.h). Counters live in map nodes, which never move;
// names nobody is connected under are swept out when the map has doubled.
#include "howdah/pool/client_budget.h"

#include <algorithm>

namespace howdah::pool {

using base::Lock;

ClientBudget::Place::Place(Place&& other) noexcept : budget_(other.budget_), count_(other.count_) {
  other.budget_ = nullptr;
}

ClientBudget::Place& ClientBudget::Place::operator=(Place&& other) noexcept {
  if (this != &other) {
    Place old(std::move(*this));
    budget_ = other.budget_;
    count_ = other.count_;
    other.budget_ = nullptr;
  }
  return *this;
}

ClientBudget::Place::~Place() {
  if (!budget_) return;
  Lock lock(budget_->mutex_);
  --*count_;
}

ClientBudget::Place ClientBudget::take(std::size_t& count, std::size_t limit, bool force) {
  Place place;
  if (limit != 0 && count >= limit && !force) return place;
  ++count;
  place.budget_ = this;
  place.count_ = &count;
  return place;
}

std::size_t& ClientBudget::Named::of(std::string_view name) {
  auto found = counts.find(name);
  if (found != counts.end()) return found->second;
  if (counts.size() >= sweep_at) {
    std::erase_if(counts, [](const auto& entry) { return entry.second == 0; });
    sweep_at = std::max<std::size_t>(1024, 2 * counts.size());
  }
  return counts.try_emplace(std::string(name)).first->second;
}

std::size_t ClientBudget::Named::peek(std::string_view name) const {
  auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

ClientBudget::Place ClientBudget::connection(std::size_t limit, bool force) {
  Lock lock(mutex_);
  return take(connections_, limit, force);
}

ClientBudget::Place ClientBudget::database(std::string_view name, std::size_t limit, bool force) {
  Lock lock(mutex_);
  return take(databases_.of(name), limit, force);
}

ClientBudget::Place ClientBudget::user(std::string_view name, std::size_t limit, bool force) {
  Lock lock(mutex_);
  return take(users_.of(name), limit, force);
}

std::size_t ClientBudget::connections() const {
  Lock lock(mutex_);
  return connections_;
}

std::size_t ClientBudget::connections_of_database(std::string_view name) const {
  Lock lock(mutex_);
  return databases_.peek(name);
}

std::size_t ClientBudget::connections_of_user(std::string_view name) const {
  Lock lock(mutex_);
  return users_.peek(name);
}

}  // namespace howdah::pool
