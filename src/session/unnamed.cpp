// The unnamed statement of a client, in whatever batch and on whatever server it is used; see
// client_stream.cpp.
#include <utility>
#include <vector>

#include "howdah/base/text.h"
#include "howdah/session/relay.h"
#include "session/sql_names.h"

namespace howdah::session {

namespace fe = wire::fe;

namespace {
// An unnamed statement that comes again is planned once from this use on (prepare_unnamed).
constexpr std::uint32_t kUnnamedUses = 3;
}  // namespace

void ClientStream::parse_unnamed(Following& f, std::string_view seen, std::string_view body) {
  wire::Cursor cursor(body);
  std::string_view text = cursor.cstring();
  const bool long_text = !cursor.ok();  // too long to be held: only a part is here
  const route::Facts& facts = long_text ? FactsCache::everything() : f.facts.of(text);
  if (f.track) touch(facts);
  sql_effects_.reset();
  const std::uint64_t serial = begin_unnamed(f);
  // One that cannot succeed is left as it is.
  const bool follow = !facts.names.empty() && facts.single && !aborted(f);
  if (follow && f.max_prepared > 0) {
    auto detail = std::make_unique<Owed::Detail>();
    std::string rewritten = follow_sql_names(f, facts.names, text, false, *detail, true);
    for (const StatementRef& statement : detail->executed) touch(*statement);
    f.client.keep_unnamed(body);
    f.to_server.copy(head_of(fe::kParse, 2 + rewritten.size() + cursor.rest().size()));
    f.to_server.copy(base::cat('\0', rewritten, '\0'));
    f.to_server.view(cursor.rest());
    Owed::Entry entry{fe::kParse};
    entry.unnamed = serial;
    f.owed.sent(std::move(entry));
    f.server.unnamed_owner = f.client_id;
    f.server.unnamed_serial = serial;
    sql_effects_ = std::move(detail);
    names_version_ = f.client.version();
    return;
  }
  if (f.share_unnamed && f.max_prepared > 0 && !long_text && facts.touch == 0) {
    StatementRef statement = f.table.get(Statement::Form::Protocol, body, f.reading.key());
    f.facts.keep(statement);
    if (++statement->unnamed_uses >= kUnnamedUses) {
      bool known = f.server.has(statement->id) == ServerStatements::Has::Yes && f.owed.quiet() &&
                   f.tx != wire::TxStatus::Failed && !statement->gives_notice &&
                   f.server.epoch(statement->id) == f.pool.epoch();
      Owed::Entry entry{fe::kParse};
      entry.statement = statement->id;
      entry.unnamed = serial;
      entry.detail = std::make_unique<Owed::Detail>();
      entry.detail->statement = statement;
      if (known) {
        entry.action = Owed::Action::Make;
        f.server.used(statement->id);
      } else {
        if (f.server.has(statement->id) != ServerStatements::Has::No) {
          close_on_server(f, statement);
        }
        f.server.add(statement, f.pool.epoch());
        entry.detail->undo = Owed::kServerAdded;
        f.to_server.copy(head_of(fe::kParse, statement->server_name.size() + 1 + body.size()));
        f.to_server.copy(statement->server_name + '\0');
        f.to_server.view(body);
      }
      f.owed.sent(std::move(entry));
      make_room(f);
      f.client.share_unnamed(std::move(statement));
      if (f.batch) f.batch->parses_unnamed();
      return;
    }
  }
  Owed::Entry entry{fe::kParse};
  entry.unnamed = serial;
  f.owed.sent(std::move(entry));
  f.to_server.view(seen);
  f.server.unnamed_owner = f.client_id;
  f.server.unnamed_serial = serial;
  if (!long_text) f.client.keep_unnamed(body);
}

// A new version of the unnamed statement, none at first.
std::uint64_t ClientStream::begin_unnamed(Following& f) {
  f.client.begin_unnamed(f.owed.nothing());
  return f.client.unnamed_serial();
}

// Before the unnamed statement is used: the server must hold this client's, or none.
void ClientStream::use_unnamed(Following& f, bool describe) {
  const std::string* body = f.client.unnamed();
  const bool held =
      f.server.unnamed_owner == f.client_id && f.server.unnamed_serial == f.client.unnamed_serial();
  // One that names statements is parsed anew each time: what they mean may have changed.
  const bool depends = body && f.max_prepared > 0 && !f.facts.of(body->c_str()).names.empty();
  if (held && (!depends || describe)) return;
  if (held && sql_effects_ && names_version_ == f.client.version()) return;
  if (body && stand_in_unnamed(f, *body)) {
    f.server.unnamed_owner = 0;
    return;
  }
  f.server.unnamed_owner = f.client_id;
  f.server.unnamed_serial = f.client.unnamed_serial();
  if (body) {
    const route::Facts& facts = f.facts.of(body->c_str());
    if (f.track) touch(facts);
    std::string renamed;
    if (depends) {
      sql_effects_ = std::make_unique<Owed::Detail>();
      std::string_view text(body->c_str());
      renamed = follow_sql_names(f, std::vector(facts.names), text, false, *sql_effects_, false);
      names_version_ = f.client.version();
      renamed += std::string_view(*body).substr(text.size());
      for (const StatementRef& statement : sql_effects_->executed) touch(*statement);
      body = &renamed;
    }
    f.to_server.copy(head_of(fe::kParse, 1 + body->size()) + '\0');
    f.to_server.copy(*body);
    Owed::Entry entry = ours(fe::kParse);
    entry.unnamed = f.client.unnamed_serial();
    f.owed.sent(std::move(entry));
  } else {
    Owed::Entry entry = ours(fe::kClose);
    entry.unnamed = f.client.unnamed_serial();
    send_ours(f, std::move(entry), std::string_view("S\0", 2));
  }
}

}  // namespace howdah::session
