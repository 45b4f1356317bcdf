// Numeric addresses; see ip_range.h.
#include "auth/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "auth/rule_lines.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;
using base::Error;

namespace {

constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(const IpAddress& address) {
  return address.six && std::memcmp(address.bytes.data(), kMapped, sizeof kMapped) == 0;
}

std::optional<IpAddress> parse_raw(std::string_view text) {
  text = text.substr(0, text.find('%'));
  if (text.size() > 45 || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::string whole(text);
  IpAddress address;
  if (inet_pton(AF_INET, whole.c_str(), address.bytes.data()) == 1) return address;
  address.six = true;
  if (inet_pton(AF_INET6, whole.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

bool bit(const IpAddress& address, int index) {
  return (address.bytes[static_cast<std::size_t>(index / 8)] >> (7 - index % 8)) & 1;
}

Error mapped(std::string_view text) {
  return {"config", cat(shown(text), " is an IPv4 address in IPv6 form; write it as IPv4")};
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  auto address = parse_raw(text);
  if (!address || !is_mapped(*address)) return address;
  IpAddress four;
  std::copy_n(address->bytes.begin() + 12, 4, four.bytes.begin());
  return four;
}

bool IpRange::contains(const IpAddress& address) const {
  if (address.six != base.six) return false;
  for (int i = 0; i < length; ++i) {
    if (bit(address, i) != bit(base, i)) return false;
  }
  return true;
}

bool IpRange::has_host_bits() const {
  for (int i = length; i < base.bits(); ++i) {
    if (bit(base, i)) return true;
  }
  return false;
}

base::Result<IpRange> parse_cidr(std::string_view text) {
  auto slash = text.find('/');
  auto address = parse_raw(text.substr(0, slash));
  if (!address) {
    return Error{"config", cat(shown(text.substr(0, slash)), " before the / is no numeric address; "
                               "a host name takes no /")};
  }
  if (is_mapped(*address)) return mapped(text);
  std::int64_t length = -1;
  std::string_view digits = slash == std::string_view::npos ? "" : text.substr(slash + 1);
  bool number = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number || !base::parse_int(digits, length) || length > address->bits()) {
    return Error{"config", cat("behind the / of ", shown(text), " must come a number from 0 to ",
                               address->bits())};
  }
  return IpRange{*address, static_cast<int>(length)};
}

base::Result<IpRange> parse_masked(std::string_view text, std::string_view mask_text) {
  auto address = parse_raw(text), mask = parse_raw(mask_text);
  if (!address) return Error{"config", cat(shown(text), " is no numeric address")};
  if (is_mapped(*address)) return mapped(text);
  if (!mask || mask->six != address->six) {
    return Error{"config", cat("after the address ", shown(text), " without /bits must come its mask, "
                               "and ", shown(mask_text), " is none")};
  }
  IpRange range{*address, 0};
  while (range.length < mask->bits() && bit(*mask, range.length)) ++range.length;
  for (int i = range.length; i < mask->bits(); ++i) {
    if (bit(*mask, i)) {
      return Error{"config", cat("the mask ", shown(mask_text), " has a one behind a zero")};
    }
  }
  return range;
}

}  // namespace howdah::auth
