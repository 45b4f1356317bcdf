// Client to server; see relay.h.
//
// follow() looks into these messages; everything else goes on as it is:
//
//   Parse x     new name: sent with the statement's name on servers; or ParseComplete is made when
//   this
//               server has it and no error can come before (quiet, no failed transaction)
//               name in use: sent under the name of what it means, for PostgreSQL's own 42P05
//   Bind x, Describe x   [Close, Parse of ours, if this server lacks it] + the name changed
//               unknown name: as it is, for PostgreSQL's own 26000
//   Close x     CloseComplete is made; the server keeps the statement for others
//   Parse ""    as it is; remembered, since a later batch may bind it on another server
//   Bind ""     before it ours or nobody's: [Parse ""] if another server has run in between,
//               [Close ""] if the server holds somebody else's
//   Query       looked through for what it touches and for names of statements (sql_names.h)
#include <algorithm>
#include <utility>

#include "howdah/base/text.h"
#include "howdah/route/blocks.h"
#include "howdah/session/relay.h"
#include "session/sql_names.h"

namespace howdah::session {

using wire::HeaderState;
using wire::kHeaderSize;
namespace fe = wire::fe;

bool is_client_message(char type) {
  switch (type) {
    case fe::kBind:
    case fe::kClose:
    case fe::kCopyData:
    case fe::kCopyDone:
    case fe::kCopyFail:
    case fe::kDescribe:
    case fe::kExecute:
    case fe::kFlush:
    case fe::kFunctionCall:
    case fe::kParse:
    case fe::kQuery:
    case fe::kSync:
    case fe::kTerminate:
      return true;
    default:
      return false;
  }
}

namespace {
Owed::Block block_of(std::string_view sql) {
  route::Blocks blocks = route::blocks(sql);
  if (blocks.opens) return Owed::Block::Opens;
  return blocks.ends() ? Owed::Block::Ends : Owed::Block::Stays;
}
}  // namespace

// --- Framing
// --------------------------------------------------------------------------------------

ClientStream::Head ClientStream::read_head(std::string_view bytes, std::uint32_t max_packet,
                                           wire::Header& header) {
  switch (wire::read_header(bytes, max_packet, header)) {
    case HeaderState::Incomplete:
      return Head::Incomplete;
    case HeaderState::Malformed:
      error_ = "invalid message length";
      return Head::Violation;
    case HeaderState::Ok:
      break;
  }
  if (header.type == fe::kTerminate) return Head::Terminate;
  if (!is_client_message(header.type)) {
    error_ = "unknown pkt";
    return Head::Violation;
  }
  if (query_forbidden_ && header.type == fe::kQuery) {
    error_ = "PQexec disallowed";
    return Head::Violation;
  }
  return Head::Ok;
}

std::size_t ClientStream::take_body(std::size_t available) {
  std::size_t part = std::min<std::size_t>(body_left_, available);
  body_left_ -= static_cast<std::uint32_t>(part);
  return part;
}

ClientStream::Taken ClientStream::forward(std::string_view chunk, std::uint32_t max_packet,
                                          Owed& owed) {
  std::size_t at = 0;
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      at += take_body(chunk.size() - at);
      continue;
    }
    wire::Header header;
    switch (read_head(chunk.substr(at), max_packet, header)) {
      case Head::Incomplete:
        return {at, Stop::Bytes};
      case Head::Terminate:
        return {at, Stop::Terminate};
      case Head::Violation:
        return {at, Stop::Violation};
      case Head::Ok:
        break;
    }
    owed.sent(header.type);
    at += kHeaderSize;
    body_left_ = header.body;
  }
  return {at, Stop::Bytes};
}

std::size_t ClientStream::drop_late_copy(std::string_view chunk, std::uint32_t max_packet) {
  std::size_t at = 0;
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      at += take_body(chunk.size() - at);
      continue;
    }
    wire::Header header;
    if (wire::read_header(chunk.substr(at), max_packet, header) != HeaderState::Ok) break;
    bool late = header.type == fe::kCopyData || header.type == fe::kCopyDone ||
                header.type == fe::kCopyFail;
    if (!late) break;
    at += kHeaderSize;
    body_left_ = header.body;
  }
  return at;
}

