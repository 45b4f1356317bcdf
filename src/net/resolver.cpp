// The resolver (resolver.h).
#include "net/resolver.h"

#include <algorithm>
#include <memory>

#include "howdah/base/text.h"
#include "net/socket.h"
#include "net/uv_loop.h"

namespace howdah::net {

// One getaddrinfo under way. `resolver` is null once nobody wants the answer.
struct Resolver::Query {
  uv_getaddrinfo_t request{};
  Resolver* resolver = nullptr;
  std::string name;
};

// One getnameinfo under way.
struct Resolver::ReverseQuery {
  uv_getnameinfo_t request{};
  Resolver* resolver = nullptr;
  std::function<void(ReverseResolved)> done;
};

void Resolver::close() {
  for (ReverseQuery* query : reverse_queries_) {
    query->resolver = nullptr;
    query->done = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&query->request));
  }
  reverse_queries_.clear();
  for (Query* query : queries_) {
    query->resolver = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&query->request));
  }
  queries_.clear();
  cache_.clear();
}

void Resolver::resolve(const std::string& host, std::uint16_t port, HostCache::Done done) {
  if (host.empty()) return done({{}, "the host name is empty"});
  if (host[0] == '/' || host[0] == '@') return done({{unix_address(host, port)}, ""});
  if (auto address = numeric_address(host, port)) return done({{*address}, ""});
  std::string name = base::lower(host);
  if (cache_.lookup(name, port, loop_.now(), std::move(done))) ask(name);
}

void Resolver::ask(const std::string& name) {
  auto query = std::make_unique<Query>();
  query->resolver = this;
  query->name = name;
  query->request.data = query.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;  // no IPv6 addresses on a machine that has no IPv6
  int status = uv_getaddrinfo(
      loop_.uv(), &query->request,
      [](uv_getaddrinfo_t* request, int result, addrinfo* list) {
        std::unique_ptr<Query> owned(static_cast<Query*>(request->data));
        if (owned->resolver) owned->resolver->finished(*owned, result, list);
        uv_freeaddrinfo(list);
      },
      name.c_str(), nullptr, &hints);
  if (status < 0) return finished(*query, status, nullptr);  // not even a name
  queries_.push_back(query.release());
}

void Resolver::finished(Query& query, int status, const addrinfo* list) {
  std::erase(queries_, &query);
  std::vector<Address> addresses = addresses_in(list);
  std::string error;
  if (addresses.empty())
    error = base::cat("could not resolve host \"", query.name,
                      "\": ", status < 0 ? uv_strerror(status) : "it has no address");
  cache_.answered(query.name, std::move(addresses), std::move(error), base::monotonic_now());
}

void Resolver::reverse(const Address& address, std::function<void(ReverseResolved)> done) {
  auto query = std::make_unique<ReverseQuery>();
  query->resolver = this;
  query->done = std::move(done);
  query->request.data = query.get();
  SocketAddress raw;
  int status = UV_EAI_NONAME;
  if (to_socket_address(address, raw) == 0) {
    status = uv_getnameinfo(
        loop_.uv(), &query->request,
        [](uv_getnameinfo_t* request, int result, const char* name, const char*) {
          std::unique_ptr<ReverseQuery> owned(static_cast<ReverseQuery*>(request->data));
          if (!owned->resolver) return;
          std::erase(owned->resolver->reverse_queries_, owned.get());
          bool none = result == UV_EAI_NONAME || result == UV_EAI_NODATA;
          owned->done({result == 0 && name ? name : "", result < 0 && !none});
        },
        raw.get(), NI_NAMEREQD);
  }
  if (status == 0) {
    reverse_queries_.push_back(query.release());
    return;
  }
  loop_.defer([done = std::move(query->done), failed = status != UV_EAI_NONAME] {
    done({"", failed});
  });
}

}  // namespace howdah::net
