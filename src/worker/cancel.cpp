// Cancel requests, both ways; see worker_impl.h.
//
// A key that we hand out (as PgBouncer's, so that peers of both kinds can forward each other's):
//   byte 0 random without sign bit | 1, 2 peer_id, low byte first | 3 worker |
//   4 to 7 random; with a peer_id the low 2 bits of byte 7 are 3: the hops that are left |
//   protocol 3.2: 28 more random bytes
// The worker that gets the CancelRequest passes it to the key's worker. There: a linked client's
// request goes to the very address its server is connected to, with the server's own key. Waiting
// clients, those whose server is being checked or gets its SETs among them, have their request
// answered with the error, unsent.
//
// Why a late cancel cannot hit the next client's query. PostgreSQL's process that reads the
// CancelRequest sends the signal and then exits, which closes the connection; kill() has made the
// signal pending by the time it returns. So when we see the end of the connection, the backend takes
// the signal before it runs any more code, and one that is idle or reading its next message drops
// it (PostgresMain checks for interrupts once more behind the read). A server is held back until
// then. One whose cancel connection did not end so (time-out, reset) is closed when its client is
// done with it.
#include <cstring>
#include <utility>

#include "howdah/base/secret.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/startup.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using net::IoResult;
using session::ClientSession;
namespace sqlstate = wire::sqlstate;

namespace {
constexpr std::size_t kShortKey = 8, kLongKey = 4 + 32;

// Equal but for the hops that are left, which only keys of a peer have.
bool same_key(CancelKey asked, const CancelKey& own) {
  if (asked.size() != own.size()) return false;
  if (own[1] != 0 || own[2] != 0) asked[7] = static_cast<char>(asked[7] | 3);
  return base::equal_constant_time(asked, own);
}
}  // namespace

// Where a key is to be found. Salted, so that the time of a look-up tells nothing of the keys.
std::uint64_t WorkerImpl::key_index(const CancelKey& key) const {
  std::uint64_t number;
  std::memcpy(&number, key.data(), sizeof number);
  number |= std::uint64_t{3} << 56;  // byte 7: the hops, or two random bits less
  for (int round = 0; round < 2; ++round) {
    number = (number ^ key_salt_) * 0x9e3779b97f4a7c15u;
    number ^= number >> 32;
  }
  return number;
}

void WorkerImpl::give_key(Client& client) {
  if (key_salt_ == 0) base::random_bytes(&key_salt_, sizeof key_salt_);
  auto peer = static_cast<unsigned>(config_->settings.peer_id);
  CancelKey key(client.session.long_key() ? kLongKey : kShortKey, '\0');
  do {
    base::random_bytes(key.data(), key.size());
    key[0] = static_cast<char>(key[0] & 0x7f);
    key[1] = static_cast<char>(peer & 0xff);
    key[2] = static_cast<char>(peer >> 8);
    key[3] = static_cast<char>(id_);
    if (peer != 0) key[7] = static_cast<char>(key[7] | 3);
  } while (keys_.contains(key_index(key)));
  keys_[key_index(key)] = &client;
  client.key = std::move(key);
}

void WorkerImpl::forget_key(Client& client) {
  if (client.key.empty()) return;
  keys_.erase(key_index(client.key));
  base::wipe(client.key.data(), client.key.size());
  client.key.clear();
}

Client* WorkerImpl::owner_of(const CancelKey& key) const {
  auto found = keys_.find(key_index(key));
  if (found == keys_.end() || !same_key(key, found->second->key)) return nullptr;
  // A closing client may still be Linked by its session and have no server any more.
  return found->second->dead || found->second->closing ? nullptr : found->second;
}

void WorkerImpl::forward_cancel(Client& client) {
  CancelKey key(client.session.cancel_request());
  client.cancel_request = true;
  if (key.size() != kShortKey && key.size() != kLongKey) {
    close_client(client, "");
    return;
  }
  // The connection stays open until the cancel has been delivered: libpq waits for its end.
  base::Deadline& deadline = client.deadline;
  deadlines_.disarm(deadline);
  client.closing = true;
  TimePoint until = base::deadline_after(now(), config_->settings.cancel_wait_timeout);
  arm(deadline, until);
  if (send_to_peer(client, key, until)) return;
  auto worker = static_cast<unsigned char>(key[3]);
  if (worker >= shared_.workers.size()) {
    close_client(client, "");
    return;
  }
  shared_.workers[worker]->post(CancelQuery{std::move(key), {id_, client.id}});
}

void WorkerImpl::cancel_query(const CancelQuery& message) {
  Client* found = owner_of(message.key);
  if (found && found->session.console()) {
    shared_.supervisor.post(CancelWaits{{id_, found->id}});
  } else if (found && found->session.state() == ClientSession::State::Linked) {
    Server& server = *found->server;
    if (server.in_query && !server.session->cancel_key().empty()) {
      start_cancel(server, message.from);
      return;  // CancelDone when PostgreSQL has it
    }
  } else if (found && (found->ticket || found->server) &&
             found->session.give_up_wait(
                 found->in.view(),
                 {"ERROR", sqlstate::kQueryCanceled, "canceling statement due to user request",
                  "The query was waiting for a server."})) {
    if (found->ticket) cancel_wait(*found);
    // It is being made ready: nothing was sent yet.
    if (found->server && !keeps_server(*found)) leave_server(*found);
    move(*found, ClientList::Idle);
    flush_client(*found);
    if (!found->dead) resume_client(*found);
  }
  shared_.workers[message.from.worker]->post(CancelDone{message.from.client});
}

