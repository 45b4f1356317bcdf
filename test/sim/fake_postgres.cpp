// A PostgreSQL at the end of server transports; see the header.
#include "sim/fake_postgres.h"

#include <algorithm>

#include "howdah/base/buffer.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/startup.h"

namespace howdah::sim {

using base::cat;

namespace {
constexpr std::size_t kTakesNoMore = 100'000;  // unsent answers at which a backend stops reading
constexpr std::uint32_t kIterations = 8;

std::string client_part(std::string_view mark) { return std::string(mark.substr(0, mark.find('.'))); }
}  // namespace

// --- Backend ----------------------------------------------------------------------------------------

Backend::Backend(FakePostgres& owner, std::shared_ptr<SimSocket> socket, std::uint32_t pid)
    : owner_(owner), socket_(std::move(socket)), pid_(pid) {
  socket_->set_user(this);
}

void Backend::end() {
  dead_ = true;
  socket_->close_when_sent();
}

void Backend::on_end(bool) { end(); }

void Backend::die() {
  if (dead_) return;
  ++owner_.ward.deaths;
  dead_ = true;
  Random& random = owner_.world.random;
  if (random.chance(40) && !sleeping_) {
    socket_->send(encode(error_message(
        "FATAL", "57P01", "terminating connection due to administrator command")));
    socket_->close_when_sent();
  } else if (random.chance(50)) {
    socket_->close();
  } else {
    socket_->reset();
  }
}

void Backend::on_input(std::string_view bytes) {
  in_ += bytes;
  if (state_ == State::StartUp) {
    start_up();
    if (dead_ || state_ == State::StartUp) return;
  }
  Message message;
  while (!dead_ && take_message(in_, message)) {
    if (message.type == wire::fe::kTerminate) {
      if (state_ == State::Ready && !in_.empty()) owner_.world.fail("bytes after Terminate");
      end();
    } else if (state_ == State::Auth) {
      password(message.body);
    } else {
      todo_.push_back(message);
    }
  }
  turn();
}

void Backend::start_up() {
  auto read = wire::read_startup(in_);
  if (!read) {
    owner_.world.fail(cat("a server got a broken start-up packet: ", read.error().text));
    return end();
  }
  in_.erase(0, read->consumed);
  if (std::holds_alternative<wire::NeedMore>(read->packet)) return;
  if (auto* request = std::get_if<wire::CancelRequest>(&read->packet)) {
    ++owner_.ward.cancels;
    if (Backend* target = owner_.find(request->key)) target->cancel();
    return end();
  }
  auto* startup = std::get_if<wire::Startup>(&read->packet);
  if (!startup || !startup->find("user") || !startup->find("database")) {
    owner_.world.fail("a server got a start-up packet that no server expects");
    return end();
  }
  user_ = *startup->find("user");
  database_ = *startup->find("database");
  if (const std::string* name = startup->find("application_name")) engine_ = Engine(*name);
  Ward& ward = owner_.ward;
  pool_ = cat(database_, "/", user_);
  auto limit = ward.limits.find(pool_);
  if (limit != ward.limits.end() && ward.held_of(pool_) > limit->second)
    owner_.world.fail(cat("pool ", pool_, " has ", ward.held_of(pool_), " servers, ",
                          limit->second, " are allowed"));
  Random& random = owner_.world.random;
  if (random.chance(ward.faults.die_in_login)) return die();
  if (random.chance(ward.faults.refuse_login)) {
    ++ward.refused;
    static const std::pair<const char*, const char*> kReasons[] = {
        {"28P01", "password authentication failed for user"},
        {"53300", "sorry, too many clients already"},
        {"57P03", "the database system is starting up"}};
    auto [code, text] = kReasons[random.below(3)];
    socket_->send(encode(error_message("FATAL", code, text)));
    return end();
  }
  if (!ward.scram) return welcome();
  state_ = State::Auth;
  exchange_ = auth::make_server_exchange(auth::Method::Scram, user_, auth::classify(ward.password),
                                         owner_.keyring, kIterations);
  reply(exchange_->start());
}

void Backend::password(const std::string& body) { reply(exchange_->feed(body)); }

void Backend::reply(auth::Outcome outcome) {
  while (outcome.kind == auth::Outcome::Kind::NeedHash)
    outcome = exchange_->hashed(exchange_->hash_job().run());
  base::Buffer bytes;
  if (outcome.kind == auth::Outcome::Kind::Failed) {
    owner_.world.fail(cat("the pooler failed a server's authentication: ", outcome.error.text));
    return end();
  }
  if (!outcome.body.empty()) wire::append_auth(bytes, outcome.code, outcome.body);
  socket_->send(bytes.view());
  if (outcome.kind == auth::Outcome::Kind::Ok) welcome();
}

void Backend::welcome() {
  state_ = State::Ready;
  ++owner_.ward.logins;
  if (owner_.world.random.chance(owner_.ward.faults.die_in_login)) return die();
  for (int i = 0; i < 8; ++i) key_ += static_cast<char>(owner_.world.random.below(256));
  base::Buffer bytes;
  wire::append_auth(bytes, wire::kAuthOk);
  wire::append_parameter_status(bytes, "server_version", "15.4");
  wire::append_parameter_status(bytes, "client_encoding", "UTF8");
  wire::append_parameter_status(bytes, "DateStyle", "ISO, MDY");
  wire::append_parameter_status(bytes, "TimeZone", "Etc/UTC");
  wire::append_parameter_status(bytes, "standard_conforming_strings", "on");
  wire::append_parameter_status(bytes, "application_name", engine_.application_name());
  wire::append_backend_key_data(bytes, key_);
  wire::append_ready_for_query(bytes, wire::TxStatus::Idle);
  socket_->send(bytes.view());
}

void Backend::cancel() {
  if (dead_ || !sleeping_) return;
  // The pooler cancels for clients that are gone, too: that they left, or were all killed perhaps.
  const Ward& ward = owner_.ward;
  if (!mark_.empty() && !ward.kills && !ward.cancel_asked.contains(mark_) &&
      !ward.cancel_asked.contains(client_part(mark_)))
    owner_.world.fail(cat("a cancel hit ", mark_, ", which nobody asked to cancel"));
  ++owner_.ward.cancels_hit;
  cancelled_ = true;
  sleeping_ = false;
  ++nap_;
  turn();
}

// Whose statement may run here now?
void Backend::watch_owner(const Message& message) {
  using namespace wire;
  bool session = owner_.ward.session_databases.contains(database_);
  bool bound = session || !engine_.idle();
  if (!bound) client_.clear();
  bool text = message.type == fe::kQuery || message.type == fe::kParse;
  std::string_view mark = text ? mark_of(message.body.c_str() + (message.type == fe::kParse)) : "";
  if (!mark.empty()) {
    mark_ = mark;
    std::string client = client_part(mark);
    if (bound && !client_.empty() && client_ != client)
      owner_.world.fail(cat("a statement of ", client, " ran in the ",
                            session ? "session" : "transaction", " of ", client_));
    client_ = client;
  } else if (message.type == fe::kQuery) {
    mark_.clear();
    bool discard = message.body.starts_with("DISCARD ALL");
    if (discard && !engine_.idle()) owner_.world.fail("a reset inside a transaction");
    if (discard) client_.clear();
  }
}

void Backend::turn() {
  FakePostgres& owner = owner_;
  while (!dead_ && !todo_.empty() && !sleeping_) {
    if (socket_->unsent() > kTakesNoMore) {
      if (!scheduled_) {
        scheduled_ = true;
        owner.later(*this, milliseconds(1), [](Backend& self) {
          self.scheduled_ = false;
          self.turn();
        });
      }
      return;
    }
    Message message = todo_.front();
    const Faults& faults = owner.ward.faults;
    Random& random = owner.world.random;
    if (!cancelled_) {
      if (nap_ % 2 == 0) {  // even: not slept for this one yet
        watch_owner(message);
        if (random.chance(faults.die_busy)) return die();
        bool may_sleep = message.type == wire::fe::kQuery || message.type == wire::fe::kExecute;
        long rest = message.type == wire::fe::kQuery ? sleep_of(message.body.c_str()) * 1000 : 0;
        if (may_sleep && rest == 0 && random.chance(faults.slow)) rest = random.between(10, 30'000);
        if (rest > 0) {
          sleeping_ = true;
          std::uint64_t nap = ++nap_;
          owner.later(*this, microseconds(rest), [nap](Backend& self) {
            if (self.nap_ != nap) return;
            self.sleeping_ = false;
            self.turn();
          });
          return;
        }
      } else {
        ++nap_;
      }
    }
    todo_.pop_front();
    answer(message, std::exchange(cancelled_, false));
  }
}

void Backend::answer(const Message& message, bool cancelled) {
  Random& random = owner_.world.random;
  const Faults& faults = owner_.ward.faults;
  ++owner_.ward.queries;
  Messages answers;
  engine_.feed(message, answers, cancelled);
  std::string bytes;
  for (const Message& one : answers) {
    if (random.chance(faults.notice)) {
      bytes += encode({wire::be::kNoticeResponse, error_message("NOTICE", "00000", "hm").body});
    }
    bytes += encode(one);
  }
  // Dying in the middle of an answer, even of a message.
  if (!bytes.empty() && random.chance(faults.die_busy)) {
    socket_->send(std::string_view(bytes).substr(0, random.below(bytes.size())));
    ++owner_.ward.deaths;
    return end();
  }
  socket_->send(bytes);
}

// --- FakePostgres -----------------------------------------------------------------------------------

Place::Fate FakePostgres::fate() {
  if (world.random.chance(ward.faults.black_hole)) return Fate::BlackHole;
  if (world.random.chance(ward.faults.refuse_connect)) return Fate::Refuse;
  return Fate::Accept;
}

void FakePostgres::accept(std::shared_ptr<SimSocket> socket) {
  sweep();
  backends_.push_back(std::make_unique<Backend>(*this, std::move(socket), next_pid_++));
}

void FakePostgres::sweep() {
  // A dead one stays until its last words are read: its socket is one of its members.
  std::erase_if(backends_, [](const auto& one) { return one->dead() && one->closed(); });
}

Backend* FakePostgres::find(const std::string& key) {
  for (const auto& one : backends_)
    if (!one->dead() && !one->key().empty() && one->key() == key) return one.get();
  return nullptr;
}

void FakePostgres::later(Backend& backend, Duration delay, std::function<void(Backend&)> call) {
  world.after(delay, [this, pid = backend.pid(), call = std::move(call)] {
    for (const auto& one : backends_) {
      if (one->pid() != pid || one->dead()) continue;
      call(*one);
      return;
    }
  });
}

void FakePostgres::kill_one() {
  if (backends_.empty()) return;
  backends_[world.random.below(backends_.size())]->die();
}

std::size_t FakePostgres::held() const {
  return static_cast<std::size_t>(std::count_if(backends_.begin(), backends_.end(),
                                                [](const auto& one) { return one->held(); }));
}

std::size_t FakePostgres::engaged_of(const std::string& pool) const {
  return static_cast<std::size_t>(
      std::count_if(backends_.begin(), backends_.end(), [&](const auto& one) {
        return one->engaged() && one->pool() == pool;
      }));
}

std::size_t FakePostgres::held_of(const std::string& pool) const {
  return static_cast<std::size_t>(
      std::count_if(backends_.begin(), backends_.end(), [&](const auto& one) {
        return one->held() && one->pool() == pool;
      }));
}

}  // namespace howdah::sim
