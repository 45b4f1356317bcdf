// The TLS contexts that one configuration asks for: built whole, then shared by all workers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "howdah/base/mutex.h"
#include "howdah/config/config.h"
#include "howdah/net/tls.h"

namespace howdah::worker {

// Immutable, any thread.
struct TlsContexts {
  std::shared_ptr<const net::TlsContext> clients;  // null: TLS with clients is off
  bool clients_required = false;
  config::Tls of_clients;  // what `clients` was made of
  // By the effective settings of entries; those with TLS off have none.
  std::map<config::Tls, std::shared_ptr<const net::TlsContext>> servers;

  std::shared_ptr<const net::TlsContext> to_server(const config::Tls& tls) const;
};

// Reads all certificates and keys that `config` names. `before`: the contexts in force (null:
// none); tickets of clients stay valid where certificates stay the same. A context in force whose files
// are named as before but may no longer be read stays, which a line of `kept` says: root read them, and is
// root no more. Null when there is any of `problems`, each a sentence that begins with the key's name.
std::shared_ptr<const TlsContexts> make_tls_contexts(const config::Config& config,
                                                     const TlsContexts* before,
                                                     std::vector<std::string>& problems,
                                                     std::vector<std::string>* kept = nullptr);

// The contexts in force. Replaced before the configuration that needs the new ones is told.
class TlsStore {
 public:
  std::shared_ptr<const TlsContexts> get() const;  // never null
  void put(std::shared_ptr<const TlsContexts> contexts);

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const TlsContexts> contexts_ GUARDED_BY(mutex_) =
      std::make_shared<const TlsContexts>();
};

}  // namespace howdah::worker
