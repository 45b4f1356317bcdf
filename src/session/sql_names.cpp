// Statements on a server: parsing, closing, and the names in SQL; see the header.
#include "session/sql_names.h"

#include <map>
#include <utility>

#include "howdah/base/text.h"

namespace howdah::session {

namespace fe = wire::fe;
using route::StatementName;

namespace {
// The statement that DEALLOCATE names in place of a shared one; by no number, so none's name.
constexpr std::string_view kDummy = "howdah_d";
// For making a statement by SQL in the middle of a batch.
constexpr std::string_view kMaker = "howdah_p";
constexpr int kMaxDepth = 4;

std::string nul(std::string_view text) { return std::string(text) + '\0'; }

Owed::Entry ours(char kind, std::uint64_t statement = 0) {
  return Owed::Entry{kind, Owed::Action::Swallow, statement, nullptr};
}

std::unique_ptr<Owed::Detail> undoing(std::uint8_t undo, StatementRef statement) {
  auto detail = std::make_unique<Owed::Detail>();
  detail->undo = undo;
  detail->statement = std::move(statement);
  return detail;
}

void send_ours(Following& f, Owed::Entry entry, std::string_view body) {
  f.to_server.copy(short_message(entry.kind, body));
  f.owed.sent(std::move(entry));
}
}  // namespace

std::string head_of(char type, std::size_t body) {
  auto length = static_cast<std::uint32_t>(body + 4);
  return {type, static_cast<char>(length >> 24), static_cast<char>(length >> 16),
          static_cast<char>(length >> 8), static_cast<char>(length)};
}

std::string short_message(char type, std::string_view body) {
  std::string message = head_of(type, body.size());
  message += body;
  return message;
}

StatementRef known_to(const Following& f, std::string_view name) {
  StatementRef statement = f.client.find(name);
  // What SQL before it in the same batch does is not in the map before its CommandComplete comes.
  f.owed.each([&](const Owed::Entry& entry) {
    if (!entry.detail) return;
    const auto& effects = entry.detail->effects;
    for (std::size_t i = entry.detail->next_effect; i < effects.size(); ++i) {
      if (effects[i].name == name) statement = effects[i].prepare ? effects[i].statement : nullptr;
    }
  });
  return statement;
}

void close_on_server(Following& f, const StatementRef& statement) {
  Owed::Entry entry = ours(fe::kClose, statement->id);
  entry.detail = undoing(Owed::kServerRemoved, statement);
  f.server.remove(statement->id);
  send_ours(f, std::move(entry), base::cat('S', nul(statement->server_name)));
}

void make_room(Following& f) {
  while (f.server.size() > f.max_prepared && f.server.size() > 1) {
    StatementRef oldest = f.server.oldest();
    close_on_server(f, oldest);
  }
}

bool ensure_on_server(Following& f, const StatementRef& statement, std::string_view name,
                      std::unique_ptr<Owed::Detail>* effects) {
  const bool depends = !statement->names.empty();
  // SQL sent before in this batch makes it.
  bool made = false;
  f.owed.each([&](const Owed::Entry& entry) {
    if (!entry.detail) return;
    for (const Owed::SqlEffect& effect : entry.detail->effects) {
      if (effect.prepare && effect.statement == statement) made = true;
    }
  });
  if (made) return false;
  switch (f.server.has(statement->id)) {
    case ServerStatements::Has::Yes:
      if (depends) {
        close_on_server(f, statement);
        break;
      }
      f.server.used(statement->id);
      return false;
    case ServerStatements::Has::Stale:
      close_on_server(f, statement);
      break;
    case ServerStatements::Has::No:
      break;
  }
  std::string body;
  if (depends) {
    auto detail = std::make_unique<Owed::Detail>();
    body = follow_names_of(f, *statement, *detail);
    if (effects) *effects = std::move(detail);
  }
  Owed::Entry entry = ours(fe::kParse, statement->id);
  entry.detail = undoing(Owed::kServerAdded, statement);
  if (f.client.take_unproved(name)) {
    entry.detail->undo |= Owed::kFreesName;
    entry.detail->name = name;
  }
  if (statement->form == Statement::Form::Protocol) {
    const std::string& ours_name = statement->server_name;
    if (!depends) body = statement->body;
    f.to_server.copy(head_of(fe::kParse, ours_name.size() + 1 + body.size()));
    f.to_server.copy(nul(ours_name));
    f.to_server.copy(body);
    f.owed.sent(std::move(entry));
  } else {
    entry.statement = 0;
    std::string make = base::cat("PREPARE ", statement->server_name, " ", statement->body);
    send_ours(f, ours(fe::kParse), base::cat(nul(kMaker), nul(make), std::string(2, '\0')));
    send_ours(f, ours(fe::kBind), base::cat(nul(kMaker), nul(kMaker), std::string(6, '\0')));
    entry.kind = fe::kExecute;
    entry.statement = statement->id;
    send_ours(f, std::move(entry), base::cat(nul(kMaker), std::string(4, '\0')));
    send_ours(f, ours(fe::kClose), base::cat('P', nul(kMaker)));
    send_ours(f, ours(fe::kClose), base::cat('S', nul(kMaker)));
  }
  f.server.add(statement, f.pool.epoch());
  make_room(f);
  return true;
}

std::string follow_names_of(Following& f, const Statement& statement, Owed::Detail& detail) {
  std::string_view text(statement.body.c_str());
  // A statement may name itself; PostgreSQL refuses that when it runs.
  if (f.depth >= kMaxDepth) return statement.body;
  ++f.depth;
  std::string body = follow_sql_names(f, statement.names, text, false, detail);
  --f.depth;
  return body += std::string_view(statement.body).substr(text.size());
}

std::string follow_sql_names(Following& f, const std::vector<route::StatementName>& names,
                             std::string_view text, bool query, Owed::Detail& detail) {
  std::string out;
  std::size_t done = 0;
  bool may_fail = false;
  int dummies = 0;
  // What statements before in this very text did to the client's names; null: deallocated.
  std::map<std::string, StatementRef, std::less<>> here;
  auto rename = [&](const StatementName& use, std::string_view to) {
    out += text.substr(done, use.at - done);
    out += to;
    done = use.at + use.size;
  };
  // A name that is not the client's must not hit one of ours.
  auto leave = [&](const StatementName& use) {
    if (!std::string_view(use.name).starts_with(kServerPrefix)) return;
    std::string other = base::cat(kServerPrefix, "x_", use.name).substr(0, 63);
    rename(use, base::cat('"', other, '"'));
    detail.aliases.push_back({other, use.name});
  };
  for (const StatementName& use : names) {
    auto said = here.find(use.name);
    bool known_here = said != here.end();
    StatementRef statement = known_here ? said->second : known_to(f, use.name);
    switch (use.verb) {
      case StatementName::Verb::DeallocateAll:
        detail.clears = true;  // its CommandComplete does it
        break;
      case StatementName::Verb::Execute:
        if (!statement) {
          leave(use);
          break;
        }
        if (!known_here) may_fail |= ensure_on_server(f, statement, use.name);
        detail.executed.push_back(statement);
        rename(use, statement->server_name);
        detail.aliases.push_back({statement->server_name, use.name});
        if (!detail.statement) detail.statement = statement;
        break;
      case StatementName::Verb::Prepare: {
        if (statement) {  // PostgreSQL shall say that it exists, or what else is wrong
          if (!known_here) may_fail |= ensure_on_server(f, statement, use.name);
        } else {
          std::size_t end = use.at + use.size;
          statement = f.table.get(Statement::Form::Sql, text.substr(end, use.end - end),
                                  f.search_path);
          if (f.server.has(statement->id) != ServerStatements::Has::No) {
            close_on_server(f, statement);
          }
          here[use.name] = statement;
          detail.effects.push_back({true, use.name, statement});
        }
        rename(use, statement->server_name);
        detail.aliases.push_back({statement->server_name, use.name});
        break;
      }
      case StatementName::Verb::Deallocate:
        if (!statement) {
          leave(use);
          break;
        }
        if (known_here) {
          rename(use, statement->server_name);
          detail.effects.push_back({false, use.name, statement});
        } else {
          std::string dummy(kDummy);
          if (dummies++ > 0) dummy += base::cat(dummies);
          if (dummies > 1) send_ours(f, ours(fe::kClose), base::cat('S', nul(dummy)));
          if (dummies > 1 || !f.server.has_dummy) {
            Owed::Entry entry = ours(fe::kParse);
            entry.detail = undoing(Owed::kDummyAdded, nullptr);
            send_ours(f, std::move(entry), base::cat(nul(dummy), '\0', std::string(2, '\0')));
            f.server.has_dummy = true;
          }
          rename(use, dummy);
          detail.effects.push_back({false, use.name, nullptr});
        }
        here[use.name] = nullptr;
        break;
    }
  }
  out += text.substr(done);
  // A Parse that fails makes the server skip up to a Sync: a Query does not end that.
  if (may_fail && query) send_ours(f, ours(fe::kSync), "");
  return out;
}

}  // namespace howdah::session
