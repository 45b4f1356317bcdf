// PasswordFiles: a secret in a file of its own, read again when the file is another one.
#include "howdah/worker/password_files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace howdah;
using namespace howdah::worker;

namespace {
struct Directory {
  Directory() { REQUIRE(::mkdtemp(path)); }
  ~Directory() {
    ::unlink(file().c_str());
    ::rmdir(path);
  }
  std::string file() const { return std::string(path) + "/password"; }
  // As a careful writer does: another file, renamed.
  void write(const std::string& text) {
    std::string fresh = std::string(path) + "/fresh";
    std::ofstream(fresh, std::ios::binary) << text;
    REQUIRE(std::rename(fresh.c_str(), file().c_str()) == 0);
  }
  char path[32] = "/tmp/howdah-unit-XXXXXX";
};
}  // namespace

TEST_CASE("a rotated file gives its new secret and a new version; the same one neither") {
  Directory directory;
  PasswordFiles files;
  directory.write("first\n");
  auto first = files.read(directory.file());
  CHECK(first.secret.view() == "first");
  CHECK(first.version > 0);
  CHECK(files.read(directory.file()).version == first.version);
  directory.write("second");
  auto second = files.read(directory.file());
  CHECK(second.secret.view() == "second");
  CHECK(second.version != first.version);
  directory.write("second\r\n");
  CHECK(files.read(directory.file(), true).version == second.version);
}

TEST_CASE("a file that cannot be used leaves the last good secret, and says why") {
  Directory directory;
  PasswordFiles files;
  auto none = files.read(directory.file());
  CHECK(none.secret.empty());
  CHECK(none.version == 0);
  CHECK(none.problem == "No such file or directory");
  directory.write("good");
  files.read(directory.file());
  for (const std::string& bad : {std::string(), std::string("\n"), std::string("a\nb\n"),
                                 std::string("a\0b", 3), std::string(70000, 'x')}) {
    directory.write(bad);
    auto now_there = files.read(directory.file());
    CHECK(now_there.secret.view() == "good");
    CHECK_FALSE(now_there.problem.empty());
  }
  ::unlink(directory.file().c_str());
  REQUIRE(::mkfifo(directory.file().c_str(), 0600) == 0);
  CHECK(files.read(directory.file()).secret.view() == "good");  // and does not wait for a writer
}
