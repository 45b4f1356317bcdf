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
                                                     std::vector<std::string>& problems) {
  auto made = std::make_shared<TlsContexts>();
  const config::Tls& clients = config.settings.client_tls;
  made->clients_required = clients.required();
  if (clients.on()) {
    auto context = TlsContext::make(options_of(clients, TlsOptions::Side::Accept),
                                    before ? before->clients.get() : nullptr);
    if (context) {
      made->clients = std::move(*context);
    } else {
      problems.push_back(cat("client_tls: ", context.error().text));
    }
  }
  auto add = [&](const config::Tls& tls, const std::string& whose) {
    if (!tls.on() || made->servers.contains(tls)) return;
    auto context = TlsContext::make(options_of(tls, TlsOptions::Side::Connect), nullptr);
    if (!context) problems.push_back(cat(whose, ": ", context.error().text));
    // Null too, so that a thousand entries say it once.
    made->servers.emplace(tls, context ? std::move(*context) : nullptr);
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
