// Clients: their I/O, their login, their end; see worker_impl.h.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/session/login_plan.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using net::IoResult;
using session::ClientSession;
namespace sqlstate = wire::sqlstate;

namespace {
// How long a client that was told goodbye may take to read it.
constexpr Duration kGoodbye = std::chrono::seconds(10);
}  // namespace

void WorkerImpl::deal(NewClient client) {
  client_count_.fetch_add(1, std::memory_order_relaxed);
  mailbox_.post(std::move(client));
}

void WorkerImpl::accept(NewClient& message) {
  if (quitting_) {
    client_count_.fetch_sub(1, std::memory_order_relaxed);
    ::close(message.fd);
    return;
  }
  std::uint64_t number = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  auto made = std::make_unique<Client>(*this, number);
  Client& client = *made;
  client.transport = reactor_.adopt(message.fd, message.peer);
  client.transport->attach(reactor_, client);
  client.transport->yield_to_others(true);
  client.name = nobody_;
  client.proxy_header = from_proxy(message.peer);
  if (message.peer.family != net::Address::Family::Unix) {
    auto tls = shared_.tls.get();
    if (tls->clients) client.session.offer_tls(tls->clients_required);
  }
  client.place = std::move(message.place);
  client.connected = client.last_activity = now();
  client.deadline.owner = &client;
  client.deadline.kind = 0;
  clients_.emplace(number, std::move(made));
  arm(client.deadline, client_due(client));
}

void WorkerImpl::client_ready(Client& client, bool readable, bool writable) {
  Turn turn(*this);
  if (writable && !client.dead) {
    flush_client(client);
    if (!client.dead && client.session.out().size() < kLow) resume_client(client);
  }
  if (readable && !client.dead && client.pauses == 0) read_client(client);
}

void WorkerImpl::read_client(Client& client) {
  IoResult got = client.transport->recv(scratch_);
  switch (got.kind) {
    case IoResult::Kind::Again:
      return;
    case IoResult::Kind::Eof:
      close_client(client, "client unexpected eof");
      return;
    case IoResult::Kind::Failed: {
      net::TlsStatus tls = client.transport->tls();
      if (tls.state == net::TlsStatus::State::Failed) {
        close_client(client, cat("TLS handshake error: ", tls.error));
      } else {
        close_client(client, "client connection lost");
      }
      return;
    }
    case IoResult::Kind::Bytes:
      break;
  }
  if (client.closing) return;  // it was told goodbye: what it still says is of no interest
  client.last_activity = now();
  if (client.pool) client.pool->counters.received += got.count;
  std::string_view bytes(scratch_.data(), got.count);
  if (client.in.empty()) {
    std::size_t used = process_client(client, bytes);
    if (!client.dead && used < bytes.size()) client.in.append(bytes.substr(used));
  } else {
    client.in.append(bytes);
    resume_client(client);
  }
  if (!client.dead && client.in.size() > ahead_limit(client)) pause(client, kHeldFull);
}

void WorkerImpl::resume_client(Client& client) {
  if (client.dead) return;
  if (!client.in.empty()) {
    std::size_t used = process_client(client, client.in.view());
    if (client.dead) return;
    client.in.consume(used);
  }
  if (client.in.size() <= ahead_limit(client)) resume(client, kHeldFull);
}

// A message that is held until it is whole may be longer than what a client may send ahead.
std::size_t WorkerImpl::ahead_limit(Client& client) {
  if (client.session.state() != ClientSession::State::Linked) return kMaxAhead;
  return std::max(kMaxAhead, client.session.stream().needs());
}

