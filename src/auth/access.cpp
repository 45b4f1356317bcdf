// Loading of what auth_type needs; see access.h.
#include "howdah/auth/access.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "auth/rules.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;
using base::Error;

namespace {

constexpr std::size_t kMaxFile = 16u << 20;

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(DIR* directory) const { closedir(directory); }
};

Error system_error(int error) {
  return {error == ENOENT ? "missing" : "io", strerror(error)};
}

base::Result<std::string> read_disk(const std::string& path) {
  if (path.find('\0') != std::string::npos) return system_error(EINVAL);
  std::unique_ptr<FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
  if (!file) return system_error(errno);
  std::string text;
  char chunk[16384];
  std::size_t count;
  while ((count = std::fread(chunk, 1, sizeof chunk, file.get())) > 0) {
    if (count > kMaxFile - text.size()) return Error{"io", "the file is larger than 16 MB"};
    text.append(chunk, count);
  }
  int error = errno;
  base::wipe(chunk, sizeof chunk);
  if (std::ferror(file.get())) return system_error(error);
  return text;
}

base::Result<std::vector<std::string>> list_disk(const std::string& path) {
  std::unique_ptr<DIR, CloseFile> directory(opendir(path.c_str()));
  if (!directory) return system_error(errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory.get())) {
    names.emplace_back(entry->d_name);
    errno = 0;
  }
  if (errno != 0) return system_error(errno);
  return names;
}

std::string numeric(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
              sizeof text);
  }
  return text;
}

std::vector<Interface> own_interfaces() {
  std::vector<Interface> found;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return found;
  for (const ifaddrs* one = list; one; one = one->ifa_next) {
    if (!one->ifa_addr || !one->ifa_netmask) continue;
    Interface made{numeric(one->ifa_addr), numeric(one->ifa_netmask)};
    if (!made.address.empty()) found.push_back(std::move(made));
  }
  freeifaddrs(list);
  return found;
}

// The one rule of auth_type cert, ldap and pam.
std::shared_ptr<const Access> one_rule(Grant grant, std::string_view type) {
  grant.source = cat("auth_type = ", type);
  Rule rule;
  NameRule all;
  all.kind = NameRule::Kind::All;
  NameRule replication;
  replication.kind = NameRule::Kind::Replication;
  rule.databases = {all, replication};
  rule.users = {all};
  rule.grant = std::make_shared<const Grant>(std::move(grant));
  return std::make_shared<const Access>(std::vector<Rule>{std::move(rule)});
}

void check_service(const config::Config& config, LoadedAccess& loaded) {
  const std::string& name = config.settings.auth_pam_service;
  if (!name.empty() && name.find('/') == std::string::npos) return;
  loaded.problems.push_back({config.file, "auth_pam_service is the name of a file in /etc/pam.d"});
}

void load_hba(const config::Config& config, const Sources& sources, LoadedAccess& loaded) {
  const auto& settings = config.settings;
  auto wrong = [&](std::string text) { loaded.problems.push_back({config.file, std::move(text)}); };
  if (settings.auth_hba_file.empty()) {
    wrong("auth_type = hba needs auth_hba_file: the file with the rules");
    return;
  }
  check_service(config, loaded);
  RuleReader reader(sources, loaded.problems);
  IdentMaps maps;
  if (!settings.auth_ident_file.empty()) {
    auto lines = reader.read(settings.auth_ident_file, cat(config.file, ": auth_ident_file"));
    maps = read_ident_maps(lines, reader);
  }
  auto lines = reader.read(settings.auth_hba_file, cat(config.file, ": auth_hba_file"));
  auto rules = read_rules(
      lines, RuleContext{sources, maps, settings.auth_pam_service, loaded.warnings}, reader);
  if (!loaded.problems.empty()) return;
  for (const Rule& rule : rules) {
    bool wanted = rule.grant->method == RuleMethod::Cert ||
                  rule.grant->client_cert != Grant::ClientCert::NotNeeded;
    if (wanted && (!settings.client_tls.on() || settings.client_tls.ca_file.empty())) {
      loaded.warnings.push_back(
          cat(rule.grant->source, ": certificates are believed only with client_tls_sslmode and "
                                  "client_tls_ca_file; this line lets nobody in"));
    }
  }
  if (rules.empty()) {
    loaded.warnings.push_back(
        cat(settings.auth_hba_file, ": there is no rule in it: nobody can log in"));
  }
  loaded.access = std::make_shared<const Access>(std::move(rules));
}

}  // namespace

Sources disk_sources() { return {read_disk, list_disk, own_interfaces}; }

LoadedAccess load_access(const config::Config& config, const Sources& sources) {
  LoadedAccess loaded;
  Grant grant;
  switch (config.settings.auth_type) {
    case config::AuthType::Any:
    case config::AuthType::Trust:
    case config::AuthType::Plain:
    case config::AuthType::Md5:
    case config::AuthType::ScramSha256:
      break;
    case config::AuthType::Hba:
      load_hba(config, sources, loaded);
      break;
    case config::AuthType::Cert:
      if (config.settings.client_tls.mode != config::TlsMode::VerifyFull ||
          config.settings.client_tls.ca_file.empty()) {
        loaded.problems.push_back(
            {config.file, "auth_type = cert needs client_tls_sslmode = verify-full and "
                          "client_tls_ca_file: nobody else could be believed"});
        break;
      }
      grant.method = RuleMethod::Cert;
      loaded.access = one_rule(std::move(grant), "cert");
      break;
    case config::AuthType::Pam:
      check_service(config, loaded);
      if (!loaded.problems.empty()) break;
      grant.method = RuleMethod::Pam;
      grant.pam_service = config.settings.auth_pam_service;
      loaded.access = one_rule(std::move(grant), "pam");
      break;
    case config::AuthType::Ldap: {
      auto options = parse_ldap_options(config.settings.auth_ldap_options);
      if (!options) {
        loaded.problems.push_back({config.file, cat("auth_ldap_options: ", options.error().text)});
        break;
      }
      grant.method = RuleMethod::Ldap;
      grant.ldap = std::make_shared<const LdapOptions>(std::move(*options));
      loaded.access = one_rule(std::move(grant), "ldap");
      break;
    }
  }
  return loaded;
}

}  // namespace howdah::auth
