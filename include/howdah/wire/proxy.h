// The header that a proxy puts before all else to say who the client is (PROXY protocol, versions 1
// and 2, as HAProxy, cloud load balancers and others send it).
//
//   v1: "PROXY TCP4 1.2.3.4 5.6.7.8 1111 6432\r\n", TCP6 likewise, or "PROXY UNKNOWN ...\r\n"; 107
//   bytes v2: 12 bytes signature, version and command, family, length(2), addresses, TLVs
//
// LOCAL (the proxy's own health check), UNKNOWN and UNSPEC: the connection's own address counts.
// TLVs are skipped. Only for connections from addresses that the configuration lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "howdah/wire/startup.h"

namespace howdah::wire {

inline constexpr std::size_t kMaxProxyHeader = 4096;

struct ProxySource {
  bool known = false;  // else the connection's own address counts
  bool v6 = false;
  std::string host;  // numeric
  std::uint16_t port = 0;
};
struct ProxyMalformed {
  const char* why;
};
struct ProxyRead {
  std::size_t consumed = 0;  // with ProxySource: the header's size
  std::variant<NeedMore, ProxyMalformed, ProxySource> header;
};
// Reads the header at the start of `bytes`. What cannot become one is malformed at its first wrong
// byte; never waits for more than kMaxProxyHeader.
ProxyRead read_proxy_header(std::string_view bytes);

}  // namespace howdah::wire
