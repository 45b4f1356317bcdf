// The workers of the simulated world: they open, hand over and close servers.
#include <algorithm>

#include "sim/ledger_world.h"

namespace howdah::sim {

// Does what the ledger asked for after a call by `worker`.
void LedgerWorld::act(WorkerId worker) {
  Actions actions = std::move(actions_);
  actions_.clear();
  for (Action& action : actions) {
    if (auto* open = std::get_if<Open>(&action)) {
      begin_open(open->ticket ? open->to.worker : worker, std::move(*open));
    } else if (auto* close = std::get_if<Close>(&action)) {
      auto found = servers_.find(close->slot);
      expect(found != servers_.end(), "Close for a server that is gone");
      Server& server = found->second;
      expect(server.state == (server.own ? ServerState::Held : ServerState::Parked) &&
                 server.at == close->home && !server.told_to_close && server.promised_to == 0,
             "Close for a server that is not idle there");
      server.told_to_close = true;
      ++totals_.closed;
      totals_.own_closed += server.own;
      totals_.evicted += std::string_view(close->reason) == "evicted";
      say("  close ", close->slot, " on ", close->home, ": ", close->reason);
      post(worker, close->home,
           [this, home = close->home, slot = close->slot] { close_ordered(home, slot); });
    } else if (auto* send = std::get_if<Send>(&action)) {
      Server& server = servers_.at(send->slot);
      Client* client = waiting_with(send->ticket);
      expect(client && client->id == send->to.client && !client->promised, "Send to nobody");
      expect(server.state == ServerState::Parked && server.at == send->home &&
                 !server.told_to_close && server.promised_to == 0 && server.pool == client->pool,
             "Send of a server that is not idle there");
      check_turn(*client);
      say("  send ", send->slot, " from ", send->home, " to ticket ", send->ticket);
      ++totals_.sent;
      client->promised = true;
      server.promised_to = send->ticket;
      post(worker, send->home,
           [this, s = *send] { fetch_asked(s.home, s.slot, s.ticket, s.to.worker); });
    } else if (auto* fail = std::get_if<Fail>(&action)) {
      Client* client = waiting_with(fail->ticket);
      // Its client may have cancelled in the same instant only by an event of its own.
      expect(client && client->id == fail->to.client, "Fail for nobody");
      expect(!client->promised, "Fail for a client that a server is on its way to");
      say("  fail ", fail->ticket, ": ", fail->error.text);
      ++totals_.failed;
      post(worker, fail->to.worker,
           [this, id = fail->to.client, ticket = fail->ticket] { failed(id, ticket); });
      client->promised = true;  // out of the queue
    } else if (auto* forget = std::get_if<Forget>(&action)) {
      say("  forget pool ", forget->pool);
      ++totals_.forgotten;
      for (auto& client : clients_)
        expect(client.state == ClientState::Away || client.pool != forget->pool,
               "a pool with a client was forgotten");
      for (auto& [slot, server] : servers_)
        expect(server.pool != forget->pool, "a pool with a server was forgotten");
    } else {
      violated("a Give among the actions: the caller holds no such server");
    }
  }
}

// Every limit must hold at the moment the right to open is given.
void LedgerWorld::check_open(const Open& open, WorkerId worker) const {
  std::string database, user;
  for (auto& row : ledger_->snapshot())
    if (row.id == open.pool) database = row.database, user = row.user;
  expect(!database.empty(), "Open for an unknown pool");
  expect(!paused(database), "Open while paused");
  auto entry = config_->find_database(database);
  expect(entry != nullptr, "Open for an entry that was removed");
  expect(open.host < entry->hosts.size(), "Open for a host that the entry has not");
  int in_pool = 1, in_database = 1, in_user = 1;
  for (auto& [slot, server] : servers_) {
    in_pool += server.pool == open.pool;
    in_database += server.database == database;
    in_user += server.user == user;
  }
  int size = config_->pool_size(*entry, user), reserve = config_->reserve_pool_size(*entry, user);
  expect(size == 0 || in_pool <= size + reserve, "more servers than pool_size + reserve");
  expect(open.reserve == (size != 0 && in_pool > size), "the reserve is not marked as such");
  if (open.reserve) {
    Duration wait = config_->settings.reserve_pool_timeout;
    bool waited = std::any_of(clients_.begin(), clients_.end(), [&](const Client& client) {
      return client.pool == open.pool && client.state == ClientState::Waiting &&
             now(worker) + Duration(5000) >= client.since + wait;
    });
    expect(wait.count() > 0 && waited, "the reserve was taken too early");
  }
  int most = config_->max_db_connections(*entry);
  expect(most == 0 || in_database <= most, "more servers than max_db_connections");
  most = config_->max_user_connections(user);
  expect(most == 0 || in_user <= most, "more servers than max_user_connections");
  auto held_up = not_before_.find({open.pool, open.host});
  expect(held_up == not_before_.end() || held_up->second == kUnknown ||
             now(worker) + Duration(5000) >= held_up->second,
         "Open to a host in back-off");
}

void LedgerWorld::begin_open(WorkerId worker, Open open) {
  SlotId slot = open.permit.slot();
  say("  open ", slot, " for pool ", open.pool, " to host ", open.host, " on ", worker);
  check_open(open, worker);
  totals_.reserve += open.reserve;
  Server& server = servers_[slot];
  server.slot = slot;
  server.pool = open.pool;
  server.host = open.host;
  server.epoch = epoch_;
  server.at = worker;
  server.permit = std::move(open.permit);
  if (open.ticket) {
    Client* client = waiting_with(open.ticket);
    expect(client && client->id == open.to.client && client->own && !client->promised,
           "opened for one client that does not wait for it");
    server.own = client->promised = true;
    server.promised_to = open.ticket;
  }
  for (auto& row : ledger_->snapshot())
    if (row.id == open.pool) server.database = row.database, server.user = row.user;
  later(random_.between(1, random_.chance(90) ? 3000 : 200'000),
        [this, slot] { end_connect(slot); });
}

Permit LedgerWorld::take_permit(SlotId slot) {
  auto node = servers_.extract(slot);
  expect(!node.empty(), "a server was lost twice (the simulation is wrong)");
  if (TicketId ticket = node.mapped().promised_to)
    if (Client* client = waiting_with(ticket)) client->promised = false;
  return std::move(node.mapped().permit);
}

void LedgerWorld::end_connect(SlotId slot) {
  Server& server = servers_.at(slot);
  WorkerId worker = server.at;
  int trouble = phase_ == Phase::Storm ? trouble_ : 0;
  bool down = phase_ == Phase::Storm && host_down_[server.host % host_down_.size()];
  std::pair place{server.pool, server.host};
  Duration least =
      std::min<Duration>(std::chrono::milliseconds(250), config_->settings.server_login_retry);
  if (down || random_.chance(trouble)) {
    bool known = server.epoch == epoch_;
    // Whether a failure begins a back-off of its own depends on when its attempt began; the least
    // that must hold is the back-off of a host's first failure.
    bool connect = random_.chance(70);
    if (connect || !server.own) {  // a refused login of one client says nothing of the host
      TimePoint& until = not_before_.try_emplace(place, TimePoint::min()).first->second;
      if (until == TimePoint::min()) until = known ? now(worker) + least : kUnknown;
    }
    if (connect) {
      say("connect ", slot, " failed");
      ++totals_.connect_failures;
      ledger_->connect_failed(take_permit(slot), now(worker), actions_);
    } else {
      say("login ", slot, " failed");
      ++totals_.login_failures;
      bool own = server.own;
      ledger_->login_failed(take_permit(slot), {"28000", "no"}, now(worker), actions_);
      auto fails = std::count_if(actions_.begin(), actions_.end(), [](const Action& action) {
        return std::holds_alternative<Fail>(action);
      });
      expect(!own || fails <= 1, "a login for one client failed others");
    }
    return act(worker);
  }
  if (random_.chance(trouble)) return random_.chance(50) ? lose(worker, slot) : drop(slot);
  say("opened ", slot, " on ", worker);
  ++totals_.opened;
  // What began before the operator's last change may or may not count for this host now.
  not_before_[place] = server.epoch == epoch_ ? TimePoint::min() : kUnknown;
  Checkin checkin = random_.chance(70)
                        ? ledger_->opened(server.permit, worker, now(worker), actions_)
                        : ledger_->opened(server.permit, worker, now(worker));
  answer(server, worker, checkin);
  act(worker);
}

// What `worker` does with a server that it has checked in. `served` has to be the first in line.
void LedgerWorld::answer(Server& server, WorkerId worker, const Checkin& checkin) {
  SlotId slot = server.slot;
  server.at = worker;
  if (server.own && server.promised_to)
    if (Client* client = waiting_with(server.promised_to)) client->promised = false;
  server.promised_to = 0;
  if (std::holds_alternative<Park>(checkin)) {
    expect(!server.own, "a server that was one client's is parked");
    say("  park ", slot, " on ", worker);
    expect(!paused(server.database), "parked in a pause");
    server.state = ServerState::Parked;
  } else if (auto* discard = std::get_if<Discard>(&checkin)) {
    say("  discard ", slot, ": ", discard->reason);
    totals_.evicted += std::string_view(discard->reason) == "evicted";
    server.state = ServerState::Closing;
    later(random_.chance(50) ? 0 : random_.between(1, 2000),
          [this, worker, slot] { lose(worker, slot); });
  } else {
    const Give& give = std::get<Give>(checkin);
    expect(give.slot == slot, "Give of another server");
    expect(!paused(server.database), "given in a pause");
    ++totals_.given;
    Client* client = waiting_with(give.ticket);
    expect(client && client->id == give.to.client && client->worker == give.to.worker &&
               client->pool == server.pool,
           "Give to nobody");
    expect(client->own == server.own, "one client's server and one for all were mixed up");
    totals_.own_given += server.own;
    check_turn(*client);
    say("  give ", slot, " to ticket ", give.ticket, " on ", give.to.worker);
    if (give.to.worker == worker) return link(*client, server);
    client->promised = true;
    server.state = ServerState::Travelling;
    server.promised_to = give.ticket;
    if (phase_ == Phase::Storm && random_.chance(trouble_ / 2)) {
      ++totals_.lost_in_transit;
      later(0, [this, worker, slot] { lose(worker, slot); });
      return;
    }
    post(worker, give.to.worker,
         [this, to = give.to.worker, slot, ticket = give.ticket] { arrived(to, slot, ticket); });
  }
}

void LedgerWorld::check_turn(const Client& served) const {
  if (served.retried || served.own) return;
  for (auto& client : clients_)
    if (client.state == ClientState::Waiting && client.pool == served.pool && !client.promised &&
        !client.retried && !client.own && client.arrival < served.arrival)
      violated(base::cat("client ", served.id, " overtook client ", client.id));
}

void LedgerWorld::fetch_asked(WorkerId home, SlotId slot, TicketId ticket, WorkerId to) {
  auto found = servers_.find(slot);
  if (found == servers_.end()) return;  // it died: whoever saw that has called lost()
  Server& server = found->second;
  expect(server.state == ServerState::Parked && server.at == home && server.promised_to == ticket,
         "a fetched server is not where it was promised");
  if (phase_ == Phase::Storm && random_.chance(trouble_ / 2)) {
    ++totals_.lost_in_transit;
    return lose(home, slot);
  }
  server.state = ServerState::Travelling;
  post(home, to, [this, to, slot, ticket] { arrived(to, slot, ticket); });
}

void LedgerWorld::arrived(WorkerId worker, SlotId slot, TicketId ticket) {
  Server& server = servers_.at(slot);
  expect(server.state == ServerState::Travelling, "a server arrived that did not travel");
  if (phase_ == Phase::Storm && random_.chance(trouble_ / 2)) {
    ++totals_.lost_in_transit;
    return random_.chance(80) ? lose(worker, slot) : drop(slot);
  }
  bool hers = ledger_->adopted(slot, ticket, worker, now(worker));
  say("adopted ", slot, " on ", worker, hers ? " by its waiter" : ", promise void");
  Client* client = waiting_with(ticket);
  if (hers) {
    expect(client != nullptr, "a server was adopted for a client that is gone");
    link(*client, server);
    if (phase_ == Phase::Storm && random_.chance(trouble_ / 2)) server_dies_under(*client);
    return act(worker);
  }
  expect(client == nullptr, "a promise is void though its client waits");
  ++totals_.voided;
  answer(server, worker, ledger_->checkin(slot, worker, now(worker)));
}

void LedgerWorld::close_ordered(WorkerId home, SlotId slot) {
  if (!servers_.contains(slot)) return;
  for (auto& client : clients_)
    if (client.state == ClientState::Active && client.slot == slot) client.state = ClientState::Idle;
  lose(home, slot);
}

void LedgerWorld::lose(WorkerId worker, SlotId slot) {
  if (!servers_.contains(slot)) return;
  say("lost ", slot, " on ", worker);
  Permit permit = take_permit(slot);
  ledger_->lost(std::move(permit), now(worker), actions_);
  act(worker);
}

void LedgerWorld::drop(SlotId slot) {
  say("dropped the permit of ", slot);
  ++totals_.dropped;
  take_permit(slot);
}

}  // namespace howdah::sim
