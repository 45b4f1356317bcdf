// What conversations run on; see the header.
#include "compare/world.h"

#include "compare/statements.h"
#include "support/raw.h"

namespace howdah::compare {

namespace {

// Makes the databases; part of building the pooler, which must find them.
test::PoolerConfig prepare(test::PgCluster& cluster, const WorldOptions& options) {
  cluster.sql("create database original");
  {
    test::Client client = cluster.connect("original");
    for (int slot = 0; slot < options.slots; ++slot) client.exec(make_tables(slot));
  }
  cluster.sql("create database direct template original");
  cluster.sql("create database pooled template original");
  return {.settings = {{"pool_mode", options.pool_mode},
                       {"default_pool_size", std::to_string(options.servers)},
                       {"max_prepared_statements", std::to_string(options.max_prepared)},
                       {"query_wait_notify", "0"},  // the notice has no counterpart
                       {"log_connections", "0"},
                       {"log_disconnections", "0"}},
          .databases = {"pooled = host=" + cluster.socket_dir() +
                        " port=" + std::to_string(cluster.port())}};
}

}  // namespace

World::World(const WorldOptions& options)
    : slots_(options.slots),
      server_path_(cluster_.socket_dir() + "/.s.PGSQL." + std::to_string(cluster_.port())),
      pooler_(prepare(cluster_, options)) {
  for (const char* database : {"direct", "pooled"}) {
    clients_.push_back(std::make_unique<test::Client>(cluster_.conninfo(database)));
  }
  reset();
}

void World::cancel(Connection& connection, const std::string& key) const {
  connection.open_silent(pooler_.unix_socket());
  connection.send(test::msg::cancel(key));
  connection.flush();
}

void World::reset() {
  // Who was left in a transaction is gone, but what it had sent may still be running.
  for (auto& client : clients_) {
    client->exec(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where backend_type = "
        "'client "
        "backend' and datname = current_database() and pid <> pg_backend_pid()");
  }
  test::eventually("no server of the pooler is left", [&] {
    pooler_.console("RECONNECT");  // who was waiting got a new one
    test::Result servers = pooler_.console("SHOW SERVERS");
    for (int row = 0; row < servers.rows(); ++row) {
      if (servers.at(row, "database") == "pooled") return false;
    }
    return true;
  });
  for (auto& client : clients_) {
    for (int slot = 0; slot < slots_; ++slot) client->exec(restore_tables(slot));
  }
}

void World::clean_up() {
  for (auto& client : clients_) client->exec("vacuum");
}

}  // namespace howdah::compare
