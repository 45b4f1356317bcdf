// Read or write: what a text of SQL is by its grammar alone, and which names the catalogue of its
// database must answer for before it counts as a read (classifier.h asks). Deny by default: what is
// not understood, over 16 kB, too deep, or built of nodes that the code doesn't know is a write.
//
// Assumes texts that `readable` (facts.h) accepts; take others for writes. Pure; thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::route {

inline constexpr std::size_t kLargestRead = 16 * 1024;

// What a leading comment or SET howdah.route asks for.
enum class Wish : std::uint8_t { Auto, Primary, Replica };

// Where a statement may run, and what it leaves.
enum class Class : std::uint8_t {
  Read,   // on a replica
  Local,  // on the primary, but it writes nothing: SHOW, SET, BEGIN, system views
  Write,  // on the primary, and counts as a write
};

enum class Kind : std::uint8_t {
  Empty,
  Read,  // a read if its names are (SELECT, VALUES, COPY TO STDOUT, EXPLAIN, PREPARE, DECLARE ...)
  Write,
  Local,     // tells of one server or session
  Session,   // SET, RESET, DISCARD, DEALLOCATE, LISTEN: settings, no data
  Begin,     // opens a transaction block: see `access`, `serializable`
  End,       // COMMIT, ROLLBACK, SAVEPOINT ...: where the transaction is
  Execute,   // the class of the statement `statement`, if the names (of its parameters) are reads
  SetRoute,  // SET or RESET howdah.route, alone: `route`; not for the server
};

// Why. The first group comes with a class; the second is for those who then choose a server. Names
// for SHOW ROUTES by to_string.
enum class Reason : std::uint8_t {
  Read,
  Empty,
  Begin,
  BeginReadOnly,
  Serializable,
  End,
  Execute,
  Setting,
  Show,
  LocalFunction,
  LocalRelation,
  TooLong,
  TooDeep,
  NotUnderstood,  // a syntax error, a newer grammar, an unknown node
  NameNotAscii,
  Modifies,    // INSERT, UPDATE, DELETE, MERGE, TRUNCATE, also in WITH
  Definition,  // CREATE, ALTER, DROP, GRANT, SELECT INTO ...
  Utility,     // any other command: VACUUM, LOCK, CALL, DO, LOAD, NOTIFY, two-phase commit ...
  Locks,       // FOR UPDATE, FOR SHARE
  Cursor,      // FETCH, MOVE, CLOSE, WITH HOLD
  CopyFrom,    // also COPY TO a file or program
  Function,
  Operator,
  Cast,      // the database has a volatile cast, type or operator class
  Relation,  // temporary, unlogged, foreign, a sequence
  Missing,   // no such relation or function
  Unknown,   // the catalogue has not answered yet
  TooMany,   // names within names without end
  Rescued,   // a replica refused it once
  // Of the choice:
  WishedPrimary,
  WishedReplica,
  InTransaction,
  Batch,      // more than 16 kB, or a write, before Sync
  OwnWrite,   // the replicas have not replayed the client's write
  Monotonic,  // nor what it has read
  NoReplica,
  Unreadable,
  RoutingOff,
};
inline constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::RoutingOff) + 1;

std::string_view to_string(Reason reason);
std::string_view to_string(Class cls);
std::string_view to_string(Kind kind);

struct Name {
  enum class What : char {
    Relation = 'r',
    Function = 'f',
    Attribute = 'a',  // x.name, which may call name(x)
    Type = 't',
    Operator = 'o',
    Database = 'g',  // what holds for the whole database
  };
  What what = What::Relation;
  std::string schema, name;  // schema: empty if by search_path
  auto operator<=>(const Name&) const = default;
};

// What one text is. Immutable: cached by text, shared by all users.
struct Shape {
  Kind kind = Kind::Write;
  Reason reason = Reason::NotUnderstood;  // of `kind`, if the catalogue doesn't object
  std::string subject;                    // what the reason is about: a function's name, a command
  std::vector<Name> names;                // Read, Local, Execute: sorted, each once
  Wish hint = Wish::Auto;                 // of a leading comment
  Wish route = Wish::Auto;                // SetRoute
  // BEGIN, SET TRANSACTION and SET SESSION CHARACTERISTICS.
  enum class Access : std::uint8_t { Default, ReadOnly, ReadWrite };
  Access access = Access::Default;
  bool serializable = false;
  bool several = false;  // more than one statement
  bool ddl = false;      // definitions may change: the database's catalogue is void
  std::string
      statement;  // the name in EXECUTE, or in PREPARE, whose body `kind` and `names` tell of

  std::size_t bytes() const;
};

std::shared_ptr<const Shape> analyse(std::string_view sql);

// The hint of the comments that a text begins with: "/* howdah:primary */".
Wish leading_hint(std::string_view sql);

}  // namespace howdah::route
