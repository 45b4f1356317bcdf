// PROXY protocol headers (howdah/wire/proxy.h).
#include "howdah/wire/proxy.h"

#include <algorithm>
#include <optional>

#include "howdah/base/ip.h"
#include "howdah/base/text.h"

namespace howdah::wire {

namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kMaxV1 = 107, kV2Fixed = 16;

ProxyRead malformed(const char* why) { return {0, ProxyMalformed{why}}; }

// A decimal without sign, blanks or leading zeros.
std::optional<std::uint16_t> port_of(std::string_view text) {
  std::int64_t number = 0;
  if (text.empty() || (text[0] == '0' && text.size() > 1) ||
      text.find_first_not_of("0123456789") != std::string_view::npos ||
      !base::parse_int(text, number) || number > 65535) {
    return {};
  }
  return static_cast<std::uint16_t>(number);
}

std::optional<std::string> host_of(std::string_view text, bool v6) {
  bool looks_v6 = text.find(':') != std::string_view::npos;
  auto ip = base::Ip::parse(text);
  if (!ip || looks_v6 != v6 || text.find('%') != std::string_view::npos) return {};
  return ip->text();
}

ProxyRead read_v1(std::string_view bytes) {
  std::size_t end = bytes.substr(0, kMaxV1).find('\n');
  if (end == std::string_view::npos) {
    return bytes.size() < kMaxV1 ? ProxyRead{} : malformed("its line is longer than 107 bytes");
  }
  std::string_view line = bytes.substr(0, end);
  if (!line.ends_with('\r')) return malformed("its line does not end in CR LF");
  line = line.substr(kV1.size(), line.size() - kV1.size() - 1);
  std::size_t consumed = end + 1;
  std::string_view word = line.substr(0, line.find(' '));
  if (word == "UNKNOWN") return {consumed, ProxySource{}};
  if (word != "TCP4" && word != "TCP6") return malformed("it is of no known family");
  bool v6 = word == "TCP6";
  std::string_view fields[4];
  std::string_view rest = line.substr(word.size());
  for (std::string_view& field : fields) {
    if (!rest.starts_with(' ')) return malformed("its line has too few fields");
    rest.remove_prefix(1);
    field = rest.substr(0, rest.find(' '));
    rest.remove_prefix(field.size());
  }
  if (!rest.empty()) return malformed("its line has too many fields");
  auto source = host_of(fields[0], v6), target = host_of(fields[1], v6);
  auto port = port_of(fields[2]), own_port = port_of(fields[3]);
  if (!source || !target) return malformed("an address in it is none");
  if (!port || !own_port) return malformed("a port in it is none");
  return {consumed, ProxySource{true, v6, std::move(*source), *port}};
}

ProxyRead read_v2(std::string_view bytes) {
  if (bytes.size() < kV2Fixed) return {};
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  unsigned version = at(12) >> 4, command = at(12) & 0x0f, family = at(13) >> 4,
           transport = at(13) & 0x0f;
  std::size_t length = static_cast<std::size_t>(at(14)) << 8 | at(15);
  if (version != 2) return malformed("it is of no known version");
  if (command > 1) return malformed("it has no known command");
  if (family > 3 || transport > 2) return malformed("it is of no known family");
  if (length > kMaxProxyHeader - kV2Fixed) return malformed("it is too long");
  if (bytes.size() - kV2Fixed < length) return {};
  std::size_t consumed = kV2Fixed + length;
  if (command == 0 || family == 0 || family == 3) return {consumed, ProxySource{}};
  if (transport != 1) return malformed("it is not of a stream");
  bool v6 = family == 2;
  std::size_t size = v6 ? 16 : 4;
  if (length < 2 * size + 4) return malformed("its addresses are cut off");
  base::Ip ip;
  if (!v6) ip.bytes[10] = ip.bytes[11] = 0xff;
  for (std::size_t i = 0; i < size; ++i) ip.bytes[16 - size + i] = at(kV2Fixed + i);
  std::size_t port_at = kV2Fixed + 2 * size;
  auto port = static_cast<std::uint16_t>(at(port_at) << 8 | at(port_at + 1));
  return {consumed, ProxySource{true, v6 && !ip.v4(), ip.text(), port}};
}

}  // namespace

ProxyRead read_proxy_header(std::string_view bytes) {
  for (std::string_view start : {kV1, kV2}) {
    std::size_t size = std::min(start.size(), bytes.size());
    if (bytes.substr(0, size) != start.substr(0, size)) continue;
    if (size < start.size()) return {};
    return start == kV1 ? read_v1(bytes) : read_v2(bytes);
  }
  return malformed("there is none");
}

}  // namespace howdah::wire
