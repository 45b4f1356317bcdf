// Statements on a server: is it there, parsing, closing; see sql_names.h.
#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "session/sql_names.h"

namespace howdah::session {

namespace fe = wire::fe;

namespace {
// For making a statement by SQL in the middle of a batch.
constexpr std::string_view kMaker = "howdah_p";

std::string nul(std::string_view text) { return std::string(text) + '\0'; }

std::string_view text_of(const Statement& statement) { return statement.body.c_str(); }

// The text of a statement that names statements, as they were meant when the client parsed it.
std::string as_meant(Following& f, const Statement& statement) {
  std::string_view text = text_of(statement);
  std::string out;
  std::size_t done = 0;
  for (std::size_t i = 0; i < statement.names.size() && i < statement.meant.size(); ++i) {
    const StatementRef& meant = statement.meant[i];
    if (!meant) continue;
    ensure_on_server(f, meant, {});
    const route::StatementName& use = statement.names[i];
    out += text.substr(done, use.at - done);
    out += meant->server_name;
    done = use.at + use.size;
  }
  return out += std::string_view(statement.body).substr(done);
}

// How many parameters a Parse's body behind the name has: those with types, or used.
std::size_t parameters_of(std::string_view body) {
  std::string_view text = body.substr(0, body.find('\0'));
  wire::Cursor types(body.substr(std::min(text.size() + 1, body.size())));
  auto declared = static_cast<std::uint16_t>(types.i16());
  return std::max<std::size_t>(types.ok() ? declared : 0, route::parameters_used(text));
}

// Those of a PREPARE behind the name: "(int, numeric(3, 1)) AS ...".
std::size_t parameters_of_sql(std::string_view body) {
  std::size_t commas = 0;
  int depth = 0;
  for (char c : body.substr(std::min(body.find_first_not_of(" \t\r\n\f"), body.size()))) {
    if (c == '(') ++depth;
    if (depth == 0) break;
    if (c == ')' && --depth == 0) ++commas;
    if (c == ',' && depth == 1) ++commas;
  }
  return std::max(commas, route::parameters_used(body));
}

// An empty text with so many parameters: may be parsed even while a transaction has failed.
std::string empty_statement(std::string_view name, std::size_t parameters) {
  parameters = std::min<std::size_t>(parameters, 65535);
  std::string body = nul(name) + '\0';
  body += static_cast<char>(parameters >> 8);
  body += static_cast<char>(parameters & 0xff);
  return body.append(4 * parameters, '\0');
}
}  // namespace

Owed::Entry ours(char kind, std::uint64_t statement) {
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

bool aborted(const Following& f) {
  return f.tx == wire::TxStatus::Failed && f.owed.quiet() && !f.owed.executed();
}

bool stand_in(Following& f, const StatementRef& statement) {
  if (!aborted(f) || (statement->touch & route::kExit) != 0) return false;
  ServerStatements::Has has = f.server.has(statement->id);
  if (has == ServerStatements::Has::Yes) return true;
  if (has == ServerStatements::Has::Stale) close_on_server(f, statement);
  Owed::Entry entry = ours(fe::kParse, statement->id);
  entry.detail = undoing(Owed::kServerAdded, statement);
  std::size_t count = statement->form == Statement::Form::Sql ? parameters_of_sql(statement->body)
                                                              : parameters_of(statement->body);
  send_ours(f, std::move(entry), empty_statement(statement->server_name, count));
  ++f.needed;
  f.server.add(statement, 0);
  f.server.mark_stale(statement->id);
  make_room(f);
  return true;
}

bool stand_in_unnamed(Following& f, std::string_view body) {
  if (!aborted(f)) return false;
  if ((f.facts.of(body.substr(0, body.find('\0'))).touch & route::kExit) != 0) return false;
  send_ours(f, ours(fe::kParse), empty_statement({}, parameters_of(body)));
  return true;
}

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

bool is_older(const Following& f, const StatementRef& statement, std::string_view name) {
  return !name.empty() && f.server.epoch(statement->id) < f.client.known_epoch(name);
}

StatementRef known_to(const Following& f, std::string_view name) {
  StatementRef statement = f.client.find(name);
  name = ClientStatements::cut(name);
  // What SQL before it in the same batch does is not in the map before its CommandComplete comes.
  f.owed.each([&](const Owed::Entry& entry) {
    if (!entry.detail) return;
    const Owed::Detail& detail = *entry.detail;
    if (detail.clears) statement = nullptr;
    for (std::size_t i = detail.next_effect; i < detail.effects.size(); ++i) {
      const Owed::SqlEffect& effect = detail.effects[i];
      if (effect.name == name) statement = effect.prepare ? effect.statement : nullptr;
    }
    constexpr std::uint8_t kNames = Owed::kClientAdded | Owed::kClientRemoved | Owed::kClientGone;
    if ((detail.undo & kNames) == 0 || ClientStatements::cut(detail.name) != name) return;
    statement = (detail.undo & Owed::kClientAdded) != 0 ? detail.statement : nullptr;
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
  while (f.server.size() > std::max({f.max_prepared, f.needed, std::size_t{1}})) {
    StatementRef oldest = f.server.oldest();
    close_on_server(f, oldest);
  }
}

bool ensure_on_server(Following& f, const StatementRef& statement, std::string_view name,
                      std::unique_ptr<Owed::Detail>* effects) {
  const bool depends = !statement->names.empty();
  // It is being parsed: a statement may name itself, which PostgreSQL refuses when it runs.
  if (f.parsing.size() > kMaxNested ||
      std::find(f.parsing.begin(), f.parsing.end(), statement.get()) != f.parsing.end()) {
    return false;
  }
  // SQL sent before in this batch makes it.
  bool made = false;
  f.owed.each([&](const Owed::Entry& entry) {
    if (!entry.detail) return;
    for (const Owed::SqlEffect& effect : entry.detail->effects) {
      if (effect.prepare && effect.statement == statement) made = true;
    }
  });
  if (made) return false;
  ++f.needed;  // it comes to the front
  switch (f.server.has(statement->id)) {
    case ServerStatements::Has::Yes:
      if ((depends && effects) || is_older(f, statement, name)) {
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
    f.parsing.push_back(statement.get());
    if (effects) {
      *effects = std::make_unique<Owed::Detail>();
      body = follow_names_of(f, *statement, **effects, false);
    } else {
      body = as_meant(f, *statement);
    }
    f.parsing.pop_back();
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

}  // namespace howdah::session
