// IP addresses and ranges (howdah/base/ip.h).
#include "howdah/base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "howdah/base/text.h"

namespace howdah::base {

namespace {
constexpr std::size_t kV4At = 12;  // the last four bytes
}

std::optional<Ip> Ip::parse(std::string_view text) {
  if (std::size_t scope = text.find('%'); scope != std::string_view::npos) {
    text = text.substr(0, scope);
  }
  if (text.find('\0') != std::string_view::npos) return {};
  std::string zero_ended(text);
  Ip ip;
  if (::inet_pton(AF_INET6, zero_ended.c_str(), ip.bytes.data()) == 1) return ip;
  in_addr v4{};
  if (::inet_pton(AF_INET, zero_ended.c_str(), &v4) != 1) return {};
  ip.bytes = {};
  ip.bytes[10] = ip.bytes[11] = 0xff;
  std::memcpy(ip.bytes.data() + kV4At, &v4, sizeof v4);
  return ip;
}

bool Ip::v4() const {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](auto byte) { return byte == 0; }) &&
         bytes[10] == 0xff && bytes[11] == 0xff;
}

Ip Ip::prefix(unsigned bits) const {
  Ip out = *this;
  for (unsigned i = 0; i < out.bytes.size(); ++i) {
    unsigned kept = bits > i * 8 ? std::min(8u, bits - i * 8) : 0;
    out.bytes[i] = static_cast<std::uint8_t>(out.bytes[i] & (0xff00u >> kept));
  }
  return out;
}

std::string Ip::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (v4()) {
    ::inet_ntop(AF_INET, bytes.data() + kV4At, buffer, sizeof buffer);
  } else {
    ::inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
  }
  return buffer;
}

Result<IpRange> IpRange::parse(std::string_view text) {
  std::size_t slash = text.find('/');
  auto ip = Ip::parse(text.substr(0, slash));
  if (!ip) {
    return Error{"config", "must be an IP address, or one with /bits, as 10.0.0.0/8 or ::1"};
  }
  bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  IpRange range;
  if (slash != std::string_view::npos) {
    std::int64_t bits = 0;
    std::string_view digits = text.substr(slash + 1);
    if (digits.find_first_not_of("0123456789") != std::string_view::npos ||
        !parse_int(digits, bits) || bits < 0 || bits > (v4 ? 32 : 128)) {
      return Error{"config", v4 ? "must have 0 to 32 bits behind the /"
                                : "must have 0 to 128 bits behind the /"};
    }
    range.bits_ = static_cast<unsigned>(bits) + (v4 ? 96 : 0);
  }
  range.base_ = ip->prefix(range.bits_);
  if (range.base_ != *ip) {
    return Error{"config", cat("has bits set behind the /; is ", range.base_.text(), " meant?")};
  }
  return range;
}

}  // namespace howdah::base
