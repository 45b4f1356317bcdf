// What messages of libpq and the server say of a host; the state file.
#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "probe/host_probe.h"
#include "probe/state_file.h"

using namespace howdah::probe;
using howdah::route::Cause;

TEST_CASE("failures are told apart by SQLSTATE, else by libpq's words") {
  std::string at = "connection to server at \"10.0.0.1\", port 5432 failed: ";
  CHECK(classify(at + "FATAL:  57P03: the database system is starting up\nLOCATION: x").cause ==
        Cause::StartingUp);
  CHECK(classify(at + "FATAL:  53300: sorry, too many clients already").cause ==
        Cause::TooManyConnections);
  CHECK(classify(at + "FATAL:  28P01: password authentication failed").cause == Cause::LoginFailed);
  CHECK(classify(at + "FATAL:  28000: no pg_hba.conf entry").cause == Cause::LoginFailed);
  CHECK(classify(at + "FATAL:  3D000: database \"x\" does not exist").cause == Cause::LoginFailed);
  CHECK(classify("FATAL:  57P01: terminating connection").cause == Cause::ShuttingDown);
  CHECK(classify(at + "Connection refused\n\tIs the server running?").cause == Cause::Refused);
  CHECK(classify(at + "fe_sendauth: no password supplied").cause == Cause::LoginFailed);
  CHECK(classify(at + "server closed the connection unexpectedly").cause == Cause::ConnectionLost);
  CHECK(classify("").cause == Cause::Failed);
  CHECK(classify(at + "Connection refused\n\tIs the server running?").text ==
        at + "Connection refused");
}

TEST_CASE("the state file gives back what was written, and says what is wrong with another") {
  char path[] = "/tmp/howdah-state-XXXXXX";
  int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  close(fd);
  Timelines timelines{{7711455572548946480u, 3}, {18446744073709551615u, 4294967295u}};
  REQUIRE(write_state(path, timelines));
  auto back = read_state(path);
  REQUIRE(back);
  CHECK(*back == timelines);
  std::ofstream(path) << "something else\n";
  CHECK(!read_state(path));
  unlink(path);
  auto none = read_state(path);
  REQUIRE(none);
  CHECK(none->empty());
  CHECK(!write_state("/nonexistent/state", timelines));
}