ClientStream::Taken ClientStream::follow(std::string_view chunk, std::uint32_t max_packet,
                                         Following& f) {
  std::size_t at = 0;
  Stop stop = Stop::Bytes;
  needs_ = 0;
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      std::size_t part = take_body(chunk.size() - at);
      f.to_server.view(chunk.substr(at, part));
      at += part;
      continue;
    }
    wire::Header header{};
    Head head = read_head(chunk.substr(at), max_packet, header);
    // Copy data belongs to what has been sent already.
    bool copy = header.type == fe::kCopyData || header.type == fe::kCopyDone ||
                header.type == fe::kCopyFail;
    if (stalled_ && head != Head::Incomplete && !copy) {
      stop = Stop::Stall;
      break;
    }
    if (head != Head::Ok) {
      if (head == Head::Terminate) stop = Stop::Terminate;
      if (head == Head::Violation) stop = Stop::Violation;
      break;
    }
    std::size_t size = kHeaderSize + header.body;
    std::string_view seen = chunk.substr(at, size);
    bool whole = seen.size() == size;
    if (!f.one_batch || f.owed.nothing()) sealed_ = false;
    if (sealed_ && !copy) {
      stalled_ = true;
      stop = Stop::Stall;
      break;
    }
    bool look = !f.owed.skipping() && !f.owed.reading_copy();
    bool hold = false;
    if (look && !f.owed.quiet() && must_wait(f, header.type, seen, whole)) {
      stalled_ = true;
      stop = Stop::Stall;
      break;
    }
    f.needed = 0;
    if (!bound_) bound_number_ = 0;
    f.bound = bound_.get();
    f.bound_number = bound_number_;
    const bool first = f.batch && f.owed.nothing() && f.tx == wire::TxStatus::Idle;
    if (first) f.batch->begin(at);
    switch (look ? header.type : '\0') {
      case fe::kParse:
        hold = !whole && (header.body <= kMaxText || seen.size() == kHeaderSize ||
                          (f.max_prepared > 0 && seen[kHeaderSize] != '\0'));
        if (!hold) on_parse(f, seen);
        break;
      case fe::kQuery:
        hold = !whole && header.body <= kMaxText;
        if (!hold) on_query(f, seen);
        break;
      case fe::kBind:
        hold = !on_bind(f, seen) && !whole;
        break;
      case fe::kDescribe:
        hold = !whole;
        if (!hold) on_describe(f, seen);
        break;
      case fe::kClose:
        hold = !whole;
        if (!hold) on_close(f, seen);
        break;
      case fe::kExecute:
        hold = !whole && bound_;
        if (!hold) on_execute(f, seen);
        break;
      case fe::kSync:
        sql_effects_.reset();
        f.owed.each([&](const Owed::Entry& entry) {
          const Owed::Detail* detail = entry.detail.get();
          if (detail && (detail->clears || !detail->effects.empty())) stalled_ = true;
        });
        [[fallthrough]];
      default:
        f.owed.sent(header.type);
        f.to_server.view(seen);
        break;
    }
    if (hold) {
      needs_ = static_cast<std::uint32_t>(size);
      break;
    }
    if (f.batch) f.batch->sent(header.type, first);
    if (f.one_batch && (header.type == fe::kSync || header.type == fe::kQuery)) sealed_ = true;
    at += seen.size();
    body_left_ = static_cast<std::uint32_t>(size - seen.size());
  }
  if (f.batch) f.batch->keep(chunk, at, f.keep);
  return {at, stop};
}

void ClientStream::touch(const route::Facts& facts) {
  touched_ |= facts.touch;
  add_custom(facts.custom_settings);
}

void ClientStream::touch(const Statement& statement) {
  touched_ |= statement.touch;
  add_custom(statement.custom_settings);
}

void ClientStream::add_custom(const std::vector<std::string>& names) {
  if (names.empty()) return;
  if (!custom_settings_) custom_settings_ = std::make_unique<std::vector<std::string>>();
  custom_settings_->insert(custom_settings_->end(), names.begin(), names.end());
}

void ClientStream::on_parse(Following& f, std::string_view seen) {
  wire::Cursor cursor(seen.substr(kHeaderSize));
  std::string_view name = cursor.cstring();
  if (!cursor.ok()) {  // PostgreSQL says what is wrong with it
    f.owed.sent(fe::kParse);
    f.to_server.view(seen);
  } else if (name.empty()) {
    parse_unnamed(f, seen, cursor.rest());
  } else if (f.max_prepared == 0) {
    if (f.track) touch(f.facts.of(cursor.cstring()));
    f.owed.sent(fe::kParse);
    f.to_server.view(seen);
  } else {
    parse_named(f, name, cursor.rest());
  }
}

