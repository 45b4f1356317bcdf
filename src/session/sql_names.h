// SQL's own PREPARE, EXECUTE and DEALLOCATE, made to reach the same statements as the protocol's.
//
//   PREPARE x (int) AS ...   -> PREPARE howdah_7 (int) AS ...      x is the client's from its tag on
//   EXECUTE x (1)            -> EXECUTE howdah_7 (1)               parsed on this server first if need be
//   DEALLOCATE x             -> DEALLOCATE howdah_d                an empty statement made for it: the
//                                                                  shared one stays for others
// Names that the client does not have stay as they are, so that PostgreSQL itself complains.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/session/relay.h"

namespace howdah::session {

// Sends what the statements in `text` need on the server and gives the text with the names changed;
// aliases, effects and what it executes are noted in `detail`. `query`: the text comes by Query, so what
// goes before it needs a Sync.
std::string follow_sql_names(Following& f, const std::vector<route::StatementName>& names,
                             std::string_view text, bool query, Owed::Detail& detail);

// The body of a Parse for a statement whose text names others.
std::string follow_names_of(Following& f, const Statement& statement, Owed::Detail& detail);

// Makes sure that the server has the statement (or will have when the next message reaches it).
// True when messages were sent that may fail. `effects`: gets what executing it will do to the maps.
// `name`: the client's, freed when its statement was never parsed and cannot be.
bool ensure_on_server(Following& f, const StatementRef& statement, std::string_view name,
                      std::unique_ptr<Owed::Detail>* effects = nullptr);

// What the client's name means when the next message reaches the server; null: nothing.
StatementRef known_to(const Following& f, std::string_view name);

// Closes it on the server, unseen by the client.
void close_on_server(Following& f, const StatementRef& statement);
// Closes the least recently used while there are too many.
void make_room(Following& f);

// Protocol messages for a Pieces.
std::string head_of(char type, std::size_t body);
std::string short_message(char type, std::string_view body);

}  // namespace howdah::session
