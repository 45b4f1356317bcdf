// Prepared statements that follow their client; see the header.
#include "howdah/session/statements.h"

#include <utility>

#include "howdah/base/text.h"

namespace howdah::session {

namespace {
// More statements than this accepted by one pool: start again (a text is then parsed once more).
constexpr std::size_t kMaxAccepted = 100'000;
constexpr std::size_t kMaxUnnamed = 1024 * 1024;

struct Key {
  Statement::Form form;
  std::string_view body, search_path;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::hash<std::string_view> hash;
    return hash(key.body) * 31 + hash(key.search_path) * 3 + static_cast<std::size_t>(key.form);
  }
};
Key key_of(const Statement& statement) {
  return {statement.form, statement.body, statement.search_path};
}
}  // namespace

struct StatementTable::Store {
  base::Mutex mutex;
  std::uint64_t last_id GUARDED_BY(mutex) = 0;
  // Keys are views into the statements, which take their entry with them.
  std::unordered_map<Key, std::pair<const Statement*, std::weak_ptr<const Statement>>, KeyHash>
      statements GUARDED_BY(mutex);
};

StatementTable::StatementTable() : store_(std::make_shared<Store>()) {}

StatementRef StatementTable::get(Statement::Form form, std::string_view body,
                                 std::string_view search_path) {
  {
    base::Lock lock(store_->mutex);
    auto found = store_->statements.find({form, body, search_path});
    if (found != store_->statements.end()) {
      if (StatementRef alive = found->second.second.lock()) return alive;
    }
  }
  auto made = std::make_unique<Statement>();
  made->form = form;
  made->body = body;
  made->search_path = search_path;
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
  std::shared_ptr<const Statement> shared(
      made.release(), [store = store_](const Statement* dying) {
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
  auto found = names_->find(name);
  return found == names_->end() ? nullptr : found->second.statement;
}

void ClientStatements::add(std::string_view name, StatementRef statement, bool proved) {
  if (!names_) names_ = std::make_unique<Names>();
  (*names_)[std::string(name)] = {std::move(statement), proved};
}

bool ClientStatements::take_unproved(std::string_view name) {
  if (!names_) return false;
  auto found = names_->find(name);
  return found != names_->end() && !std::exchange(found->second.proved, true);
}

StatementRef ClientStatements::remove(std::string_view name) {
  if (!names_) return nullptr;
  auto found = names_->find(name);
  if (found == names_->end()) return nullptr;
  StatementRef removed = std::move(found->second.statement);
  names_->erase(found);
  if (names_->empty()) names_.reset();
  return removed;
}

void ClientStatements::keep_unnamed(std::string_view body) {
  has_unnamed_ = body.size() <= kMaxUnnamed;
  if (!has_unnamed_) return;
  if (unnamed_.capacity() > 1024 && body.size() < unnamed_.capacity() / 4) std::string().swap(unnamed_);
  unnamed_.assign(body);
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
