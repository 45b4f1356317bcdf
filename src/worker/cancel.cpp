// Cancel requests, both ways; see worker_impl.h.
//
// A key that we hand out:  byte 0 random without sign bit | 1, 2 zero (a peer's id, later) |
//                          3 worker | 4 to 7 random
// The worker that gets the CancelRequest passes it to the key's worker. There: a linked client's
// request goes to the very address its server is connected to, with the server's own key, and the
// server is not handed on until PostgreSQL has closed that cancel connection: so a cancel that comes
// late cannot hit the next client's query. A queued client's request is taken out of the queue.
#include <cstring>
#include <utility>

#include "howdah/base/secret.h"
#include "howdah/wire/appender.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using net::IoResult;
using session::ClientSession;
namespace sqlstate = wire::sqlstate;

namespace {
std::uint64_t number_of(const CancelKey& key) {
  std::uint64_t number;
  std::memcpy(&number, key.data(), sizeof number);
  return number;
}
}  // namespace

CancelKey WorkerImpl::new_key() {
  CancelKey key;
  do {
    base::random_bytes(key.data(), key.size());
    key[0] = static_cast<char>(key[0] & 0x7f);
    key[1] = key[2] = 0;
    key[3] = static_cast<char>(id_);
  } while (keys_.contains(number_of(key)));
  return key;
}

void WorkerImpl::forward_cancel(Client& client) {
  const std::string& bytes = client.session.cancel_request();
  CancelKey key;
  client.cancel_request = true;
  if (bytes.size() != key.size()) {
    close_client(client, "");
    return;
  }
  std::memcpy(key.data(), bytes.data(), key.size());
  auto worker = static_cast<unsigned char>(key[3]);
  if (worker >= shared_.workers.size()) {
    close_client(client, "");
    return;
  }
  // The connection stays open until the cancel has been delivered: libpq waits for its end.
  base::Deadline& deadline = client.deadline;
  deadlines_.disarm(deadline);
  client.closing = true;
  arm(deadline, base::deadline_after(now(), config_->settings.cancel_wait_timeout));
  shared_.workers[worker]->post(CancelQuery{key, {id_, client.id}});
}

void WorkerImpl::cancel_query(const CancelQuery& message) {
  auto done = [&] { shared_.workers[message.from.worker]->post(CancelDone{message.from.client}); };
  auto found = keys_.find(number_of(message.key));
  // A closing client may still be Linked by its session and have no server any more.
  if (found == keys_.end() || found->second->dead || found->second->closing) {
    done();
    return;
  }
  Client& client = *found->second;
  if (client.session.console()) {
    shared_.supervisor.post(CancelWaits{{id_, client.id}});
    done();
    return;
  }
  if (client.session.state() == ClientSession::State::Linked && client.server->in_query &&
      !client.server->session->cancel_key().empty()) {
    start_cancel(*client.server, message.from);
    return;
  }
  if (client.session.state() == ClientSession::State::Waiting && client.ticket) {
    auto extent = session::first_request(client.in.view(), config_->settings.max_packet_size);
    if (extent.whole) {
      cancel_wait(client);
      client.in.consume(extent.size);
      client.session.answered();
      move(client, ClientList::Idle);
      wire::append_error(client.session.out(),
                         {"ERROR", sqlstate::kQueryCanceled,
                          "canceling statement due to user request",
                          "The query was waiting for a server."});
      wire::append_ready_for_query(client.session.out(), wire::TxStatus::Idle);
      flush_client(client);
      if (!client.dead) resume_client(client);
    }
  }
  done();
}

void WorkerImpl::start_cancel(Server& server, pool::Waiter from) {
  std::uint64_t number = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  auto made = std::make_unique<CancelJob>(*this, number);
  CancelJob& job = *made;
  base::Buffer packet;
  wire::append_cancel_request(packet, server.session->cancel_key());
  job.packet = packet.view();
  job.slot = server.permit.slot();
  job.from = from;
  job.deadline.owner = &job;
  job.deadline.kind = 2;
  ++server.cancels;
  cancels_.emplace(number, std::move(made));
  arm(job.deadline, base::deadline_after(now(), config_->settings.cancel_wait_timeout));
  job.transport = reactor_.connect(server.transport->peer(), net::TcpOptions{}, job);
}

void WorkerImpl::cancel_ready(CancelJob& job, bool readable, bool writable) {
  Turn turn(*this);
  if (job.dead) return;
  if (!job.sent) {
    if (!writable) return;
    if (job.transport->connect_error() != 0) {
      end_cancel(job);
      return;
    }
    // If the query is over by now it must not be cancelled: the next one would be.
    auto server = servers_.find(job.slot);
    bool running = server != servers_.end() && !server->second->dead && server->second->in_query;
    if (!running) {
      end_cancel(job);
      return;
    }
    std::string_view piece = job.packet;
    IoResult sent = job.transport->send({&piece, 1});
    if (sent.kind == IoResult::Kind::Again) return;
    if (sent.kind != IoResult::Kind::Bytes || sent.count != piece.size()) {
      end_cancel(job);
      return;
    }
    job.sent = true;
    job.transport->watch(true, false);
    return;
  }
  if (!readable) return;
  char byte[64];
  IoResult got = job.transport->recv(byte);
  if (got.kind == IoResult::Kind::Again || got.kind == IoResult::Kind::Bytes) return;
  end_cancel(job);  // PostgreSQL has signalled the backend and closed
}

void WorkerImpl::end_cancel(CancelJob& job) {
  if (job.dead) return;
  job.dead = true;
  deadlines_.disarm(job.deadline);
  job.transport.reset();
  dead_cancels_.push_back(job.id);
  shared_.workers[job.from.worker]->post(CancelDone{job.from.client});
  auto found = servers_.find(job.slot);
  if (found == servers_.end() || found->second->dead) return;
  Server& server = *found->second;
  if (--server.cancels == 0 && server.free_when_canceled) {
    server.free_when_canceled = false;
    free_server(server);
  }
}

}  // namespace howdah::worker