void WorkerImpl::start_cancel(Server& server, pool::Waiter from) {
  std::uint64_t number = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  auto made = std::make_unique<CancelJob>(*this, number);
  CancelJob& job = *made;
  base::Buffer packet;
  wire::append_cancel_request(packet, server.session->cancel_key());
  job.packet = packet.view();
  job.slot = server.permit.slot();
  job.query_start = server.query_start;
  job.from = from;
  if (server.transport->tls().state == net::TlsStatus::State::On) {
    job.tls = server.tls;
    job.host = server.host.name;
    job.direct = server.entry->tls.negotiation == config::TlsNegotiation::Direct;
  }
  job.deadline.owner = &job;
  job.deadline.kind = 2;
  ++server.cancels;
  cancels_.emplace(number, std::move(made));
  arm(job.deadline, base::deadline_after(now(), config_->settings.cancel_wait_timeout));
  job.transport = reactor_.connect(server.transport->peer(), net::TcpOptions{}, job);
}

void WorkerImpl::cancel_ready(CancelJob& job, bool readable, bool writable) {
  using Stage = CancelJob::Stage;
  Turn turn(*this);
  if (job.dead) return;
  switch (job.stage) {
    case Stage::Connecting: {
      if (!writable) return;
      if (job.transport->connect_error() != 0) return end_cancel(job);
      if (!job.tls) return send_cancel(job);
      if (job.direct) return secure_cancel(job);
      base::Buffer request;
      wire::append_ssl_request(request);
      std::string_view piece = request.view();
      IoResult sent = job.transport->send({&piece, 1});
      if (sent.kind != IoResult::Kind::Bytes || sent.count != piece.size()) return end_cancel(job);
      job.stage = Stage::Asking;
      job.transport->watch(true, false);
      return;
    }
    case Stage::Asking: {
      char answer[2];
      IoResult got = job.transport->recv(answer);
      if (got.kind == IoResult::Kind::Again) return;
      // The key goes nowhere but where the connection itself went.
      if (got.kind != IoResult::Kind::Bytes || got.count != 1 || answer[0] != 'S') {
        return end_cancel(job);
      }
      return secure_cancel(job);
    }
    case Stage::Securing:
      switch (job.transport->tls().state) {
        case net::TlsStatus::State::Handshake:
          return;
        case net::TlsStatus::State::On:
          return send_cancel(job);
        case net::TlsStatus::State::Off:
        case net::TlsStatus::State::Failed:
          return end_cancel(job);
      }
      return;
    case Stage::Sending:
      if (writable) send_cancel(job);
      return;
    case Stage::Sent:
      break;
  }
  if (!readable) return;
  char byte[64];
  IoResult got = job.transport->recv(byte);
  if (got.kind == IoResult::Kind::Again || got.kind == IoResult::Kind::Bytes) return;
  job.delivered = got.kind == IoResult::Kind::Eof;
  end_cancel(job);
}

void WorkerImpl::secure_cancel(CancelJob& job) {
  job.stage = CancelJob::Stage::Securing;
  job.transport->watch(true, false);
  job.transport->start_tls(job.tls, {.host = job.host, .direct = job.direct});
}

void WorkerImpl::send_cancel(CancelJob& job) {
  job.stage = CancelJob::Stage::Sending;
  // If the query is over by now it must not be cancelled: the next one would be.
  auto server = servers_.find(job.slot);
  bool running = server != servers_.end() && !server->second->dead &&
                 server->second->in_query && server->second->query_start == job.query_start;
  running = running || job.peer != 0;
  if (!running) return end_cancel(job);
  std::string_view piece = job.packet;
  IoResult sent = job.transport->send({&piece, 1});
  if (sent.kind == IoResult::Kind::Again) return job.transport->watch(true, true);
  if (sent.kind != IoResult::Kind::Bytes || sent.count != piece.size()) return end_cancel(job);
  job.stage = CancelJob::Stage::Sent;
  job.transport->watch(true, false);
}

void WorkerImpl::end_cancel(CancelJob& job) {
  if (job.dead) return;
  job.dead = true;
  deadlines_.disarm(job.deadline);
  job.transport.reset();
  dead_cancels_.push_back(job.id);
  shared_.workers[job.from.worker]->post(CancelDone{job.from.client});
  if (job.peer != 0) {
    peer_cancel_ended(job.peer);
    return;
  }
  auto found = servers_.find(job.slot);
  if (found == servers_.end() || found->second->dead) return;
  Server& server = *found->second;
  if (job.stage == CancelJob::Stage::Sent && !job.delivered) server.unsure = true;
  if (--server.cancels > 0) return;
  if (server.orphan) {
    reclaim_step(server);
  } else if (std::exchange(server.free_when_canceled, false)) {
    free_server(server);
  }
}

}  // namespace howdah::worker
