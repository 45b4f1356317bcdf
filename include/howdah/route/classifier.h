// Says the class of a text for one client, out of three caches, each bounded in bytes: texts with
// their shape (classes.h) and their class by scope, and per database what its catalogue has said of
// names. Unknown names make a write until the catalogue has answered; the caller asks it:
//
//   known = classifier.classify(sql, scope, now);       // well under 1 µs for a text seen before
//   if (auto question = classifier.question(scope, now))  // to the server of scope, as a query of
//     ... classifier.learn(*scope, question->id, rows, now);  // its own outside of any transaction
//
// Answers hold for 60 s (asked anew after 45 s while in use), and until forget(). Pure. Owner: one
// worker each, so that there is no lock; forget() must reach them all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "howdah/base/time.h"
#include "howdah/route/classes.h"

namespace howdah::route {

inline constexpr base::Duration kAnswerAge = std::chrono::seconds(60);

class Scope;  // one (database, user, search_path): what names mean depends on them
using ScopePtr = std::shared_ptr<Scope>;

struct Known {
  std::shared_ptr<const Shape> shape;
  Class cls = Class::Write;
  Reason reason = Reason::Unknown;
};

struct Question {
  std::uint64_t id = 0;
  std::string sql;  // ASCII, one statement: at most 32 names
};

// Columns of the answer: which name, what is said of it, a value.
using AnswerRow = std::vector<std::string>;

// For SHOW ROUTE 'sql'.
struct Explanation {
  Kind kind = Kind::Write;
  Class cls = Class::Write;
  Reason reason = Reason::NotUnderstood;
  std::string subject;  // the name or command that the reason is about
  Wish hint = Wish::Auto;
};

class Classifier {
 public:
  struct Limits {
    std::size_t texts = std::size_t{16} << 20;        // bytes, all texts together
    std::size_t per_database = std::size_t{4} << 20;  // bytes, names of one database
  };
  // `seed`: random, against texts made to collide.
  Classifier(Limits limits, std::uint64_t seed);
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  // `search_path` as the client has set it; nothing: the default of its user and database. Kept by
  // the client while these three are the same. `database` is the server's name of it.
  ScopePtr scope(std::string_view database, std::string_view user,
                 std::optional<std::string_view> search_path);

  // Valid until the next call of anything here.
  const Known& classify(std::string_view sql, const ScopePtr& scope, base::TimePoint now);
  // The same for a shape that is kept elsewhere, with a prepared statement; nothing is cached.
  Explanation explain(const Shape& shape, const ScopePtr& scope, base::TimePoint now);

  // A replica refused this text as a write: it is one until forget(). The caller tells all workers.
  void rescued(std::string_view sql, const ScopePtr& scope);

  // What the catalogue is to be asked; one question a scope at a time, given up after 10 s.
  std::optional<Question> question(const ScopePtr& scope, base::TimePoint now);
  // The answer, in text; nothing if the server refused. Rows that make no sense leave names
  // unknown.
  void learn(const ScopePtr& scope, std::uint64_t id,
             const std::optional<std::vector<AnswerRow>>& rows, base::TimePoint now);

  // Definitions of a database have changed (Shape::ddl, facts' kDdl): answers on their way are void
  // too.
  void forget(std::string_view database);

  std::size_t bytes() const;  // of texts and names

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::route
