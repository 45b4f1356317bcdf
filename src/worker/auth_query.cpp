// Looking up users by the auth_query; see worker_impl.h.
//
//   client:  LookUp -> ask_user -> UserCache: known, asked since it came -------> begin_login
//                                             | somebody asks already: wait --+-> begin_login
//                                             | nobody asks: a Lookup --------+   (UserAnswered)
//   lookup:  checkout -> Queued | Fetch | Granted -> assign -> [check query] -> [DISCARD ALL]
//            -> Parse, Bind(user), Execute, Sync -> lookup_done -> end_lookup
//
// It is an ordinary server of the pool (auth database, auth_user), within that pool's limits.
// Each login wants an answer to a question put after it came: a password that was changed works at
// once, and the old one does not. A SCRAM proof is bound to the salt it was given, so asking once more
// after a failed one would be too late. Questions are shared, so that is at most two for any number
// who come at once: the one under way, and the next. An older answer (auth_query_cache_ttl) serves
// where the question fails or has taken kSlow: a storm or an outage. Nothing of a client that has not proved itself gets near it but the user's name, as a parameter;
// and what a former client left on it (search_path, temporary tables) is discarded first.
#include <algorithm>
#include <utility>
#include <vector>

#include "howdah/base/text.h"
#include "howdah/session/login_plan.h"
#include "howdah/wire/error.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using session::Purpose;
namespace sqlstate = wire::sqlstate;

namespace {
constexpr std::string_view kRefusal = "bouncer config error";  // why is in the log
constexpr Duration kLongest = std::chrono::seconds(60);        // without client_login_timeout
constexpr Duration kSlow = std::chrono::milliseconds(250);     // then an older answer will do
constexpr std::size_t kMaxUserName = 127;
}  // namespace

// --- The client's part
// ------------------------------------------------------------------------------

void WorkerImpl::ask_user(Client& client, const session::LoginPlan::Ask& ask) {
  if (!ask.database) {
    log_client(
        Level::Error, client,
        session::is_console_database(ask.database_name)
            ? cat("cannot use the reserved \"", ask.database_name, "\" database as an auth_dbname")
            : cat("authentication database \"", ask.database_name, "\" is not configured."));
    fail_client(client, sqlstate::kConfigFile, kRefusal);
    return;
  }
  if (gate_->disabled.contains(ask.database->name)) {
    fail_client(client, sqlstate::kCannotConnectNow,
                cat("authentication database \"", ask.database->name, "\" is disabled"));
    return;
  }
  pool::PoolId pool = shared_.ledger.pool(ask.database, ask.user);
  std::string key = cat(pool, ':', client.user().size(), ':', client.user(), ask.query);
  auto found = shared_.users.find(key, {id_, client.id}, now(),
                                  config_->settings.auth_query_cache_ttl, client.look_up_at,
                                  !client.asked_again);
  if (found.known) {
    user_answered(client, *found.known, true);
    return;
  }
  if (!found.ask) return;
  std::uint64_t number = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  auto made = std::make_unique<Lookup>(number);
  Lookup& lookup = *made;
  lookup.entry = ask.database;
  lookup.auth_user = ask.user;
  lookup.key = std::move(key);
  lookup.user = client.user();
  lookup.query = ask.query;
  lookup.deadline.owner = &lookup;
  lookup.deadline.kind = 3;
  lookups_.emplace(number, std::move(made));
  Duration limit = config_->settings.client_login_timeout;
  lookup.give_up = now() + (limit.count() > 0 ? limit : kLongest);
  arm(lookup.deadline, std::min(lookup.give_up, now() + kSlow));
  take_lookup(lookup,
              shared_.ledger.checkout(pool, {id_, number}, now(), actions_, pool::kPrimary));
}

void WorkerImpl::ask_again(Client& client) {
  client.asked_again = true;
  auto plan = this->plan(client, nullptr);
  if (plan && plan->ask) {
    ask_user(client, *plan->ask);
  } else {  // a reload made it a user of auth_file
    after_login_step(client,
                     client.session.asked_again(plan ? plan->secret : auth::StoredSecret{}));
  }
}