// Takes what can be taken of `bytes`; gives how much. The rest is offered again later.
std::size_t WorkerImpl::process_client(Client& client, std::string_view bytes) {
  std::size_t used = 0;
  if (client.proxy_header) {
    used = take_proxy_header(client, bytes);
    if (client.dead || client.proxy_header) return used;
  }
  while (!client.dead && !client.closing && !client.delayed) {
    if (client.session.state() == ClientSession::State::Linked) {
      used += client.server->own ? stream_from_client(client, bytes.substr(used))
                                 : relay_from_client(client, bytes.substr(used));
      // Linked still: all that can go has gone. Released: what is left is a new request.
      if (client.dead || client.session.state() == ClientSession::State::Linked) break;
      continue;
    }
    if (used == bytes.size()) break;
    // It has not read the last answers: its next request waits, see client_ready.
    if (client.session.out().size() > kHigh) break;
    bool secret = client.session.state() == ClientSession::State::Auth;
    auto step = client.session.feed(bytes.substr(used), config_->settings);
    // The bytes are ours: our scratch, or what we kept of it.
    if (secret) base::wipe(const_cast<char*>(bytes.data()) + used, step.consumed);
    used += step.consumed;
    switch (step.want) {
      case ClientSession::Want::Bytes:
        if (!client.session.out().empty()) flush_client(client);
        if (step.consumed == 0) return used;
        break;
      case ClientSession::Want::Server:
        used += begin_request(client, bytes.substr(used));
        if (client.route && std::exchange(client.route->not_yet, false)) return used;
        break;
      case ClientSession::Want::Command:
        shared_.supervisor.post(ConsoleCommand{
            {id_, client.id},
            client.admin ? admin::Rights::Admin : admin::Rights::Stats,
            std::string(client.session.command())});
        return used;
      case ClientSession::Want::Tls:
        start_client_tls(client, bytes.substr(used));
        return bytes.size();
      case ClientSession::Want::LookUp:
        enter_gate(client);
        break;
      case ClientSession::Want::Cancel:
        forward_cancel(client);
        return used;
      case ClientSession::Want::AskAgain:
      case ClientSession::Want::Hash:
      case ClientSession::Want::Check:
      case ClientSession::Want::Welcome:
      case ClientSession::Want::Close:
        after_login_step(client, step.want);
        break;
    }
  }
  return used;
}

void WorkerImpl::flush_client(Client& client) {
  if (client.delayed) return;
  base::Buffer& out = client.session.out();
  if (!out.empty()) {
    std::string_view piece = out.view();
    IoResult sent = client.transport->send({&piece, 1});
    if (sent.kind == IoResult::Kind::Failed || sent.kind == IoResult::Kind::Eof) {
      close_client(client, "client connection lost");
      return;
    }
    if (sent.kind == IoResult::Kind::Bytes) out.consume(sent.count);
  }
  if (out.empty() && client.closing) {
    // Unread input would make the close a reset, which can overtake the last words.
    char rest[4096];
    for (int i = 0; i < 64; ++i) {
      if (client.transport->recv(rest).kind != IoResult::Kind::Bytes) break;
    }
    close_client(client, "");
    return;
  }
  if (out.empty() && client.tls_next) return start_client_tls(client, {});
  if (client.want_write == out.empty()) {
    client.want_write = !out.empty();
    update_watch(client);
  }
  if (out.size() < kLow && client.server) resume(*client.server, kPeerFull);
}

// --- Login ----------------------------------------------------------------------------------------

base::Result<session::LoginPlan> WorkerImpl::plan(const Client& client,
                                                  const session::FoundUser* found) {
  session::UnixPeer peer;
  peer.is_unix = client.peer().family == net::Address::Family::Unix;
  peer.same_user = client.credentials().known && client.credentials().uid == shared_.own_uid;
  return session::plan_login(*config_, client.session.startup(), *shared_.names, peer, found);
}

void WorkerImpl::look_up(Client& client) {
  const auto& settings = config_->settings;
  const wire::Startup& startup = client.session.startup();
  const std::string *user = startup.find("user"), *database = startup.find("database");
  client.name = std::make_shared<ClientName>(
      ClientName{user ? user->substr(0, 128) : "", database ? database->substr(0, 64) : ""});
  auto plan = this->plan(client, nullptr);
  if (!plan) {
    fail_client(client, plan.error().code, plan.error().text);
    return;
  }
  client.name =
      std::make_shared<ClientName>(ClientName{plan->user, plan->database_name.substr(0, 64)});
  bool exempt = plan->exempt_from_limits;
  if (!client.place) {
    if (!plan->console) {
      fail_client(client, sqlstate::kTooManyConnections,
                  "no more connections allowed (max_client_conn)",
                  cat("max_client_conn is ", settings.max_client_conn, "."));
      return;
    }
    client.place = shared_.clients.connection(0, true);
  }
  if (plan->database || plan->console) {
    auto limit = plan->database ? config_->max_db_client_connections(*plan->database) : 0;
    client.db_place =
        shared_.clients.database(client.database(), static_cast<std::size_t>(limit), exempt);
    if (!client.db_place) {
      fail_client(client, sqlstate::kTooManyConnections,
                  "client connections exceeded (max_db_client_connections)");
      return;
    }
  }
  if (!take_user_place(client, exempt)) return;
  if (plan->ask) {
    client.look_up_at = now();
    ask_user(client, *plan->ask);
  } else {
    begin_login(client, std::move(*plan));
  }
}

