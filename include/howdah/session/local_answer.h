// Requests of an idle client that need no server: what they ask for is known here.
//
//   Close x ... Sync             named statements are the client's own affair
//   DEALLOCATE x (by Query)      likewise, when the client has x
//   Parse x ... Sync             outside a transaction, of texts that this pool has accepted since the last
//                                change of the schema that was seen
// A program that prepares synchronously on one thread would otherwise wait for a server that only its
// own other connections can free. Parses are answered so only when no server is free at once; a late
// failure comes at Bind with PostgreSQL's own error and frees the name. Pure; thread: the client's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "howdah/base/buffer.h"
#include "howdah/session/relay.h"

namespace howdah::session {

struct LocalRequest {
  std::size_t size = 0;      // bytes of the request; 0: it needs a server, or is not all there
  bool has_parse = false;
};

// Looks at the request that `bytes` begin with; changes nothing.
LocalRequest find_local(std::string_view bytes, std::uint32_t max_packet,
                        const ClientStatements& client, StatementTable& table,
                        const PoolStatements& pool, FactsCache& facts,
                        const Reading& reading);

// Carries out the request that find_local() found and appends its answers.
void answer_locally(std::string_view request, ClientStatements& client, StatementTable& table,
                    FactsCache& facts, const Reading& reading, base::Buffer& out);

}  // namespace howdah::session
