// Routed entries: their hosts' names made addresses, the monitor that watches them, and what the
// ledger is told of it.
//
//   Config --names, DNS--> Endpoints --> Monitor --views--> fit() per entry --weights--> Ledger
//
// A host of an entry keeps its number for good; an address that vanishes from DNS keeps it with
// weight 0, so its servers are closed when idle. Thread: the supervisor's, but where it says any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "howdah/config/config.h"
#include "howdah/net/mailbox.h"
#include "howdah/pool/ledger.h"
#include "howdah/probe/monitor.h"
#include "howdah/worker/shared.h"

namespace howdah::app {

class Router {
 public:
  Router(net::Reactor& reactor, pool::Ledger& ledger, worker::Shared& shared,
         std::function<void(pool::Actions)> perform);
  ~Router();

  // At start and at each reload.
  void configure(std::shared_ptr<const config::Config> config);
  // Something may have changed: looks at the newest view. Cheap; called every 100 ms, too.
  void look(base::TimePoint now);
  // Any thread.
  void fault(const config::Host& host, const std::string& address);
  void told_role(const config::Host& host, const std::string& address, bool standby);
  void told_identity(const config::Host& host, const std::string& address, route::Identity which);
  void want_fresh(const pool::HostSet& hosts);
  // Hosts for which this is true get no work, whatever else is known of them; null: none.
  using Held = std::function<bool(route::HostId, const route::FleetView&)>;
  void hold(Held held);
  // Where the names of a routed entry lead now; nothing if it is not routed.
  std::optional<std::vector<route::HostId>> hosts_of(const std::string& database,
                                                     const route::FleetView& view) const;
  // Somebody waits for news of these.
  void sample_often(const std::vector<route::HostId>& ids, const route::FleetView& view);
  // The monitor's newest; null without routed entries.
  std::shared_ptr<const route::FleetView> view() const;
  // Why an entry has no host now; empty: it has.
  std::map<std::string, std::string> without_host() const;

 private:
  struct Place {
    route::Endpoint endpoint;
    bool current = true;  // the name still leads there
    std::shared_ptr<route::HostSigns> signs{};
  };
  struct Entry {
    std::shared_ptr<const config::Database> entry;
    std::vector<Place> places;
    pool::HostSet told;  // the ledger knows this
    bool ever_told = false, said = false;
    std::string why_none;
  };
  struct Name {  // of a host, and the port
    std::vector<std::string> addresses;
    bool asked = false;  // an answer is on its way
    bool failed = false;
  };
  using NameKey = std::pair<std::string, std::uint16_t>;

  void resolve_names();
  void resolved(const NameKey& key, net::Resolved answer);
  void place_entries();
  void send_targets();
  probe::Login login_for(const config::Database& entry) const;
  void tell(const std::string& name, Entry& entry, const route::FleetView& view,
            base::TimePoint now);
  void leave_out_held(const config::Database& entry, const std::vector<route::HostId>& ids,
                      const route::FleetView& view, route::Fit& fit) const;
  void tell_ejected(const route::FleetView& view);

  net::Reactor& reactor_;
  pool::Ledger& ledger_;
  worker::Shared& shared_;
  const std::function<void(pool::Actions)> perform_;
  std::shared_ptr<const config::Config> config_;
  std::unique_ptr<probe::Monitor> monitor_;               // once made it stays
  std::atomic<probe::Monitor*> told_of_faults_{nullptr};  // the same, for fault()
  route::HealthPolicy policy_;
  Held held_;
  std::map<std::string, Entry> entries_;
  std::map<NameKey, Name> names_;
  base::TimePoint next_resolve_{};
  std::vector<route::Health> seen_;      // by HostId: to notice an ejection
  std::vector<route::Identity> met_;     // and another server behind an address
  std::vector<char> moved_;  // likewise: a suspect's failed probe has been told
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace howdah::app
