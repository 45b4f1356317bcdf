// Host names to addresses: getaddrinfo(3) on libuv's helper threads, in front of it a HostCache. And
// addresses to names: getnameinfo(3), not cached.
#pragma once

#include <uv.h>

#include <functional>
#include <string>
#include <vector>

#include "net/host_cache.h"

namespace howdah::net {

class UvLoop;

class Resolver {
 public:
  explicit Resolver(UvLoop& loop) : loop_(loop) {}
  ~Resolver() { close(); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `done` comes before the return when the answer is known (numeric, unix, cached), else later.
  void resolve(const std::string& host, std::uint16_t port, HostCache::Done done);
  void reverse(const Address& address, std::function<void(ReverseResolved)> done);
  void set_ttl(base::Duration ttl, base::Duration negative_ttl) {
    cache_.set_ttl(ttl, negative_ttl);
  }
  // Forgets who waits; look-ups under way end without a callback.
  void close();

 private:
  struct Query;
  struct ReverseQuery;

  void ask(const std::string& name);
  void finished(Query& query, int status, const addrinfo* list);

  UvLoop& loop_;
  HostCache cache_;
  std::vector<Query*> queries_;  // under way
  std::vector<ReverseQuery*> reverse_queries_;
};

}  // namespace howdah::net
