// Messages and streams bigger than any buffer pass through with bounded memory.
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr long kMega = 1000000;
// What the process may grow by while any amount of data passes, in kB.
constexpr long kGrowth = 20000;

Pooler make_pooler() {
  primary().create_database("big");
  return Pooler({.settings = {{"pool_mode", "transaction"}, {"default_pool_size", "2"}},
                 .databases = {entry("db", primary(), "big")},
                 // What asan keeps of freed memory is not the pooler's.
                 .environment = {"ASAN_OPTIONS=quarantine_size_mb=2"}});
}

// One value of that many bytes: PostgreSQL's limit for a text is 1 GB less some, so a row of
// several columns makes bigger messages.
void check_row(Pooler& pooler, long bytes, int columns) {
  RawClient client = pooler.raw("db");
  long before = pooler.process().memory_kb("VmHWM");
  std::string column = "repeat('x', " + std::to_string(bytes / columns) + ")";
  std::string sql = "select " + column;
  for (int i = 1; i < columns; ++i) sql += ", " + column;
  client.send(msg::query(sql));
  long seen = client.skip_message('D', Millis{600000});
  CHECK(seen >= bytes);
  CHECK(client.types_until('Z', Millis{600000}) == "CZ");
  CHECK(pooler.process().memory_kb("VmHWM") - before < kGrowth);
}

}  // namespace

TEST_CASE("a row of 100 MB (1 GB in a full run) streams through") {
  Pooler pooler = make_pooler();
  check_row(pooler, 100 * kMega, 1);
  if (full_run()) check_row(pooler, 1000 * kMega, 8);
}

TEST_CASE("a query of 100 MB streams through") {
  Pooler pooler = make_pooler();
  RawClient client = pooler.raw("db");
  long before = pooler.process().memory_kb("VmHWM");
  long size = 100 * kMega;
  // Sent in pieces, so that the test needs no 100 MB either.
  std::string head = "select length('", tail = "')";
  client.send("Q" + msg::i32(4 + static_cast<long>(head.size()) + size +
                             static_cast<long>(tail.size()) + 1) + head);
  std::string piece(kMega, 'y');
  for (long sent = 0; sent < size; sent += kMega) client.send(piece);
  client.send(tail + '\0');
  auto messages = client.until('Z', Millis{300000});
  REQUIRE(messages.size() == 4);
  CHECK(parse_row(messages[1].body).at(0) == std::to_string(size));
  CHECK(pooler.process().memory_kb("VmHWM") - before < kGrowth);
}

TEST_CASE("many rows to a client that reads slowly: the server waits, not the pooler's memory") {
  Pooler pooler = make_pooler();
  RawClient client = pooler.raw("db");
  long before = pooler.process().memory_kb("VmHWM");
  client.send(msg::query("select repeat('z', 10000) from generate_series(1, 10000)"));
  std::this_thread::sleep_for(Millis{1000});
  CHECK(pooler.process().memory_kb("VmHWM") - before < kGrowth);
  long rows = 0;
  for (Message message; (message = client.read()).type != 'Z';) rows += message.type == 'D';
  CHECK(rows == 10000);
  CHECK(pooler.process().memory_kb("VmHWM") - before < kGrowth);
}

TEST_CASE("COPY of 100 MB in and out, by clients at once") {
  Pooler pooler = make_pooler();
  primary().sql("drop table if exists wide; create unlogged table wide (a text)", "big");
  Client writer = pooler.connect("db"), reader = pooler.connect("db");
  long before = pooler.process().memory_kb("VmHWM");
  writer.exec("copy wide from stdin");
  std::string row = std::string(9999, 'w') + "\n";
  for (int i = 0; i < 10000; ++i) writer.copy_put(row);
  CHECK(writer.copy_end().tag() == "COPY 10000");
  reader.exec("copy wide to stdout");
  long bytes = 0;
  while (auto piece = reader.copy_get(Millis{300000})) bytes += static_cast<long>(piece->size());
  CHECK(bytes == 10000L * 10000);
  CHECK(pooler.process().memory_kb("VmHWM") - before < kGrowth);
}

TEST_CASE("a pipeline longer than all socket buffers, with no answer read meanwhile by the client") {
  Pooler pooler = make_pooler();
  RawClient client = pooler.raw("db");
  std::string batch = msg::extended("select repeat('x', 1000)") + msg::sync();
  int count = full_run() ? 100000 : 20000;
  for (int i = 0; i < count; ++i) client.send(batch);
  int answers = 0;
  while (answers < count) {
    Message message = client.read(Millis{300000});
    REQUIRE(message.type != 0);
    answers += message.type == 'Z';
  }
  CHECK(client.quiet_for(Millis{0}));
}
