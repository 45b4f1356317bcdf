// HBA and ident files: never a crash or a hang; a file either has problems or gives rules, never both,
// and every rule that decides names a line of it. Input: HBA text, a zero byte, ident text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "howdah/auth/access.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string hba(text.substr(0, text.find('\0')));
  std::string ident(text.substr(std::min(hba.size() + 1, text.size())));
  auth::Sources sources;
  sources.read = [&](const std::string& path) -> base::Result<std::string> {
    if (path == "/e/hba") return hba;
    if (path == "/e/ident") return ident;
    if (path == "/e/x") return std::string("a, b\n@hba\n");
    return base::Error{"missing", "No such file or directory"};
  };
  sources.list = [](const std::string&) -> base::Result<std::vector<std::string>> {
    return std::vector<std::string>{"1.conf"};
  };
  sources.interfaces = [] { return std::vector<auth::Interface>{{"10.0.0.1", "255.0.0.0"}}; };
  config::Config config;
  config.settings.auth_type = config::AuthType::Hba;
  config.settings.auth_hba_file = "/e/hba";
  config.settings.auth_ident_file = "/e/ident";
  config.settings.auth_pam_service = "s";
  auth::LoadedAccess loaded = auth::load_access(config, sources);
  if ((loaded.access == nullptr) != !loaded.problems.empty()) std::abort();
  for (const auto& problem : loaded.problems) {
    if (problem.text.empty() || problem.where.empty()) std::abort();
  }
  if (!loaded.access) return 0;
  for (const char* address : {"", "10.0.0.1", "::1", "127.0.0.1"}) {
    for (const char* user : {"bob", "all", "", "a@b"}) {
      auth::Origin origin;
      origin.user = user;
      origin.database = "shop";
      origin.address = address;
      origin.is_unix = !*address;
      origin.tls = *user == 'b';
      auth::Verdict verdict = loaded.access->match(origin);
      if (verdict.kind == auth::Verdict::Kind::NeedsHostName) {
        origin.host_state = auth::Origin::HostName::Known;
        origin.host_name = "h.example.net";
        verdict = loaded.access->match(origin);
        if (verdict.kind == auth::Verdict::Kind::NeedsHostName) std::abort();
      }
      if ((verdict.kind == auth::Verdict::Kind::Use) != (verdict.grant != nullptr)) std::abort();
      if (!verdict.grant) continue;
      if (!verdict.grant->source.starts_with("/e/")) std::abort();
      // Without a map only the same name gets in.
      if (verdict.grant->admits("system", user) && !verdict.grant->map) std::abort();
      if (verdict.grant->certificate_admits(origin)) std::abort();
    }
  }
  return 0;
}
