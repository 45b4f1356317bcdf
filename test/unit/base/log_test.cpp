// The log: its line, its rotation, its independence of what peers send.
#include "howdah/base/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/log_sinks.h"
#include "howdah/base/text.h"

using namespace howdah::base;

namespace {

struct Directory {
  Directory() {
    char name[] = "/tmp/howdah-log-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() {
    ::unlink((path + "/a").c_str());
    ::unlink((path + "/b").c_str());
    ::rmdir(path.c_str());
  }
  std::string read(const char* file) const {
    std::ifstream in(path + "/" + file);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  LogTargets to(const char* file, int verbose = 0) const {
    LogTargets targets;
    targets.to_stderr = false;
    targets.file = path + "/" + file;
    targets.verbose = verbose;
    return targets;
  }
  std::string path;
};

}  // namespace

TEST_CASE("a line has date, milliseconds, zone, pid and level") {
  Directory dir;
  Log log;
  REQUIRE(log.open(dir.to("a")));
  log.warning("pooler error: 100% {} %s");
  std::string expected =
      cat("^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3} [A-Z0-9+-]+ \\[",
          getpid(), "\\] WARNING pooler error: 100% [{][}] %s\n$");
  regex_t pattern;
  REQUIRE(::regcomp(&pattern, expected.c_str(), REG_EXTENDED | REG_NOSUB) == 0);
  CHECK(::regexec(&pattern, dir.read("a").c_str(), 0, nullptr, 0) == 0);
  ::regfree(&pattern);
}

TEST_CASE("verbose decides which levels are shown") {
  Directory dir;
  Log log;
  REQUIRE(log.open(dir.to("a", 0)));
  CHECK_FALSE(log.enabled(Level::Debug));
  log.write(Level::Debug, "hidden");
  REQUIRE(log.open(dir.to("a", 1)));
  CHECK(log.enabled(Level::Debug));
  CHECK_FALSE(log.enabled(Level::Noise));
  log.debug("shown");
  REQUIRE(log.open(dir.to("a", 2)));
  log.write(Level::Noise, "deep");
  std::string text = dir.read("a");
  CHECK(text.find("hidden") == std::string::npos);
  CHECK(text.find("DEBUG shown\n") != std::string::npos);
  CHECK(text.find("NOISE deep\n") != std::string::npos);
}

TEST_CASE("opening again follows a rotated file") {
  Directory dir;
  Log log;
  REQUIRE(log.open(dir.to("a")));
  log.info("one");
  REQUIRE(std::rename((dir.path + "/a").c_str(), (dir.path + "/b").c_str()) == 0);
  log.info("two");
  REQUIRE(log.open(dir.to("a")));
  log.info("three");
  CHECK(dir.read("b").find("LOG two\n") != std::string::npos);
  CHECK(dir.read("a").find("LOG three\n") != std::string::npos);
  CHECK(dir.read("a").find("two") == std::string::npos);
}

TEST_CASE("a file that can't be opened is named, and the old targets stay") {
  Directory dir;
  Log log;
  REQUIRE(log.open(dir.to("a")));
  LogTargets bad = dir.to("none/x", 2);
  Status status = log.open(bad);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().text.find(bad.file) != std::string::npos);
  CHECK(status.error().text.find("No such file") != std::string::npos);
  CHECK_FALSE(log.enabled(Level::Debug));
  log.info("still here");
  CHECK(dir.read("a").find("still here") != std::string::npos);
  LogTargets facility = dir.to("a");
  facility.syslog = true;
  facility.syslog_facility = "kitchen";
  CHECK_FALSE(log.open(facility).ok());
}

TEST_CASE("text of peers can't forge lines and is cut at 2 kB of whole characters") {
  CHECK(clean_text("a\nb\x1b[2J\r\n\n", 100) == "a\n\tb?[2J");
  CHECK(clean_text("caf\xC3\xA9", 5) == "caf\xC3\xA9");
  CHECK(clean_text("caf\xC3\xA9", 4) == "caf");
  CHECK(clean_text("\xE2\x82\xAC\xE2\x82\xAC", 5) == "\xE2\x82\xAC");
  CHECK(clean_text("ab\n", 2) == "ab");
  CHECK(clean_text("a\nb", 2) == "a");
  Directory dir;
  Log log;
  REQUIRE(log.open(dir.to("a")));
  log.info(std::string(10000, 'x'));
  CHECK(dir.read("a").size() == 2048);
}

TEST_CASE("lines of many threads stay whole while the log is reopened") {
  Directory dir;
  Log log;
  REQUIRE(log.open(dir.to("a")));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&log] {
      for (int i = 0; i < 500; ++i) log.info("0123456789abcdef");
    });
  for (int i = 0; i < 50; ++i) REQUIRE(log.open(dir.to("a")));
  for (auto& thread : threads) thread.join();
  std::istringstream in(dir.read("a"));
  std::string line;
  int count = 0;
  while (std::getline(in, line)) {
    REQUIRE(line.find(" LOG 0123456789abcdef") == line.size() - 21);
    ++count;
  }
  CHECK(count == 2000);
}

TEST_CASE("stderr and the file are independent places") {
  Directory dir;
  int saved = ::dup(STDERR_FILENO);
  int fd = ::open((dir.path + "/b").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  REQUIRE(fd >= 0);
  ::dup2(fd, STDERR_FILENO);
  ::close(fd);
  {
    Log log;  // unopened: stderr only
    log.info("one");
    LogTargets targets = dir.to("a");
    targets.to_stderr = true;
    CHECK(log.open(targets).ok());
    log.info("two");
    targets.to_stderr = false;
    CHECK(log.open(targets).ok());
    log.info("three");
    targets.file.clear();
    CHECK(log.open(targets).ok());
    log.info("four");
  }
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  auto has = [&](const char* file, const char* word) {
    return dir.read(file).find(word) != std::string::npos;
  };
  CHECK(has("b", "LOG one\n"));
  CHECK(has("b", "LOG two\n"));
  CHECK_FALSE(has("b", "three"));
  CHECK_FALSE(has("b", "four"));
  CHECK_FALSE(has("a", "one"));
  CHECK(has("a", "LOG two\n"));
  CHECK(has("a", "LOG three\n"));
  CHECK_FALSE(has("a", "four"));
}
