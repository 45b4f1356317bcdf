// What one server could not finish runs once more, and its client never knows; see worker_impl.h
// and session/batch.h.
//
//   lost, or its host suspect   a read       on another host      within the budget (retries.h)
//   recovery conflict           a read       on another host      likewise
//   read-only standby           anything     on the primary       if we chose the standby (rescue)
//
// In all cases: outside of a transaction, nothing of the answer forwarded, the whole batch still
// here (16 kB), and once per statement. What was sent goes back to the front of what the client has
// sent, and the client queues as with any request.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "howdah/base/text.h"
#include "howdah/route/classes.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using session::Batch;

namespace {
constexpr std::uint16_t kLeaves = route::kSettings | route::kPins | route::kUnknownSetting;

std::uint64_t key_of(const std::vector<std::string>& texts) {
  std::uint64_t key = 0;
  for (const std::string& text : texts) key = key * 31 + std::hash<std::string>()(text);
  return key;
}
}  // namespace

// What ran on a standby has written nothing, whatever functions, views and prepared statements it
// used: there the grammar is enough. On a primary it is only if no name has to be looked up: what
// the catalogue said of it may be outdated, and to run a write twice is worse than an error.
bool WorkerImpl::is_read(Client& client, const Server& server, std::string_view sql) {
  using route::Kind;
  auto shape = routed_by_query(client) && client.route->scope
                   ? classifier_.classify(sql, client.route->scope, now()).shape
                   : route::analyse(sql);
  if (shape->kind == Kind::Empty) return true;
  const bool on_standby = server.standby && !server.session->stream().promoted();
  if (on_standby && shape->kind == Kind::Execute) {
    session::StatementRef statement = client.statements.find(shape->statement);
    auto text = statement ? session::sql_of(*statement) : std::nullopt;
    return text && route::analyse(*text)->kind == Kind::Read;
  }
  return shape->kind == Kind::Read && (on_standby || shape->names.empty());
}

bool WorkerImpl::may_run_again(Client& client, Server& server) {
  const Batch& batch = server.session->batch();
  if (!batch.whole() && !batch.failed()) return false;
  if (client.loss && client.loss->moved) return false;
  // A setting that it made before and nobody has asked for yet went with the server.
  if ((client.session.stream().touched() & kLeaves) != 0) return false;
  std::vector<std::string> texts;
  if (readable(client) != route::Readable::Yes || !batch.executes(client.statements, texts)) {
    return false;
  }
  for (const std::string& text : texts)
    if (!is_read(client, server, text)) return false;
  const PoolView& pool = *server.pool;
  std::uint64_t statements = server.pool->recent.sum(now()) * shared_.workers.size();
  return shared_.retries.take(pool.id, key_of(texts), statements,
                              config_->pool_size(*pool.entry, pool.user), now());
}

// All hosts but this one's; 0: there is no other that takes work.
pool::HostMask WorkerImpl::other_hosts(const Server& server) const {
  auto hosts = shared_.ledger.info(server.pool_id).hosts;
  pool::HostMask mask = pool::kAnyHost;
  bool other = false;
  for (std::size_t i = 0; hosts && i < hosts->size() && i < 64; ++i) {
    const pool::HostPlace& place = (*hosts)[i];
    if (place.host == server.host && place.address == server.address) {
      mask &= ~(pool::HostMask{1} << i);
    } else if (place.weight != 0) {
      other = true;
    }
  }
  return other ? mask : 0;
}

// What the client sent last is to run once more. It has no server any more.
void WorkerImpl::queue_again(Client& client, Server& server, pool::HostMask hosts) {
  std::string bytes = server.session->batch().take(client.statements);
  base::Buffer in;
  in.append(bytes);
  in.append(client.in.view());
  client.in = std::move(in);
  if (!client.loss) client.loss = std::make_unique<LossState>();
  client.loss->moved = true;
  client.loss->hosts = hosts;
  client.session.unlink();
  client.session.stream().relink();
  client.session.stream().clear_touched();
  move(client, ClientList::Idle);
  resume(client, kPeerFull);
  log_client(Level::Debug, client,
             cat("runs again, not on ", server.host.name, ":", server.host.port));
}

