// Who is let in by what: the rules of auth_type hba, cert, ldap and pam, and what they have looked up:
// host names, users of unix sockets, passwords judged elsewhere. See worker_impl.h.
//
//   look_up -> admit -> [host name -> admit] -> [system user] -> ClientSession::begin
//   Want::Check -> CheckGate -> a helper thread -> check_done
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "howdah/base/text.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using base::Level;
using session::ClientSession;
using session::LoginPlan;

namespace {

constexpr Duration kLongestDelay = std::chrono::seconds(10);

// The name that the system has for a user id; empty if it has none. May ask the network.
std::string system_user(std::uint32_t uid) {
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error;
  while ((error = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE &&
         buffer.size() < (1u << 20)) {
    buffer.resize(buffer.size() * 2);
  }
  return error == 0 && found ? found->pw_name : std::string();
}

bool is_pam(Client& client) {
  return client.session.plan().grant->method != auth::RuleMethod::Ldap;
}
}  // namespace

auth::Origin WorkerImpl::origin_of(Client& client) const {
  auth::Origin origin;
  const LoginPlan& plan = client.session.plan();
  origin.database = plan.database_name;
  origin.user = plan.user;
  switch (plan.replication) {
    case session::Replication::None:
      break;
    case session::Replication::Physical:
      origin.replication = auth::Origin::Replication::Physical;
      break;
    case session::Replication::Logical:
      origin.replication = auth::Origin::Replication::Logical;
      break;
  }
  origin.is_unix = client.peer().family == net::Address::Family::Unix;
  if (!origin.is_unix) origin.address = client.peer().host;
  net::TlsStatus tls = client.transport->tls();
  origin.tls = tls.state == net::TlsStatus::State::On;
  origin.certificate = tls.certificate;
  origin.common_name = std::move(tls.common_name);
  origin.distinguished_name = std::move(tls.subject);
  return origin;
}

Client* WorkerImpl::still_waiting(std::uint64_t number) {
  auto found = clients_.find(number);
  if (found == clients_.end()) return nullptr;
  Client& client = *found->second;
  client.flight = false;
  return client.dead || client.closing ? nullptr : &client;
}

void WorkerImpl::admit(Client& client, auth::Origin origin) {
  LoginPlan& plan = client.session.plan();
  if (plan.proof == LoginPlan::Proof::Rules) {
    auth::Verdict verdict;
    if (access_) verdict = access_->match(origin);
    if (verdict.kind == auth::Verdict::Kind::NeedsHostName) {
      find_host_name(client, std::move(origin));
      return;
    }
    session::plan_verdict(*config_, verdict, origin, plan);
    if (plan.proof == LoginPlan::Proof::Refuse && plan.grant) {
      log_client(Level::Log, client, cat("the rule at ", plan.grant->source, " (",
                                         auth::name(plan.grant->method), ") refuses the login"));
    }
  }
  if (plan.proof == LoginPlan::Proof::Peer) {
    find_system_user(client);
    return;
  }
  after_login_step(client,
                   client.session.begin(std::move(plan), shared_.keyring, config_->settings));
}

// The name that the address claims, believed if it leads back to the address.
void WorkerImpl::find_host_name(Client& client, auth::Origin origin) {
  client.flight = true;
  auto settle = [this, number = client.id](auth::Origin known, auth::Origin::HostName state) {
    Turn turn(*this);
    Client* waiting = still_waiting(number);
    if (!waiting) return;
    known.host_state = state;
    admit(*waiting, std::move(known));
    if (!waiting->dead) resume_client(*waiting);
  };
  auto named = [this, settle, origin = std::move(origin)](net::ReverseResolved answer) {
    using State = auth::Origin::HostName;
    if (answer.failed || answer.name.empty()) {
      settle(origin, answer.failed ? State::Failed : State::Absent);
      return;
    }
    auth::Origin known = origin;
    known.host_name = answer.name;
    reactor_.resolve(answer.name, 0, [settle, known](net::Resolved back) {
      State state = back.addresses.empty() ? State::Failed : State::Absent;
      for (const net::Address& address : back.addresses) {
        if (auth::same_address(address.host, known.address)) state = State::Known;
      }
      settle(known, state);
    });
  };
  reactor_.reverse(client.peer(), std::move(named));
}

void WorkerImpl::find_system_user(Client& client) {
  client.flight = true;
  auto name = std::make_shared<std::string>();
  bool known = client.credentials().known;
  reactor_.work(
      [name, known, uid = client.credentials().uid] {
        if (known) *name = system_user(uid);
      },
      [this, number = client.id, name] {
        Turn turn(*this);
        Client* waiting = still_waiting(number);
        if (!waiting) return;
        LoginPlan& plan = waiting->session.plan();
        session::plan_peer(*name, plan);
        if (plan.proof == LoginPlan::Proof::Refuse) {
          log_client(Level::Log, *waiting,
                     cat("the rule at ", plan.grant->source, " does not let system user \"", *name,
                         "\" in as \"", plan.user, "\""));
        }
        admit(*waiting, origin_of(*waiting));
        if (!waiting->dead) resume_client(*waiting);
      });
}

// --- Passwords judged by LDAP and PAM -------------------------------------------------------------

CheckGate& WorkerImpl::check_gate(bool pam) {
  return pam ? shared_.pam_checks : shared_.ldap_checks;
}

void WorkerImpl::next_check(bool pam) {
  if (auto next = check_gate(pam).leave())
    shared_.workers[next->worker]->post(StartCheck{next->client, pam});
}

void WorkerImpl::start_check(Client& client) {
  client.flight = true;
  if (check_gate(is_pam(client)).enter({id_, client.id})) run_check(client);
}

void WorkerImpl::on(StartCheck& message) {
  Client* waiting = still_waiting(message.client);
  if (waiting && waiting->session.checking()) {
    waiting->flight = true;
    run_check(*waiting);
  } else {
    next_check(message.pam);
  }
}

void WorkerImpl::run_check(Client& client) {
  const LoginPlan& plan = client.session.plan();
  auto password = std::make_shared<base::Secret>(client.session.password_to_check());
  auto verdict = std::make_shared<base::Status>(base::Error{"XX000", "not asked"});
  auto delay = std::make_shared<Duration>();
  std::function<void()> job;
  if (!is_pam(client)) {
    job = [password, verdict, options = plan.grant->ldap, user = plan.user] {
      *verdict = auth::ldap_check(*options, user, *password);
      password->clear();
    };
  } else {
    auth::PamRequest request{
        plan.grant->pam_service, config_->settings.auth_pam_directory, plan.user, {}};
    if (client.peer().family != net::Address::Family::Unix) {
      request.address = client.peer().host;
    }
    job = [password, verdict, delay, request = std::move(request)] {
      *verdict = auth::pam_check(request, *password, *delay);
      password->clear();
    };
  }
  reactor_.work(std::move(job),
                [this, number = client.id, pam = is_pam(client), verdict, delay] {
                  check_done(number, pam, *verdict, *delay);
                });
}

void WorkerImpl::check_done(std::uint64_t number, bool pam, const base::Status& verdict,
                            Duration delay) {
  Turn turn(*this);
  next_check(pam);
  Client* waiting = still_waiting(number);
  if (!waiting || !waiting->session.checking()) return;
  if (!verdict && delay.count() > 0) {
    waiting->delayed_no = std::make_unique<DelayedNo>(
        DelayedNo{now() + std::min(delay, kLongestDelay), verdict.error()});
    arm(waiting->deadline, client_due(*waiting));
    return;
  }
  after_login_step(*waiting, waiting->session.checked(verdict));
  if (!waiting->dead) resume_client(*waiting);
}

}  // namespace howdah::worker
