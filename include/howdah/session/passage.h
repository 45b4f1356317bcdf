// One direction of a replication connection: bytes go through as they are. Only headers are walked,
// to know message boundaries and to see a client's Terminate.
//
// PostgreSQL 15 manual 55.4 (streaming replication): in CopyBoth both sides talk when they like, so
// nothing here knows what is owed. One object for each direction; owner and thread: the worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace howdah::session {

class Passage {
 public:
  enum class Side : std::uint8_t { Client, Server };
  enum class Stop : std::uint8_t {
    Bytes,      // all is taken but for an incomplete header
    Terminate,  // the client's goodbye stands behind what is to be sent on
    Violation,  // a length that no message has
  };
  struct Taken {
    std::size_t forward = 0;  // bytes at the start of the chunk to send on
    Stop stop = Stop::Bytes;
  };
  Taken walk(Side from, std::string_view chunk, std::uint32_t max_packet);
  bool at_boundary() const { return body_left_ == 0; }
  // The type of the last message that began; 0: none yet.
  char last() const { return last_; }

 private:
  std::uint32_t body_left_ = 0;
  char last_ = 0;
};

}  // namespace howdah::session