// Its server was lost, and is closed.
bool WorkerImpl::run_elsewhere(Client& client, Server& server) {
  const Batch& batch = server.session->batch();
  if (batch.whole() && client.loss && client.loss->moved) {
    std::vector<std::string> texts;
    if (batch.executes(client.statements, texts)) shared_.retries.lost_again(key_of(texts), now());
  }
  if (!may_run_again(client, server)) return false;
  pool::HostMask others = other_hosts(server);
  queue_again(client, server, others != 0 ? others : pool::kAnyHost);
  resume_client(client);
  return true;
}

// The server has refused the batch, and is as it was before.
void WorkerImpl::refused_here(Client& client, Server& server) {
  bool rescue = server.session->batch().why() == Batch::Why::ReadOnly;
  pool::HostMask hosts = rescue ? pool::kPrimary : other_hosts(server);
  if (rescue ? !may_rescue(client) : hosts == 0 || !may_run_again(client, server)) {
    to_client_.clear();
    server.session->batch().release(&to_client_, &client.statements);
    constexpr char kReady[] = {wire::be::kReadyForQuery, 0, 0, 0, 5, 'I'};
    to_client_.copy({kReady, sizeof kReady});
    send_to_client(client, to_client_.all());
    if (!server.dead && server.client == &client) settled(server);
    return;
  }
  if (rescue) {
    std::vector<std::string> texts;
    if (client.route && client.route->scope &&
        server.session->batch().executes(client.statements, texts))
      tell_rescued(client, std::move(texts));
    server.unread = server.strays =
        true;  // reset, whatever the statement has done before it failed
  }
  part(client, server);
  queue_again(client, server, hosts);
  server.session->unlink();
  server.in_query = server.in_xact = false;
  resume(server, kPeerFull);
  free_server(server);
  resume_client(client);
}

// They are writes from now on, for all workers. Of several, those with names: the grammar alone
// knows the others.
void WorkerImpl::tell_rescued(Client& client, std::vector<std::string> texts) {
  if (texts.size() > 1) {
    std::erase_if(texts, [&](const std::string& text) {
      const route::Shape& shape = *classifier_.classify(text, client.route->scope, now()).shape;
      return shape.kind != route::Kind::Execute && shape.names.empty();
    });
  }
  auto path = search_path_of(wanted_state(client));
  Rescued message{client.pool->entry->dbname, client.pool->user,
                  path ? std::optional<std::string>(*path) : std::nullopt, std::move(texts)};
  for (std::size_t worker = 0; worker < shared_.workers.size(); ++worker)
    if (worker != id_) shared_.workers[worker]->post(Rescued(message));
  on(message);
}

void WorkerImpl::on(Rescued& message) {
  std::optional<std::string_view> path;
  if (message.search_path) path = *message.search_path;
  route::ScopePtr scope = classifier_.scope(message.database, message.user, path);
  for (const std::string& text : message.texts) classifier_.rescued(text, scope);
}

// Who asked for read-only transactions is told that they are.
bool WorkerImpl::may_rescue(const Client& client) const {
  const session::StateRef& state = wanted_state(client);
  const std::string* value = state ? state->find("default_transaction_read_only") : nullptr;
  return !value || *value == "off";
}

// A probe of this host has failed: reads of which nothing has come yet do not wait for its
// ejection.
void WorkerImpl::host_suspect(const HostEjected& message) {
  for (auto& [slot, server] : servers_) {
    if (server->dead || !server->routed || server->host != message.host ||
        server->address != message.address || !server->client || !server->in_query) {
      continue;
    }
    Client& client = *server->client;
    if (client.session.state() != session::ClientSession::State::Linked ||
        !server->session->batch().whole() || !outlives(client, *server)) {
      continue;
    }
    pool::HostMask others = other_hosts(*server);
    if (others == 0 || !may_run_again(client, *server)) continue;
    part(client, *server);
    queue_again(client, *server, others);
    close_server(*server, "its host is suspect");
    resume_client(client);
  }
}

}  // namespace howdah::worker
