// What a text of SQL may leave behind on a server, and which prepared statements it names: all that
// transaction pooling must know of a statement. By libpg_query's grammar; a cheap scan answers for the
// many texts in which nothing of the kind can stand, so that most queries never reach the grammar.
//
// Wrong only to the safe side: a text that is not understood (a syntax error runs nothing; a newer
// grammar, over 128 kB) touches everything. Pure; thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::route {

enum Touch : std::uint16_t {
  // May change a setting beyond its transaction: SET, RESET, set_config(..., false or not constant),
  // DISCARD ALL, SET SESSION AUTHORIZATION, SET ROLE, SET SESSION CHARACTERISTICS. Not SET LOCAL.
  kSettings = 1,
  // set_config with a name that is not a constant: nobody can say which setting to follow.
  kUnknownSetting = 2,
  // May make or end state that cannot move: LISTEN, UNLISTEN, temporary tables (CREATE TEMP, SELECT INTO
  // TEMP, any DROP), DECLARE ... WITH HOLD, CLOSE, DISCARD, session advisory locks and their release.
  kPins = 4,
  // DO, CALL, or a function that is not the catalogue's.
  kHidden = 8,
  // CREATE, ALTER, DROP, COMMENT, GRANT ... : plans and result types may differ afterwards.
  kDdl = 16,
  // Names a prepared statement: `names` says where.
  kNames = 32,
  // Ends a transaction block (COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION, ROLLBACK TO): allowed
  // while a transaction has failed. Set only if it is the first statement.
  kExit = 64,
};

// A prepared statement's name in the text.
struct StatementName {
  enum class Verb : std::uint8_t { Prepare, Execute, Deallocate, DeallocateAll };
  Verb verb;
  std::size_t at = 0, size = 0;  // where the name stands, quotes included; DeallocateAll: the word ALL
  std::string name;              // as PostgreSQL knows it: unquoted, folded, cut to 63 bytes
  std::size_t end = 0;           // end of the statement it belongs to: its ';' or the end of the text
};

struct Facts {
  std::uint16_t touch = 0;
  std::vector<std::string> custom_settings;  // names with a dot that are set, lower case
  std::vector<StatementName> names;          // in the order of the text
  bool single = true;                        // at most one statement
};

// Can the texts of this client be read? The functions below take standard_conforming_strings
// as on, and a byte of ASCII always for itself: not so in BIG5, GB18030, GBK, JOHAB, SJIS,
// SHIFT_JIS_2004, UHC. The values are as the server reports them. A text that cannot be read: take it for
// one that touches everything.
enum class Readable : std::uint8_t { No, WithoutBackslash, Yes };
Readable readable(std::string_view client_encoding, std::string_view standard_conforming_strings);

// True when facts(sql).touch is surely 0; says nothing of `single`. The cheap scan alone, no
// allocation, 1 to 3 nanoseconds a byte.
bool surely_plain(std::string_view sql);

Facts facts(std::string_view sql);

// The highest n of $n in the text, outside of constants and comments, that PostgreSQL finds when it
// parses it: none in a PREPARE or EXECUTE. 0: there is none.
std::size_t parameters_used(std::string_view sql);

}  // namespace howdah::route