void WorkerImpl::on(UserAnswered& message) {
  auto found = clients_.find(message.client);
  if (found == clients_.end() || found->second->dead || found->second->closing) return;
  Client& client = *found->second;
  if (client.session.state() != session::ClientSession::State::LookUp) return;
  user_answered(client, *message.answer, message.kept);
  if (!client.dead) resume_client(client);
}

void WorkerImpl::user_answered(Client& client, const UserAnswer& answer, bool settled) {
  bool old = answer.asked < client.look_up_at;
  if (old && !answer.failed && !settled) {  // it had joined a question put before it came
    auto plan = this->plan(client, nullptr);
    if (plan && plan->ask) {
      ask_user(client, *plan->ask);
      return;
    }
  }
  if (client.asked_again) {
    after_login_step(client, client.session.asked_again(answer.user.secret));
  } else if (answer.failed) {
    fail_client(client, sqlstate::kCannotConnectNow, kRefusal);
  } else {
    auto plan = this->plan(client, &answer.user);
    if (!plan) {
      fail_client(client, plan.error().code, plan.error().text);
      return;
    }
    if (plan->user != client.user()) {
      client.name = std::make_shared<ClientName>(ClientName{plan->user, client.database()});
      if (!take_user_place(client, plan->exempt_from_limits)) return;
    }
    plan->may_be_old = old;
    begin_login(client, std::move(*plan));
  }
}

// --- The question's part
// ----------------------------------------------------------------------------

Lookup* WorkerImpl::waiting_lookup(std::uint64_t number, pool::TicketId ticket) {
  auto found = lookups_.find(number);
  bool waits = found != lookups_.end() && !found->second->dead && found->second->ticket == ticket;
  return waits ? found->second.get() : nullptr;
}

void WorkerImpl::take_lookup(Lookup& lookup, pool::Checkout answer) {
  if (auto* granted = std::get_if<pool::Granted>(&answer)) {
    auto found = servers_.find(granted->slot);
    if (found == servers_.end() || found->second->dead) {
      lookup_refused(lookup, {std::string(sqlstate::kInternalError), "pool ledger out of step"});
    } else {
      assign(lookup, *found->second);
    }
  } else if (auto* fetch = std::get_if<pool::Fetch>(&answer)) {
    lookup.ticket = fetch->ticket;
    shared_.workers[fetch->home]->post(FetchServer{fetch->slot, fetch->ticket, {id_, lookup.id}});
  } else if (auto* queued = std::get_if<pool::Queued>(&answer)) {
    lookup.ticket = queued->ticket;
  } else {
    lookup_refused(lookup, std::get<pool::Refused>(answer).error);
  }
}

void WorkerImpl::assign(Lookup& lookup, Server& server) {
  lookup.ticket = 0;
  lookup.server = &server;
  server.lookup = &lookup;
  const auto& settings = config_->settings;
  bool stale =
      server.idle_since != TimePoint{} && now() - server.idle_since >= settings.server_check_delay;
  server.idle_since = {};
  if (stale && !settings.server_check_query.empty()) {
    move(server, ServerList::Tested);
    run_query(server, Purpose::Check,
              settings.server_check_query == "<empty>" ? "" : settings.server_check_query);
  } else {
    put_question(lookup, server);
  }
}

void WorkerImpl::put_question(Lookup& lookup, Server& server) {
  if (lookup.scope && !server.state) {  // the question minds no settings, but it does a role
    move(server, ServerList::Active);
    lookup.asked = now();
    server.used = true;
    server.session->run_for_rows(Purpose::Catalogue, lookup.query);
    server.step_start = now();
    arm(server.deadline, server_due(server));
    flush_server(server);
    return;
  }
  if (server.used) {
    move(server, ServerList::Tested);
    server.state = nullptr;
    server.set_here = 0;
    server.hidden = server.unread = false;
    run_query(server, Purpose::Reset, "DISCARD ALL");
    return;
  }
  move(server, ServerList::Active);
  lookup.asked = now();
  server.session->ask(lookup.query, lookup.user);
  server.step_start = now();
  arm(server.deadline, server_due(server));
  flush_server(server);
}

