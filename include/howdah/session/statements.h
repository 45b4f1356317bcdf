// Prepared statements that follow their client from server to server (transaction mode).
//
//   client's name --ClientStatements--> Statement <--ServerStatements-- "howdah_<id>" on a server
//
// One StatementTable for all workers: equal text, parameter types and search_path are one Statement,
// which has one name on all servers. It lives as long as a client or a server refers to it. A server
// keeps at most max_prepared_statements of them, the least recently used go first.
//
// Threads: StatementTable and PoolStatements lock; Statement is immutable; the maps belong to the
// worker that holds the client or server.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "howdah/base/mutex.h"
#include "howdah/route/facts.h"

namespace howdah::session {

// Names on servers begin with it. A client's own name that does is never sent as it is.
inline constexpr std::string_view kServerPrefix = "howdah_";

struct Statement {
  enum class Form : std::uint8_t {
    Protocol,  // body: of a Parse behind the name: query NUL, count of types (2), types (4 each)
    Sql,       // body: of a PREPARE behind the name: "(int) AS SELECT ..."
  };
  std::uint64_t id = 0;  // never 0 once in the table
  Form form = Form::Protocol;
  std::string body, search_path, server_name;
  std::uint16_t touch = 0;  // route::Touch of its text
  std::vector<std::string> custom_settings;
  // Its text names statements itself (Parse of "EXECUTE x"): what they mean is the client's affair, so it
  // is parsed anew, with the names they have on servers, whenever it is used.
  std::vector<route::StatementName> names;
  // How often it was parsed as an unnamed statement (prepare_unnamed).
  mutable std::atomic<std::uint32_t> unnamed_uses{0};
};
using StatementRef = std::shared_ptr<const Statement>;

class StatementTable {
 public:
  StatementTable();
  StatementRef get(Statement::Form form, std::string_view body, std::string_view search_path);
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

// Which statements a client has, by its own names.
class ClientStatements {
 public:
  StatementRef find(std::string_view name) const;
  // `proved`: a server has parsed it for this client.
  void add(std::string_view name, StatementRef statement, bool proved = true);
  StatementRef remove(std::string_view name);
  // True once for a statement that was not proved: from now on it counts as such.
  bool take_unproved(std::string_view name);
  // Only if the name still means this one.
  void remove(std::string_view name, std::uint64_t id);
  void clear() { names_.reset(); }
  std::size_t size() const { return names_ ? names_->size() : 0; }

  // The unnamed statement, as Parse's body behind the name: a later batch may bind it on another
  // server. A copy of its own, as there is nothing to share; long texts are not kept.
  void keep_unnamed(std::string_view body);
  void drop_unnamed() { has_unnamed_ = false; }
  const std::string* unnamed() const { return has_unnamed_ ? &unnamed_ : nullptr; }
  std::uint64_t unnamed_serial = 0;  // counts what changed it: Parses, and Queries, which drop it
  // The unnamed statement is this shared one (prepare_unnamed); Bind "" means it.
  StatementRef unnamed_shared;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Known {
    StatementRef statement;
    bool proved;
  };
  using Names = std::unordered_map<std::string, Known, Hash, std::equal_to<>>;
  std::unique_ptr<Names> names_;  // most clients have none
  std::string unnamed_;
  bool has_unnamed_ = false;
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
