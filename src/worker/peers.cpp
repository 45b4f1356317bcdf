// Cancel requests for clients of other poolers ([peers]); see worker_impl.h and compat 7.4.
//
// Several processes behind one address (so_reuseport, a load balancer): a CancelRequest may reach any
// of them. Its key has the peer_id of the process that gave it out; that process is asked, with the
// hops in byte 7 counted down, so that a ring of wrong configurations ends. All requests to one peer
// go through one worker, which keeps their number under the peer's pool_size.
#include <algorithm>
#include <utility>

#include "howdah/wire/appender.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

namespace {
// Beyond this many nobody could be served before cancel_wait_timeout anyway.
constexpr std::size_t kMostWaiting = 1000;
}  // namespace

bool WorkerImpl::send_to_peer(Client& client, const CancelKey& key, TimePoint until) {
  int own = config_->settings.peer_id;
  int peer = static_cast<unsigned char>(key[1]) | static_cast<unsigned char>(key[2]) << 8;
  if (own == 0 || peer == own || peer == 0) return false;
  int hops = key[7] & 3;
  if (hops == 0 || !config_->peers.contains(peer)) {
    close_client(client, "");
    return true;
  }
  CancelKey next = key;
  next[7] = static_cast<char>((key[7] & ~3) | (hops - 1));
  auto worker = static_cast<std::size_t>(peer) % shared_.workers.size();
  shared_.workers[worker]->post(PeerCancel{peer, std::move(next), {id_, client.id}, until});
  return true;
}

void WorkerImpl::start_peer_cancel(PeerCancel message) {
  auto peer = config_->peers.find(message.peer);
  if (peer == config_->peers.end()) {
    shared_.workers[message.from.worker]->post(CancelDone{message.from.client});
    return;
  }
  PeerQueue& queue = peers_[message.peer];
  int limit = peer->second.pool_size.value_or(config_->settings.default_pool_size);
  if (limit > 0 && queue.jobs >= static_cast<std::size_t>(limit)) {
    if (queue.waiting.size() < kMostWaiting) {
      queue.waiting.push_back(std::move(message));
    } else {
      shared_.workers[message.from.worker]->post(CancelDone{message.from.client});
    }
    return;
  }
  ++queue.jobs;
  std::uint64_t number = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  auto made = std::make_unique<CancelJob>(*this, number);
  CancelJob& job = *made;
  base::Buffer packet;
  wire::append_cancel_request(packet, message.key);
  job.packet = packet.view();
  job.peer = message.peer;
  job.from = message.from;
  job.deadline.owner = &job;
  job.deadline.kind = 2;
  cancels_.emplace(number, std::move(made));
  arm(job.deadline, base::deadline_after(now(), config_->settings.cancel_wait_timeout));
  reactor_.resolve(peer->second.host, peer->second.port, [this, number](net::Resolved resolved) {
    Turn turn(*this);
    auto found = cancels_.find(number);
    if (found == cancels_.end() || found->second->dead) return;
    if (resolved.addresses.empty()) {
      end_cancel(*found->second);
    } else {
      found->second->transport =
          reactor_.connect(resolved.addresses.front(), net::TcpOptions{}, *found->second);
    }
  });
}

// A job for it is over: the next one that somebody still waits for may begin.
void WorkerImpl::peer_cancel_ended(int peer) {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  PeerQueue& queue = found->second;
  if (queue.jobs > 0) --queue.jobs;
  while (!queue.waiting.empty() && !quitting_) {
    PeerCancel next = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    if (next.until <= now()) continue;  // its client was closed by the same time-out
    start_peer_cancel(std::move(next));
    break;
  }
}

void WorkerImpl::drop_removed_peers() {
  for (auto one = peers_.begin(); one != peers_.end();) {
    if (config_->peers.contains(one->first)) {
      ++one;
      continue;
    }
    for (const PeerCancel& waiting : one->second.waiting) {
      shared_.workers[waiting.from.worker]->post(CancelDone{waiting.from.client});
    }
    one = peers_.erase(one);
  }
  for (auto& [number, job] : cancels_) {
    if (job->peer != 0 && !job->dead && !config_->peers.contains(job->peer)) end_cancel(*job);
  }
}

}  // namespace howdah::worker
