// WorkerImpl: the verbs of a worker, in these files:
//
//   worker.cpp   turns, timers, pools    messages.cpp  the mailbox
//                                        clients.cpp   client I/O and login
//   open_server.cpp  connect, login      pump.cpp      checkout, link, relay
//   servers.cpp  servers, own queries    admission.cpp rules, peer, LDAP, PAM
//   secure.cpp   where TLS begins
//   login_state.cpp  where sessions begin
//   cancel.cpp   cancel requests         report.cpp    rows for SHOW
//   reclaim.cpp  servers of clients that vanished
//   auth_query.cpp  looking up users     before_login.cpp  PROXY headers, limits before the proof
//   replication.cpp  clients with a server of their own     peers.cpp  cancels for other poolers
//   split.cpp    which hosts a request may go to
//   state.cpp    session state, pins     loss.cpp      clients whose server is lost
//   hashing.cpp  what a login waits for      yielding.cpp  logins that wait for queries
//   retry.cpp    what runs once more elsewhere
//
// A turn is one call from the reactor. Within it nothing recurses from one connection into the next:
// hand-overs go to gives_, the ledger's actions to actions_, the dead to graveyard lists, and the end
// of the outermost turn works them off.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "howdah/worker/worker.h"
#include "worker/objects.h"

namespace howdah::worker {

// Marks on an output buffer: reading from the other side pauses above kHigh, resumes below kLow.
inline constexpr std::size_t kHigh = 256 * 1024, kLow = 64 * 1024;
// What a client may send ahead while it waits.
inline constexpr std::size_t kMaxAhead = 64 * 1024;
inline constexpr std::size_t kScratch = 64 * 1024;

class WorkerImpl final : public Worker, public net::ReactorUser {
 public:
  WorkerImpl(pool::WorkerId id, net::Reactor& reactor, Shared& shared,
             std::shared_ptr<const config::Config> config, bool ticks,
             std::shared_ptr<const auth::Access> access);
  ~WorkerImpl() override;

  net::Mailbox<Message>& mailbox() override { return mailbox_; }
  std::size_t client_count() const override { return client_count_.load(std::memory_order_relaxed); }
  void deal(NewClient client) override;
  void on_quit(std::function<void()> done) override { quit_done_ = std::move(done); }
  void on_timer() override;
  void on_wake() override;

  void client_ready(Client& client, bool readable, bool writable);
  void server_ready(Server& server, bool readable, bool writable);
  void cancel_ready(CancelJob& job, bool readable, bool writable);

 private:
  class Turn;
  friend class Turn;

  // --- worker.cpp
  TimePoint now() { return reactor_.now(); }
  void end_turn();
  void run_action(pool::Action& action);
  void ask_again(pool::TicketId ticket, std::uint64_t client);
  void fail_ticket(pool::TicketId ticket, std::uint64_t client, const base::Error& error);
  void read_proxies();
  void apply_config(std::shared_ptr<const config::Config> config);
  PoolView& view(pool::PoolId id);
  void refresh(PoolView& pool);
  void move(Client& client, ClientList to);
  void move(Server& server, ServerList to);
  void arm(base::Deadline& deadline, TimePoint at) { deadlines_.arm(deadline, at); }
  void client_deadline(Client& client);
  void server_deadline(Server& server);
  void log_client(base::Level level, const Client& client, std::string_view text);
  void log_server(base::Level level, const Server& server, std::string_view text);

  // --- messages.cpp
  void handle(Message& message);
  void on(NewClient& message);
  void on(FetchServer& message);
  void on(OpenServer& message);
  void on(AdoptServer& message);
  void on(CloseServer& message);
  void on(FailClient& message);
  void on(ForgetPool& message);
  void on(CancelQuery& message);
  void on(PeerCancel& message);
  void on(CancelDone& message);
  void on(NewConfig& message);
  void on(NewGate& message);
  void on(Perform& message);
  void on(Gather& message);
  void on(ConsoleAnswer& message);
  void on(KillClients& message);
  void on(ForgetWelcome& message);
  void on(UserAnswered& message);
  void on(LoginTurn& message);
  void on(Hashed& message);
  void on(StartCheck& message);
  void on(HostEjected& message);
  void on(HostMoved& message);
  void on(Rescued& message);
  void on(Quit& message);

