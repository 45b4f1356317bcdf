#include "howdah/route/classifier.h"

#include <algorithm>

#include "howdah/base/text.h"
#include "route/answers.h"
#include "route/kept_map.h"

namespace howdah::route {
namespace {

constexpr std::size_t kMostScopes = 32;  // of one text
constexpr std::size_t kMostDatabases = 100;
constexpr std::size_t kMostNamesAsked = 32;
constexpr base::Duration kGivenUp = std::chrono::seconds(10);
constexpr base::Duration kQuiet = std::chrono::seconds(5);

}  // namespace

class Classifier::Impl {
 public:
  Impl(Limits limits, std::uint64_t seed)
      : limits_(limits), seed_(seed), texts_(limits.texts, seed) {}

  ScopePtr scope(std::string_view database, std::string_view user,
                 std::optional<std::string_view> search_path);
  const Known& classify(std::string_view sql, Scope& scope, base::TimePoint now);
  void rescued(std::string_view sql, Scope& scope);
  std::optional<Question> question(Scope& scope, base::TimePoint now);
  void learn(Scope& scope, std::uint64_t id, const std::optional<std::vector<AnswerRow>>& rows,
             base::TimePoint now);
  void forget(std::string_view database);
  std::size_t bytes() const;

 private:
  // The class of a text in one scope.
  struct Record {
    std::uint64_t scope = 0, generation = 0;
    base::TimePoint until;
    Known known;
  };
  struct Text {
    std::shared_ptr<const Shape> shape;
    std::vector<Record> records;
    std::size_t next = 0;  // to be overwritten when there are too many
    std::size_t bytes() const {
      return sizeof *this + (shape ? shape->bytes() : 0) + records.capacity() * sizeof(Record);
    }
  };
  static Record* record_of(Text& text, const Scope& scope);
  Text* add(std::string_view sql, std::shared_ptr<const Shape> shape);
  void put(std::string_view sql, Text& text, Record record);
  void drop_unused();

