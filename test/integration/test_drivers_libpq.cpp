// libpq itself: prepared statements by its own functions, and its pipeline mode, by several clients
// in turn on one server and on two.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(int servers) {
  primary().create_database("libpq");
  return Pooler(
      {.settings = {{"pool_mode", "transaction"}, {"default_pool_size", std::to_string(servers)}},
       .databases = {entry("db", primary(), "libpq")}});
}

bool send_prepare(Client& client, const char* name, const std::string& sql) {
  return PQsendPrepare(client.raw(), name, sql.c_str(), 0, nullptr) == 1;
}

bool send_prepared(Client& client, const char* name, const std::string& value) {
  const char* values[] = {value.c_str()};
  return PQsendQueryPrepared(client.raw(), name, 1, values, nullptr, nullptr, 0) == 1;
}

// The results up to the end of the pipeline's next sync: "ok", an error's SQLSTATE, the first value
// of rows, "aborted".
std::vector<std::string> results(Client& client) {
  std::vector<std::string> all;
  while (true) {
    Result result = client.next();
    if (!result) continue;
    switch (result.status()) {
      case PGRES_PIPELINE_SYNC:
        return all;
      case PGRES_PIPELINE_ABORTED:
        all.push_back("aborted");
        break;
      case PGRES_COMMAND_OK:
        all.push_back("ok");
        break;
      case PGRES_TUPLES_OK:
        all.push_back(result.rows() ? result.at(0, 0) : "none");
        break;
      default:
        all.push_back(result.error().code);
    }
  }
}

using Answers = std::vector<std::string>;

}  // namespace

TEST_CASE("PQprepare and PQexecPrepared follow their client from server to server") {
  Pooler pooler = make_pooler(2);
  Client holder = pooler.connect("db");
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(pooler.connect("db"));
  for (int i = 0; i < 4; ++i) {
    std::string sql = "select $1::int + " + std::to_string(i * 100);
    Result made(PQprepare(clients[i].raw(), "q", sql.c_str(), 1, nullptr));
    CHECK(made.status() == PGRES_COMMAND_OK);
  }
  for (int turn = 0; turn < 6; ++turn) {
    holder.exec(turn % 2 == 0 ? "begin" : "commit");
    for (int i = 0; i < 4; ++i) {
      std::string argument = std::to_string(turn);
      const char* values[] = {argument.c_str()};
      Result row(PQexecPrepared(clients[i].raw(), "q", 1, values, nullptr, nullptr, 0));
      REQUIRE(row.status() == PGRES_TUPLES_OK);
      CHECK(row.at(0, 0) == std::to_string(turn + i * 100));
      Result described(PQdescribePrepared(clients[i].raw(), "q"));
      REQUIRE(described.status() == PGRES_COMMAND_OK);
      CHECK(PQnparams(described.raw()) == 1);
      CHECK(PQparamtype(described.raw(), 0) == 23);
      CHECK(PQftype(described.raw(), 0) == 23);
    }
  }
}

TEST_CASE("a pipeline prepares and uses; the next one finds the statements on any server") {
  for (int servers : {1, 2}) {
    CAPTURE(servers);
    Pooler pooler = make_pooler(servers);
    std::vector<Client> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(pooler.connect("db"));
      REQUIRE(PQenterPipelineMode(clients[i].raw()) == 1);
    }
    for (int i = 0; i < 4; ++i) {
      std::string base = std::to_string(i * 10);
      REQUIRE(send_prepare(clients[i], "a", "select $1::int + " + base));
      REQUIRE(send_prepare(clients[i], "b", "select 100 / $1::int + " + base));
      REQUIRE(send_prepared(clients[i], "a", "1"));
      REQUIRE(send_prepared(clients[i], "b", "2"));
      REQUIRE(PQpipelineSync(clients[i].raw()) == 1);
    }
    for (int i = 0; i < 4; ++i) {
      CHECK(results(clients[i]) ==
            Answers{"ok", "ok", std::to_string(1 + i * 10), std::to_string(50 + i * 10)});
    }
    for (int turn = 0; turn < 10; ++turn) {
      for (int i = 0; i < 4; ++i) {
        REQUIRE(send_prepared(clients[i], turn % 2 ? "a" : "b", "4"));
        REQUIRE(PQpipelineSync(clients[i].raw()) == 1);
      }
      for (int i = 0; i < 4; ++i) {
        CHECK(results(clients[i]) == Answers{std::to_string((turn % 2 ? 4 : 25) + i * 10)});
      }
    }
  }
}

TEST_CASE(
    "an error aborts a pipeline up to its sync, and what it would have prepared is not there") {
  for (int servers : {1, 2}) {
    CAPTURE(servers);
    Pooler pooler = make_pooler(servers);
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(pooler.connect("db"));
      Client& client = clients.back();
      REQUIRE(PQenterPipelineMode(client.raw()) == 1);
      REQUIRE(send_prepare(client, "before", "select 10 / $1::int"));
      REQUIRE(send_prepared(client, "before", "0"));
      REQUIRE(send_prepare(client, "behind", "select $1::int"));
      REQUIRE(send_prepared(client, "behind", "1"));
      REQUIRE(PQpipelineSync(client.raw()) == 1);
      REQUIRE(send_prepared(client, "before", "5"));
      REQUIRE(send_prepared(client, "behind", "1"));
      REQUIRE(send_prepared(client, "before", "1"));
      REQUIRE(PQpipelineSync(client.raw()) == 1);
      REQUIRE(send_prepare(client, "behind", "select 7 + $1::int"));
      REQUIRE(send_prepared(client, "behind", "1"));
      REQUIRE(PQpipelineSync(client.raw()) == 1);
    }
    for (Client& client : clients) {
      CHECK(results(client) == Answers{"ok", "22012", "aborted", "aborted"});
      CHECK(results(client) == Answers{"2", "26000", "aborted"});
      CHECK(results(client) == Answers{"ok", "8"});
    }
    for (Client& client : clients) {
      REQUIRE(send_prepare(client, "behind", "select 1"));
      REQUIRE(PQpipelineSync(client.raw()) == 1);
      REQUIRE(send_prepared(client, "behind", "2"));
      REQUIRE(PQpipelineSync(client.raw()) == 1);
      CHECK(results(client) == Answers{"42P05"});
      CHECK(results(client) == Answers{"9"});
    }
  }
}

TEST_CASE("a thousand statements of one client, used in any order") {
  Pooler pooler = make_pooler(2);
  Client client = pooler.connect("db"), other = pooler.connect("db");
  REQUIRE(PQenterPipelineMode(client.raw()) == 1);
  constexpr int kMany = 1000;
  auto name = [](int i) { return "s" + std::to_string(i); };
  for (int i = 0; i < kMany; ++i) {
    REQUIRE(send_prepare(client, name(i).c_str(), "select $1::int + " + std::to_string(i)));
    if (i % 50 != 49) continue;
    REQUIRE(PQpipelineSync(client.raw()) == 1);
    CHECK(results(client) == Answers(50, "ok"));
  }
  for (int i = 0; i < kMany; i += 50) {
    other.exec(i % 100 == 0 ? "begin" : "commit");
    Answers wanted;
    for (int k = 0; k < 50; ++k) {
      int which = (i + k * 37) % kMany;
      REQUIRE(send_prepared(client, name(which).c_str(), "1"));
      wanted.push_back(std::to_string(which + 1));
    }
    REQUIRE(PQpipelineSync(client.raw()) == 1);
    CHECK(results(client) == wanted);
  }
}