  // --- yielding.cpp
  void put_off_logins();
  void go_on_with_logins();

  // --- clients.cpp
  void accept(NewClient& message);
  void read_client(Client& client);
  void resume_client(Client& client);                 // offers client.in again
  static std::size_t ahead_limit(Client& client);
  std::size_t process_client(Client& client, std::string_view bytes);
  std::size_t begin_request(Client& client, std::string_view bytes);
  void flush_client(Client& client);
  bool from_proxy(const net::Address& peer) const;
  std::size_t take_proxy_header(Client& client, std::string_view bytes);
  void enter_gate(Client& client);
  void leave_gate(Client& client);
  bool delay_refusal(Client& client);
  void send_to_client(Client& client, std::span<const std::string_view> pieces);
  void look_up(Client& client);
  base::Result<session::LoginPlan> plan(const Client& client, const session::FoundUser* found);
  bool take_user_place(Client& client, bool exempt);
  void begin_login(Client& client, session::LoginPlan plan);
  void after_login_step(Client& client, session::ClientSession::Want want);
  void start_hash(Client& client);
  void begin_welcome(Client& client);
  void finish_welcome(Client& client, const Welcome& welcome);
  void fail_client(Client& client, std::string_view code, std::string_view text,
                   std::string_view detail = {}, std::string_view hint = {});
  void close_client(Client& client, std::string_view reason);
  TimePoint client_due(const Client& client) const;
  void pause(Client& client, Pause reason);
  void resume(Client& client, Pause reason);
  void update_watch(Client& client);

  // --- auth_query.cpp
  void ask_user(Client& client, const session::LoginPlan::Ask& ask);
  void ask_again(Client& client);                     // the check by a cached secret failed
  void user_answered(Client& client, const UserAnswer& answer, bool settled);
  void tell_waiting(const std::vector<UserCache::Told>& told);
  void take_lookup(Lookup& lookup, pool::Checkout answer);
  void assign(Lookup& lookup, Server& server);
  void put_question(Lookup& lookup, Server& server);
  void lookup_done(Server& server);
  void lookup_refused(Lookup& lookup, const base::Error& error);
  void lookup_lost(Lookup& lookup);
  void lookup_deadline(Lookup& lookup);
  void end_lookup(Lookup& lookup, UserAnswer answer);
  Lookup* waiting_lookup(std::uint64_t number, pool::TicketId ticket);
  // --- admission.cpp
  void admit(Client& client, auth::Origin origin);    // the rules decide, then the proof begins
  auth::Origin origin_of(Client& client) const;
  void find_host_name(Client& client, auth::Origin origin);
  void find_system_user(Client& client);
  void start_check(Client& client);
  void run_check(Client& client);
  void check_done(std::uint64_t number, bool pam, const base::Status& verdict, Duration delay);
  CheckGate& check_gate(bool pam);
  void next_check(bool pam);
  // The client of that number, still waiting for what was looked up for it; else null.
  Client* still_waiting(std::uint64_t number);

  // --- pump.cpp
  void request_server(Client& client);
  void take_checkout(Client& client, pool::Checkout& answer);
  void give(Server& server, const pool::Give& to);    // queued until the turn's end
  void assign(Client& client, Server& server);
  void prepare(Client& client, Server& server);
  void link(Client& client, Server& server);
  std::size_t relay_from_client(Client& client, std::string_view bytes, bool again = false);
  void run_again(Client& client, Server& server);
  std::size_t relay_from_server(Server& server, std::string_view bytes);
  bool follows(const PoolView& pool) const;
  route::Readable readable(Client& client) const;
  session::ServerStream::Sides sides(Client& client, Server& server);
  void send_to_server(Server& server, std::span<const std::string_view> pieces);
  static void append_rest(base::Buffer& out, std::span<const std::string_view> pieces,
                          std::size_t sent);
  void settled(Server& server);
  bool releasable(Client& client, Server& server) const;
  void release(Client& client, Server& server);
  void leave_server(Client& client);                  // the client goes; what becomes of its server
  void cancel_wait(Client& client);