  Limits limits_;
  std::uint64_t seed_, last_ = 0;
  KeptMap<Text> texts_;
  std::unordered_map<std::string, std::shared_ptr<Database>> databases_;
  // Those that nobody uses stay until there are many: the next client likely wants the same.
  std::unordered_map<std::string, ScopePtr> scopes_;
  std::size_t scopes_checked_ = 64;
  Known transient_;  // what no cache took
};

ScopePtr Classifier::Impl::scope(std::string_view database, std::string_view user,
                                 std::optional<std::string_view> search_path) {
  std::string key = base::cat(database, '\0', user, search_path ? '\1' : '\0',
                              search_path.value_or(std::string_view()));
  if (auto found = scopes_.find(key); found != scopes_.end()) return found->second;
  if (scopes_.size() >= scopes_checked_) drop_unused();
  std::shared_ptr<Database>& of = databases_[std::string(database)];
  if (!of) of = std::make_shared<Database>(std::string(database), limits_.per_database, seed_);
  std::optional<std::string> path;
  if (search_path) path = *search_path;
  auto made = std::make_shared<Scope>(++last_, of, std::string(user), std::move(path));
  scopes_[std::move(key)] = made;
  return made;
}

void Classifier::Impl::drop_unused() {
  std::erase_if(scopes_, [](const auto& entry) { return entry.second.use_count() == 1; });
  scopes_checked_ = std::max<std::size_t>(64, scopes_.size() * 2);
  if (databases_.size() < kMostDatabases) return;
  std::erase_if(databases_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

Classifier::Impl::Record* Classifier::Impl::record_of(Text& text, const Scope& scope) {
  for (Record& record : text.records) {
    if (record.scope == scope.id) return &record;
  }
  return nullptr;
}

Classifier::Impl::Text* Classifier::Impl::add(std::string_view sql,
                                              std::shared_ptr<const Shape> shape) {
  Text* text = texts_.insert(sql, sizeof(Text) + shape->bytes());
  if (text) text->shape = std::move(shape);
  return text;
}

void Classifier::Impl::put(std::string_view sql, Text& text, Record record) {
  if (text.records.size() < kMostScopes) {
    text.records.push_back(std::move(record));
    texts_.resize(sql, text.bytes());
  } else {
    text.records[text.next++ % kMostScopes] = std::move(record);
  }
}

const Known& Classifier::Impl::classify(std::string_view sql, Scope& scope, base::TimePoint now) {
  std::uint64_t generation = scope.of->generation();
  bool cached = sql.size() <= kLargestRead;  // what is longer is only looked at from afar
  Text* text = cached ? texts_.find(sql) : nullptr;
  Record* record = text ? record_of(*text, scope) : nullptr;
  if (record && record->generation == generation && now < record->until) return record->known;
  std::shared_ptr<const Shape> shape = text ? text->shape : analyse(sql);
  Decision decision = scope.of->decide(*shape, scope, now);
  Known known{shape, decision.cls, decision.reason};
  if (record) {
    record->generation = generation;
    record->until = decision.until;
    record->known = std::move(known);
    return record->known;
  }
  transient_ = std::move(known);
  if (cached && !text) text = add(sql, std::move(shape));
  if (text) put(sql, *text, {scope.id, generation, decision.until, transient_});
  return transient_;
}

void Classifier::Impl::rescued(std::string_view sql, Scope& scope) {
  if (sql.size() > kLargestRead) return;
  Text* text = texts_.find(sql);
  if (!text) text = add(sql, analyse(sql));
  if (!text) return;
  Record made{scope.id, scope.of->generation(), base::kNever,
              Known{text->shape, Class::Write, Reason::Rescued}};
  if (Record* record = record_of(*text, scope)) {
    *record = std::move(made);
  } else {
    put(sql, *text, std::move(made));
  }
}

std::optional<Question> Classifier::Impl::question(Scope& scope, base::TimePoint now) {
  if (scope.wanted.empty()) return std::nullopt;
  if (scope.asked && now - scope.asked->at < kGivenUp) return std::nullopt;
  if (scope.quiet_until && now < *scope.quiet_until) return std::nullopt;
  std::vector<Name> names;
  while (!scope.wanted.empty() && names.size() < kMostNamesAsked) {
    names.push_back(std::move(scope.wanted.front()));
    scope.wanted.pop_front();
  }
  Question question{++last_, question_sql(scope.path, names)};
  scope.asked = Scope::Asked{question.id, std::move(names), scope.of->generation(), now};
  return question;
}

void Classifier::Impl::learn(Scope& scope, std::uint64_t id,
                             const std::optional<std::vector<AnswerRow>>& rows,
                             base::TimePoint now) {
  if (!scope.asked || scope.asked->id != id) return;
  Scope::Asked asked = std::move(*scope.asked);
  scope.asked.reset();
  if (!rows) scope.quiet_until = now + kQuiet;
  if (!rows || asked.generation != scope.of->generation()) return;
  std::vector<Answer> answers = read_rows(asked.names, *rows);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].known) continue;
    answers[i].asked = asked.at;
    scope.of->learn(scope, asked.names[i], std::move(answers[i]));
  }
}

void Classifier::Impl::forget(std::string_view database) {
  auto found = databases_.find(std::string(database));
  if (found != databases_.end()) found->second->forget();
}

std::size_t Classifier::Impl::bytes() const {
  std::size_t sum = texts_.bytes();
  for (const auto& [name, database] : databases_) sum += database->bytes();
  return sum;
}

Classifier::Classifier(Limits limits, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(limits, seed)) {}
Classifier::~Classifier() = default;

ScopePtr Classifier::scope(std::string_view database, std::string_view user,
                           std::optional<std::string_view> search_path) {
  return impl_->scope(database, user, search_path);
}
const Known& Classifier::classify(std::string_view sql, const ScopePtr& scope,
                                  base::TimePoint now) {
  return impl_->classify(sql, *scope, now);
}
Explanation Classifier::explain(const Shape& shape, const ScopePtr& scope, base::TimePoint now) {
  Decision decision = scope->of->decide(shape, *scope, now);
  return {shape.kind, decision.cls, decision.reason, std::move(decision.subject), shape.hint};
}
void Classifier::rescued(std::string_view sql, const ScopePtr& scope) {
  impl_->rescued(sql, *scope);
}
std::optional<Question> Classifier::question(const ScopePtr& scope, base::TimePoint now) {
  return impl_->question(*scope, now);
}
void Classifier::learn(const ScopePtr& scope, std::uint64_t id,
                       const std::optional<std::vector<AnswerRow>>& rows, base::TimePoint now) {
  impl_->learn(*scope, id, rows, now);
}
void Classifier::forget(std::string_view database) { impl_->forget(database); }
std::size_t Classifier::bytes() const { return impl_->bytes(); }

}  // namespace howdah::route