void ClientStream::parse_named(Following& f, std::string_view name, std::string_view body) {
  auto detail = std::make_unique<Owed::Detail>();
  Owed::Entry entry{fe::kParse};
  std::string rewritten;
  StatementRef statement = known_to(f, name);
  if (statement) {
    if (!stand_in(f, statement)) ensure_on_server(f, statement, name);
    detail->must_fail = true;
  } else {
    statement = f.table.get(Statement::Form::Protocol, body, f.reading.key());
    if (!statement->names.empty()) {
      std::vector<StatementRef> meant;
      for (const auto& use : statement->names) meant.push_back(known_to(f, use.name));
      statement = f.table.alone(*statement, std::move(meant));
    }
    bool known =
        f.server.has(statement->id) == ServerStatements::Has::Yes && !statement->gives_notice;
    bool can_fail = !f.owed.quiet() || f.tx == wire::TxStatus::Failed ||
                    f.server.epoch(statement->id) != f.pool.epoch();
    detail->undo = Owed::kClientAdded;
    if (known && !can_fail) {
      entry.action = Owed::Action::Make;
      f.server.used(statement->id);
    } else {
      // Behind a request that may fail nobody knows what the server has.
      if (!f.owed.quiet() || f.server.has(statement->id) != ServerStatements::Has::No) {
        close_on_server(f, statement);
      }
      // One that cannot succeed is left as it is.
      bool one = f.facts.of(statement->body.c_str()).single;
      if (!statement->names.empty() && one && !aborted(f)) {
        Owed::Detail unused;  // nothing is executed yet
        rewritten = follow_names_of(f, *statement, unused, true);
        body = rewritten;
      }
      f.server.add(statement, f.pool.epoch());
      detail->undo |= Owed::kServerAdded;
    }
    f.client.add(name, statement);
    if (f.batch) f.batch->added(name, statement);
  }
  entry.statement = statement->id;
  detail->name = name;
  detail->aliases.push_back({statement->server_name, std::string(name)});
  detail->statement = statement;
  bool made = entry.action == Owed::Action::Make;
  entry.detail = std::move(detail);
  f.owed.sent(std::move(entry));
  if (made) return;
  f.to_server.copy(head_of(fe::kParse, statement->server_name.size() + 1 + body.size()));
  f.to_server.copy(statement->server_name + '\0');
  if (rewritten.empty()) {
    f.to_server.view(body);
  } else {
    f.to_server.copy(body);
  }
  make_room(f);
}

bool ClientStream::on_bind(Following& f, std::string_view seen) {
  wire::Cursor cursor(seen.substr(kHeaderSize));
  std::string_view portal = cursor.cstring();
  std::string_view name = cursor.cstring();
  if (!cursor.ok()) {
    wire::Header header{};
    wire::read_header(seen, UINT32_MAX, header);
    if (seen.size() < kHeaderSize + header.body) return false;
    f.owed.sent(fe::kBind);
    f.to_server.view(seen);  // malformed: PostgreSQL says so
    return true;
  }
  std::string_view rest = cursor.rest();
  StatementRef statement = name.empty() ? f.client.unnamed_shared() : known_to(f, name);
  bound_block_ = Owed::Block::Stays;
  if (f.max_prepared == 0 || (name.empty() && !statement)) {
    if (f.keep && name.empty() && f.client.unnamed()) {
      bound_block_ = block_of(f.client.unnamed()->c_str());
    }
    if (name.empty()) use_unnamed(f, false);
    keep_effects(portal);
    f.owed.sent(fe::kBind);
    f.to_server.view(seen);
    return true;
  }
  Owed::Entry entry{fe::kBind};
  if (f.keep && statement) bound_block_ = block_of(statement->body.c_str());
  std::string other;
  std::string_view server_name = name;
  if (statement) {
    sql_effects_.reset();
    if (!stand_in(f, statement) && !ensure_on_server(f, statement, name, &sql_effects_) && f.batch)
      f.batch->want();
    if (f.track) touch(*statement);
    if (sql_effects_) {
      for (const StatementRef& executed : sql_effects_->executed) touch(*executed);
    }
    entry.statement = statement->id;
    server_name = statement->server_name;
  } else if (name.starts_with(kServerPrefix)) {
    other = base::cat(kServerPrefix, "x_", name);
    server_name = other;
    entry.detail = std::make_unique<Owed::Detail>();
    entry.detail->aliases.push_back({other, std::string(name)});
  }
  if (statement) keep_effects(portal);
  f.owed.sent(std::move(entry), statement ? name : std::string_view());
  wire::Header header{};
  wire::read_header(seen, UINT32_MAX, header);
  std::string head = head_of(fe::kBind, header.body - name.size() + server_name.size());
  head += portal;
  head += '\0';
  head += server_name;
  head += '\0';
  f.to_server.copy(head);
  f.to_server.view(rest);
  return true;
}

