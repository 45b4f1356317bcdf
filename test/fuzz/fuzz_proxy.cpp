// PROXY headers: a prefix of a header is never malformed or another header, nothing is awaited
// beyond the limit, and no address but a numeric one comes out.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "howdah/base/ip.h"
#include "howdah/wire/proxy.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  auto read = wire::read_proxy_header(bytes);
  bool more = std::holds_alternative<wire::NeedMore>(read.header);
  if (more && size >= wire::kMaxProxyHeader) std::abort();
  auto* source = std::get_if<wire::ProxySource>(&read.header);
  if (!source) return 0;
  if (read.consumed == 0 || read.consumed > size) std::abort();
  if (source->known && !base::Ip::parse(source->host)) std::abort();
  for (std::size_t part = 0; part < read.consumed; ++part) {
    auto cut = wire::read_proxy_header(std::string(bytes, 0, part));
    if (!std::holds_alternative<wire::NeedMore>(cut.header)) std::abort();
  }
  return 0;
}
