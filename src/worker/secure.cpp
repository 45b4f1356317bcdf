// Where TLS begins: with clients, and with servers; see worker_impl.h. Once it has begun the pump
// reads and writes plain text and does not know.
#include <utility>

#include "howdah/base/text.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;

// Behind the 'S' that is the last plain byte, or at once when the client began by itself:
// `received` is then what it has said so far.
void WorkerImpl::start_client_tls(Client& client, std::string_view received) {
  if (!client.session.out().empty() && !client.tls_next) {
    client.tls_next = true;
    flush_client(client);
    return;
  }
  client.tls_next = false;
  auto context = shared_.tls.get()->clients;
  if (!context) {  // a reload has taken it away since it was offered
    close_client(client, "TLS was switched off");
    return;
  }
  client.want_write = false;
  update_watch(client);
  client.transport->start_tls(std::move(context),
                              {.received = received, .direct = client.session.direct_tls()});
}

void WorkerImpl::start_server_tls(Server& server) {
  server.want_write = false;
  update_watch(server);
  bool direct = server.entry->tls.negotiation == config::TlsNegotiation::Direct;
  server.transport->start_tls(server.tls, {.host = server.host.name, .direct = direct});
}

void WorkerImpl::server_secured(Server& server) {
  net::TlsStatus tls = server.transport->tls();
  if (tls.state == net::TlsStatus::State::Handshake) return;
  if (tls.state == net::TlsStatus::State::Failed) {
    server.tls_refused = tls.refused;
    server_lost(server, cat("TLS handshake with the server failed: ", tls.error));
    return;
  }
  if (config_->settings.log_connections) {
    log_server(Level::Log, server, cat("SSL established: ", tls.text));
  }
  server.session->tls_started(tls.end_point);
  flush_server(server);
}

}  // namespace howdah::worker
