// A program of the operator's that runs beside us: /bin/sh -c TEXT, in a process group of its own.
//
// It gets what is said of the world in its environment, which no shell reads as commands, and of
// our own environment only what any program needs: passwords may be in there. What it prints is
// read line by line, without control characters; nobody waits for it to be read to the end, because
// servers that it starts may keep it open.
//
// Thread: the owner's. Nothing blocks: look() asks.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "howdah/base/result.h"

namespace howdah::app {

class Child {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;
  static base::Result<std::unique_ptr<Child>> run(const std::string& text,
                                                  const Environment& environment);
  ~Child();  // one that still runs is left to itself
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Appends the lines it has printed since. Its exit code when it has ended; 128 + signal.
  std::optional<int> look(std::vector<std::string>& lines);
  // To its process group; nothing once it has ended.
  void signal(int number);

 private:
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}
  void read_output(std::vector<std::string>& lines);
  const pid_t pid_;
  const int output_;
  std::string line_;
  std::optional<int> exit_;
};

}  // namespace howdah::app
