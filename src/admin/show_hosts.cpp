// SHOW HOSTS: what the monitor knows of each host of a routed entry.
#include <map>

#include "admin/answer.h"
#include "admin/shows.h"

namespace howdah::admin {
namespace {

constexpr wire::Column kHosts[] = {{"host", kText},      {"port", kInt},     {"address", kText},
                                   {"identity", kText},  {"role", kText},    {"state", kText},
                                   {"cause", kText},     {"since_ms", kBig}, {"lag_bytes", kBig},
                                   {"lag_ms", kBig},     {"timeline", kInt}, {"system", kText},
                                   {"latency_us", kBig}, {"checks", kBig},   {"ejections", kBig},
                                   {"sv_active", kInt},  {"sv_idle", kInt}};

struct Servers {
  std::uint64_t active = 0, idle = 0;
};

std::string cause(const route::HostView& host) {
  if (host.stale_primary) return "old timeline or split brain";
  if (host.balanced && host.cause == route::Cause::None) return "balanced: several servers";
  return std::string(name(host.cause));
}

std::int64_t ms(base::Duration time) { return time.count() / 1000; }

void host_rows(const State& state, base::Buffer& to) {
  if (!state.hosts) return;
  std::map<std::pair<std::string, int>, Servers> servers;
  for (const WorkerReport& worker : state.workers) {
    for (const SocketRow& row : worker.servers) {
      Servers& here = servers[{row.addr, row.port}];
      ++(row.state == "idle" || row.state == "used" ? here.idle : here.active);
    }
  }
  for (const route::HostView& host : state.hosts->hosts) {
    const auto& endpoint = host.endpoint;
    Servers here = servers[{endpoint.address.empty() ? "unix" : endpoint.address, endpoint.port}];
    Row row(to, std::size(kHosts));
    row.text(endpoint.host)
        .number(endpoint.port)
        .text(endpoint.address)
        .text(host.identity)
        .text(name(host.role))
        .text(name(host.health))
        .text(cause(host))
        .number(ms(state.now - host.since));
    if (host.lag.known) {
      base::Duration age = host.lag.age;
      if (age.count() > 0) age += state.now - state.hosts->made;
      row.number(host.lag.bytes).number(ms(age));
    } else {
      row.null().null();
    }
    row.number(host.timeline)
        .text(base::cat(host.system))
        .number(host.latency.count())
        .number(host.checks)
        .number(host.ejections)
        .number(here.active)
        .number(here.idle);
  }
}

constexpr Show kShows[] = {{"HOSTS", Rights::Stats, ShowKind::SocketRows, kHosts, host_rows}};

}  // namespace

std::span<const Show> host_shows() { return kShows; }

}  // namespace howdah::admin
