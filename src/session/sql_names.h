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
// goes before it needs a Sync. `visible`: the client's own message has this text, and what the server
// remarks about it is the client's to hear.
std::string follow_sql_names(Following& f, const std::vector<route::StatementName>& names,
                             std::string_view text, bool query, Owed::Detail& detail, bool visible);

// The body of a Parse for a statement whose text names others.
std::string follow_names_of(Following& f, const Statement& statement, Owed::Detail& detail,
                            bool visible);

// Makes sure that the server has the statement (or will have when the next message reaches it).
// True when messages were sent that may fail. `name`: the client's, freed when its statement was never
// parsed and cannot be. `effects`: it is to be executed, so that statements which it names must be what
// the names mean now; gets what executing it will do to the maps.
bool ensure_on_server(Following& f, const StatementRef& statement, std::string_view name,
                      std::unique_ptr<Owed::Detail>* effects = nullptr);

// The next message meets a transaction that has failed: nothing can be parsed but what ends one.
bool aborted(const Following& f);
// In such a transaction: an empty statement in its place, if this server lacks it. A Bind or an executable
// text is refused all the same, in PostgreSQL's words. False: it can be parsed.
bool stand_in(Following& f, const StatementRef& statement);
// The same for the unnamed one.
bool stand_in_unnamed(Following& f, std::string_view body);

// What the client's name means when the next message reaches the server; null: nothing.
StatementRef known_to(const Following& f, std::string_view name);

// The server's plan of it is older than what the client was told of its rows.
bool is_older(const Following& f, const StatementRef& statement, std::string_view name);

// Closes it on the server, unseen by the client.
void close_on_server(Following& f, const StatementRef& statement);
// Closes the least recently used while there are too many.
void make_room(Following& f);

// Messages of ours, whose answers the client does not see.
Owed::Entry ours(char kind, std::uint64_t statement = 0);
std::unique_ptr<Owed::Detail> undoing(std::uint8_t undo, StatementRef statement);
void send_ours(Following& f, Owed::Entry entry, std::string_view body);

// Protocol messages for a Pieces.
std::string head_of(char type, std::size_t body);
std::string short_message(char type, std::string_view body);

// An ErrorResponse, as a whole message, with other values in its fields: value_of(type, value).
template <typename F>
std::string error_anew(std::string_view whole, F&& value_of) {
  std::string body;
  wire::Cursor cursor(whole.substr(wire::kHeaderSize));
  while (std::uint8_t type = cursor.u8()) {
    std::string_view value = cursor.cstring();
    if (!cursor.ok()) break;
    body += static_cast<char>(type);
    body += value_of(static_cast<char>(type), value);
    body += '\0';
  }
  body += '\0';
  return short_message(wire::be::kErrorResponse, body);
}

}  // namespace howdah::session
