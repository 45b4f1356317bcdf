#include "route/answers.h"

#include <algorithm>
#include <unordered_set>

#include "route/collector.h"

namespace howdah::route {
namespace {

constexpr base::Duration kRefreshAge = std::chrono::seconds(45);
constexpr base::Duration kWantedAgain = std::chrono::seconds(15);
constexpr base::Duration kUnknownAge = std::chrono::milliseconds(50);
constexpr base::Duration kRefreshing = std::chrono::seconds(1);
constexpr std::size_t kMostNames = 1000;  // of one text, with all that hides behind them
constexpr std::size_t kMostWanted = 1000;

// Operators that queries use without a word of them: ORDER BY, DISTINCT, IN, USING, CASE.
bool is_implied(const std::string& name) {
  return name == "=" || name == "<" || name == ">" || name == "<=" || name == ">=" || name == "<>";
}

}  // namespace

std::size_t Answer::bytes() const {
  std::size_t sum = sizeof *this;
  for (const auto& shape : inside) sum += sizeof shape + shape->bytes();
  for (const std::string& name : operators) sum += sizeof name + name.size();
  return sum;
}

// One decision under way.
struct Database::Search {
  Scope& scope;
  base::TimePoint now;
  Decision decision{Class::Read, Reason::Read, {}, base::kNever};
  std::vector<std::shared_ptr<const Shape>> todo;
  std::unordered_set<std::string> seen;
  bool unknown = false;

  void write(Reason reason, std::string_view subject) {
    if (decision.cls == Class::Write) return;
    decision.cls = Class::Write;
    decision.reason = reason;
    decision.subject = subject;
  }
  void local(Reason reason, std::string_view subject) {
    if (decision.cls != Class::Read) return;
    decision.cls = Class::Local;
    decision.reason = reason;
    decision.subject = subject;
  }
};

std::string Database::key_of(const Scope& scope, const Name& name) {
  bool shared = name.what == Name::What::Database;
  std::uint64_t id = shared ? 0 : scope.id;
  std::string key(reinterpret_cast<const char*>(&id), sizeof id);
  key += static_cast<char>(name.what);
  key += name.schema;
  key += '\0';
  key += name.name;
  return key;
}

void Database::forget() {
  ++generation_;
  answers_.clear();
}

void Database::want(const std::string& key, const Name& name, Search& search) {
  Answer* answer = answers_.insert(key, 0);
  if (!answer || (answer->was_wanted && search.now - answer->wanted < kWantedAgain)) return;
  if (search.scope.wanted.size() >= kMostWanted) return;
  answer->was_wanted = true;
  answer->wanted = search.now;
  search.scope.wanted.push_back(name);
}

// Null if it is not known, or no longer.
Answer* Database::find(const Name& name, Search& search) {
  std::string key = key_of(search.scope, name);
  Answer* answer = answers_.find(key);
  if (!answer || !answer->known || search.now - answer->asked >= kAnswerAge) {
    want(key, name, search);
    search.unknown = true;
    return nullptr;
  }
  base::TimePoint refresh = answer->asked + kRefreshAge, end = answer->asked + kAnswerAge;
  if (refresh <= search.now) {
    want(key, name, search);
    refresh = std::min(end, search.now + kRefreshing);
    answer = answers_.find(key);
  }
  search.decision.until = std::min(search.decision.until, refresh);
  return answer;
}

void Database::look(const Name& name, Search& search) {
  if (!search.seen.insert(key_of(search.scope, name)).second) return;
  if (search.seen.size() > kMostNames) return search.write(Reason::TooMany, name.name);
  bool is_operator = name.what == Name::What::Operator;
  Answer* answer = find(is_operator ? Name{Name::What::Database, {}, {}} : name, search);
  if (!answer) return;
  if (is_operator) {
    const auto& names = answer->operators;
    if (std::find(names.begin(), names.end(), name.name) != names.end()) {
      search.write(Reason::Operator, name.name);
    }
    return;
  }
  for (const std::string& implied : answer->operators) {
    if (is_implied(implied)) search.write(Reason::Operator, implied);
  }
  if (is_local(answer->verdict)) {
    search.local(answer->verdict, name.name);
  } else if (answer->verdict != Reason::Read) {
    search.write(answer->verdict, name.name);
  }
  for (const auto& shape : answer->inside) search.todo.push_back(shape);
}

Decision Database::decide(const Shape& shape, Scope& scope, base::TimePoint now) {
  Search search{scope, now};
  Decision& decision = search.decision;
  decision.reason = shape.reason;
  decision.subject = shape.subject;
  switch (shape.kind) {
    case Kind::Empty:
    case Kind::Session:
    case Kind::End:
    case Kind::SetRoute:
      decision.cls = Class::Local;
      return std::move(decision);
    case Kind::Begin:
      decision.cls = shape.reason == Reason::BeginReadOnly ? Class::Read : Class::Local;
      return std::move(decision);
    case Kind::Write:
      decision.cls = Class::Write;
      return std::move(decision);
    case Kind::Local:
      decision.cls = Class::Local;
      break;
    case Kind::Read:
    case Kind::Execute:
      break;
  }
  // Without a name there is nothing of a user's in it.
  if (!shape.names.empty()) look(Name{Name::What::Database, {}, {}}, search);
  for (const Name& name : shape.names) look(name, search);
  while (!search.todo.empty() && decision.cls != Class::Write) {
    std::shared_ptr<const Shape> inner = std::move(search.todo.back());
    search.todo.pop_back();
    if (inner->kind == Kind::Local) {
      search.local(inner->reason, inner->subject);
    } else if (inner->kind != Kind::Read) {
      search.write(inner->reason, inner->subject);
    }
    for (const Name& name : inner->names) look(name, search);
  }
  if (search.unknown && decision.cls != Class::Write) {
    decision = {Class::Write, Reason::Unknown, {}, now + kUnknownAge};
  }
  return std::move(decision);
}

void Database::learn(const Scope& scope, const Name& name, Answer answer) {
  std::string key = key_of(scope, name);
  std::size_t bytes = answer.bytes();
  if (Answer* at = answers_.insert(key, bytes)) {
    *at = std::move(answer);
    answers_.resize(key, bytes);
  }
}

}  // namespace howdah::route
