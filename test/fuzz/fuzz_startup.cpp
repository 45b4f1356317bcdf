// Start-up packets and `options`: never past the end, and what follows a packet changes nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "howdah/wire/startup.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto read = wire::read_startup(bytes)) {
    bool more = std::holds_alternative<wire::NeedMore>(read->packet);
    if (read->consumed > size || (read->consumed == 0) != more) std::abort();
    if (auto* startup = std::get_if<wire::Startup>(&read->packet)) {
      base::Buffer again;
      wire::append_startup(again, startup->parameters);
      auto reread = wire::read_startup(again.view());
      if (!reread || std::get<wire::Startup>(reread->packet).parameters != startup->parameters) {
        std::abort();
      }
    }
    if (!more) {
      auto alone = wire::read_startup(bytes.substr(0, read->consumed));
      auto cut = wire::read_startup(bytes.substr(0, read->consumed - 1));
      if (!alone || alone->packet.index() != read->packet.index()) std::abort();
      if (!cut || !std::holds_alternative<wire::NeedMore>(cut->packet)) std::abort();
    }
  }
  if (auto settings = wire::parse_options(bytes)) {
    for (auto& [name, value] : *settings) {
      if (name.empty()) std::abort();
    }
  }
  return 0;
}
