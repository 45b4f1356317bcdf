// One direction of a replication connection; see the header.
#include "howdah/session/passage.h"

#include <algorithm>

#include "howdah/wire/message.h"

namespace howdah::session {

Passage::Taken Passage::walk(Side from, std::string_view chunk, std::uint32_t max_packet) {
  std::size_t at = 0;
  while (true) {
    auto part = std::min<std::size_t>(body_left_, chunk.size() - at);
    at += part;
    body_left_ -= static_cast<std::uint32_t>(part);
    if (at == chunk.size()) return {at, Stop::Bytes};
    wire::Header header;
    switch (wire::read_header(chunk.substr(at), max_packet, header)) {
      case wire::HeaderState::Incomplete:
        return {at, Stop::Bytes};
      case wire::HeaderState::Malformed:
        return {at, Stop::Violation};
      case wire::HeaderState::Ok:
        break;
    }
    if (from == Side::Client && header.type == wire::fe::kTerminate) return {at, Stop::Terminate};
    last_ = header.type;
    body_left_ = header.body;
    at += wire::kHeaderSize;
  }
}

}  // namespace howdah::session
