// The columns of every SHOW: names, order and types are an interface that scrapers read.
#include "admin/shows.h"
#include "run.h"

namespace {

using namespace howdah;
using test::FakeControl;
using test::run;

struct Expected {
  const char* word;
  const char* columns;  // name:type, types as in the manual: t text, i int4, q int8, n numeric
};

const char kConnectionColumns[] =
    "type:t user:t database:t replication:t state:t addr:t port:i local_addr:t local_port:i "
    "connect_time:t request_time:t wait:i wait_us:i close_needed:i ptr:t link:t remote_pid:i tls:t "
    "application_name:t prepared_statements:i id:i";
const char kClientColumns[] =
    "type:t user:t database:t replication:t state:t addr:t port:i local_addr:t local_port:i "
    "connect_time:t request_time:t wait:i wait_us:i close_needed:i ptr:t link:t remote_pid:i tls:t "
    "application_name:t prepared_statements:i id:i pinned:t";
const char kSocketColumns[] =
    "type:t user:t database:t replication:t state:t addr:t port:i local_addr:t local_port:i "
    "connect_time:t request_time:t wait:i wait_us:i close_needed:i ptr:t link:t remote_pid:i tls:t "
    "application_name:t prepared_statements:i id:i recv_pos:i pkt_pos:i pkt_remain:i send_pos:i "
    "send_remain:i pkt_avail:i send_avail:i";

const Expected kExpected[] = {
    {"VERSION", "version:t"},
    {"STATE", "key:t value:t"},
    {"CONFIG", "key:t value:t default:t changeable:t"},
    {"LISTS", "list:t items:i"},
    {"PEERS", "peer_id:i host:t port:i pool_size:i"},
    {"PEER_POOLS",
     "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i"},
    {"DATABASES",
     "name:t host:t port:i database:t force_user:t pool_size:i min_pool_size:i "
     "reserve_pool_size:i server_lifetime:i pool_mode:t load_balance_hosts:t max_connections:i "
     "current_connections:i max_client_connections:i current_client_connections:i paused:i "
     "disabled:i"},
    {"USERS",
     "name:t pool_size:t reserve_pool_size:t pool_mode:t max_user_connections:i "
     "current_connections:i max_user_client_connections:i current_client_connections:i"},
    {"POOLS",
     "database:t user:t cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i "
     "sv_active:i sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i "
     "sv_login:i maxwait:i maxwait_us:i pool_mode:t load_balance_hosts:t sv_pinned:i"},
    {"HOSTS",
     "host:t port:i address:t identity:t role:t state:t cause:t since_ms:q lag_bytes:q lag_ms:q "
     "timeline:i system:t latency_us:q checks:q ejections:q sv_active:i sv_idle:i"},
    {"ROUTES", "database:t reason:t primary:q replica:q"},
    {"CLIENTS", kClientColumns},
    {"SERVERS", kConnectionColumns},
    {"SOCKETS", kSocketColumns},
    {"ACTIVE_SOCKETS", kSocketColumns},
    {"STATS",
     "database:t total_server_assignment_count:n total_xact_count:n total_query_count:n "
     "total_received:n total_sent:n total_xact_time:n total_query_time:n total_wait_time:n "
     "total_client_parse_count:n total_server_parse_count:n total_bind_count:n "
     "total_client_login_count:n avg_server_assignment_count:n avg_xact_count:n avg_query_count:n "
     "avg_recv:n avg_sent:n avg_xact_time:n avg_query_time:n avg_wait_time:n "
     "avg_client_parse_count:n avg_server_parse_count:n avg_bind_count:n avg_client_login_count:n"},
    {"STATS_TOTALS",
     "database:t server_assignment_count:n xact_count:n query_count:n bytes_received:n "
     "bytes_sent:n xact_time:n query_time:n wait_time:n client_parse_count:n server_parse_count:n "
     "bind_count:n client_login_count:n"},
    {"STATS_AVERAGES",
     "database:t server_assignment_count:n xact_count:n query_count:n bytes_received:n "
     "bytes_sent:n xact_time:n query_time:n wait_time:n avg_client_parse_count:n "
     "avg_server_parse_count:n avg_bind_count:n avg_client_login_count:n"},
    {"TOTALS", "name:t value:n"},
};

const char* const kUnavailable[] = {"FDS", "MEM", "DNS_HOSTS", "DNS_ZONES"};

std::string type_letter(int oid) {
  switch (oid) {
    case 25:
      return "t";
    case 23:
      return "i";
    case 20:
      return "q";
    case 1700:
      return "n";
    case 17:
      return "b";
    default:
      return base::cat("oid ", oid);
  }
}

TEST_CASE("every SHOW has PgBouncer's columns, in its order, with its types") {
  for (const Expected& expected : kExpected) {
    CAPTURE(expected.word);
    FakeControl control;
    auto answer = run(control, base::cat("SHOW ", expected.word));
    CHECK(answer.tag == "SHOW");
    std::string columns;
    for (const auto& [name, oid] : answer.columns) {
      if (!columns.empty()) columns += ' ';
      columns += name + ":" + type_letter(oid);
    }
    CHECK(columns == expected.columns);
  }
}

TEST_CASE("what this version cannot answer says so instead of inventing numbers") {
  for (const char* word : kUnavailable) {
    FakeControl control;
    CHECK(test::error_of(control, base::cat("show ", word, ";")) ==
          base::cat("SHOW ", word, " is not available in this version"));
    CHECK(control.calls.empty());
  }
}

TEST_CASE("the lists above name every SHOW there is") {
  CHECK(admin::all_shows().size() == std::size(kExpected) + std::size(kUnavailable) + 1);  // HELP
}

TEST_CASE("SHOW HELP is a notice that names every SHOW with an answer and every command") {
  FakeControl control;
  auto answer = run(control, "SHOW HELP", admin::Rights::Stats);
  CHECK(answer.tag == "SHOW");
  CHECK(answer.columns.empty());
  REQUIRE(answer.notice);
  CHECK(answer.notice->severity == "NOTICE");
  CHECK(answer.notice->code == "00000");
  CHECK(answer.notice->message == "Console usage");
  for (const Expected& expected : kExpected) {
    CHECK(answer.notice->detail.find(expected.word) != std::string::npos);
  }
  for (const char* command :
       {"SET key = value", "RELOAD", "PAUSE [<db>]", "RESUME [<db>]", "DISABLE <db>", "ENABLE <db>",
        "RECONNECT [<db>]", "KILL [<db>]", "KILL_CLIENT <client_id>", "SWITCHOVER <db> [<host>]", "WAIT_CLOSE [<db>]",
        "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"}) {
    CHECK(answer.notice->detail.find(command) != std::string::npos);
  }
  CHECK(answer.notice->detail.find("SHOW FDS") == std::string::npos);
}

TEST_CASE("only SHOWs of single connections and users ask the workers for rows") {
  for (const Expected& expected : kExpected) {
    CAPTURE(expected.word);
    std::string_view word = expected.word;
    bool rows = word == "CLIENTS" || word == "SERVERS" || word == "SOCKETS" ||
                word == "ACTIVE_SOCKETS" || word == "USERS" || word == "HOSTS";
    FakeControl control;
    run(control, base::cat("SHOW ", word));
    CHECK(control.calls == std::vector<std::string>{rows ? "gather rows" : "gather"});
  }
}

}  // namespace
