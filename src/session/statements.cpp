// Prepared statements that follow their client; see the header.
#include "howdah/session/statements.h"

#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/wire/message.h"

namespace howdah::session {

namespace {
// More statements than this accepted by one pool: start again (a text is then parsed once more).
constexpr std::size_t kMaxAccepted = 100'000;
constexpr std::size_t kMaxUnnamed = 1024 * 1024;
// Unnamed statements of one client that one pipeline may bring back: so many, together so long.
constexpr std::size_t kMaxOlder = 64;

struct Key {
  Statement::Form form;
  std::string_view body, reading;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::hash<std::string_view> hash;
    return hash(key.body) * 31 + hash(key.reading) * 3 + static_cast<std::size_t>(key.form);
  }
};
Key key_of(const Statement& statement) {
  return {statement.form, statement.body, statement.reading};
}
}  // namespace

std::optional<std::string_view> text_without_own_types(std::string_view body) {
  constexpr std::uint32_t kFirstOwnType = 16384;  // PostgreSQL's FirstNormalObjectId
  wire::Cursor cursor(body);
  std::string_view text = cursor.cstring();
  auto types = static_cast<std::uint16_t>(cursor.i16());
  for (; cursor.ok() && types > 0; --types)
    if (static_cast<std::uint32_t>(cursor.i32()) >= kFirstOwnType) return std::nullopt;
  return cursor.ok() ? std::optional(text) : std::nullopt;
}

