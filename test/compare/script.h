// A conversation as a client speaks it: steps, each a batch of whole messages that is sent at once
// and answered before the next step; and the readable form of messages (PostgreSQL 15 manual 55.7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::compare {

struct Step {
  std::vector<std::string> messages;
  std::string bytes() const;
};

struct Script {
  int slot = 0;       // whose tables and mark it uses
  bool fresh = true;  // begins on a new connection; else where the one before it ended
  std::vector<Step> steps;
};

// One line for a message of a client, or of a server.
std::string readable_request(std::string_view message);
std::string readable_answer(std::string_view message);
// A line each.
std::string readable(const Script& script);
std::string readable_answers(std::string_view bytes);

// The size of the whole message at the start of `bytes`; 0 while it is incomplete.
std::size_t message_size(std::string_view bytes);

}  // namespace howdah::compare