// All is known that the login is judged by.
void WorkerImpl::begin_login(Client& client, session::LoginPlan plan) {
  net::TlsStatus tls = client.transport->tls();
  plan.end_point = std::move(tls.end_point);
  client.admin = plan.admin;
  if (!plan.console) client.replication = plan.replication;
  if (config_->settings.log_connections) {
    log_client(Level::Log, client,
               cat("login attempt: db=", client.database(), " user=", client.user(),
                   " tls=", tls.text.empty() ? "no" : tls.text, " replication=",
                   client.replication == session::Replication::None      ? "no"
                   : client.replication == session::Replication::Logical ? "database"
                                                                         : "yes"));
  }
  client.session.plan() = std::move(plan);
  admit(client, origin_of(client));
}

void WorkerImpl::after_login_step(Client& client, ClientSession::Want want) {
  switch (want) {
    case ClientSession::Want::AskAgain:
      ask_again(client);
      return;
    case ClientSession::Want::Hash:
      start_hash(client);
      return;
    case ClientSession::Want::Check:
      start_check(client);
      return;
    case ClientSession::Want::Welcome:
      begin_welcome(client);
      return;
    case ClientSession::Want::Close: {
      const std::string reason(client.session.close_reason());
      if (reason.empty()) {
        close_client(client, "client close request");
        return;
      }
      bool login = !client.session.out().empty() && !client.pool;
      if (login && config_->settings.log_connections) {
        log_client(
            Level::Log, client,
            cat("login failed: db=", client.database(), " user=", client.user(), ": ", reason));
      }
      if (client.session.password_refused() && delay_refusal(client)) return;
      fail_client(client, "", reason);
      return;
    }
    default:
      flush_client(client);
      return;
  }
}

// Proved. What the log-in still needs is a pool and the parameters of one of its servers.
void WorkerImpl::begin_welcome(Client& client) {
  leave_gate(client);
  session::LoginPlan& plan = client.session.plan();
  if (client.session.console()) {
    wire::append_auth(client.session.out(), wire::kAuthOk);
    give_key(client);
    admin::append_welcome(client.session.out(), shared_.version, client.key);
    client.session.welcome_console();
    client.transport->yield_to_others(false);
    flush_client(client);
    return;
  }
  if (!plan.database) {
    fail_client(client, sqlstate::kNoDatabase, cat("no such database: ", client.database()), "",
                "SHOW DATABASES on the console lists the entries of [databases].");
    return;
  }
  if (gate_->disabled.contains(client.database())) {
    fail_client(client, sqlstate::kCannotConnectNow,
                cat("database \"", client.database(), "\" is disabled"));
    return;
  }
  if (gate_->shutting_down) {
    fail_client(client, sqlstate::kAdminShutdown, "pooler is shutting down");
    return;
  }
  // For servers: what the proof revealed. A forced user has secrets of its own.
  if (plan.pool_user == plan.user) {
    CredentialStore::Entry learned{client.session.scram_keys(), client.session.typed_password(), {}};
    if (!config_->userlist.contains(plan.user)) learned.stored = plan.secret.text;
    if (learned.keys || !learned.password.empty() || !learned.stored.empty()) {
      shared_.credentials.remember(plan.database->name, plan.user, learned);
    }
  }
  session::Parameters parameters(shared_.names->size());
  for (const auto& [name, value] : plan.parameters) {
    if (auto index = shared_.names->find(name)) parameters.set(*index, value);
  }
  if (config_->settings.application_name_add_host) {
    auto index = *shared_.names->find("application_name");
    const std::string* given = parameters.get(index);
    std::string where = client.peer().text();
    if (client.peer().family == net::Address::Family::Unix) {
      where = cat("unix(", client.credentials().pid, "):", client.peer().port);
    }
    parameters.set(index, cat(given && !given->empty() ? *given : "app", " - ", where));
  }
  client.session.set_parameters(std::move(parameters));
  client.entry = plan.database;
  pool::PoolId id = shared_.ledger.pool(plan.database, plan.pool_user);
  shared_.ledger.client_joined(id);
  client.joined = true;
  client.pool = &view(id);
  if (client.entry->by_query() && follows(*client.pool)) client.route = std::make_unique<Routing>();
  client.wait_timeout = config_->query_wait_timeout(*client.entry, client.user());
  client.idle_timeout = config_->client_idle_timeout(client.user());
  if (client.replication != session::Replication::None) {
    client.wait_since = client.request_at = now();
    request_own(client, client.wait_since);
    return;
  }
  if (!client.pool->welcome) client.pool->welcome = shared_.welcomes.find(id);
  if (client.pool->welcome && settle_login(client, *client.pool->welcome)) {
    finish_welcome(client, *client.pool->welcome);
  } else {
    client.wait_since = client.request_at = now();
    request_server(client);  // its login tells the parameters
  }
}