void ClientStream::on_describe(Following& f, std::string_view seen) {
  wire::Cursor cursor(seen.substr(kHeaderSize));
  bool of_statement = cursor.u8() == 'S';
  std::string_view name = cursor.cstring();
  if (!cursor.ok() || !of_statement || (f.max_prepared == 0 && !name.empty())) {
    Owed::Entry entry{fe::kDescribe};
    const Owed::Entry* bind = f.owed.last();
    if (bind && bind->kind == fe::kBind && cursor.ok() && !of_statement) {
      entry.statement = bind->statement;
      if (bind->name_size > 0) {
        f.client.describe(f.owed.name_of(*bind));
        f.client.knows(f.owed.name_of(*bind), f.server.epoch(bind->statement));
      }
    } else {
      f.client.describe_all();  // it may be of any of them
    }
    f.owed.sent(std::move(entry));
    f.to_server.view(seen);
    return;
  }
  StatementRef statement = name.empty() ? f.client.unnamed_shared() : known_to(f, name);
  Owed::Entry entry{fe::kDescribe};
  if (statement) {
    // The rows of an EXECUTE are those of what its name means now.
    const auto& names = statement->names;
    const bool executes =
        !names.empty() && std::all_of(names.begin(), names.end(), [](const auto& use) {
          return use.verb == route::StatementName::Verb::Execute;
        });
    std::unique_ptr<Owed::Detail> now;
    if (!ensure_on_server(f, statement, name, executes ? &now : nullptr) && f.batch)
      f.batch->want();
    if (now) {
      entry.detail = std::make_unique<Owed::Detail>();
      entry.detail->aliases = std::move(now->aliases);
      entry.detail->executed = std::move(now->executed);
    }
    f.client.describe(name);
    f.client.knows(name, f.server.epoch(statement->id));
    entry.statement = statement->id;
    f.to_server.copy(short_message(fe::kDescribe, base::cat('S', statement->server_name, '\0')));
  } else if (name.empty()) {
    use_unnamed(f, true);
    f.to_server.view(seen);
  } else if (name.starts_with(kServerPrefix)) {
    std::string other = base::cat(kServerPrefix, "x_", name);
    entry.detail = std::make_unique<Owed::Detail>();
    entry.detail->aliases.push_back({other, std::string(name)});
    f.to_server.copy(short_message(fe::kDescribe, base::cat('S', other, '\0')));
  } else {
    f.to_server.view(seen);
  }
  f.owed.sent(std::move(entry), statement ? name : std::string_view());
}

void ClientStream::on_close(Following& f, std::string_view seen) {
  wire::Cursor cursor(seen.substr(kHeaderSize));
  bool of_statement = cursor.u8() == 'S';
  std::string_view name = cursor.cstring();
  if (!cursor.ok() || !of_statement || (f.max_prepared == 0 && !name.empty())) {
    f.owed.sent(fe::kClose);
    f.to_server.view(seen);
    return;
  }
  if (name.empty()) {
    Owed::Entry entry{fe::kClose};
    entry.unnamed = begin_unnamed(f);
    f.owed.sent(std::move(entry));
    f.to_server.view(seen);
    return;
  }
  Owed::Entry entry{fe::kClose, Owed::Action::Make};
  StatementRef known = known_to(f, name);
  StatementRef removed = f.client.remove(name);
  if (removed && f.batch) f.batch->removed(name, removed);
  if (known || removed) {
    entry.detail = undoing(removed ? Owed::kClientRemoved : Owed::kClientGone, nullptr);
    entry.detail->name = name;
    entry.detail->statement = removed ? std::move(removed) : std::move(known);
  }
  f.owed.sent(std::move(entry));
}

void ClientStream::on_query(Following& f, std::string_view seen) {
  // PostgreSQL drops its unnamed statement at a Query.
  Owed::Entry entry{fe::kQuery};
  entry.unnamed = begin_unnamed(f);
  f.server.unnamed_owner = 0;
  sql_effects_.reset();
  wire::Cursor cursor(seen.substr(kHeaderSize));
  std::string_view text = cursor.cstring();
  const route::Facts& facts = cursor.ok() ? f.facts.of(text) : FactsCache::everything();
  if (f.track) touch(facts);
  if (f.keep && cursor.ok()) entry.block = block_of(text);
  // In a transaction that has failed nothing of it runs, unless it ends that one first.
  bool refused = aborted(f) && (facts.touch & route::kExit) == 0;
  if (facts.names.empty() || f.max_prepared == 0 || refused) {
    f.owed.sent(std::move(entry));
    f.to_server.view(seen);
    return;
  }
  entry.detail = std::make_unique<Owed::Detail>();
  std::string rewritten = follow_sql_names(f, facts.names, text, true, *entry.detail, true);
  for (const StatementRef& statement : entry.detail->executed) touch(*statement);
  if (f.batch && !entry.detail->executed.empty()) f.batch->want();
  stalled_ = !entry.detail->effects.empty() || entry.detail->clears;
  f.owed.sent(std::move(entry));
  f.to_server.copy(head_of(fe::kQuery, rewritten.size() + 1));
  f.to_server.copy(rewritten);
  f.to_server.copy(std::string_view("\0", 1));
}

}  // namespace howdah::session
