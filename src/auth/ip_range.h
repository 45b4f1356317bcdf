// Numeric addresses and ranges of them. An IPv4 address mapped into IPv6 is an IPv4 address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "howdah/base/result.h"

namespace howdah::auth {

struct IpAddress {
  bool six = false;
  std::array<std::uint8_t, 16> bytes{};  // IPv4 uses the first 4
  int bits() const { return six ? 128 : 32; }
  bool operator==(const IpAddress&) const = default;
};

// Strict: four decimal numbers, or IPv6 (a %zone is dropped).
std::optional<IpAddress> parse_ip(std::string_view text);

struct IpRange {
  IpAddress base;
  int length = 0;  // leading bits that count
  bool contains(const IpAddress& address) const;
  bool has_host_bits() const;  // bits set behind `length`
};

// "10.0.0.0/8".
base::Result<IpRange> parse_cidr(std::string_view text);
// An address with its mask, "10.0.0.0" "255.0.0.0"; the mask's ones must come first.
base::Result<IpRange> parse_masked(std::string_view address, std::string_view mask);

}  // namespace howdah::auth
