// A client that speaks twice: with PostgreSQL directly and through the pooler, and checks that both
// say the same, byte for byte. The two databases are made from one template, so that OIDs agree.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pooler.h"

namespace howdah::test {

// The databases `both_direct` and `both_pooled` of the shared primary, made anew with `schema`.
class BothDatabases {
 public:
  explicit BothDatabases(const std::string& schema);
  std::string entry(const std::string& name) const;  // a line of [databases]
  RawClient direct() const;
  // On both of them, as a bystander.
  void sql(const std::string& text) const;
};

class Both {
 public:
  Both(const BothDatabases& databases, const Pooler& pooler, int number);
  // Sends `bytes` both ways and takes the answers up to the given number of ReadyForQuery. Gives
  // the types of the messages: "12TDCZ".
  std::string ask(const std::string& bytes, int ends = 1);
  // The same up to the first message of type `last`: for what ends in Flush.
  std::string ask_until(const std::string& bytes, char last);
  // The messages of the last answer.
  const std::vector<Message>& answer() const { return answer_; }
  // Column of the first DataRow of the last answer.
  std::string value(int column = 0) const;
  int number() const { return number_; }
  RawClient& pooled() { return pooled_; }

 private:
  std::string compare(const std::string& bytes, char last, int count);
  RawClient direct_, pooled_;
  int number_;
  std::vector<Message> answer_;
};

struct Alternate {
  int clients = 4, turns = 8;
};
// Clients take turns on a pool of one server, then on one of two, where each turn finds them on
// another server than the one before. `speak` must end outside of a transaction.
void alternate(const Alternate& how, const std::string& schema,
               const std::function<void(Both&, int turn)>& speak);

}  // namespace howdah::test
