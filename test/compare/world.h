// What conversations run on: a cluster, the databases `direct` and `pooled` made from one template,
// so that the OIDs in answers agree, and the pooler in front of `pooled`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compare/connection.h"
#include "support/cluster.h"
#include "support/pooler.h"

namespace howdah::compare {

struct WorldOptions {
  std::string pool_mode = "transaction";
  int servers = 2;
  int max_prepared = 3;  // few, so that statements are closed and prepared again all the time
  int slots = 6;         // tables are made for them
};

class World {
 public:
  explicit World(const WorldOptions& options);
  void open_direct(Connection& connection) const { connection.open(server_path_, "direct"); }
  void open_pooled(Connection& connection) const {
    connection.open(pooler_.unix_socket(), "pooled");
  }
  // Sends a CancelRequest to the pooler; the connection is then its.
  void cancel(Connection& connection, const std::string& key) const;
  // As at the start: tables as made, and new server connections of the pooler.
  void reset();
  // Dead rows would slow long runs down.
  void clean_up();
  test::Pooler& pooler() { return pooler_; }

 private:
  test::PgCluster cluster_;
  int slots_;
  std::string server_path_;
  test::Pooler pooler_;
  std::vector<std::unique_ptr<test::Client>> clients_;  // of both databases
};

}  // namespace howdah::compare
