// What becomes of a server whose client vanished in a query or a transaction (cancel_on_disconnect);
// see worker_impl.h.
//
//   vanished -> cancel, CopyFail, Sync: as needed -> drained up to the last ReadyForQuery
//            -> every cancel is over -> ROLLBACK if in a transaction -> free_server
//   Closed instead: at cancel_wait_timeout, or when it has more to say than kMaxDrain.
//
// Meanwhile the server is Linked without a client, in the list BeingCanceled, and Active in the ledger.
#include <algorithm>

#include "howdah/wire/appender.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using session::Purpose;
using session::ServerStream;

namespace {
constexpr std::size_t kMaxDrain = 16 * 1024 * 1024;
// A cancel that comes before its query has begun does nothing, and each ends one query of a pipeline.
constexpr Duration kCancelAgain = std::chrono::milliseconds(250);
}  // namespace

bool WorkerImpl::reclaim(Server& server, bool at_boundary) {
  const auto& settings = config_->settings;
  // Behind a part of a message nothing can be said to the server any more.
  if (!settings.cancel_on_disconnect || !at_boundary || quitting_) return false;
  if (server.session->stream().saw_fatal()) return false;
  server.orphan = true;
  server.copy_failed = false;
  server.drained = 0;
  server.reclaim_until = base::deadline_after(now(), settings.cancel_wait_timeout);
  server.cancel_again = base::kNever;
  deadlines_.disarm(server.deadline);
  move(server, ServerList::BeingCanceled);
  reclaim_step(server);
  return true;
}

void WorkerImpl::reclaim_step(Server& server) {
  session::ServerSession& session = *server.session;
  session::Owed& owed = session.owed();
  if (!owed.nothing()) {
    if (owed.copy_in() && !server.copy_failed) {
      server.copy_failed = true;
      wire::Message(session.out(), wire::fe::kCopyFail).cstring("the client has gone");
      owed.sent(wire::fe::kCopyFail);
    }
    if (owed.open_batch()) {
      wire::Message(session.out(), wire::fe::kSync);
      owed.sent(wire::fe::kSync);
    }
    if (!session.out().empty()) flush_server(server);
    if (server.cancel_again <= now() || server.cancel_again == base::kNever) {
      if (!server.in_query) {
        server.in_query = true;
        server.query_start = now();
      }
      server.cancel_again = now() + kCancelAgain;
      if (server.cancels == 0 && !session.cancel_key().empty()) start_cancel(server, {id_, 0});
    }
    arm(server.deadline, server_due(server));
    return;
  }
  server.cancel_again = base::kNever;
  arm(server.deadline, server_due(server));
  if (server.cancels > 0) return;  // one that is on its way would hit the ROLLBACK; see end_cancel
  server.orphan = false;
  server.in_query = server.in_xact = false;
  session.unlink();
  if (session.stream().tx() == wire::TxStatus::Idle) {
    free_server(server);
    return;
  }
  move(server, ServerList::Tested);
  run_query(server, Purpose::Rollback, "ROLLBACK");
}

void WorkerImpl::reclaim_due(Server& server) {
  if (server.reclaim_until <= now()) {
    close_server(server, "client disconnected with query in progress");
  } else {
    reclaim_step(server);
  }
}

std::size_t WorkerImpl::drain_server(Server& server, std::string_view bytes) {
  session::ServerSession& session = *server.session;
  auto taken = session.stream().forward(bytes, {session.names(), session.parameters(), nullptr,
                                         session.owed(), &session.statements()});
  if (taken.event == ServerStream::Event::Violation) {
    server_lost(server, session.stream().error());
    return bytes.size();
  }
  server.drained += taken.forward;
  if (taken.event == ServerStream::Event::Settled) {
    server.in_query = false;
    reclaim_step(server);
  } else if (server.drained > kMaxDrain) {
    close_server(server, "client disconnected with query in progress");
  } else if (session.owed().copy_in() && !server.copy_failed) {
    reclaim_step(server);
  }
  return taken.forward;
}

}  // namespace howdah::worker
