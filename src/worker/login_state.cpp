// Where a client's session begins: its start-up values, tried on a server the first time, and what
// connect_query has set; see state.cpp for what follows.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "howdah/base/text.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using session::Purpose;
using session::StateRef;

namespace {
const std::string* reported(const Welcome& welcome, std::string_view name) {
  for (const auto& [key, value] : welcome) {
    if (base::iequal(key, name)) return &value;
  }
  return nullptr;
}
}  // namespace

// Sorts the start-up values of a client whose pool has a welcome. True: servers of the pool are known
// to accept all of them, and how they report them; else a server must be asked.
bool WorkerImpl::settle_login(Client& client, const Welcome& welcome) {
  if (!client.pool->follows) return true;
  const auto& plan = client.session.plan().parameters;
  StateRef first = shared_.first_states.find(client.pool->id);
  if (plan.empty() && !first) {
    if (auto index = shared_.names->find("application_name"); !client.session.parameters().get(*index))
      return true;
  }
  session::Settings start;
  if (first) start = first->copy();
  session::Parameters parameters(shared_.names->size());
  std::vector<Given> given;
  bool known = true;
  auto give = [&](std::size_t index, std::string_view value) {
    parameters.set(index, value);
    std::erase_if(given, [&](const auto& each) { return each.index == index; });
    given.push_back({index, std::string(value), std::string(value)});
  };
  auto application_name = *shared_.names->find("application_name");
  for (const auto& [name, value] : plan) {
    auto index = shared_.names->find(name);
    if (index == application_name) continue;
    auto accepted = shared_.accepted.find(client.pool->id, name, value);
    known = known && accepted;
    if (index && reports(welcome, name)) {
      give(*index, accepted ? *accepted : value);
    } else {
      start[base::lower(name)] = value;
    }
  }
  if (const std::string* name = client.session.parameters().get(application_name)) {
    const std::string* version = reported(welcome, "server_version");
    give(application_name, session::clean_name(*name, version ? *version : ""));
  }
  client.session.set_parameters(std::move(parameters));
  client.given = nullptr;
  if (!given.empty()) client.given = std::make_shared<const std::vector<Given>>(std::move(given));
  if (start.empty()) {
    client.state = nullptr;
    return known;
  }
  ClientState& state = state_of(client);
  state.start = state.wanted = session::SessionState::make(start);
  StateRef& usual = client.pool->usual_start;
  if (first && session::same(first, state.start)) state.start = state.wanted = first;
  if (session::same(usual, state.start)) state.start = state.wanted = usual;
  usual = state.start;
  return known;
}

// A server has taken the start-up values that no one had before.
void WorkerImpl::login_values_accepted(Client& client, Server& server) {
  const session::Parameters& parameters = client.session.parameters();
  for (const auto& [name, value] : client.session.plan().parameters) {
    auto index = shared_.names->find(name);
    const std::string* canonical = index ? parameters.get(*index) : nullptr;
    shared_.accepted.keep(server.pool_id, name, value, canonical ? *canonical : value);
  }
  if (client.given) {
    auto given = *client.given;
    for (Given& each : given) each.start = each.last = *parameters.get(each.index);
    client.given = std::make_shared<const std::vector<Given>>(std::move(given));
  }
  part(client, server);
  auto welcome = server.pool->welcome ? server.pool->welcome : server.welcome;
  finish_welcome(client, *welcome);
  free_server(server);
}

// connect_query may have set something: that is where its clients' sessions begin.
void WorkerImpl::first_state(Server& server) {
  if (!server.pool->follows || !server.session->clean()) {
    server_usable(server);
    return;
  }
  session::HarvestAsk ask;
  ask.pins = false;
  server.session->run_for_rows(Purpose::Harvest, session::harvest_sql(ask));
  server.step_start = now();
  arm(server.deadline, server_due(server));
  flush_server(server);
}

}  // namespace howdah::worker
