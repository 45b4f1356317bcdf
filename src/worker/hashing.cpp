// Passwords of clients are stretched (PBKDF2) on the reactor's helper threads; see worker_impl.h.
#include <memory>
#include <utility>

#include "howdah/base/secret.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

void WorkerImpl::start_hash(Client& client) {
  auth::HashJob job = client.session.hash_job();
  if (auto known = shared_.hashes.find(job)) {
    after_login_step(client, client.session.hashed(*known));
    return;
  }
  auto shared_job = std::make_shared<auth::HashJob>(std::move(job));
  auto result = std::make_shared<auth::Key>();
  client.flight = true;
  reactor_.work([shared_job, result] { *result = shared_job->run(); },
                [this, number = client.id, shared_job, result] {
                  Turn turn(*this);
                  shared_.hashes.store(*shared_job, *result);
                  auto found = clients_.find(number);
                  if (found != clients_.end() && !found->second->dead) {
                    Client& waiting = *found->second;
                    waiting.flight = false;
                    after_login_step(waiting, waiting.session.hashed(*result));
                    if (!waiting.dead) resume_client(waiting);
                  }
                  base::wipe(result->data(), result->size());
                });
}

}  // namespace howdah::worker