  // --- split.cpp
  class RequestReader;
  enum class Freshness : std::uint8_t { Fresh, Unknown, LacksWrite, LacksRead };
  void look_at_scope(Client& client);
  bool choose_hosts(Client& client, std::string_view bytes);
  std::size_t set_route(Client& client, std::string_view bytes);
  const pool::HostSet* hosts_of(PoolView& pool);
  pool::HostMask readable_hosts(PoolView& pool);
  Freshness freshness(const Client& client, const route::Signs& signs, route::Identity which) const;
  pool::HostMask fresh_hosts(Client& client, route::Reason& reason);
  bool may_use(Client& client, Server& server);
  void note_answer(Client& client, Server& server, wire::TxStatus tx);
  static void note_loss(Client& client, TimePoint now);
  void ask_catalogue(PoolView& pool, const route::ScopePtr& scope);
  route::Explanation explained(PoolView& pool, const std::string& sql);
  void catalogue_answered(Server& server);
  void end_question(Lookup& lookup);

  // --- state.cpp
  const session::StateRef& wanted_state(const Client& client) const;
  static std::optional<std::string_view> search_path_of(const session::StateRef& state);
  session::Reading reading(Client& client) const;
  bool pinned(const Client& client) const { return client.state && client.state->pins != 0; }
  // It cannot go to another server: it has state here, or its state here is being asked for.
  bool keeps_server(const Client& client) const {
    return pinned(client) ||
           client.server->session->purpose() == session::Purpose::Harvest;
  }
  bool after_transaction(Client& client, Server& server);  // true: the client keeps its server
  void leaves_behind(const Client& client, Server& server);
  void begin_harvest(Client& client, Server& server);
  void harvested(Server& server);
  void follow(Client& client, Server& server, const session::Harvest& harvest);
  bool pin(Client& client, Server& server, std::uint8_t pins);
  void unpin(Client& client);
  void part(Client& client, Server& server);          // neither has the other any more
  void parameters_set(Server& server);
  bool amend(Client& client, const Server& server);
  void refuse_request(Client& client, Server& server, const base::Error& error);
  void made_ready(Client& client, Server& server);
  void cleaned(Server& server);
  bool settle_login(Client& client, const Welcome& welcome);
  void login_values_accepted(Client& client, Server& server);
  void first_state(Server& server);

  // --- servers.cpp
  void open_server(pool::Open open);
  void connect_server(Server& server);
  void start_login(Server& server);
  bool fits_role(Server& server) const;
  void identified(Server& server);
  // It is the very server that the monitor's samples of its address are from.
  bool measured(const Server& server) const;
  bool lag_is_known(const Server& server) const;
  void set_up(Server& server);
  bool password_rotated(Server& server);
  session::ServerSession::Login server_login(const Server& server) const;
  void read_server(Server& server);
  std::size_t process_server(Server& server, std::string_view bytes);
  void server_want(Server& server, session::ServerSession::Want want);
  void server_logged_in(Server& server);
  void server_usable(Server& server);                 // login and connect_query are behind it
  void own_query_done(Server& server);
  void run_query(Server& server, session::Purpose purpose, std::string_view sql);
  void free_server(Server& server);                   // no client: reset if needed, check in
  void checkin(Server& server);
  void took(Server& server, pool::Checkin answer);
  void flush_server(Server& server);
  void connect_error(Server& server, std::string_view reason);
  void server_lost(Server& server, std::string_view reason);
  void close_server(Server& server, std::string_view reason);
  TimePoint server_due(const Server& server) const;
  void pause(Server& server, Pause reason);
  void resume(Server& server, Pause reason);
  void update_watch(Server& server);
  void adopt(AdoptServer& message);
  void fetch(const FetchServer& message);
  void attach(ServerPtr server);

  // --- secure.cpp
  void start_client_tls(Client& client, std::string_view received);
  void start_server_tls(Server& server);
  void server_secured(Server& server);                // the handshake is over

  // --- cancel.cpp
  void forward_cancel(Client& client);                // this client sent a CancelRequest
  void cancel_query(const CancelQuery& message);
  void start_cancel(Server& server, pool::Waiter from);
  void secure_cancel(CancelJob& job);
  void send_cancel(CancelJob& job);
  void end_cancel(CancelJob& job);
  void give_key(Client& client);
  void forget_key(Client& client);
  Client* owner_of(const CancelKey& key) const;
  std::uint64_t key_index(const CancelKey& key) const;

  // --- peers.cpp
  bool send_to_peer(Client& client, const CancelKey& key, TimePoint until);  // false: it is ours
  void start_peer_cancel(PeerCancel message);
  void peer_cancel_ended(int peer);
  void drop_removed_peers();