void WorkerImpl::finish_welcome(Client& client, const Welcome& welcome) {
  give_key(client);
  if (client.state && client.state->start) {
    // A reported parameter that does not follow by report: the client's own value holds.
    Welcome own = welcome;
    for (auto& [name, value] : own) {
      const std::string* given = client.state->start->find(base::lower(name));
      if (given) value = session::as_reported(*given, value);
    }
    client.session.welcome(own, client.key, *shared_.names);
  } else {
    client.session.welcome(welcome, client.key, *shared_.names);
  }
  client.transport->yield_to_others(false);
  ++client.pool->counters.client_logins;
  client.session.parameters().join(client.pool->usual_parameters);
  auto share = [](auto& mine, auto& usual) {
    if (mine && usual && *mine == *usual) {
      mine = usual;
    } else if (mine) {
      usual = mine;
    }
  };
  share(client.name, client.pool->usual_name);
  share(client.given, client.pool->usual_given);
  client.last_activity = now();
  move(client, ClientList::Idle);
  arm(client.deadline, client_due(client));
  flush_client(client);
}

// --- The end of a client ----------------------------------------------------------------------------

// Tells the client why (FATAL) and closes it when it has taken that.
void WorkerImpl::fail_client(Client& client, std::string_view code, std::string_view text,
                             std::string_view detail, std::string_view hint) {
  if (client.dead || client.closing) return;
  leave_gate(client);
  const auto& settings = config_->settings;
  if (client.server && client.session.state() == ClientSession::State::Linked &&
      client.server->session->stream().saw_fatal()) {
    server_lost(*client.server, text);  // the server has told it already: one goodbye is enough
    return;
  }
  if (client.server) leave_server(client);
  // An error here would be read as the rest of a row, or cannot be said in the middle of a handshake.
  auto tls = client.transport->tls().state;
  if (client.torn || tls == net::TlsStatus::State::Handshake || tls == net::TlsStatus::State::Failed) {
    if (settings.log_pooler_errors) log_client(Level::Warning, client, cat("pooler error: ", text));
    close_client(client, text);
    return;
  }
  if (client.ticket) cancel_wait(client);
  if (settings.log_pooler_errors) {
    log_client(Level::Warning, client, cat("pooler error: ", text));
  }
  client.db_place = {};  // who is told no may come again at once
  client.user_place = {};
  client.session.fail({"FATAL", code, text, detail, hint});
  client.closing = true;
  if (settings.log_disconnections) {
    auto age = std::chrono::duration_cast<std::chrono::seconds>(now() - client.connected);
    log_client(Level::Log, client, cat("closing because: ", text, " (age=", age.count(), "s)"));
  }
  deadlines_.disarm(client.deadline);
  arm(client.deadline, now() + kGoodbye);
  flush_client(client);  // closes when all is sent
}

void WorkerImpl::close_client(Client& client, std::string_view reason) {
  if (client.dead) return;
  leave_gate(client);
  if (client.server) leave_server(client);
  unpin(client);
  if (client.ticket) cancel_wait(client);
  bool silent = reason.empty() || client.closing ||
                (client.session.state() == ClientSession::State::Startup && client.in.empty() &&
                 !client.session.tls());
  if (!silent && config_->settings.log_disconnections) {
    auto age = std::chrono::duration_cast<std::chrono::seconds>(now() - client.connected);
    log_client(Level::Log, client, cat("closing because: ", reason, " (age=", age.count(), "s)"));
  }
  if (client.session.console()) shared_.supervisor.post(ConsoleGone{{id_, client.id}});
  client.dead = true;
  deadlines_.disarm(client.deadline);
  forget_key(client);
  if (client.pool) {
    move(client, ClientList::Count);
    if (client.joined) shared_.ledger.client_left(client.pool->id, now());
    client.pool = nullptr;
  }
  client.transport.reset();
  client.place = {};
  client.db_place = {};
  client.user_place = {};
  client_count_.fetch_sub(1, std::memory_order_relaxed);
  dead_clients_.push_back(client.id);
}

// --- Reading pauses ---------------------------------------------------------------------------------

void WorkerImpl::pause(Client& client, Pause reason) {
  bool was = client.pauses != 0;
  client.pauses |= reason;
  if (!was) update_watch(client);
}

void WorkerImpl::resume(Client& client, Pause reason) {
  if ((client.pauses & reason) == 0) return;
  client.pauses &= static_cast<std::uint8_t>(~reason);
  if (client.pauses == 0) update_watch(client);
}

void WorkerImpl::update_watch(Client& client) {
  client.transport->watch(client.pauses == 0, client.want_write);
}

}  // namespace howdah::worker
