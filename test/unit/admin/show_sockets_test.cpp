// The rows of SHOW CLIENTS, SERVERS, SOCKETS, ACTIVE_SOCKETS.
#include <cstdlib>
#include <ctime>

#include "run.h"

namespace {

using namespace howdah;
using test::FakeControl;
using test::run;

// Times are shown in local time: a zone of our own, given back at the end.
class Zone {
 public:
  explicit Zone(const char* zone) {
    if (const char* before = std::getenv("TZ")) before_ = before;
    setenv("TZ", zone, 1);
    tzset();
  }
  ~Zone() {
    before_ ? setenv("TZ", before_->c_str(), 1) : unsetenv("TZ");
    tzset();
  }

 private:
  std::optional<std::string> before_;
};

admin::SocketRow client() {
  admin::SocketRow row;
  row.type = 'C';
  row.user = "ann";
  row.database = "app";
  row.state = "active";
  row.addr = "10.0.0.1";
  row.port = 40000;
  row.local_addr = "10.0.0.9";
  row.local_port = 6432;
  row.connect_time = 1'751'364'000'000'000;  // 2025-07-01 10:00:00 UTC
  row.request_time = row.connect_time + 61'999'999;
  row.wait_us = 3'000'007;
  row.close_needed = true;
  row.ptr = 0xabc0;
  row.link = 0xdef0;
  row.remote_pid = 4711;
  row.tls = "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519";
  row.application_name = "psql";
  row.prepared_statements = 5;
  row.pinned = "LISTEN";
  row.id = 99;
  return row;
}

TEST_CASE("SHOW CLIENTS prints every field of a row where it belongs") {
  Zone zone("UTC-2");  // two hours east, its abbreviation is UTC
  FakeControl control;
  control.state.workers.resize(1);
  control.state.workers[0].clients = {client()};
  auto answer = run(control, "SHOW CLIENTS");
  REQUIRE(answer.rows.size() == 1);
  std::string text;
  for (const auto& cell : answer.rows[0]) text += cell.value_or("<null>") + "|";
  CHECK(text ==
        "C|ann|app|none|active|10.0.0.1|40000|10.0.0.9|6432|2025-07-01 12:00:00 UTC|"
        "2025-07-01 12:01:01 UTC|3|7|1|0xabc0|0xdef0|4711|"
        "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519|psql|5|99|LISTEN|");
}

TEST_CASE("empty fields have their placeholders") {
  FakeControl control;
  admin::SocketRow row;
  row.type = 'S';
  row.state = "idle";
  row.addr = "unix";
  control.state.workers.resize(1);
  control.state.workers[0].servers = {row};
  auto answer = run(control, "SHOW SERVERS");
  CHECK(answer.cell(0, "type") == "S");
  CHECK(answer.cell(0, "user") == "(nouser)");
  CHECK(answer.cell(0, "database") == "(nodb)");
  CHECK(answer.cell(0, "link") == "");
  CHECK(answer.cell(0, "tls") == "");
}

TEST_CASE("rows of all workers come sorted by pool, then by age; logins are not listed") {
  FakeControl control;
  control.state.workers.resize(2);
  auto add = [&](std::size_t worker, std::string user, std::uint64_t id, std::string state) {
    admin::SocketRow row = client();
    row.user = std::move(user);
    row.id = id;
    row.state = std::move(state);
    control.state.workers[worker].clients.push_back(row);
  };
  add(0, "bob", 1, "idle");
  add(0, "ann", 5, "active");
  add(1, "ann", 3, "waiting");
  add(1, "eve", 2, "login");
  auto ids = [&](const char* query) {
    std::string text;
    auto answer = run(control, query);
    for (std::size_t i = 0; i < answer.rows.size(); ++i) {
      text += answer.cell(i, "id") + ":" + answer.cell(i, "state") + " ";
    }
    return text;
  };
  CHECK(ids("SHOW CLIENTS") == "3:waiting 5:active 1:idle ");
  CHECK(ids("SHOW SERVERS") == "");
  CHECK(ids("SHOW SOCKETS") == "3:cl_waiting 5:cl_active 1:cl_active 2:cl_login ");
}

TEST_CASE("SHOW SOCKETS names the list a socket is in; clients first, then servers") {
  FakeControl control;
  control.state.workers.resize(1);
  auto& worker = control.state.workers[0];
  worker.clients = {client()};
  for (const char* state : {"active", "idle", "used", "tested", "new"}) {
    admin::SocketRow row = client();
    row.type = 'S';
    row.state = state;
    row.id = 100 + worker.servers.size();
    worker.servers.push_back(row);
  }
  auto answer = run(control, "SHOW SOCKETS");
  std::string states;
  for (std::size_t i = 0; i < answer.rows.size(); ++i) states += answer.cell(i, "state") + " ";
  CHECK(states == "cl_active sv_active sv_idle sv_used sv_tested sv_login ");
}

TEST_CASE("SHOW ACTIVE_SOCKETS has only sockets with bytes waiting") {
  FakeControl control;
  control.state.workers.resize(1);
  auto& worker = control.state.workers[0];
  for (std::size_t i = 0; i < 3; ++i) {
    worker.clients.push_back(client());
    worker.clients[i].id = i;
  }
  worker.clients[1].receive_buffered = 17;
  worker.clients[2].send_buffered = 4096;
  CHECK(run(control, "SHOW SOCKETS").rows.size() == 3);
  auto answer = run(control, "SHOW ACTIVE_SOCKETS");
  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.cell(0, "recv_pos") == "17");
  CHECK(answer.cell(0, "pkt_avail") == "17");
  CHECK(answer.cell(0, "send_avail") == "0");
  CHECK(answer.cell(1, "recv_pos") == "0");
  CHECK(answer.cell(1, "send_avail") == "4096");
  CHECK(answer.cell(1, "send_remain") == "0");
}

TEST_CASE("ten thousand clients make one well-formed answer") {
  FakeControl control;
  control.state.workers.resize(4);
  for (std::size_t i = 0; i < 10000; ++i) {
    admin::SocketRow row = client();
    row.id = i;
    control.state.workers[i % 4].clients.push_back(row);
  }
  auto answer = run(control, "SHOW CLIENTS");
  REQUIRE(answer.rows.size() == 10000);
  CHECK(answer.cell(9999, "id") == "9999");
}

}  // namespace
