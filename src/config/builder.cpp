// Puts the lines of an ini file together into a Config (see builder.h).
#include "config/builder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/environment.h"
#include "config/hosts.h"
#include "config/tls.h"
#include "howdah/base/secret.h"

namespace howdah::config {

using base::cat;

namespace {

bool is_main(std::string_view section) { return section == "pgbouncer" || section == "howdah"; }

}  // namespace

Builder::Builder(const std::string& file, const ReadFile& read, Problems& problems)
    : read_(read), problems_(problems), config_(std::make_shared<Config>()) {
  config_->file = file;
  set_defaults(config_->settings, config_->rows);
  set("conffile", file, Place{file, 0, {}});
}

void Builder::section(std::string_view name, const Place& place) {
  if (is_main(name)) {
    seen_main_section_ = true;
  } else if (name != "databases" && name != "users" && name != "peers") {
    problems_.add(place,
                  cat("unknown section [", name, "]",
                      nearest(name, {"howdah", "pgbouncer", "databases", "users", "peers"})));
  }
}

void Builder::pair(std::string_view section, std::string_view key, std::string_view value,
                   const Place& place) {
  if (is_main(section)) {
    set(key, value, place);
  } else if (section == "databases") {
    add_database(key, value, place);
  } else if (section == "users") {
    add_entry(config_->users, std::string(key), read_user(key, value, place, problems_), "user",
              place);
  } else if (section == "peers") {
    Peer peer = read_peer(key, value, place, problems_);
    if (find_key("peer_id")->more.works != Works::Yes)
      warn(place, "[peers] is read but not working yet in this version");
    add_entry(config_->peers, peer.id, peer, "peer", place);
  } else if (section.empty()) {
    problems_.add(place, "this line stands above the first section; put [howdah] before it");
  }
  // Keys of an unknown section: its header is a problem already.
}

void Builder::set(std::string_view key, std::string_view value, const Place& place) {
  const Key* known = find_key(key);
  if (!known) {
    problems_.add(place, cat("unknown key ", shown(key), nearest(key, key_names())));
    return;
  }
  auto& row = config_->rows[static_cast<std::size_t>(known - keys().data())];
  row.written.reset();
  auto expanded = expand_environment(value);
  if (!expanded) {
    problems_.add(place, cat(key, " ", expanded.error().text));
  } else if (*expanded == value) {
    auto status = set_key(*known, value, config_->settings, row);
    if (!status) problems_.add(place, status.error().text);
  } else {
    // The text of an error shows the value: here it must not.
    auto status = set_key(*known, base::trim(*expanded), config_->settings, row);
    if (!status)
      problems_.add(place, cat(key, " = ", shown(value),
                               ": what the environment variable holds is not right for it"));
    row.written = value;
    base::wipe(expanded->data(), expanded->size());
  }
  set_at_.insert_or_assign(std::string(key), place);
}

template <typename Map, typename Id, typename Entry>
void Builder::add_entry(Map& map, const Id& id, Entry entry, std::string_view what,
                        const Place& place) {
  map.insert_or_assign(id, std::move(entry));
  auto label = cat(what, " ", id);
  auto [before, is_new] = named_at_.try_emplace(label, place);
  if (is_new) return;
  warn(place, cat("this line replaces the one for ", label, " at ", before->second.text()));
  before->second = place;
}

void Builder::add_database(std::string_view name, std::string_view value, const Place& place) {
  DatabaseLine line = read_database(name, value, place, problems_);
  warn_of_line(line, place);
  if (const std::string& path = line.entry.password_file; !path.empty()) {
    auto text = read_(path);
    auto secret = text ? read_password_file(*text) : base::Result<base::Secret>(text.error());
    if (text) base::wipe(text->data(), text->size());
    if (!secret)
      problems_.add(place, cat("password_file ", shown(path), ": ", secret.error().text));
  }
  database_at_.insert_or_assign(std::string(name), place);
  add_entry(databases_, std::string(name), std::move(line), "database", place);
}

void Builder::warn(const Place& place, const std::string& text) {
  // Only the first of a kind: a thousand lines with auth_user= need one warning.
  if (std::find(warned_.begin(), warned_.end(), text) != warned_.end()) return;
  warned_.push_back(text);
  config_->warnings.push_back(cat(place.text(), ": ", text));
}

void Builder::warn_of_line(const DatabaseLine& line, const Place& place) {
  for (const auto& key : line.used) {
    const Key* known = find_key(key);
    if (known && known->more.works == Works::NotYet)
      warn(place, cat(key, " is read but not working yet in this version"));
  }
}

Place Builder::place_of(std::string_view key) const {
  auto found = set_at_.find(key);
  return found == set_at_.end() ? Place{config_->file, 0, {}} : found->second;
}

void Builder::check_settings() {
  for (std::size_t i = 0; i < keys().size(); ++i) {
    const Key& key = keys()[i];
    const SettingRow& row = config_->rows[i];
    if (auto refusal = refusal_of(key, row); !refusal.empty()) {
      problems_.add(place_of(key.name), refusal);
    } else if (auto warning = warning_of(key, row); !warning.empty()) {
      warn(place_of(key.name), warning);
    }
  }
  const auto& settings = config_->settings;
  if (!settings.unix_socket_dir.empty()) {
    auto problem = socket_path_problem(settings.unix_socket_dir, settings.listen_port);
    if (!problem.empty()) problems_.add(place_of("unix_socket_dir"), problem);
  }
  read_tls(*config_);
  if (auto problem = client_tls_problem(settings.client_tls); !problem.empty()) {
    problems_.add(place_of("client_tls_sslmode"), problem);
  }
  check_tls_files("client_tls_");
  check_tls_files("server_tls_");
}

// A side whose TLS is off may name files that are gone: PgBouncer doesn't look at them either. One that may not
// be read is left to whoever makes the contexts, who has read it perhaps when we were root.
void Builder::check_tls_files(std::string_view side) {
  const SettingRow* mode = config_->find_row(cat(side, "sslmode"));
  if (!mode || mode->value == "disable") return;
  for (std::size_t i = 0; i < keys().size(); ++i) {
    const Key& key = keys()[i];
    const auto& path = config_->rows[i].value;
    if (key.type != Type::File || !key.name.starts_with(side) || !path || path->empty()) continue;
    if (access(path->c_str(), R_OK) == 0 || errno == EACCES) continue;
    int error = errno;
    problems_.add(place_of(key.name), cat(key.name, " = ", shown(*path), " cannot be read: ",
                                          strerror(error), "; name a PEM file"));
  }
}

void Builder::fill_default_hosts() {
  const auto& dir = config_->settings.unix_socket_dir;
  for (auto& [name, line] : databases_) {
    if (line.entry.unix_default) {
      auto problem = dir.empty() ? std::string(
                                       "there is no host= and unix_socket_dir is empty; "
                                       "give one of them")
                                 : socket_path_problem(dir, line.default_port);
      if (!problem.empty()) problems_.add(database_at_.find(name)->second, problem);
      line.entry.hosts = {{dir, line.default_port}};
    }
    line.entry.tls = effective_tls(config_->settings.server_tls, line.entry);
    if (auto problem = server_tls_problem(line.entry.tls); !problem.empty()) {
      problems_.add(database_at_.find(name)->second, problem);
    }
    auto entry = std::make_shared<const Database>(std::move(line.entry));
    if (name == "*") {
      config_->wildcard = entry;
    } else {
      config_->databases.emplace(name, entry);
    }
  }
}

void Builder::load_userlist() {
  const auto& settings = config_->settings;
  bool unused = settings.auth_type == AuthType::Any || settings.auth_type == AuthType::Pam;
  if (settings.auth_file.empty() || unused) return;
  auto text = read_(settings.auth_file);
  if (!text) {
    problems_.add(place_of("auth_file"),
                  cat("cannot read auth_file ", shown(settings.auth_file), ": ", text.error().text,
                      "; make the file readable for howdah's user, or delete the line"));
    return;
  }
  std::vector<Problem> found;
  config_->userlist = read_userlist(*text, settings.auth_file, found);
  base::wipe(text->data(), text->size());
  for (auto& problem : found) problems_.add(Place{problem.where, 0, {}}, problem.text);
}

std::shared_ptr<const Config> Builder::finish() {
  if (!seen_main_section_)
    problems_.add(Place{config_->file, 0, {}},
                  "there is neither a section [howdah] nor [pgbouncer]; one of them must be there");
  check_settings();
  fill_default_hosts();
  load_userlist();
  if (const auto* row = config_->find_row("conffile"); row && row->value && !row->value->empty())
    config_->file = *row->value;
  return std::move(config_);
}

}  // namespace howdah::config
