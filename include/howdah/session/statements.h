// Prepared statements that follow their client from server to server (transaction mode).
//
//   client's name --ClientStatements--> Statement <--ServerStatements-- "howdah_<id>" on a server
//
// One StatementTable for all workers: equal text, parameter types and reading (reading.h) are one
// Statement, which has one name on all servers. It lives as long as a client or a server refers to
// it. A server keeps at most max_prepared_statements of them, the least recently used go first.
//
// Threads: StatementTable and PoolStatements lock; Statement is immutable; the maps belong to the
// worker that holds the client or server.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "howdah/base/mutex.h"
#include "howdah/route/facts.h"

namespace howdah::session {

// Names on servers begin with it. A client's own name that does is never sent as it is.
inline constexpr std::string_view kServerPrefix = "howdah_";

// EXECUTE of a statement that is an EXECUTE itself, and so on: so many are followed. Behind that a name
// is left as it is, and PostgreSQL says that there is none.
inline constexpr std::size_t kMaxNested = 4;

struct Statement {
  enum class Form : std::uint8_t {
    Protocol,  // body: of a Parse behind the name: query NUL, count of types (2), types (4 each)
    Sql,       // body: of a PREPARE behind the name: "(int) AS SELECT ..."
  };
  std::uint64_t id = 0;  // never 0 once in the table
  Form form = Form::Protocol;
  std::string body, reading, server_name;  // reading: Reading::key()
  std::uint16_t touch = 0;                 // route::Touch of its text
  std::vector<std::string> custom_settings;
  // Its text names statements itself (Parse of "EXECUTE x"): what they mean is the client's affair,
  // so it is not shared, and parsed anew, with the names they have on servers, whenever it is
  // bound.
  std::vector<route::StatementName> names;
  std::vector<std::shared_ptr<const Statement>>
      meant;  // by each of them when the client parsed it; or null
  std::size_t nested = 0;  // longest chain of such statements behind it: at most kMaxNested
  // Parsing it brings notices, which the client gets when it parses: an answer of ours would lack
  // them.
  mutable std::atomic<bool> gives_notice{false};
  // How often it was parsed as an unnamed statement (prepare_unnamed).
  mutable std::atomic<std::uint32_t> unnamed_uses{0};
};
using StatementRef = std::shared_ptr<const Statement>;

// The text of a Parse, given its body behind the name; nothing if it is malformed or a parameter has
// a type of the database's own: input functions of such types may do anything.
std::optional<std::string_view> text_without_own_types(std::string_view body);
// The same of a statement; that of SQL as a PREPARE.
std::optional<std::string> sql_of(const Statement& statement);

class StatementTable {
 public:
  StatementTable();
  StatementRef get(Statement::Form form, std::string_view body, std::string_view reading);
  // Another of the same text that is nobody else's.
  StatementRef alone(const Statement& like, std::vector<StatementRef> meant);
  std::size_t size() const;

 private:
  struct Store;
  std::shared_ptr<Store> store_;  // statements may outlive the table's owner at exit
};

// What is known of statements in one pool.
class PoolStatements {
 public:
  // A CREATE, ALTER or DROP was seen: results of statements may have changed.
  void schema_changed() { epoch_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_relaxed); }
  // A server of this pool has parsed it in this epoch.
  void accept(std::uint64_t id);
  bool accepted(std::uint64_t id) const;

 private:
  std::atomic<std::uint64_t> epoch_{0};
  mutable base::Mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> accepted_ GUARDED_BY(mutex_);
};

// Which statements a client has, by its own names. As PostgreSQL keeps them: of a name the first
// kNameSize bytes count.
class ClientStatements {
 public:
  static constexpr std::size_t kNameSize = 63;
  static std::string_view cut(std::string_view name) { return name.substr(0, kNameSize); }
  StatementRef find(std::string_view name) const;
  // `proved`: a server has parsed it for this client.
  void add(std::string_view name, StatementRef statement, bool proved = true);
  StatementRef remove(std::string_view name);
  // True once for a statement that was not proved: from now on it counts as such.
  bool take_unproved(std::string_view name);
  // The client was, or is about to be, told what rows it gives.
  void describe(std::string_view name);
  void describe_all();
  bool described(std::string_view name) const;
  // The PoolStatements epoch of the newest plan whose rows, or whose being outdated, the client was
  // told of: an older plan is not for it.
  void knows(std::string_view name, std::uint64_t epoch);
  std::uint64_t known_epoch(std::string_view name) const;
  // Only if the name still means this one.
  void remove(std::string_view name, std::uint64_t id);
  void clear();
  std::size_t size() const { return names_ ? names_->size() : 0; }
  // Whether one of its names means this statement.
  bool means(std::uint64_t id) const;
  // Counts what changed the names.
  std::uint64_t version() const { return version_; }

  // The unnamed statement, as Parse's body behind the name: a later batch may bind it on another
  // server. A copy of its own, as there is nothing to share; long texts are not kept.
  //
  // Each Parse, Query (which drops it) and Close of it begins a version, which holds none at first.
  // `certain`: nothing sent before can fail any more, so no version before is needed again.
  void begin_unnamed(bool certain);
  void keep_unnamed(std::string_view body);
  void share_unnamed(StatementRef statement) { unnamed_.shared = std::move(statement); }
  // What began this version was skipped behind an error: the one before it holds again.
  void skip_unnamed(std::uint64_t serial);
  // It was not skipped but failed: there is none.
  void fail_unnamed(std::uint64_t serial);
  const std::string* unnamed() const { return unnamed_.has ? &unnamed_.body : nullptr; }
  // It is this shared one (prepare_unnamed); Bind "" means it.
  const StatementRef& unnamed_shared() const { return unnamed_.shared; }
  std::uint64_t unnamed_serial() const { return unnamed_.serial; }

 private:
  struct Unnamed {
    std::uint64_t serial = 0;
    bool has = false;
    std::string body;
    StatementRef shared;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Known {
    StatementRef statement;
    bool proved;
    bool described = false;
    std::uint64_t epoch = 0;
  };
  using Names = std::unordered_map<std::string, Known, Hash, std::equal_to<>>;
  std::unique_ptr<Names> names_;  // most clients have none
  std::uint64_t version_ = 0, last_serial_ = 0;
  Unnamed unnamed_;
  std::unique_ptr<std::vector<Unnamed>> older_;  // while what came after may be skipped; bounded
};

// Which statements a server has.
class ServerStatements {
 public:
  enum class Has : std::uint8_t {
    No,
    Yes,
    Stale,  // its plan must not be used again: close it, then parse it anew
  };
  Has has(std::uint64_t id) const;
  // The PoolStatements epoch in which it was parsed.
  std::uint64_t epoch(std::uint64_t id) const;
  void add(StatementRef statement, std::uint64_t epoch);
  StatementRef remove(std::uint64_t id);
  void used(std::uint64_t id);  // now the most recently used
  void mark_stale(std::uint64_t id);
  StatementRef oldest() const { return order_.empty() ? nullptr : order_.back().statement; }
  void clear();
  std::size_t size() const { return order_.size(); }

  // Whose unnamed statement it holds, and which of that client's; 0: nobody's.
  std::uint64_t unnamed_owner = 0, unnamed_serial = 0;
  // It has the statement that DEALLOCATE is made to name (see client_stream.cpp).
  bool has_dummy = false;

 private:
  struct Held {
    StatementRef statement;
    std::uint64_t epoch;
    bool stale;
  };
  std::list<Held> order_;  // most recently used first
  std::unordered_map<std::uint64_t, std::list<Held>::iterator> by_id_;
};

}  // namespace howdah::session