std::optional<std::string> sql_of(const Statement& statement) {
  if (statement.form == Statement::Form::Sql) return base::cat("PREPARE x ", statement.body);
  auto text = text_without_own_types(statement.body);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

struct StatementTable::Store {
  base::Mutex mutex;
  std::uint64_t last_id GUARDED_BY(mutex) = 0;
  // Keys are views into the statements, which take their entry with them.
  std::unordered_map<Key, std::pair<const Statement*, std::weak_ptr<const Statement>>, KeyHash>
      statements GUARDED_BY(mutex);
};

StatementTable::StatementTable() : store_(std::make_shared<Store>()) {}

StatementRef StatementTable::get(Statement::Form form, std::string_view body,
                                 std::string_view reading) {
  {
    base::Lock lock(store_->mutex);
    auto found = store_->statements.find({form, body, reading});
    if (found != store_->statements.end()) {
      if (StatementRef alive = found->second.second.lock()) return alive;
    }
  }
  auto made = std::make_unique<Statement>();
  made->form = form;
  made->body = body;
  made->reading = reading;
  // The body of a PREPARE needs its head to be read.
  std::string text = form == Statement::Form::Sql ? base::cat("PREPARE x ", body)
                                                  : std::string(body.substr(0, body.find('\0')));
  if (!route::surely_plain(text)) {
    route::Facts facts = route::facts(text);
    made->touch = facts.touch & static_cast<std::uint16_t>(~(route::kNames | route::kExit));
    if ((facts.touch & route::kExit) != 0) made->touch |= route::kExit;
    made->custom_settings = std::move(facts.custom_settings);
    if (form == Statement::Form::Protocol) made->names = std::move(facts.names);
  }
  StatementRef replaced;  // freed after the lock
  base::Lock lock(store_->mutex);
  auto found = store_->statements.find(key_of(*made));
  if (found != store_->statements.end()) {
    replaced = found->second.second.lock();
    if (replaced) return replaced;  // another thread was faster
    store_->statements.erase(found);
  }
  made->id = ++store_->last_id;
  made->server_name = base::cat(kServerPrefix, made->id);
  std::shared_ptr<const Statement> shared(made.release(), [store = store_](const Statement* dying) {
    {
      base::Lock guard(store->mutex);
      auto entry = store->statements.find(key_of(*dying));
      if (entry != store->statements.end() && entry->second.first == dying) {
        store->statements.erase(entry);
      }
    }
    delete dying;
  });
  store_->statements.emplace(key_of(*shared), std::pair(shared.get(), std::weak_ptr(shared)));
  return shared;
}

StatementRef StatementTable::alone(const Statement& like, std::vector<StatementRef> meant) {
  auto made = std::make_shared<Statement>();
  made->form = like.form;
  made->body = like.body;
  made->reading = like.reading;
  made->touch = like.touch;
  made->custom_settings = like.custom_settings;
  made->names = like.names;
  for (StatementRef& each : meant) {
    if (each && each->nested >= kMaxNested) each = nullptr;
    if (each) made->nested = std::max(made->nested, each->nested + 1);
  }
  made->meant = std::move(meant);
  {
    base::Lock lock(store_->mutex);
    made->id = ++store_->last_id;
  }
  made->server_name = base::cat(kServerPrefix, made->id);
  return made;
}

std::size_t StatementTable::size() const {
  base::Lock lock(store_->mutex);
  return store_->statements.size();
}

void PoolStatements::accept(std::uint64_t id) {
  base::Lock lock(mutex_);
  if (accepted_.size() >= kMaxAccepted) accepted_.clear();
  accepted_[id] = epoch();
}

bool PoolStatements::accepted(std::uint64_t id) const {
  base::Lock lock(mutex_);
  auto found = accepted_.find(id);
  return found != accepted_.end() && found->second == epoch();
}

StatementRef ClientStatements::find(std::string_view name) const {
  if (!names_) return nullptr;
  auto found = names_->find(cut(name));
  return found == names_->end() ? nullptr : found->second.statement;
}

bool ClientStatements::means(std::uint64_t id) const {
  return names_ && std::any_of(names_->begin(), names_->end(),
                               [&](const auto& known) { return known.second.statement->id == id; });
}

void ClientStatements::clear() {
  names_.reset();
  ++version_;
}

void ClientStatements::add(std::string_view name, StatementRef statement, bool proved) {
  if (!names_) names_ = std::make_unique<Names>();
  (*names_)[std::string(cut(name))] = {std::move(statement), proved};
  ++version_;
}

bool ClientStatements::take_unproved(std::string_view name) {
  if (!names_) return false;
  auto found = names_->find(cut(name));
  return found != names_->end() && !std::exchange(found->second.proved, true);
}

void ClientStatements::describe(std::string_view name) {
  if (!names_) return;
  auto found = names_->find(cut(name));
  if (found != names_->end()) found->second.described = true;
}

void ClientStatements::describe_all() {
  if (!names_) return;
  for (auto& [name, known] : *names_) known.described = true;
}

bool ClientStatements::described(std::string_view name) const {
  if (!names_) return false;
  auto found = names_->find(cut(name));
  return found != names_->end() && found->second.described;
}

void ClientStatements::knows(std::string_view name, std::uint64_t epoch) {
  if (!names_) return;
  auto found = names_->find(cut(name));
  if (found != names_->end()) found->second.epoch = std::max(found->second.epoch, epoch);
}

std::uint64_t ClientStatements::known_epoch(std::string_view name) const {
  if (!names_) return 0;
  auto found = names_->find(cut(name));
  return found == names_->end() ? 0 : found->second.epoch;
}

StatementRef ClientStatements::remove(std::string_view name) {
  if (!names_) return nullptr;
  auto found = names_->find(cut(name));
  if (found == names_->end()) return nullptr;
  StatementRef removed = std::move(found->second.statement);
  names_->erase(found);
  ++version_;
  if (names_->empty()) names_.reset();
  return removed;
}

void ClientStatements::begin_unnamed(bool certain) {
  if (certain) {
    older_.reset();
    unnamed_.has = false;
    unnamed_.shared.reset();
  } else {
    if (!older_) older_ = std::make_unique<std::vector<Unnamed>>();
    older_->push_back(std::exchange(unnamed_, {}));
    std::size_t size = 0;
    for (const Unnamed& one : *older_) size += one.body.size();
    while (older_->size() > kMaxOlder || (size > kMaxUnnamed && older_->size() > 1)) {
      size -= older_->front().body.size();
      older_->erase(older_->begin());
    }
  }
  unnamed_.serial = ++last_serial_;
}

void ClientStatements::keep_unnamed(std::string_view body) {
  unnamed_.has = body.size() <= kMaxUnnamed;
  if (!unnamed_.has) return;
  std::string& kept = unnamed_.body;
  if (kept.capacity() > 1024 && body.size() < kept.capacity() / 4) std::string().swap(kept);
  kept.assign(body);
}

void ClientStatements::skip_unnamed(std::uint64_t serial) {
  if (serial != unnamed_.serial) {
    if (older_) std::erase_if(*older_, [&](const Unnamed& one) { return one.serial == serial; });
  } else if (older_ && !older_->empty()) {
    unnamed_ = std::move(older_->back());
    older_->pop_back();
  } else {
    fail_unnamed(serial);
  }
}

void ClientStatements::fail_unnamed(std::uint64_t serial) {
  auto fail = [&](Unnamed& one) {
    if (one.serial != serial) return;
    one.has = false;
    one.shared.reset();
  };
  fail(unnamed_);
  if (!older_) return;
  for (Unnamed& one : *older_) fail(one);
}

void ClientStatements::remove(std::string_view name, std::uint64_t id) {
  StatementRef known = find(name);
  if (known && known->id == id) remove(name);
}

ServerStatements::Has ServerStatements::has(std::uint64_t id) const {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return Has::No;
  return found->second->stale ? Has::Stale : Has::Yes;
}

std::uint64_t ServerStatements::epoch(std::uint64_t id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? 0 : found->second->epoch;
}

void ServerStatements::add(StatementRef statement, std::uint64_t epoch) {
  std::uint64_t id = statement->id;
  remove(id);
  order_.push_front({std::move(statement), epoch, false});
  by_id_[id] = order_.begin();
}

StatementRef ServerStatements::remove(std::uint64_t id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  StatementRef removed = std::move(found->second->statement);
  order_.erase(found->second);
  by_id_.erase(found);
  return removed;
}

void ServerStatements::used(std::uint64_t id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second == order_.begin()) return;
  order_.splice(order_.begin(), order_, found->second);
}

void ServerStatements::mark_stale(std::uint64_t id) {
  auto found = by_id_.find(id);
  if (found != by_id_.end()) found->second->stale = true;
}

void ServerStatements::clear() {
  order_.clear();
  by_id_.clear();
  has_dummy = false;
}

}  // namespace howdah::session
