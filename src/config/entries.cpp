// Reads the entries of [databases], [users] and [peers] (see entries.h). One small table a section
// says which key goes where.
#include "config/entries.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "config/connect_string.h"
#include "config/environment.h"
#include "config/hosts.h"
#include "config/tls.h"
#include "config/value.h"

namespace howdah::config {
namespace {

using base::cat;

constexpr std::size_t kMaxDatabaseName = 63;
constexpr std::size_t kMaxUserName = 127;
constexpr int kMaxPeer = 16383;

// Stores one value; returns what is wrong with it (without the key), or nothing.
template <typename Entry>
struct EntryKey {
  std::string_view name;
  std::string (*set)(Entry& entry, std::string_view value);
};

// The number that stands for "inherit" differs: below `floor` it is unset.
template <auto field, int floor, typename Entry>
std::string set_number(Entry& entry, std::string_view value) {
  auto number = read_int(value);
  if (!number || *number > std::numeric_limits<int>::max()) return "must be a whole number";
  if (*number < floor) {
    entry.*field = std::nullopt;
  } else {
    entry.*field = static_cast<int>(*number);
  }
  return {};
}

template <auto field, bool zero_is_value, typename Entry>
std::string set_time(Entry& entry, std::string_view value) {
  if (auto plain = read_int(value); plain && *plain < 0) {
    entry.*field = std::nullopt;
    return {};
  }
  auto time = read_time(value, std::chrono::seconds(1));
  if (!time) return "must be seconds, or a number with us, ms, s, min, h or d";
  if (time->count() == 0 && !zero_is_value) {
    entry.*field = std::nullopt;
  } else {
    entry.*field = *time;
  }
  return {};
}

template <typename Entry>
std::string set_pool_mode(Entry& entry, std::string_view value) {
  for (auto mode : {PoolMode::Session, PoolMode::Transaction, PoolMode::Statement}) {
    if (!base::iequal(name(mode), value)) continue;
    entry.pool_mode = mode;
    return {};
  }
  return "must be session, transaction or statement";
}

std::string set_session_state(Database& entry, std::string_view value) {
  bool track = base::iequal(value, "track");
  if (!track && !base::iequal(value, "off")) return "must be track or off";
  entry.tracks_state = track;
  return {};
}

template <auto field, std::size_t max>
std::string set_text(Database& entry, std::string_view value) {
  if (value.size() > max) return cat("is longer than ", max, " bytes");
  entry.*field = std::string(value);
  return {};
}
constexpr std::size_t kAnyLength = std::numeric_limits<std::size_t>::max();

// Keys that go into the server's start-up packet.
template <const char* parameter>
std::string set_parameter(Database& entry, std::string_view value) {
  auto& list = entry.startup_parameters;
  std::erase_if(list, [](const auto& pair) { return pair.first == parameter; });
  list.emplace_back(parameter, value);
  return {};
}
constexpr char kClientEncoding[] = "client_encoding", kDatestyle[] = "datestyle",
               kTimezone[] = "timezone", kApplicationName[] = "application_name";

std::string set_password(Database& entry, std::string_view value) {
  if (value.size() > 65530) return "is longer than 65530 bytes";
  entry.password = base::Secret(value);
  return {};
}

std::string set_auth_dbname(Database& entry, std::string_view value) {
  if (value == "pgbouncer" || value == "howdah")
    return "must not be the console's database, which cannot run the auth_query";
  entry.auth_dbname = value;
  return {};
}

std::string set_load_balance(Database& entry, std::string_view value) {
  using enum LoadBalance;
  for (auto mode : {RoundRobin, Disable, Random, LeastConnections}) {
    if (!base::iequal(name(mode), value)) continue;
    entry.load_balance_hosts = mode;
    return {};
  }
  return "must be round-robin, disable, random or least-connections";
}

std::string set_target(Database& entry, std::string_view value) {
  using enum TargetAttrs;
  for (auto attrs : {Any, ReadWrite, ReadOnly, Primary, Standby, PreferStandby}) {
    if (!base::iequal(name(attrs), value)) continue;
    entry.target_session_attrs = attrs;
    return {};
  }
  return "must be any, read-write, read-only, primary, standby or prefer-standby";
}

std::string set_routing(Database& entry, std::string_view value) {
  using enum QueryRouting;
  for (auto routing : {Off, Split, Shadow}) {
    if (!base::iequal(name(routing), value)) continue;
    entry.query_routing = routing;
    return {};
  }
  return "must be off, split or shadow";
}

std::string set_read_your_writes(Database& entry, std::string_view value) {
  using enum ReadYourWrites;
  for (auto promise : {Causal, Session, Off}) {
    if (!base::iequal(name(promise), value)) continue;
    entry.read_your_writes = promise;
    return {};
  }
  return "must be causal, session or off";
}

std::string set_max_lag(Database& entry, std::string_view value) {
  auto size = read_size(value);
  if (!size || *size < 0) return "must be bytes of WAL, like 16MB; 0 is no limit";
  entry.max_replica_lag = *size;
  return {};
}

std::string set_max_lag_time(Database& entry, std::string_view value) {
  auto time = read_time(value, std::chrono::seconds(1));
  if (!time) return "must be a time like 5 or 500ms; 0 is no limit";
  entry.max_replica_lag_time = *time;
  return {};
}

template <const char* key>
std::string set_tls(Database& entry, std::string_view value) {
  return set_tls_key(entry, key, value);
}
constexpr char kTlsMode[] = "server_tls_sslmode", kTlsCa[] = "server_tls_ca_file",
               kTlsCert[] = "server_tls_cert_file", kTlsKey[] = "server_tls_key_file",
               kTlsCiphers[] = "server_tls_ciphers", kTlsSuites[] = "server_tls13_ciphers",
               kTlsProtocols[] = "server_tls_protocols", kTlsHow[] = "server_tls_negotiation";

// host and port belong together, see read_database().
std::string set_later(Database&, std::string_view) { return {}; }

using D = Database;
constexpr EntryKey<D> kDatabaseKeys[] = {
    {"dbname", set_text<&D::dbname, kMaxDatabaseName>},
    {"host", set_later},
    {"port", set_later},
    {"user", set_text<&D::user, kMaxUserName>},
    {"password", set_password},
    {"password_file", set_text<&D::password_file, 4096>},
    {"auth_user", set_text<&D::auth_user, kMaxUserName>},
    {"auth_query", set_text<&D::auth_query, kAnyLength>},
    {"auth_dbname", set_auth_dbname},
    {"pool_size", set_number<&D::pool_size, 0>},
    {"min_pool_size", set_number<&D::min_pool_size, 0>},
    {"reserve_pool_size", set_number<&D::reserve_pool_size, 0>},
    {"reserve_pool", set_number<&D::reserve_pool_size, 0>},
    {"pool_mode", set_pool_mode},
    {"session_state", set_session_state},
    {"max_db_connections", set_number<&D::max_db_connections, 1>},
    {"max_db_client_connections", set_number<&D::max_db_client_connections, 1>},
    {"server_lifetime", set_time<&D::server_lifetime, false>},
    {"query_wait_timeout", set_time<&D::query_wait_timeout, true>},
    {"load_balance_hosts", set_load_balance},
    {"target_session_attrs", set_target},
    {"query_routing", set_routing},
    {"read_your_writes", set_read_your_writes},
    {"max_replica_lag", set_max_lag},
    {"max_replica_lag_time", set_max_lag_time},
    {"connect_query", set_text<&D::connect_query, kAnyLength>},
    {"client_encoding", set_parameter<kClientEncoding>},
    {"datestyle", set_parameter<kDatestyle>},
    {"timezone", set_parameter<kTimezone>},
    {"application_name", set_parameter<kApplicationName>},
    {kTlsMode, set_tls<kTlsMode>},
    {kTlsCa, set_tls<kTlsCa>},
    {kTlsCert, set_tls<kTlsCert>},
    {kTlsKey, set_tls<kTlsKey>},
    {kTlsCiphers, set_tls<kTlsCiphers>},
    {kTlsSuites, set_tls<kTlsSuites>},
    {kTlsProtocols, set_tls<kTlsProtocols>},
    {kTlsHow, set_tls<kTlsHow>},
};

using U = User;
constexpr EntryKey<U> kUserKeys[] = {
    {"pool_mode", set_pool_mode},
    {"pool_size", set_number<&U::pool_size, 1>},
    {"reserve_pool_size", set_number<&U::reserve_pool_size, 1>},
    {"max_user_connections", set_number<&U::max_user_connections, 1>},
    {"max_user_client_connections", set_number<&U::max_user_client_connections, 1>},
    {"query_timeout", set_time<&U::query_timeout, false>},
    {"query_wait_timeout", set_time<&U::query_wait_timeout, true>},
    {"idle_transaction_timeout", set_time<&U::idle_transaction_timeout, false>},
    {"transaction_timeout", set_time<&U::transaction_timeout, false>},
    {"client_idle_timeout", set_time<&U::client_idle_timeout, false>},
};

std::string set_peer_host(Peer& peer, std::string_view value) {
  auto hosts = parse_hosts(value, "");
  if (!hosts) return cat("is not right: ", hosts.error().text);
  if (hosts->size() != 1) return "must be one host";
  peer.host = (*hosts)[0].name;
  return {};
}
std::string set_peer_port(Peer& peer, std::string_view value) {
  auto port = parse_port(value);
  if (!port) return "must be a number from 1 to 65535";
  peer.port = *port;
  return {};
}
constexpr EntryKey<Peer> kPeerKeys[] = {
    {"host", set_peer_host},
    {"port", set_peer_port},
    {"pool_size", set_number<&Peer::pool_size, 1>},
};

template <typename Entry, std::size_t count>
std::vector<std::string_view> names_of(const EntryKey<Entry> (&table)[count]) {
  std::vector<std::string_view> names;
  for (const auto& key : table) names.push_back(key.name);
  return names;
}

// Applies the pairs of a line; nullopt when it can't be parsed at all.
template <typename Entry, std::size_t count>
std::optional<Pairs> apply(Entry& entry, const EntryKey<Entry> (&table)[count],
                           std::string_view value, const Place& place, Problems& problems) {
  auto pairs = parse_connect_string(value);
  if (!pairs) {
    problems.add(place, pairs.error().text);
    return {};
  }
  std::string_view before;
  for (auto& [key, text] : *pairs) {
    auto expanded = expand_environment(text);
    if (!expanded) {
      problems.add(place, cat(key, " ", expanded.error().text));
      continue;
    }
    bool secret = key == "password" || *expanded != text;
    text = *expanded;
    base::wipe(expanded->data(), expanded->size());
    auto known = std::find_if(std::begin(table), std::end(table),
                              [&wanted = key](const auto& each) { return each.name == wanted; });
    if (known != std::end(table)) {
      if (auto wrong = known->set(entry, text); !wrong.empty())
        problems.add(place, cat(key, " ", wrong));
    } else if (before == "password") {
      // It may be the rest of a password that needs quotes.
      problems.add(place,
                   "the key after password is not known; a password with blanks needs 'single "
                   "quotes'");
    } else {
      problems.add(place, cat("unknown key ", shown(key), nearest(key, names_of(table))));
    }
    if (secret && key != "host" && key != "port") base::wipe(text.data(), text.size());
    before = key;
  }
  return std::move(*pairs);
}

bool check_user_name(std::string_view name, const Place& place, Problems& problems) {
  if (name.empty()) {
    problems.add(place, "the name of the user is empty");
  } else if (name.size() > kMaxUserName) {
    problems.add(place, cat("the user name ", shown(name), " is longer than 127 bytes"));
  } else {
    return true;
  }
  return false;
}

}  // namespace

std::vector<std::string_view> database_keys() { return names_of(kDatabaseKeys); }
std::vector<std::string_view> user_keys() { return names_of(kUserKeys); }
std::vector<std::string_view> peer_keys() { return names_of(kPeerKeys); }

DatabaseLine read_database(std::string_view name, std::string_view value, const Place& place,
                           Problems& problems) {
  DatabaseLine line;
  Database& entry = line.entry;
  entry.name = name;
  entry.source = place.text();
  if (name.empty()) {
    problems.add(place, "the name of the database is empty");
  } else if (name == "pgbouncer" || name == "howdah") {
    problems.add(place, cat("the database name ", name,
                            " is reserved for the console; choose another and set dbname=", name));
  } else if (name.size() > kMaxDatabaseName) {
    problems.add(place, cat("the database name ", shown(name), " is longer than 63 bytes"));
  }
  auto pairs = apply(entry, kDatabaseKeys, value, place, problems);
  if (!pairs) return line;
  const std::string* host = nullptr;
  std::string_view port;
  for (const auto& [key, text] : *pairs) {
    if (key == "host") host = &text;
    if (key == "port") port = text;
    line.used.push_back(key);
  }
  if (entry.password && !entry.password_file.empty())
    problems.add(place, "password and password_file cannot both be given");
  if (entry.by_query() && entry.target_session_attrs != TargetAttrs::Any)
    problems.add(place, "query_routing and target_session_attrs cannot both be given");
  entry.unix_default = host == nullptr;
  if (entry.dbname.empty() && name != "*") entry.dbname = name;
  // A stand-in name when there is no host=, for the check of the port.
  auto hosts = parse_hosts(host ? std::string_view(*host) : "localhost", port);
  if (!hosts) {
    problems.add(place, hosts.error().text);
  } else if (host) {
    entry.hosts = std::move(*hosts);
  } else {
    line.default_port = hosts->front().port;
  }
  return line;
}

User read_user(std::string_view name, std::string_view value, const Place& place,
               Problems& problems) {
  User user;
  user.name = name;
  check_user_name(name, place, problems);
  apply(user, kUserKeys, value, place, problems);
  return user;
}

Peer read_peer(std::string_view name, std::string_view value, const Place& place,
               Problems& problems) {
  Peer peer;
  auto id = read_int(name);
  if (!id || *id < 1 || *id > kMaxPeer) {
    problems.add(place, cat("the peer id ", shown(name), " must be a number from 1 to ", kMaxPeer));
  } else {
    peer.id = static_cast<int>(*id);
  }
  auto pairs = apply(peer, kPeerKeys, value, place, problems);
  // A wrong host= is a problem of its own already.
  auto is_host = [](const auto& pair) { return pair.first == "host"; };
  if (pairs && std::none_of(pairs->begin(), pairs->end(), is_host))
    problems.add(place, "a peer needs host=");
  return peer;
}

}  // namespace howdah::config
