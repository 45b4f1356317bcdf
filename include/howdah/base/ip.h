// IP addresses and ranges of them, as configuration lists them: "10.0.0.0/8", "::1",
// "2001:db8::/32". IPv4 is kept as ::ffff:a.b.c.d, so a client that came over an IPv6 socket is the
// same address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "howdah/base/result.h"

namespace howdah::base {

struct Ip {
  std::array<std::uint8_t, 16> bytes{};
  // Numeric text only; a scope ("%eth0") is dropped.
  static std::optional<Ip> parse(std::string_view text);
  bool v4() const;
  // With all but the first `bits` bits zero; bits count in the 128.
  Ip prefix(unsigned bits) const;
  std::string text() const;
  auto operator<=>(const Ip&) const = default;
};

class IpRange {
 public:
  // An address, or an address and a number of bits. Bits set behind them are an error.
  static Result<IpRange> parse(std::string_view text);
  bool contains(const Ip& ip) const { return ip.prefix(bits_) == base_; }

 private:
  Ip base_;
  unsigned bits_ = 128;
};

}  // namespace howdah::base
