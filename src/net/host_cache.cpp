// The cache of host names (host_cache.h).
#include "net/host_cache.h"

#include <algorithm>

namespace howdah::net {

namespace {
// The names are those of the configuration; more than this are left-overs of old ones.
constexpr std::size_t kPruneAbove = 256;
}  // namespace

void HostCache::set_ttl(base::Duration ttl, base::Duration negative_ttl) {
  ttl_ = ttl;
  negative_ttl_ = negative_ttl;
}

bool HostCache::fresh(const Entry& entry, base::TimePoint now) const {
  return entry.known && now - entry.answered < (entry.addresses.empty() ? negative_ttl_ : ttl_);
}

bool HostCache::lookup(const std::string& name, std::uint16_t port, base::TimePoint now,
                       Done done) {
  Entry& entry = entries_[name];
  if (!entry.asking && fresh(entry, now)) {
    done(deliver(entry, port));
    return false;
  }
  entry.waiters.push_back({port, std::move(done)});
  return !std::exchange(entry.asking, true);
}

void HostCache::answered(const std::string& name, std::vector<Address> addresses, std::string error,
                         base::TimePoint now) {
  Entry& entry = entries_[name];
  entry.asking = false;
  entry.known = true;
  entry.answered = now;
  entry.addresses = std::move(addresses);
  entry.error = std::move(error);
  // The callbacks may look up more names, so nothing of `entries_` is held while they run.
  std::vector<std::pair<Done, Resolved>> calls;
  for (Waiter& waiter : entry.waiters)
    calls.emplace_back(std::move(waiter.done), deliver(entry, waiter.port));
  entry.waiters.clear();
  if (entries_.size() > kPruneAbove)
    std::erase_if(entries_, [&](const auto& item) {
      return !item.second.asking && !fresh(item.second, now);
    });
  for (auto& [done, resolved] : calls) done(std::move(resolved));
}

Resolved HostCache::deliver(Entry& entry, std::uint16_t port) {
  Resolved result{entry.addresses, entry.error};
  for (Address& address : result.addresses) address.port = port;
  if (!result.addresses.empty()) {
    auto first = static_cast<std::ptrdiff_t>(entry.next++ % result.addresses.size());
    std::rotate(result.addresses.begin(), result.addresses.begin() + first, result.addresses.end());
  }
  return result;
}

}  // namespace howdah::net
