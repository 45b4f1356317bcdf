// From TLS settings to contexts; see the header.
#include "howdah/worker/tls.h"

#include <utility>

#include "howdah/base/text.h"

namespace howdah::worker {

using base::cat;
using config::TlsMode;
using net::TlsContext;
using net::TlsOptions;

namespace {

TlsOptions options_of(const config::Tls& tls, TlsOptions::Side side) {
  TlsOptions options;
  options.side = side;
  options.ca_file = tls.ca_file;
  options.cert_file = tls.cert_file;
  options.key_file = tls.key_file;
  options.ciphers = tls.ciphers;
  options.tls13_ciphers = tls.tls13_ciphers;
  options.protocols = tls.protocols;
  options.curve = tls.ecdhcurve;
  options.dh = tls.dheparams != "none";
  bool accept = side == TlsOptions::Side::Accept;
  switch (tls.mode) {
    case TlsMode::Disable:
    case TlsMode::Allow:
    case TlsMode::Prefer:
    case TlsMode::Require:
      options.verify = accept ? TlsOptions::Verify::Given : TlsOptions::Verify::None;
      break;
    case TlsMode::VerifyCa:
      options.verify = TlsOptions::Verify::Chain;
      break;
    case TlsMode::VerifyFull:
      options.verify = accept ? TlsOptions::Verify::Chain : TlsOptions::Verify::Name;
      break;
  }
  return options;
}

}  // namespace

std::shared_ptr<const TlsContext> TlsContexts::to_server(const config::Tls& tls) const {
  auto found = servers.find(tls);
  return found == servers.end() ? nullptr : found->second;
}

std::shared_ptr<const TlsContexts> make_tls_contexts(const config::Config& config,
                                                     const TlsContexts* before,
                                                     std::vector<std::string>& problems,
                                                     std::vector<std::string>* kept) {
  auto made = std::make_shared<TlsContexts>();
  // The one in force takes the place of one whose files are closed to us now.
  auto take = [&](base::Result<std::shared_ptr<const TlsContext>> result,
                  std::shared_ptr<const TlsContext> in_force, const std::string& whose) {
    if (result) return std::move(*result);
    const base::Error& error = result.error();
    if (in_force && kept && error.code == TlsContext::kDenied) {
      kept->push_back(cat(whose, ": ", error.text, "; the certificate and key in force stay"));
      return in_force;
    }
    problems.push_back(cat(whose, ": ", error.text));
    return std::shared_ptr<const TlsContext>();
  };
  const config::Tls& clients = config.settings.client_tls;
  made->clients_required = clients.required();
  made->of_clients = clients;
  if (clients.on()) {
    auto in_force = before ? before->clients : nullptr;
    auto context = TlsContext::make(options_of(clients, TlsOptions::Side::Accept), in_force.get());
    bool same = before && before->of_clients == clients;
    made->clients = take(std::move(context), same ? in_force : nullptr, "client_tls");
  }
  auto add = [&](const config::Tls& tls, const std::string& whose) {
    if (!tls.on() || made->servers.contains(tls)) return;
    auto context = TlsContext::make(options_of(tls, TlsOptions::Side::Connect), nullptr);
    // Null too, so that a thousand entries say it once.
    made->servers.emplace(
        tls, take(std::move(context), before ? before->to_server(tls) : nullptr, whose));
  };
  add(config.settings.server_tls, "server_tls");
  for (const auto& [name, entry] : config.databases) {
    add(entry->tls, cat("server_tls of database ", name));
  }
  if (config.wildcard) add(config.wildcard->tls, "server_tls of database *");
  if (!problems.empty()) return nullptr;
  return made;
}

std::shared_ptr<const TlsContexts> TlsStore::get() const {
  base::Lock lock(mutex_);
  return contexts_;
}

void TlsStore::put(std::shared_ptr<const TlsContexts> contexts) {
  base::Lock lock(mutex_);
  contexts_.swap(contexts);
}

}  // namespace howdah::worker
