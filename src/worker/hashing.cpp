// Passwords of clients are stretched (PBKDF2) on the reactor's helper threads; see worker_impl.h.
// Those who come with the same one while that goes on wait for it (HashCache::begin) and are told by
// Hashed.
#include <memory>
#include <utility>

#include "howdah/base/secret.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

void WorkerImpl::start_hash(Client& client) {
  auth::HashJob job = client.session.hash_job();
  if (auto known = shared_.hashes.find(job)) {
    after_login_step(client, client.session.hashed(*known));
    base::wipe(known->data(), known->size());
    return;
  }
  client.flight = true;
  if (!shared_.hashes.begin(job, {id_, client.id})) return;
  auto shared_job = std::make_shared<auth::HashJob>(std::move(job));
  auto result = std::make_shared<auth::Key>();
  reactor_.work([shared_job, result] { *result = shared_job->run(); },
                [this, number = client.id, shared_job, result] {
                  Turn turn(*this);
                  for (auto& who : shared_.hashes.finish(*shared_job, *result)) {
                    shared_.workers[who.worker]->post(Hashed{who.client});
                  }
                  Client* waiting = still_waiting(number);
                  if (waiting) {
                    after_login_step(*waiting, waiting->session.hashed(*result));
                    if (!waiting->dead) resume_client(*waiting);
                  }
                  base::wipe(result->data(), result->size());
                });
}

void WorkerImpl::on(Hashed& message) {
  Client* waiting = still_waiting(message.client);
  if (!waiting) return;
  start_hash(*waiting);
  if (!waiting->dead && !waiting->flight) resume_client(*waiting);
}

}  // namespace howdah::worker
