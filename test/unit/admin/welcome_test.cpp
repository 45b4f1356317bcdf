// The console's login answer and the stats line.
#include "run.h"

namespace {

using namespace howdah;

TEST_CASE("the welcome has the parameters drivers look for, the key, and ReadyForQuery") {
  for (const char* version : {"PgBouncer 1.25.2 (howdah 0.1.0)", "1.25.2", "1.25.2/bouncer"}) {
    base::Buffer bytes;
    admin::append_welcome(bytes, version, "12345678");
    auto answer = test::read_answer(bytes.view());
    CHECK(answer.valid);
    CHECK(answer.key == "12345678");
    std::string text;
    for (const auto& [name, value] : answer.parameters) text += name + "=" + value + " ";
    CHECK(text ==
          "server_version=1.25.2/bouncer client_encoding=UTF8 server_encoding=UTF8 DateStyle=ISO "
          "TimeZone=GMT standard_conforming_strings=on is_superuser=on ");
  }
}

TEST_CASE("the stats line has PgBouncer's form, each number in its place") {
  metrics::Averages averages;
  averages.server_assignments = 99;
  averages.transactions = 1;
  averages.queries = 2;
  averages.client_parses = 3;
  averages.server_parses = 4;
  averages.binds = 5;
  averages.client_logins = 6;
  averages.received = 7;
  averages.sent = 8;
  averages.transaction_time = 9;
  averages.query_time = 10;
  averages.wait_time = 11;
  CHECK(admin::stats_line(averages) ==
        "stats: 1 xacts/s, 2 queries/s, 3 client parses/s, 4 server parses/s, 5 binds/s, "
        "6 client logins/s, in 7 B/s, out 8 B/s, xact 9 us, query 10 us, wait 11 us");
}

}  // namespace