  // --- replication.cpp
  void request_own(Client& client, TimePoint since);
  bool prepare_own(Server& server, const pool::Open& open);  // false: its client has gone
  void start_stream(Client& client, Server& server);
  std::size_t stream_from_client(Client& client, std::string_view bytes);
  std::size_t stream_from_server(Server& server, std::string_view bytes);
  void leave_own(Client& client, Server& server);

  // --- loss.cpp
  bool outlives(const Client& client, const Server& server) const;
  void lost_under(Client& client, Server& server, std::string_view why);
  std::optional<std::size_t> answer_failed(Client& client, std::string_view bytes);

  // --- retry.cpp
  bool is_read(Client& client, const Server& server, std::string_view sql);
  bool may_run_again(Client& client, Server& server);
  // A reload may have changed what its entry does.
  static bool routed_by_query(const Client& client) {
    return client.route && client.pool->entry->by_query();
  }
  static pool::HostMask hosts_for(const Client& client) {
    return routed_by_query(client) ? client.route->hosts
           : client.pool->entry->by_query() ? pool::kPrimary
           : client.loss && client.loss->moved ? client.loss->hosts
                                               : pool::kAnyHost;
  }
  pool::HostMask other_hosts(const Server& server) const;
  void queue_again(Client& client, Server& server, pool::HostMask hosts);
  bool run_elsewhere(Client& client, Server& server);
  void refused_here(Client& client, Server& server);
  bool may_rescue(const Client& client) const;
  void host_suspect(const HostEjected& message);
  void tell_rescued(Client& client, std::vector<std::string> texts);

  // --- reclaim.cpp
  bool reclaim(Server& server, bool at_boundary);     // false: it has to be closed
  void reclaim_step(Server& server);
  void reclaim_due(Server& server);
  std::size_t drain_server(Server& server, std::string_view bytes);

  // --- report.cpp
  admin::WorkerReport report(bool rows, const std::string& explain);
  admin::SocketRow row(const Client& client) const;
  admin::SocketRow row(const Server& server) const;

  const pool::WorkerId id_;
  net::Reactor& reactor_;
  Shared& shared_;
  std::shared_ptr<const config::Config> config_;
  std::shared_ptr<const auth::Access> access_;
  std::shared_ptr<const Gate> gate_ = std::make_shared<Gate>();
  net::Mailbox<Message> mailbox_;
  base::DeadlineHeap deadlines_;
  std::vector<base::IpRange> proxies_;  // proxy_protocol_from
  TimePoint next_tick_ = base::kNever;
  std::unordered_map<pool::PoolId, std::unique_ptr<PoolView>> pools_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Client>> clients_;
  std::unordered_map<pool::SlotId, ServerPtr> servers_;
  std::unordered_map<std::uint64_t, std::unique_ptr<CancelJob>> cancels_;
  std::map<int, PeerQueue> peers_;  // those whose id falls to this worker
  std::unordered_map<std::uint64_t, Client*> keys_;  // by key_index()
  std::uint64_t key_salt_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Lookup>> lookups_;
  std::atomic<std::size_t> client_count_{0};
  std::vector<std::pair<pool::SlotId, pool::Give>> gives_;
  pool::Actions actions_;
  std::vector<std::uint64_t> dead_clients_, dead_cancels_, dead_lookups_;
  std::vector<pool::SlotId> dead_servers_;
  std::vector<Message> messages_;
  std::deque<Message> logins_;  // messages that yield to queries
  bool logins_put_off_ = false;
  int turn_depth_ = 0;
  bool quitting_ = false;
  std::function<void()> quit_done_;
  session::Pieces to_server_, to_client_;  // of the relay call under way
  session::FactsCache facts_;
  route::Classifier classifier_;
  const std::shared_ptr<const ClientName> nobody_ = std::make_shared<ClientName>();
  std::vector<char> scratch_ = std::vector<char>(kScratch);
};

class WorkerImpl::Turn {
 public:
  explicit Turn(WorkerImpl& worker) : worker_(worker) { ++worker_.turn_depth_; }
  ~Turn() {
    if (worker_.turn_depth_ == 1) worker_.end_turn();
    --worker_.turn_depth_;
  }

 private:
  WorkerImpl& worker_;
};

}  // namespace howdah::worker
