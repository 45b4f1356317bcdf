// What is known about host names, and who waits for an answer. No I/O and no clock: the Resolver
// asks and tells. Look-ups of one name are merged while it is being asked for; each delivery
// starts one address further than the one before.
//
//   Unknown --lookup--> Asking --answered--> Fresh --time passes--> Stale --lookup--> Asking
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "howdah/net/transport.h"

namespace howdah::net {

class HostCache {
 public:
  using Done = std::function<void(Resolved)>;

  // How long answers and failures hold; also for those already here.
  void set_ttl(base::Duration ttl, base::Duration negative_ttl);
  // Calls `done` at once if the answer is known, else keeps it. True: the caller shall ask for
  // `name` and call answered().
  bool lookup(const std::string& name, std::uint16_t port, base::TimePoint now, Done done);
  // Calls all who wait. No address = failed, see `error`.
  void answered(const std::string& name, std::vector<Address> addresses, std::string error,
                base::TimePoint now);
  // Forgets everything, also who waits.
  void clear() { entries_.clear(); }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Waiter {
    std::uint16_t port;
    Done done;
  };
  struct Entry {
    std::vector<Address> addresses;  // port 0
    std::string error;
    base::TimePoint answered{};
    bool known = false;
    bool asking = false;
    std::size_t next = 0;  // where the next delivery starts
    std::vector<Waiter> waiters;
  };

  bool fresh(const Entry& entry, base::TimePoint now) const;
  static Resolved deliver(Entry& entry, std::uint16_t port);

  base::Duration ttl_ = std::chrono::seconds(15);
  base::Duration negative_ttl_ = std::chrono::seconds(15);
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace howdah::net
