// The clients of the simulated world: they come, ask for a server, use it, lose patience, leave.
#include "sim/ledger_world.h"

namespace howdah::sim {

LedgerWorld::Client* LedgerWorld::waiting_with(TicketId ticket) {
  for (auto& client : clients_)
    if (client.state == ClientState::Waiting && client.ticket == ticket) return &client;
  return nullptr;
}

void LedgerWorld::client_step(std::size_t index) {
  if (phase_ != Phase::Storm) return;
  Client& client = clients_[index];
  switch (client.state) {
    case ClientState::Away:
      join(client);
      break;
    case ClientState::Idle:
      random_.chance(85) ? ask(client, false) : leave(client);
      break;
    case ClientState::Waiting:
      if (random_.chance(25)) leave(client);
      break;
    case ClientState::Active:
      if (random_.chance(trouble_ / 2)) {
        server_dies_under(client);
      } else if (random_.chance(5)) {
        leave(client);
      } else {
        release(client);
      }
      break;
  }
  act(client.worker);
  later(random_.chance(20) ? 0 : random_.between(1, random_.chance(90) ? 4000 : 400'000),
        [this, index] { client_step(index); });
}

void LedgerWorld::join(Client& client) {
  client.database = std::string(1, static_cast<char>('a' + random_.below(3)));
  client.user = random_.chance(60) ? "u" : "v";
  auto entry = config_->find_database(client.database);
  if (!entry) return;
  if (entry->user) client.user = *entry->user;
  client.pool = ledger_->pool(entry, client.user);
  ledger_->client_joined(client.pool);
  client.state = ClientState::Idle;
  say("client ", client.id, " joins ", client.database, "/", client.user, " on ", client.worker,
      ", pool ", client.pool);
}

void LedgerWorld::leave(Client& client) {
  WorkerId worker = client.worker;
  say("client ", client.id, " leaves");
  if (client.state == ClientState::Waiting) {
    ledger_->cancel(client.ticket);
    // Its server, if one is on its way, arrives for nobody.
  } else if (client.state == ClientState::Active) {
    if (random_.chance(50)) {
      release(client);
    } else {
      SlotId slot = client.slot;
      client.state = ClientState::Idle;
      lose(worker, slot);  // in the middle of a transaction
    }
  }
  client.state = ClientState::Away;
  ledger_->client_left(client.pool, now(worker));
}

void LedgerWorld::ask(Client& client, bool again) {
  WorkerId worker = client.worker;
  if (!again) {
    client.since = now(worker);
    client.arrival = next_arrival_++;
    client.retried = false;
    client.own = random_.chance(8);
    totals_.own_asked += client.own;
  } else {
    client.retried = true;
    ++totals_.retried;
  }
  client.promised = false;
  Waiter who{worker, client.id};
  Checkout answer = client.own
                        ? ledger_->checkout_own(client.pool, who, client.since, now(worker), actions_)
                    : again ? ledger_->retry(client.pool, who, client.since, now(worker), actions_)
                          : ledger_->checkout(client.pool, who, now(worker), actions_);
  if (auto* queued = std::get_if<Queued>(&answer)) {
    say("client ", client.id, " waits with ticket ", queued->ticket);
    ++totals_.queued;
    client.state = ClientState::Waiting;
    client.ticket = queued->ticket;
    return;
  }
  if (auto* refused = std::get_if<Refused>(&answer)) {
    say("client ", client.id, " refused: ", refused->error.text);
    ++totals_.refused;
    client.state = ClientState::Idle;
    expect(phase_ == Phase::Storm, "a client was refused though all is well");
    return;
  }
  expect(!client.own, "a server that others had was granted to one that wants its own");
  expect(!paused(client.database), "granted in a pause");
  for (auto& other : clients_)
    if (&other != &client && other.state == ClientState::Waiting && other.pool == client.pool &&
        !other.own)
      expect(other.promised, "a newcomer overtook a waiter");
  auto* granted = std::get_if<Granted>(&answer);
  auto* fetch = std::get_if<Fetch>(&answer);
  Server& server = servers_.at(granted ? granted->slot : fetch->slot);
  expect(server.state == ServerState::Parked && !server.told_to_close && server.promised_to == 0 &&
             server.pool == client.pool && server.at == (granted ? worker : fetch->home),
         "a server was granted that is not idle there");
  if (granted) {
    say("client ", client.id, " granted ", granted->slot);
    ++totals_.granted;
    link(client, server);
    return;
  }
  say("client ", client.id, " fetches ", fetch->slot, " from ", fetch->home, " with ticket ",
      fetch->ticket);
  ++totals_.fetched;
  client.state = ClientState::Waiting;
  client.ticket = fetch->ticket;
  client.promised = true;
  server.promised_to = fetch->ticket;
  post(worker, fetch->home,
       [this, f = *fetch, worker] { fetch_asked(f.home, f.slot, f.ticket, worker); });
}

void LedgerWorld::link(Client& client, Server& server) {
  client.state = ClientState::Active;
  client.slot = server.slot;
  client.promised = false;
  server.state = ServerState::Held;
  server.at = client.worker;
  server.promised_to = 0;
  if (phase_ == Phase::Calm)
    later(random_.between(0, 2000), [this, id = client.id] {
      if (clients_[id].state == ClientState::Active) release(clients_[id]);
      act(clients_[id].worker);
    });
}

void LedgerWorld::release(Client& client) {
  Server& server = servers_.at(client.slot);
  say("client ", client.id, " gives ", client.slot, " back");
  client.state = ClientState::Idle;
  answer(server, client.worker, ledger_->checkin(client.slot, client.worker, now(client.worker)));
}

// The server was dead before the query reached it: the client goes back to where it was in line.
void LedgerWorld::server_dies_under(Client& client) {
  SlotId slot = client.slot;
  client.state = ClientState::Idle;
  bool first = random_.chance(50);
  if (first) lose(client.worker, slot);
  if (random_.chance(70)) ask(client, true);
  act(client.worker);
  if (!first) lose(client.worker, slot);
}

void LedgerWorld::failed(std::uint64_t id, TicketId ticket) {
  Client& client = clients_[id];
  if (client.state != ClientState::Waiting || client.ticket != ticket) return;  // it had left
  client.state = ClientState::Away;
  ledger_->client_left(client.pool, now(client.worker));
}

}  // namespace howdah::sim
