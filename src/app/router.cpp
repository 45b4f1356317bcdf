// Routed entries; see the header.
#include "app/router.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "howdah/auth/exchange.h"
#include "howdah/base/text.h"

namespace howdah::app {

using base::cat;
using namespace std::chrono_literals;

namespace {
bool is_local(const std::string& host) { return host.starts_with('/') || host.starts_with('@'); }
constexpr base::Duration kLeastInterval = 100ms, kLeastFreshness = 1ms;
}  // namespace

Router::Router(net::Reactor& reactor, pool::Ledger& ledger, worker::Shared& shared,
               std::function<void(pool::Actions)> perform)
    : reactor_(reactor), ledger_(ledger), shared_(shared), perform_(std::move(perform)) {}

Router::~Router() = default;

void Router::configure(std::shared_ptr<const config::Config> config) {
  config_ = std::move(config);
  const config::Settings& settings = config_->settings;
  reactor_.set_dns_ttl(settings.dns_max_ttl, settings.dns_nxdomain_ttl);
  policy_ = {.interval = std::max(settings.health_check_interval, kLeastInterval),
             .timeout = std::max(settings.health_check_timeout, kLeastInterval),
             .slow_start = settings.slow_start,
             .fall = settings.health_check_fall,
             .rise = settings.health_check_rise,
             .freshness = std::max(settings.freshness_interval, kLeastFreshness)};
  std::map<std::string, std::shared_ptr<const config::Database>> routed;
  for (const auto& [name, entry] : config_->databases)
    if (entry->routed()) routed.emplace(name, entry);
  if (config_->wildcard && config_->wildcard->routed()) routed.emplace("*", config_->wildcard);
  std::erase_if(entries_, [&](const auto& pair) { return !routed.contains(pair.first); });
  for (const auto& [name, entry] : routed) {
    entries_[name].entry = entry;
    // A bound on age is only as good as the samples are young.
    if (entry->max_replica_lag_time.count() > 0)
      policy_.interval =
          std::max(std::min(policy_.interval, entry->max_replica_lag_time / 4), kLeastInterval);
  }
  if (entries_.empty()) {
    if (monitor_) monitor_->set_targets({{}, policy_});
    return;
  }
  if (!monitor_) {
    monitor_ = std::make_unique<probe::Monitor>(shared_.log, settings.state_file, [this] {
      shared_.supervisor.post(worker::HostsChanged{});
    });
    told_of_faults_.store(monitor_.get(), std::memory_order_release);
  }
  next_resolve_ = {};
  place_entries();
  send_targets();
  look(reactor_.now());
}

// --- Names --------------------------------------------------------------------------------------

void Router::resolve_names() {
  std::weak_ptr<bool> alive = alive_;
  for (const auto& [name, entry] : entries_) {
    for (const config::Host& host : entry.entry->hosts) {
      if (is_local(host.name)) continue;
      NameKey key{host.name, host.port};
      Name& known = names_[key];
      if (std::exchange(known.asked, true)) continue;
      reactor_.resolve(host.name, host.port, [this, alive, key](net::Resolved answer) {
        if (!alive.expired()) resolved(key, std::move(answer));
      });
    }
  }
}

void Router::resolved(const NameKey& key, net::Resolved answer) {
  Name& name = names_[key];
  name.asked = false;
  if (answer.addresses.empty()) {
    // What was found before stays in use: a name service that is down is no reason to stop.
    if (!std::exchange(name.failed, true))
      shared_.log.warning(cat("host name ", key.first, " cannot be looked up: ", answer.error));
    return;
  }
  name.failed = false;
  std::vector<std::string> addresses;
  for (const net::Address& address : answer.addresses) addresses.push_back(address.host);
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses == name.addresses) return;
  name.addresses = std::move(addresses);
  place_entries();
  send_targets();
  look(reactor_.now());
}

void Router::place_entries() {
  for (auto& [name, entry] : entries_) {
    for (Place& place : entry.places) place.current = false;
    auto put = [&places = entry.places](route::Endpoint endpoint) {
      for (Place& place : places) {
        if (place.endpoint != endpoint) continue;
        place.current = true;
        return;
      }
      places.push_back({std::move(endpoint)});
    };
    for (const config::Host& host : entry.entry->hosts) {
      if (is_local(host.name)) {
        put({host.name, host.port, ""});
        continue;
      }
      auto found = names_.find({host.name, host.port});
      if (found == names_.end()) continue;
      for (const std::string& address : found->second.addresses)
        put({host.name, host.port, address});
    }
  }
}

// --- The monitor --------------------------------------------------------------------------------

