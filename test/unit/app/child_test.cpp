// The operator's command: what it gets, what is heard of it, how it ends.
#include "app/child.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

using howdah::app::Child;

namespace {

struct Ended {
  int code;
  std::vector<std::string> lines;
};

Ended wait_for(Child& child) {
  Ended ended{-1, {}};
  for (int i = 0; i < 6000; ++i) {
    if (auto code = child.look(ended.lines)) {
      ended.code = *code;
      return ended;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("it does not end");
  return ended;
}

Ended run(const std::string& text, const Child::Environment& environment = {}) {
  auto child = Child::run(text, environment);
  REQUIRE(child.ok());
  return wait_for(**child);
}

}  // namespace

TEST_CASE("its lines and its exit code are heard") {
  Ended ended = run("echo one; printf 'two\\033[1m\\tx' >&2; exit 3");
  CHECK(ended.code == 3);
  CHECK(ended.lines == std::vector<std::string>{"one", "two [1m x"});
  CHECK(run("exit 0").code == 0);
  CHECK(run("no-such-program-anywhere").code == 127);
}

TEST_CASE("names in its environment are not read as commands") {
  std::string evil = "x; echo hacked $(echo hacked) `echo hacked` '\"";
  Ended ended = run("printf '%s' \"$HOWDAH_DATABASE\"; echo; echo $HOWDAH_DATABASE",
                    {{"HOWDAH_DATABASE", evil}});
  REQUIRE(ended.lines.size() == 2);
  CHECK(ended.lines[0] == evil);
  CHECK(ended.lines[1] == evil);
}

TEST_CASE("it inherits no secret, no descriptor, and can be signalled") {
  ::setenv("HOWDAH_TEST_SECRET", "s3cret", 1);
  int fd = ::open("/dev/null", O_RDONLY);  // not closed on exec
  Ended ended = run("echo \"<$HOWDAH_TEST_SECRET>\"; ls /proc/self/fd | grep -c . ; trap");
  ::close(fd);
  REQUIRE(ended.lines.size() == 2);  // ignored signals would be listed
  CHECK(ended.lines[0] == "<>");
  CHECK(std::stoi(ended.lines[1]) <= 4);  // 0, 1, 2 and the directory
}

TEST_CASE("a signal reaches what it has started, too, and nobody after its end") {
  auto child = Child::run("sleep 1000 & sleep 1000; echo never", {});
  REQUIRE(child.ok());
  (*child)->signal(SIGKILL);
  Ended ended = wait_for(**child);
  CHECK(ended.code == 128 + SIGKILL);
  CHECK(ended.lines.empty());
  (*child)->signal(SIGKILL);
}

TEST_CASE("a server it has started and left does not keep it, nor do long lines") {
  Ended ended = run("sleep 30 & head -c 5000 /dev/zero | tr '\\0' x; echo; echo done $!");
  CHECK(ended.code == 0);
  REQUIRE(ended.lines.size() == 2);
  CHECK(ended.lines[0].size() == 1000);
  ::kill(std::stoi(ended.lines[1].substr(5)), SIGKILL);
}
