// Requests of an idle client that need no server; see the header.
#include "howdah/session/local_answer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "howdah/wire/appender.h"

namespace howdah::session {

namespace fe = wire::fe;
using wire::kHeaderSize;

namespace {
// Calls `on(type, body)` for each message up to the end of the request; false stops. Gives its size.
template <typename F>
std::size_t walk(std::string_view bytes, std::uint32_t max_packet, F&& on) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    wire::Header header{};
    std::string_view rest = bytes.substr(at);
    if (wire::read_header(rest, max_packet, header) != wire::HeaderState::Ok) return 0;
    if (rest.size() - kHeaderSize < header.body) return 0;
    if (!on(header.type, rest.substr(kHeaderSize, header.body))) return 0;
    at += kHeaderSize + header.body;
    if (header.type == fe::kSync || header.type == fe::kQuery) return at;
  }
  return 0;
}

// The name that a lone DEALLOCATE names; empty: it is none.
std::string deallocated(std::string_view text, FactsCache& facts) {
  const route::Facts& seen = facts.of(text);
  bool lone = seen.single && seen.names.size() == 1 &&
              seen.names[0].verb == route::StatementName::Verb::Deallocate &&
              seen.names[0].size <= ClientStatements::kNameSize;  // of longer ones a server complains
  return lone ? seen.names[0].name : std::string();
}
}  // namespace

LocalRequest find_local(std::string_view bytes, std::uint32_t max_packet,
                        const ClientStatements& client, StatementTable& table,
                        const PoolStatements& pool, FactsCache& facts,
                        const Reading& reading) {
  LocalRequest found;
  std::vector<std::string_view> named;  // in this request: their order would matter
  auto fresh = [&](std::string_view name) {
    bool seen = std::find(named.begin(), named.end(), name) != named.end();
    named.push_back(name);
    return !seen;
  };
  found.size = walk(bytes, max_packet, [&](char type, std::string_view body) {
    wire::Cursor cursor(body);
    switch (type) {
      case fe::kSync:
      case fe::kFlush:
        return body.empty() && !named.empty();
      case fe::kClose: {
        if (cursor.u8() != 'S') return false;
        std::string_view name = cursor.cstring();
        return cursor.done() && !name.empty() && fresh(name);
      }
      case fe::kParse: {
        std::string_view name = cursor.cstring();
        if (!cursor.ok() || name.empty() || !fresh(name) || client.find(name)) return false;
        found.has_parse = true;
        return pool.accepted(
            table.get(Statement::Form::Protocol, cursor.rest(), reading.key())->id);
      }
      case fe::kQuery: {
        std::string_view text = cursor.cstring();
        if (!named.empty() || !cursor.done() || text.size() > 256) return false;
        std::string name = deallocated(text, facts);
        return !name.empty() && client.find(name);
      }
      default:
        return false;
    }
  });
  return found;
}

void answer_locally(std::string_view request, ClientStatements& client, StatementTable& table,
                    FactsCache& facts, const Reading& reading, base::Buffer& out) {
  walk(request, UINT32_MAX, [&](char type, std::string_view body) {
    wire::Cursor cursor(body);
    switch (type) {
      case fe::kClose:
        cursor.u8();
        client.remove(cursor.cstring());
        wire::Message(out, wire::be::kCloseComplete);
        break;
      case fe::kParse: {
        std::string_view name = cursor.cstring();
        client.add(name, table.get(Statement::Form::Protocol, cursor.rest(), reading.key()), false);
        wire::Message(out, wire::be::kParseComplete);
        break;
      }
      case fe::kQuery:
        client.remove(deallocated(cursor.cstring(), facts));
        client.begin_unnamed(true);
        wire::append_command_complete(out, "DEALLOCATE");
        wire::append_ready_for_query(out, wire::TxStatus::Idle);
        break;
      case fe::kSync:
        wire::append_ready_for_query(out, wire::TxStatus::Idle);
        break;
      default:
        break;
    }
    return true;
  });
}

}  // namespace howdah::session
