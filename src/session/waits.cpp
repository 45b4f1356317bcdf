// What a message must wait for until every request before it is answered (Stop::Stall): what became
// of names that these requests gave or took, and the state of the transaction where the server must
// be made ready by messages of ours, which fail in one that has failed. See client_stream.cpp.
#include "howdah/session/relay.h"
#include "session/sql_names.h"

namespace howdah::session {

using wire::kHeaderSize;
namespace fe = wire::fe;

namespace {
// The statement that a message names. False: none, or not all of the name is here.
bool statement_named(char type, std::string_view seen, std::string_view& name) {
  wire::Cursor cursor(seen.substr(kHeaderSize));
  if (type == fe::kBind) cursor.cstring();
  if (type == fe::kDescribe || type == fe::kClose) {
    if (cursor.u8() != 'S') return false;
  } else if (type != fe::kParse && type != fe::kBind) {
    return false;
  }
  name = cursor.cstring();
  return cursor.ok();
}

// An earlier request gave or took this name, or its statement on this server, and whether that
// worked is not known yet.
bool is_uncertain(const Following& f, std::string_view name) {
  StatementRef statement = f.client.find(name);
  name = ClientStatements::cut(name);
  bool pending = false, uncertain = false;
  f.owed.each([&](const Owed::Entry& entry) {
    if (entry.detail) {
      std::uint8_t undo = entry.detail->undo;
      bool of_client = (undo & (Owed::kClientAdded | Owed::kClientRemoved)) != 0;
      bool of_server = (undo & (Owed::kServerAdded | Owed::kServerRemoved)) != 0;
      if (of_client && ClientStatements::cut(entry.detail->name) == name) pending = true;
      if (of_server && statement && entry.statement == statement->id) pending = true;
      // What SQL says is done when it is told, and not if a COPY before it in that Query fails.
      if (entry.detail->clears) uncertain = true;
      for (std::size_t i = entry.detail->next_effect; i < entry.detail->effects.size(); ++i)
        if (entry.detail->effects[i].name == name) uncertain = true;
    }
    if (entry.kind == fe::kSync) uncertain |= pending;
  });
  return uncertain;
}

bool is_missing(const Following& f, const StatementRef& statement) {
  return statement &&
         (f.server.has(statement->id) != ServerStatements::Has::Yes || !statement->names.empty());
}

// Statements that the text names must be known before it is sent.
bool names_statements(const Following& f, std::string_view text) {
  return !f.facts.of(text).names.empty();
}

bool unnamed_is_missing(const Following& f) {
  if (is_missing(f, f.client.unnamed_shared())) return true;
  bool held =
      f.server.unnamed_owner == f.client_id && f.server.unnamed_serial == f.client.unnamed_serial();
  const std::string* body = f.client.unnamed();
  return !held || (body && f.max_prepared > 0 && names_statements(f, body->c_str()));
}
// An earlier batch parses or drops the unnamed statement, and this one doesn't before it uses it:
// if that was skipped the server holds what it held before, which may be another client's.
bool unnamed_is_uncertain(const Following& f) {
  bool pending = false, uncertain = false, here = false;
  f.owed.each([&](const Owed::Entry& entry) {
    if (entry.unnamed != 0) pending = here = true;
    if (entry.kind != fe::kSync) return;
    uncertain |= pending;
    here = false;
  });
  return uncertain && !here;
}
}  // namespace

bool ClientStream::must_wait(const Following& f, char type, std::string_view seen,
                             bool whole) const {
  std::string_view name;
  bool named = statement_named(type, seen, name);
  if ((type == fe::kBind || type == fe::kDescribe) && named && name.empty()) {
    return unnamed_is_missing(f) || unnamed_is_uncertain(f);
  }
  if (f.max_prepared == 0) return false;
  if (named && !name.empty()) {
    if (is_uncertain(f, name)) return true;
    StatementRef statement = f.client.find(name);
    if (type != fe::kClose && (is_missing(f, statement) ||
                               (statement && is_older(f, statement, name))))
      return true;
  }
  if (!whole || (type != fe::kQuery && type != fe::kParse)) return false;
  wire::Cursor cursor(seen.substr(kHeaderSize));
  if (type == fe::kParse) cursor.cstring();
  std::string_view text = cursor.cstring();
  return cursor.ok() && names_statements(f, text);
}

}  // namespace howdah::session
