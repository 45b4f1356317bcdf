// The host monitor: one thread with a poll(2) loop and one libpq connection per host, which asks
// all there is to know in one round trip. Feeds route::Fleet and publishes its views.
//
// Thread: any for all of Monitor's calls; `changed` is called on the monitor's thread, and must
// only wake somebody. Never blocks: names are resolved by the caller.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/log.h"
#include "howdah/base/secret.h"
#include "howdah/route/fleet.h"

namespace howdah::probe {

// How the monitor logs in to a host; libpq's words. Without a user: as nobody, which tells that the
// host is alive and no more.
struct Login {
  std::string user, dbname, sslmode, sslrootcert, sslcert, sslkey;
  std::string password;
  bool operator==(const Login&) const = default;
};

struct Target {
  route::Endpoint endpoint;
  Login login;
};

struct Targets {
  std::vector<Target> hosts;
  route::HealthPolicy policy;
};

class Monitor {
 public:
  // `state_file`: where the highest timelines are kept; empty: nowhere.
  Monitor(base::Log& log, std::string state_file, std::function<void()> changed);
  ~Monitor();  // ends the thread

  // Hosts that are no longer among them are not probed any more; their HostIds stay theirs.
  void set_targets(Targets targets);
  // A pooled connection to this host was lost or refused.
  void fault(const route::Endpoint& endpoint);
  // A pooled connection's server said what it is.
  void told_role(const route::Endpoint& endpoint, route::Role role);
  // A pooled connection to it led to this server.
  void told_identity(const route::Endpoint& endpoint, route::Identity identity);
  // Hosts whose signs say so (HostSigns::want) are to be sampled often.
  void want_fresh();
  // Work waits for a host to be found fit: all are probed more often.
  void hold(bool held);
  // The newest view; never null. `version` grows with each.
  std::shared_ptr<const route::FleetView> view() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace howdah::probe
