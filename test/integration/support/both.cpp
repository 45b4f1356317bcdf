#include "both.h"

#include <doctest/doctest.h>

namespace howdah::test {

BothDatabases::BothDatabases(const std::string& schema) {
  for (const char* name : {"both_pooled", "both_direct", "both_template"}) {
    primary().sql("drop database if exists " + std::string(name) + " with (force)");
  }
  primary().sql("create database both_template");
  primary().connect("both_template").exec(schema);
  primary().sql("create database both_direct template both_template");
  primary().sql("create database both_pooled template both_template");
}

std::string BothDatabases::entry(const std::string& name) const {
  return test::entry(name, primary(), "both_pooled");
}

RawClient BothDatabases::direct() const {
  RawClient client("127.0.0.1", primary().port());
  client.login("both_direct", "postgres");
  return client;
}

void BothDatabases::sql(const std::string& text) const {
  for (const char* name : {"both_direct", "both_pooled"}) primary().sql(text, name);
}

Both::Both(const BothDatabases& databases, const Pooler& pooler, int number)
    : direct_(databases.direct()), pooled_(pooler.raw("db")), number_(number) {}

namespace {

std::string readable(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    text += "\n  ";
    text += message.type ? std::string(1, message.type) : "closed";
    text += " ";
    for (char c : message.body.substr(0, 200)) text += c >= ' ' && c < 127 ? c : '.';
  }
  return text;
}

// Up to and with the last of `count` messages of that type, or to the end.
std::vector<Message> take(RawClient& client, char type, int count) {
  std::vector<Message> messages;
  while (count > 0) {
    messages.push_back(client.read());
    if (messages.back().type == type) --count;
    if (messages.back().type == 0) break;
  }
  return messages;
}

}  // namespace

std::string Both::ask(const std::string& bytes, int ends) { return compare(bytes, 'Z', ends); }

std::string Both::ask_until(const std::string& bytes, char last) { return compare(bytes, last, 1); }

std::string Both::compare(const std::string& bytes, char last, int count) {
  direct_.send(bytes);
  pooled_.send(bytes);
  std::vector<Message> wanted = take(direct_, last, count);
  answer_ = take(pooled_, last, count);
  std::string types;
  bool same = wanted.size() == answer_.size();
  for (std::size_t i = 0; i < answer_.size(); ++i) {
    same = same && wanted[i].type == answer_[i].type && wanted[i].body == answer_[i].body;
    types += answer_[i].type ? answer_[i].type : '.';
  }
  CHECK_MESSAGE(same, "client " << number_ << ": PostgreSQL says" << readable(wanted)
                                << "\nthrough the pooler" << readable(answer_));
  return types;
}

std::string Both::value(int column) const {
  for (const Message& message : answer_) {
    if (message.type == 'D') return parse_row(message.body).at(static_cast<std::size_t>(column));
  }
  return "<no row>";
}

void alternate(const Alternate& how, const std::string& schema,
               const std::function<void(Both&, int turn)>& speak) {
  for (int servers : {1, 2}) {
    CAPTURE(servers);
    BothDatabases databases(schema);
    Pooler pooler(
        {.settings = {{"pool_mode", "transaction"}, {"default_pool_size", std::to_string(servers)}},
         .databases = {databases.entry("db")}});
    std::vector<std::unique_ptr<Both>> clients;
    for (int i = 0; i < how.clients; ++i) {
      clients.push_back(std::make_unique<Both>(databases, pooler, i));
    }
    // Idle servers are taken last in, first out: whoever holds one of two sends the others to the
    // second, and what it gives back is what they get next.
    Client holder = pooler.connect("db");
    for (int turn = 0; turn < how.turns; ++turn) {
      CAPTURE(turn);
      if (servers == 2) holder.exec(turn % 2 == 0 ? "begin" : "commit");
      for (auto& client : clients) speak(*client, turn);
    }
  }
}

}  // namespace howdah::test