probe::Login Router::login_for(const config::Database& entry) const {
  const config::Settings& settings = config_->settings;
  probe::Login login;
  const std::string& asker = entry.auth_user.empty() ? settings.auth_user : entry.auth_user;
  bool forced = settings.monitor_user.empty() && entry.user.has_value();
  login.user = !settings.monitor_user.empty() ? settings.monitor_user
               : entry.user                   ? *entry.user
                                              : asker;
  if (!settings.monitor_password.empty() && !settings.monitor_user.empty()) {
    login.password = settings.monitor_password;
  } else if (forced && !entry.password_file.empty()) {
    login.password = std::string(shared_.passwords.read(entry.password_file).secret.view());
  } else if (forced && entry.password) {
    if (auth::classify(entry.password->view()).kind == auth::StoredSecret::Kind::Plain)
      login.password = std::string(entry.password->view());
  } else if (auto found = config_->userlist.find(login.user); found != config_->userlist.end()) {
    // libpq cannot log in with a SCRAM or md5 secret.
    if (auth::classify(found->second.view()).kind == auth::StoredSecret::Kind::Plain)
      login.password = std::string(found->second.view());
  }
  login.dbname = !settings.monitor_dbname.empty() ? settings.monitor_dbname
                 : !entry.dbname.empty()          ? entry.dbname
                                                  : "postgres";
  login.sslmode = config::name(entry.tls.mode);
  login.sslrootcert = entry.tls.ca_file;
  login.sslcert = entry.tls.cert_file;
  login.sslkey = entry.tls.key_file;
  return login;
}

void Router::send_targets() {
  if (!monitor_) return;
  probe::Targets targets;
  targets.policy = policy_;
  std::map<route::Endpoint, bool> named;
  for (const auto& [name, entry] : entries_) {
    for (const Place& place : entry.places) {
      if (!place.current || !named.emplace(place.endpoint, true).second) continue;
      targets.hosts.push_back({place.endpoint, login_for(*entry.entry)});
    }
  }
  monitor_->set_targets(std::move(targets));
}

std::shared_ptr<const route::FleetView> Router::view() const {
  return monitor_ && !entries_.empty() ? monitor_->view() : nullptr;
}

std::map<std::string, std::string> Router::without_host() const {
  std::map<std::string, std::string> reasons;
  for (const auto& [name, entry] : entries_)
    if (!entry.why_none.empty()) reasons.emplace(name, entry.why_none);
  return reasons;
}

// --- What follows from a view -------------------------------------------------------------------

void Router::look(base::TimePoint now) {
  if (entries_.empty() || !monitor_) return;
  if (now >= next_resolve_) {
    next_resolve_ = now + std::max<base::Duration>(config_->settings.dns_max_ttl, 1s);
    resolve_names();
  }
  auto view = monitor_->view();
  bool held = held_ != nullptr;
  for (auto& [name, entry] : entries_) {
    tell(name, entry, *view, now);
    held = held || !entry.why_none.empty() || entry.told.empty();
  }
  monitor_->hold(held);
  tell_ejected(*view);
}

void Router::tell(const std::string& name, Entry& entry, const route::FleetView& view,
                  base::TimePoint now) {
  std::vector<route::HostId> ids;
  std::vector<std::size_t> places;
  bool probed = true;  // at the start there is nothing to say until all were asked once
  for (std::size_t i = 0; i < entry.places.size(); ++i) {
    if (!entry.places[i].current) continue;
    for (route::HostId id = 0; id < view.hosts.size(); ++id) {
      if (view.hosts[id].endpoint != entry.places[i].endpoint) continue;
      probed = probed && view.hosts[id].health != route::Health::Unknown;
      ids.push_back(id);
      places.push_back(i);
      entry.places[i].signs = view.hosts[id].signs;
    }
  }
  probed = probed && !ids.empty();
  route::Fit fit = route::fit(*entry.entry, ids, view, policy_, now);
  if (held_) leave_out_held(*entry.entry, ids, view, fit);
  if (fit.why_none != entry.why_none) {
    if (fit.why_none.empty()) {
      if (entry.said) shared_.log.info(cat("database ", name, ": there is a host again"));
      entry.said = false;
    } else if (probed) {
      shared_.log.warning(cat("database ", name, ": work waits: ", fit.why_none));
      entry.said = true;
    }
    if (probed || fit.why_none.empty()) entry.why_none = fit.why_none;
  }
  pool::HostSet hosts;
  for (const Place& place : entry.places)
    hosts.push_back({{place.endpoint.host, place.endpoint.port}, place.endpoint.address, 0,
                     false, place.signs});
  for (std::size_t i = 0; i < places.size(); ++i) {
    hosts[places[i]].weight = fit.weights[i];
    hosts[places[i]].primary = i < fit.primary.size() && fit.primary[i];
  }
  if (entry.ever_told && hosts == entry.told) return;
  entry.ever_told = true;
  entry.told = hosts;
  pool::Actions actions;
  ledger_.set_hosts(name, std::make_shared<const pool::HostSet>(std::move(hosts)), now, actions);
  shared_.hosts_version.fetch_add(1, std::memory_order_release);
  perform_(std::move(actions));
}

