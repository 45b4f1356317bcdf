// What the catalogue of one database has said of names, and the class of a shape by it.
//
//   a name: not here -> wanted -> asked (Question) -> known for 60 s, wanted again after 45 s of
//   use
//
// An answer may hold further texts (a view's definition, a policy's or a domain's condition,
// defaults of arguments): their shapes are looked into in turn, until nothing new comes up.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "howdah/route/classifier.h"
#include "route/kept_map.h"

namespace howdah::route {

struct Answer {
  bool known = false;
  base::TimePoint asked;   // when the question of a known answer was put
  base::TimePoint wanted;  // when it was last wanted
  bool was_wanted = false;
  Reason verdict = Reason::Unknown;  // Read: no objection
  std::vector<std::shared_ptr<const Shape>> inside;
  std::vector<std::string> operators;  // of Database: names with a volatile implementation
  std::size_t bytes() const;
};

struct Decision {
  Class cls = Class::Write;
  Reason reason = Reason::Unknown;
  std::string subject;
  base::TimePoint until = base::kNever;  // to be decided anew then
};

// What is known of one database. Names belong to a scope.
class Database {
 public:
  Database(std::string name, std::size_t bytes, std::uint64_t seed)
      : name_(std::move(name)), answers_(bytes, seed) {}

  const std::string& name() const { return name_; }
  std::uint64_t generation() const { return generation_; }
  void forget();

  Decision decide(const Shape& shape, Scope& scope, base::TimePoint now);
  void learn(const Scope& scope, const Name& name, Answer answer);
  std::size_t bytes() const { return answers_.bytes(); }

 private:
  struct Search;
  static std::string key_of(const Scope& scope, const Name& name);
  void look(const Name& name, Search& search);
  Answer* find(const Name& name, Search& search);
  void want(const std::string& key, const Name& name, Search& search);

  std::string name_;
  KeptMap<Answer> answers_;
  std::uint64_t generation_ = 1;
};

class Scope {
 public:
  Scope(std::uint64_t number, std::shared_ptr<Database> database, std::string user,
        std::optional<std::string> search_path)
      : id(number),
        of(std::move(database)),
        user_name(std::move(user)),
        path(std::move(search_path)) {}

  const std::uint64_t id;  // never used again
  const std::shared_ptr<Database> of;
  const std::string user_name;
  const std::optional<std::string> path;

  struct Asked {
    std::uint64_t id;
    std::vector<Name> names;
    std::uint64_t generation;
    base::TimePoint at;
  };
  std::deque<Name> wanted;
  std::optional<Asked> asked;
  std::optional<base::TimePoint> quiet_until;  // after a refusal
};

// The SQL that asks for names under a search_path; its rows name them by their place.
std::string question_sql(const std::optional<std::string>& search_path,
                         const std::vector<Name>& names);

// The answers to `names`, in their order; not known where the rows make no sense.
std::vector<Answer> read_rows(const std::vector<Name>& names, const std::vector<AnswerRow>& rows);

}  // namespace howdah::route
