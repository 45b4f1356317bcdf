// A server of a routed entry is lost under its client, which stays; see worker_impl.h, session/relay.h
// (what it is told) and session/failed_block.h (what it may do in a transaction that is gone).
//
//   lost -> what is owed is answered by errors -> Idle
//                                              -> Idle, skipping up to Sync
//                                              -> Idle, in a failed block: answered without a server
//
// Who loses more than a transaction is disconnected, as everybody is in entries that are not routed:
// in session mode the server is the session; a pinned client's temporary tables, LISTENs and locks are
// gone, and one that goes on without knowing would miss its notifications for ever; a part of an
// answer cannot be followed by anything.
#include <utility>

#include "howdah/base/text.h"
#include "howdah/wire/error.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using session::FailedBlock;
using session::ServerStream;
namespace sqlstate = wire::sqlstate;

bool WorkerImpl::outlives(const Client& client, const Server& server) const {
  return server.routed && follows(*server.pool) && !server.own && !pinned(client) && !quitting_;
}

// The server is closed already, and stood at the end of a message.
void WorkerImpl::lost_under(Client& client, Server& server, std::string_view why) {
  if (run_elsewhere(client, server)) return;
  if (client.route) note_loss(client, now());
  ServerStream& stream = server.session->stream();
  if (client.loss) client.loss->moved = false;
  base::Buffer in_block, outside;
  wire::append_error(in_block, {"ERROR", sqlstate::kConnectionFailure,
                                cat("the server of this transaction was lost: ", why),
                                "All that the transaction did is rolled back."});
  wire::append_error(outside, {"ERROR", sqlstate::kOutcomeUnknown,
                               cat("the server was lost before it had answered: ", why),
                               "If this was to write something, nobody knows whether it did."});
  const std::string words = stream.last_words();
  to_client_.clear();
  ServerStream::Aftermath after =
      stream.lose({words, in_block.view(), outside.view()}, sides(client, server));
  bool told = !to_client_.empty();
  client.session.unlink();
  client.session.stream().relink();
  client.session.stream().clear_touched();
  if (after.to_sync) {
    client.session.skip_to_sync(after.in_block ? wire::TxStatus::Failed : wire::TxStatus::Idle);
  }
  if (after.in_block) {
    std::string untold = after.told ? "" : !words.empty() ? words : std::string(in_block.view());
    if (!client.loss) client.loss = std::make_unique<LossState>();
    client.loss->failed = std::make_unique<FailedBlock>(std::move(untold));
  }
  move(client, ClientList::Idle);
  if (client.idle_timeout.count() > 0) arm(client.deadline, client_due(client));
  resume(client, kPeerFull);
  if (config_->settings.log_pooler_errors && (told || after.in_block)) {
    log_client(Level::Warning, client,
               cat("lost its server ", after.in_block ? "in a transaction: " : "in a request: ",
                   words.empty() ? why : std::string_view(stream.error_text())));
  }
  if (told) send_to_client(client, to_client_.all());
  resume_client(client);
}

// An idle client in a failed block asks for something. Gives the bytes that were dealt with; none:
// the block is over, and this is for a server.
std::optional<std::size_t> WorkerImpl::answer_failed(Client& client, std::string_view bytes) {
  auto& failed = client.loss->failed;
  FailedBlock::Step step =
      failed->feed(bytes,
                   {client.statements, shared_.statements, reading(client).key(),
                    config_->settings.max_prepared_statements > 0},
                   client.session.out());
  switch (step.next) {
    case FailedBlock::Next::More:
    case FailedBlock::Next::Over:
      client.session.answered();
      break;
    case FailedBlock::Next::Server:
      break;
    case FailedBlock::Next::Refused:
      client.session.give_up_wait(bytes, failed->error(), wire::TxStatus::Failed);
      break;
    case FailedBlock::Next::RefusedAndOver:
      client.session.give_up_wait(bytes, failed->error(), wire::TxStatus::Idle);
      break;
  }
  if (step.next != FailedBlock::Next::More && step.next != FailedBlock::Next::Refused) {
    failed.reset();
  }
  if (step.next == FailedBlock::Next::Server) return std::nullopt;
  flush_client(client);
  return step.consumed;
}

}  // namespace howdah::worker