void Router::leave_out_held(const config::Database& entry, const std::vector<route::HostId>& ids,
                            const route::FleetView& view, route::Fit& fit) const {
  bool left_out = false, any = false, primary = false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (fit.weights[i] != 0 && held_(ids[i], view)) {
      left_out = true;
      fit.weights[i] = 0;
      if (i < fit.primary.size()) fit.primary[i] = false;
    }
    any = any || fit.weights[i] != 0;
    primary = primary || (i < fit.primary.size() && fit.primary[i]);
  }
  if (left_out && !(entry.by_query() ? primary : any)) fit.why_none = "a switchover is under way";
}

void Router::hold(Held held) {
  held_ = std::move(held);
  look(reactor_.now());
}

std::optional<std::vector<route::HostId>> Router::hosts_of(const std::string& database,
                                                           const route::FleetView& view) const {
  auto entry = entries_.find(database);
  if (entry == entries_.end()) return std::nullopt;
  std::vector<route::HostId> ids;
  for (const Place& place : entry->second.places) {
    if (!place.current) continue;
    for (route::HostId id = 0; id < view.hosts.size(); ++id)
      if (view.hosts[id].endpoint == place.endpoint) ids.push_back(id);
  }
  return ids;
}

void Router::sample_often(const std::vector<route::HostId>& ids, const route::FleetView& view) {
  bool news = false;
  for (route::HostId id : ids)
    if (view.hosts[id].signs->want(base::monotonic_now())) news = true;
  if (news) monitor_->want_fresh();
}

void Router::tell_ejected(const route::FleetView& view) {
  seen_.resize(view.hosts.size(), route::Health::Unknown);
  met_.resize(view.hosts.size());
  moved_.resize(view.hosts.size(), 0);
  for (std::size_t id = 0; id < view.hosts.size(); ++id) {
    const route::HostView& host = view.hosts[id];
    route::Identity now_there = route::identity_of(host.identity);
    if (now_there != 0 && !host.balanced) {
      route::Identity there = std::exchange(met_[id], now_there);
      if (there != 0 && there != now_there) {
        for (auto* mailbox : shared_.workers)
          mailbox->post(worker::HostMoved{
              {host.endpoint.host, host.endpoint.port}, host.endpoint.address, now_there});
      }
    }
    route::Health before = std::exchange(seen_[id], host.health);
    // A connection that was lost says little; a probe that failed says that answers may not come.
    bool suspect =
        host.health == route::Health::Suspect && host.cause != route::Cause::ConnectionLost;
    bool told = std::exchange(moved_[id], suspect ? 1 : 0) != 0;
    if (suspect && !told) {
      for (auto* mailbox : shared_.workers) {
        mailbox->post(worker::HostEjected{{host.endpoint.host, host.endpoint.port},
                                          host.endpoint.address, true});
      }
    }
    if (host.health != route::Health::Ejected || before == route::Health::Ejected ||
        before == route::Health::Probing)
      continue;
    for (auto* mailbox : shared_.workers) {
      mailbox->post(
          worker::HostEjected{{host.endpoint.host, host.endpoint.port}, host.endpoint.address});
    }
  }
}

void Router::fault(const config::Host& host, const std::string& address) {
  if (auto* monitor = told_of_faults_.load(std::memory_order_acquire))
    monitor->fault({host.name, host.port, address});
}

void Router::told_role(const config::Host& host, const std::string& address, bool standby) {
  if (auto* monitor = told_of_faults_.load(std::memory_order_acquire))
    monitor->told_role({host.name, host.port, address},
                       standby ? route::Role::Standby : route::Role::Primary);
}

void Router::told_identity(const config::Host& host, const std::string& address,
                           route::Identity which) {
  if (auto* monitor = told_of_faults_.load(std::memory_order_acquire))
    monitor->told_identity({host.name, host.port, address}, which);
}

void Router::want_fresh(const pool::HostSet& hosts) {
  base::TimePoint now = base::monotonic_now();
  bool news = false;
  for (const pool::HostPlace& place : hosts)
    if (place.signs && place.signs->want(now)) news = true;
  auto* monitor = told_of_faults_.load(std::memory_order_acquire);
  if (news && monitor) monitor->want_fresh();
}

}  // namespace howdah::app