void WorkerImpl::lookup_done(Server& server) {
  if (server.lookup->scope) return catalogue_answered(server);
  session::ServerSession& session = *server.session;
  Lookup& lookup = *std::exchange(server.lookup, nullptr);
  lookup.server = nullptr;
  session::Answer row = session.take_answer();
  std::string wrong;
  if (session.stream().saw_error()) {
    wrong = session.stream().error_text();
  } else if (row.broken) {
    wrong = "its row is too long or malformed";
  } else if (row.rows > 0 && row.columns.size() != 2) {
    wrong = cat("expected 2 columns from auth_query, not ", row.columns.size());
  } else if (row.rows > 0 && (!row.columns[0] || row.columns[0]->empty())) {
    wrong = "the user's name is NULL or empty";
  } else if (row.rows > 0 && row.columns[0]->view().size() > kMaxUserName) {
    wrong = "the user's name is longer than 127 bytes";
  }
  if (!wrong.empty()) log_server(Level::Error, server, cat("error in auth_query: ", wrong));
  if (session.clean()) {
    free_server(server);
  } else {
    close_server(server, "the auth_query left a transaction open");
  }
  UserAnswer answer;
  answer.asked = lookup.asked;
  answer.failed = !wrong.empty();
  if (wrong.empty() && row.rows > 0) {
    answer.user.name = row.columns[0]->view();
    answer.user.secret = auth::classify(row.columns[1] ? row.columns[1]->view() : "");
  }
  end_lookup(lookup, std::move(answer));
}

// No server is to be had.
void WorkerImpl::lookup_refused(Lookup& lookup, const base::Error& error) {
  if (lookup.scope) {  // it is asked again when somebody wants to know
    classifier_.learn(lookup.scope, lookup.question, std::nullopt, now());
    end_question(lookup);
    return;
  }
  UserAnswer answer;
  answer.asked = now();
  // A database that only `*` knows and that does not exist has no users; saying more would tell
  // anybody which databases there are.
  answer.failed = !(error.code == sqlstate::kNoDatabase && lookup.entry->automatic);
  shared_.log.write(Level::Warning, cat("no server for the auth_query in ", lookup.entry->name, "/",
                                        lookup.auth_user, ": ", error.text));
  end_lookup(lookup, std::move(answer));
}

void WorkerImpl::lookup_lost(Lookup& lookup) {
  lookup.server = nullptr;
  if (quitting_ || lookup.dead) return;
  if (std::exchange(lookup.retried, true)) {
    lookup_refused(lookup,
                   {std::string(sqlstate::kConnectionFailure), "the server was lost twice"});
    return;
  }
  pool::PoolId pool = shared_.ledger.pool(lookup.entry, lookup.auth_user);
  take_lookup(lookup,
              shared_.ledger.checkout(pool, {id_, lookup.id}, now(), actions_, pool::kPrimary));
}

void WorkerImpl::lookup_deadline(Lookup& lookup) {
  if (lookup.dead) return;
  if (!lookup.scope && !std::exchange(lookup.slow, true) && lookup.give_up > now()) {
    arm(lookup.deadline, lookup.give_up);
    tell_waiting(
        shared_.users.slow(lookup.key, now(), config_->settings.auth_query_cache_ttl));
    return;
  }
  if (lookup.ticket) shared_.ledger.cancel(std::exchange(lookup.ticket, 0));
  if (Server* server = std::exchange(lookup.server, nullptr)) {
    server->lookup = nullptr;
    close_server(*server, lookup.scope ? "the catalogue took too long to answer"
                                       : "the auth_query took longer than client_login_timeout");
  }
  lookup_refused(lookup, {std::string(sqlstate::kCannotConnectNow), "none became free in time"});
}

void WorkerImpl::end_lookup(Lookup& lookup, UserAnswer answer) {
  lookup.dead = true;
  deadlines_.disarm(lookup.deadline);
  dead_lookups_.push_back(lookup.id);
  auto shared = std::make_shared<const UserAnswer>(std::move(answer));
  tell_waiting(shared_.users.finish(lookup.key, shared, now(),
                                    config_->settings.auth_query_cache_ttl));
}

void WorkerImpl::tell_waiting(const std::vector<UserCache::Told>& told) {
  for (const UserCache::Told& one : told) {
    shared_.workers[one.worker]->post(UserAnswered{one.client, one.answer, one.kept});
  }
}

}  // namespace howdah::worker
