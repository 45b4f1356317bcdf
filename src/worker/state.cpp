// Session state follows its client, or keeps it at its server; see worker_impl.h and session/harvest.h.
//
//   release -> after_transaction -> nothing touched: the server goes
//                                -> begin_harvest -> harvested -> pinned: prepare, the client goes on
//                                                              -> the server goes; the next request
//                                                                 of the client asks for one anew
//   prepare -> parameters_set -> made_ready
//      failed: the one before left something that cannot be undone singly -> Clean -> prepare
//              the request amends what failed -> prepare without it
//              else the request gets the error and is not run
//
// While the harvest runs the client has its answer already; it is Idle and assigned, and a request of
// it waits for the end (request_server).
#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/route/facts.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using session::ClientSession;
using session::Purpose;
using session::ServerSession;
using session::StateRef;
namespace sqlstate = wire::sqlstate;

namespace {

// More than anybody sets; past it the client keeps its server instead.
constexpr std::size_t kMaxCustom = 200;
// Its statement_timeout, or a late cancel request, may hit it.
constexpr int kMaxHarvests = 4;
// Of a text that was not understood or not looked into.
constexpr std::uint16_t kAll = route::kSettings | route::kUnknownSetting | route::kPins |
                               route::kHidden | route::kDdl;
constexpr std::uint16_t kAsks = route::kSettings | route::kPins | route::kUnknownSetting;

std::uint16_t touched(const Client& client) {
  return const_cast<Client&>(client).session.stream().touched();
}
std::span<const std::string> set_now(Client& client) {
  return client.session.stream().custom_settings();
}
void clear_touched(Client& client) { client.session.stream().clear_touched(); }

std::vector<std::string> custom_names(Client& client, const Server& server) {
  auto just_set = set_now(client);
  std::vector<std::string> names(just_set.begin(), just_set.end());
  auto add = [&](const StateRef& state) {
    if (!state) return;
    for (const auto& [name, value] : state->settings()) {
      if (name.find('.') != std::string::npos) names.push_back(name);
    }
  };
  add(server.state);
  if (client.state) add(client.state->start);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

const StateRef& WorkerImpl::wanted_state(const Client& client) const {
  static const StateRef kNone;
  if (!client.state) return kNone;
  return client.state->use_instead ? client.state->instead : client.state->wanted;
}

// As far as it is known between transactions; empty: the server's default.
session::Reading WorkerImpl::reading(Client& client) const {
  return {&client.session.parameters(), wanted_state(client).get()};
}

void WorkerImpl::part(Client& client, Server& server) {
  client.server = nullptr;
  server.client = nullptr;
}

// --- After a transaction ----------------------------------------------------------------------------

bool WorkerImpl::after_transaction(Client& client, Server& server) {
  std::uint16_t touch = touched(client);
  if (touch == 0 && !client.state) return false;
  if (touch & route::kHidden) server.hidden = true;
  if ((touch & kAll) == kAll) server.strays = true;
  if ((touch & kAsks) == 0) {
    clear_touched(client);
    if (!pinned(client)) return false;
    arm(server.deadline, server_due(server));
    if (client.idle_timeout.count() > 0) arm(client.deadline, client_due(client));
    return true;
  }
  client.session.unlink();
  server.session->unlink();
  move(client, ClientList::Idle);
  resume(client, kPeerFull);
  resume(server, kPeerFull);
  server.harvests = 0;
  begin_harvest(client, server);
  return true;
}

// The client goes, and nobody will ask any more what it did.
void WorkerImpl::leaves_behind(const Client& client, Server& server) {
  if (!server.pool->follows) return;
  std::uint16_t touch = touched(client);
  if ((touch & kAll) == kAll) server.strays = true;
  if (pinned(client) || (touch & (kAsks | route::kHidden)) != 0) server.unread = true;
}

void WorkerImpl::begin_harvest(Client& client, Server& server) {
  session::HarvestAsk ask;
  ask.custom = custom_names(client, server);
  if (ask.custom.size() > kMaxCustom) ask.custom.resize(kMaxCustom);
  ask.pins = (touched(client) & route::kPins) != 0 || pinned(client);
  ask.patient = server.harvests++ > 0;
  server.unread = true;
  server.session->run_for_rows(Purpose::Harvest, session::harvest_sql(ask));
  server.step_start = now();
  arm(server.deadline, server_due(server));
  flush_server(server);
}

void WorkerImpl::harvested(Server& server) {
  ServerSession& session = *server.session;
  auto rows = session.take_rows();
  bool failed = session.stream().saw_error();
  std::string text = session.stream().error_text();
  bool timed_out = session.stream().error_code() == sqlstate::kQueryCanceled;
  if (!session.clean()) {
    server_lost(server, "asking for the settings of a session left a transaction open");
    return;
  }
  std::optional<session::Harvest> harvest;
  if (!failed && !rows->overflowed()) harvest = session::read_harvest(rows->rows());
  if (server.stage == Server::Stage::Setup) {  // see first_state()
    if (harvest) {
      server.state = session::state_after(*harvest, nullptr, server.pool->user, {},
                                          [&](std::string_view name) {
                                            auto index = shared_.names->find(name);
                                            return index && session.parameters().get(*index);
                                          });
    } else {
      log_server(Level::Warning, server, cat("settings of connect_query are not known: ", text));
    }
    shared_.first_states.keep(server.pool_id, server.state);
    server_usable(server);
    return;
  }
  Client* client = server.client;
  if (!client) {
    free_server(server);  // unread: it is cleaned
    return;
  }
  if (failed && timed_out && server.harvests < kMaxHarvests) {
    begin_harvest(*client, server);
    return;
  }
  if (!harvest && !rows->overflowed()) {
    // What the client has set is not known, so it cannot be kept to it.
    part(*client, server);
    fail_client(*client, sqlstate::kConnectionFailure, "settings of the session could not be read",
                text);
    free_server(server);
    return;
  }
  server.unread = false;
  client->session.out().append(rows->notifications());
  std::uint8_t pins = pinned(*client) ? client->state->pins & session::kPinUnknown : 0;
  // What nobody understood is cleaned away, as hidden state is: not every error of syntax pins.
  std::uint16_t touch = touched(*client);
  bool unknown = rows->overflowed() ||
                 ((touch & route::kUnknownSetting) != 0 && (touch & kAll) != kAll) ||
                 custom_names(*client, server).size() > kMaxCustom;
  if (unknown) pins |= session::kPinUnknown;
  if (harvest) {
    pins |= harvest->pins;
    follow(*client, server, *harvest);
  }
  clear_touched(*client);
  bool stays = pin(*client, server, pins);
  if (client->dead || client->closing) return;
  if (!client->session.out().empty()) flush_client(*client);
  if (client->dead || client->server != &server) return;
  if (stays) {
    prepare(*client, server);
  } else {
    bool waits = client->session.state() == ClientSession::State::Waiting;
    part(*client, server);
    if (client->idle_timeout.count() > 0) arm(client->deadline, client_due(*client));
    free_server(server);
    if (waits) request_server(*client);
  }
  resume_client(*client);
}

// What PostgreSQL says is set becomes what the client wants and what the server has.
void WorkerImpl::follow(Client& client, Server& server, const session::Harvest& harvest) {
  const Welcome* welcome = server.pool->welcome ? server.pool->welcome.get() : server.welcome.get();
  auto by_report = [&](std::string_view name) {
    return shared_.names->find(name) && welcome && reports(*welcome, name);
  };
  const std::string& login = server.pool->user;
  server.state = session::state_after(harvest, nullptr, login, {}, by_report);
  StateRef start = client.state ? client.state->start : nullptr;
  StateRef wanted = start ? session::state_after(harvest, start.get(), login, set_now(client), by_report)
                          : server.state;
  if (session::same(wanted, server.state)) wanted = server.state;
  if (wanted) {
    state_of(client).wanted = std::move(wanted);
  } else if (client.state) {
    client.state->wanted = nullptr;
  }
  std::uint64_t were_set = std::exchange(server.set_here, 0);
  for (std::size_t i = 0; i < std::min<std::size_t>(shared_.names->size(), 64); ++i) {
    if (harvest.settings.contains(base::lower(shared_.names->name(i)))) {
      server.set_here |= std::uint64_t{1} << i;
    }
  }
  if (!client.given) return;
  std::vector<Given> all = *client.given;
  for (Given& given : all) {
    const std::string& name = shared_.names->name(given.index);
    session::Parameters& parameters = client.session.parameters();
    const std::string* value = parameters.get(given.index);
    if (!value || given.index >= 64) continue;
    std::uint64_t bit = std::uint64_t{1} << given.index;
    if ((server.set_here & bit) == 0 && ((were_set & bit) != 0 || *value != given.last)) {
      // It is not set any more: RESET. The client was told the server's default.
      parameters.set(given.index, given.start);
      wire::append_parameter_status(client.session.out(), name, given.start);
    }
    given.last = *parameters.get(given.index);
  }
  if (all != *client.given) {
    client.given = std::make_shared<const std::vector<Given>>(std::move(all));
  }
}

// --- Pins -------------------------------------------------------------------------------------------

// True when the client keeps the server.
bool WorkerImpl::pin(Client& client, Server& server, std::uint8_t pins) {
  if (pins == 0) {
    unpin(client);
    return false;
  }
  if (!config_->settings.pin_unsafe) {
    server.unread = true;  // to be cleaned
    return false;
  }
  if (!pinned(client)) {
    if (!shared_.pins.take(server.pool_id, server.pool->max_pinned)) {
      server.unread = true;
      part(client, server);
      fail_client(client, sqlstate::kTooManyConnections,
                  "no more servers may be pinned to clients (max_pinned_servers)",
                  cat("This session has state that cannot move to another server: ",
                      session::pin_text(pins), "."),
                  "Give such clients a pool in session mode, raise max_pinned_servers, or do without "
                  "that state.");
      free_server(server);
      return false;
    }
    ++server.pool->pinned;
    state_of(client).pins = pins;
    log_client(Level::Log, client, cat("pinned to its server: ", session::pin_text(pins)));
  } else {
    client.state->pins = pins;
  }
  return true;
}

void WorkerImpl::unpin(Client& client) {
  if (!pinned(client)) return;
  client.state->pins = 0;
  shared_.pins.give(client.pool->id);
  --client.pool->pinned;
  log_client(Level::Log, client, "not pinned any more");
}

// --- Making a server ready ----------------------------------------------------------------------------

void WorkerImpl::made_ready(Client& client, Server& server) {
  if (client.state) {
    client.state->use_instead = false;
    client.state->instead = nullptr;
  }
  if (client.session.state() == ClientSession::State::Welcome) {
    login_values_accepted(client, server);
  } else {
    link(client, server);
  }
}

void WorkerImpl::parameters_set(Server& server) {
  ServerSession& session = *server.session;
  if (!session.clean()) {
    server_lost(server, "setting parameters left a transaction open");
    return;
  }
  bool failed = session.stream().saw_error();
  auto rows = session.take_rows();
  if (rows && server.client) server.client->session.out().append(rows->notifications());
  StateRef target = std::exchange(server.next_state, nullptr);
  if (!failed) {
    server.state = std::move(target);
    server.set_here = server.next_set_here;
  }
  if (!server.client) {
    free_server(server);
    return;
  }
  Client& client = *server.client;
  if (failed) {
    base::Error error{session.stream().error_code(), session.stream().error_text()};
    if (server.state && !pinned(client)) {
      // Perhaps what was there before cannot be undone one by one: all of it goes, then once more.
      run_query(server, Purpose::Clean, session::kCleanSql);
    } else if (amend(client, server)) {
      prepare(client, server);
      if (client.session.state() == ClientSession::State::Linked) resume_client(client);
    } else {
      refuse_request(client, server, error);
    }
    return;
  }
  // The server's own spelling of the values is the client's from now on.
  session::Parameters& theirs = client.session.parameters();
  for (std::size_t i = 0; i < shared_.names->size(); ++i) {
    const std::string* canonical = session.parameters().get(i);
    if (canonical && theirs.get(i)) theirs.set(i, *canonical);
  }
  // Not compared again: what the server does not report back would be found missing for ever.
  made_ready(client, server);
  if (!client.dead) resume_client(client);
}

// The client's state cannot be put in place. If its request stands alone and changes just that, it may
// run without. True: try again.
bool WorkerImpl::amend(Client& client, const Server& server) {
  if (client.session.state() != ClientSession::State::Waiting) return false;
  if (client.state && client.state->use_instead) return false;
  std::string_view bytes = client.in.view();
  wire::Header header;
  auto read = wire::read_header(bytes, config_->settings.max_packet_size, header);
  if (read != wire::HeaderState::Ok || bytes.size() - wire::kHeaderSize < header.body) return false;
  wire::Cursor cursor(bytes.substr(wire::kHeaderSize, header.body));
  if (header.type == wire::fe::kParse) {
    (void)cursor.cstring();
  } else if (header.type != wire::fe::kQuery) {
    return false;
  }
  session::Amends amends = session::amends(cursor.cstring());
  if (!cursor.ok() || amends.what == session::Amends::What::Nothing) return false;
  bool changed = false;
  session::Parameters& parameters = client.session.parameters();
  for (std::size_t i = 0; i < shared_.names->size(); ++i) {
    const std::string* there = server.session->parameters().get(i);
    bool named = amends.what == session::Amends::What::Setting
                     ? base::iequal(amends.name, shared_.names->name(i))
                     : amends.what != session::Amends::What::Authorization;
    if (!named || !there || !parameters.get(i) || *parameters.get(i) == *there) continue;
    parameters.set(i, *there);
    changed = true;
  }
  StateRef wanted = wanted_state(client);
  StateRef instead = session::without(wanted, amends);
  if (!changed && session::same(wanted, instead)) return false;
  ClientState& state = state_of(client);
  state.instead = std::move(instead);
  state.use_instead = true;
  return true;
}

void WorkerImpl::refuse_request(Client& client, Server& server, const base::Error& error) {
  constexpr std::string_view kDetail =
      "The settings of this session could not be put in place on its server.";
  if (client.state) {
    client.state->use_instead = false;
    client.state->instead = nullptr;
  }
  bool asked = client.session.state() == ClientSession::State::Waiting;
  bool kept = pinned(client);
  part(client, server);
  if (!asked || kept) {  // at its login, or it cannot be answered without this server
    if (kept) server.unread = true;
    bool login = client.session.state() == ClientSession::State::Welcome;
    fail_client(client, error.code, error.text, login ? "" : kDetail);
  } else {
    if (!client.session.give_up_wait(
            client.in.view(),
            {"ERROR", error.code, error.text, kDetail,
             "The request was not run. RESET what cannot be set, or connect anew."})) {
      fail_client(client, error.code, error.text, kDetail);
      free_server(server);
      return;
    }
    move(client, ClientList::Idle);
    if (client.idle_timeout.count() > 0) arm(client.deadline, client_due(client));
    if (config_->settings.log_pooler_errors) {
      log_client(Level::Warning, client, cat("session state cannot be put in place: ", error.text));
    }
    flush_client(client);
  }
  free_server(server);
  if (!client.dead) resume_client(client);
}

void WorkerImpl::cleaned(Server& server) {
  if (server.session->stream().saw_error() || !server.session->clean()) {
    server_lost(server, cat("cleaning failed: ", server.session->stream().error_text()));
    return;
  }
  server.hidden = server.unread = false;
  server.state = nullptr;
  server.set_here = 0;
  if (!server.client) {
    checkin(server);
    return;
  }
  Client& client = *server.client;
  prepare(client, server);
  if (client.session.state() == ClientSession::State::Linked) resume_client(client);
}

}  // namespace howdah::worker
